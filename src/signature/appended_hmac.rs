//! `v=<unix milliseconds>,d=<hex>`: HMAC-SHA256 over the raw body and, directly behind it, the time,
//! as Retell signs with the account's API key (`platforms.md` §5).

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::{Refusal, Tolerance, digest_from_hex, digits, hmac_sha256, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The header with time and signature.
pub const HEADER: &str = "X-Retell-Signature";

/// What the header says, still unproved.
pub(super) struct Claim<'a> {
    /// The time as it is written, which is what was signed.
    pub(super) time: &'a str,
    /// The same time as a moment.
    pub(super) signed_at: Timestamp,
    /// The signature.
    pub(super) digest: [u8; 32],
}

/// Reads the header's value: exactly one `v` of digits and one `d` of 64 lower-case hex digits.
pub(super) fn read(value: &str) -> Result<Claim<'_>, Refusal> {
    let wrong = |why: &str| malformed(HEADER, why);
    let (time, digest) = value
        .strip_prefix("v=")
        .and_then(|rest| rest.split_once(",d="))
        .ok_or_else(|| wrong("it is not v=<milliseconds>,d=<signature>"))?;
    let millis = digits(time).ok_or_else(|| wrong("its time (v=) is not whole milliseconds"))?;
    Ok(Claim {
        time,
        signed_at: Timestamp::from_millis(millis),
        digest: digest_from_hex(digest)
            .ok_or_else(|| wrong("its d is not 64 lower-case hexadecimal digits"))?,
    })
}

/// Whether one of the secrets signed exactly these bytes, at a time that is near enough to `now`.
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<(), Refusal> {
    let claim = read(sole_header(headers, HEADER)?)?;
    let mut matches = subtle::Choice::from(0);
    for secret in secrets {
        matches |= mac(secret, claim.time, body).ct_eq(&claim.digest);
    }
    if !bool::from(matches) {
        return Err(Refusal::Mismatch {
            tried: secrets.len(),
        });
    }
    tolerance.check(claim.signed_at, now)
}

/// The header's value for a body that is sent at `millis`.
pub fn sign(secret: &Secret, millis: i64, body: &[u8]) -> String {
    let time = millis.to_string();
    format!("v={time},d={}", hex::encode(mac(secret, &time, body)))
}

fn mac(secret: &Secret, time: &str, body: &[u8]) -> [u8; 32] {
    hmac_sha256(secret.expose().as_bytes(), &[body, time.as_bytes()])
}
