//! Address ranges in CIDR notation: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    start: Ipv6Addr,
    /// Leading bits that addresses of the range share, of 128.
    bits: u8,
}

impl AddressRange {
    /// Whether the address lies in it. An IPv4 address is the same in its IPv6-mapped form.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = u128::from(wide(address)) ^ u128::from(self.start);
        differing.leading_zeros() >= self.bits.into()
    }

    /// Whether every address of one family, or of both, lies in it.
    pub fn is_everything(&self) -> bool {
        self.bits == 0 || (self.bits == 96 && self.start.to_ipv4_mapped().is_some())
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("{text:?} is no range; expected one such as 10.0.0.0/8 or fd00::/8");
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let all: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= all),
            None => Some(all),
        };
        let bits = bits.ok_or_else(expected)? + (128 - all);
        let range = Self {
            start: wide(address),
            bits,
        };
        let below = 128 - u32::from(bits);
        if u128::from(range.start).trailing_zeros().min(128) < below {
            return Err(format!("{text:?} has bits set behind its length"));
        }
        Ok(range)
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, inside: &str, outside: &str) {
        let range: AddressRange = range.parse().unwrap();
        assert!(range.contains(inside.parse().unwrap()), "{inside}");
        assert!(!range.contains(outside.parse().unwrap()), "{outside}");
    }

    #[test]
    fn a_range_has_its_addresses_and_no_other() {
        check("10.0.0.0/8", "10.255.255.255", "11.0.0.0");
        check("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3");
        check("127.0.0.1", "127.0.0.1", "127.0.0.2");
        check("fd00::/8", "fdff::1", "fe00::1");
        check("::1", "::1", "::2");
        check("0.0.0.0/0", "8.8.8.8", "::1");
    }

    #[test]
    fn everything_is_told_from_much() {
        for (range, is_everything) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("0.0.0.0/1", false),
            ("fd00::/8", false),
            ("127.0.0.1", false),
        ] {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.is_everything(), is_everything, "{range:?}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "host/8",
            "fd00::/129",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }
}
