//! `t=<unix seconds>,v0=<hex>`: HMAC-SHA256 over `<t>.<raw body>`, as Speechify and ElevenLabs sign
//! (`platforms.md` §2.1 and §4.4).

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::{Refusal, Tolerance, digest_from_hex, digits, hmac_sha256, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The header that Speechify signs with.
pub const SPEECHIFY: &str = "Speechify-Signature";
/// The header that ElevenLabs signs with.
pub const ELEVENLABS: &str = "ElevenLabs-Signature";

/// What a signature header says, still unproved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim<'a> {
    /// The time as it is written, which is what was signed.
    pub(super) time: &'a str,
    /// The same time as a moment.
    pub(super) signed_at: Timestamp,
    /// Every `v0`: during a rotation a sender may sign with two secrets.
    pub(super) digests: Vec<[u8; 32]>,
}

/// Reads the header's value. Exactly one `t` of digits, at least one `v0` of 64 lower-case hex
/// digits; other versions are left to those who know them.
pub(super) fn read<'a>(header: &str, value: &'a str) -> Result<Claim<'a>, Refusal> {
    let mut time = None;
    let mut digests = Vec::new();
    for part in value.split(',') {
        let Some((key, text)) = part.trim().split_once('=') else {
            return Err(malformed(header, "a part of it is not key=value"));
        };
        match key {
            "t" if time.is_some() => return Err(malformed(header, "it has two times (t=)")),
            "t" => time = Some(text),
            "v0" => digests.push(digest_from_hex(text).ok_or_else(|| {
                malformed(header, "its v0 is not 64 lower-case hexadecimal digits")
            })?),
            _ => {}
        }
    }
    let time = time.ok_or_else(|| malformed(header, "it has no time (t=)"))?;
    let secs =
        digits(time).ok_or_else(|| malformed(header, "its time (t=) is not whole seconds"))?;
    if digests.is_empty() {
        return Err(malformed(header, "it has no signature (v0=)"));
    }
    Ok(Claim {
        time,
        signed_at: Timestamp::from_secs(secs),
        digests,
    })
}

/// Whether one of the secrets signed exactly these bytes, at a time that is near enough to `now`.
pub fn verify(
    header: &str,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<(), Refusal> {
    let claim = read(header, sole_header(headers, header)?)?;
    // Every secret is tried against every signature, so that the time taken says nothing.
    let mut matches = subtle::Choice::from(0);
    for secret in secrets {
        let expected = mac(secret, claim.time, body);
        for digest in &claim.digests {
            matches |= expected.ct_eq(digest);
        }
    }
    if !bool::from(matches) {
        return Err(Refusal::Mismatch {
            tried: secrets.len(),
        });
    }
    tolerance.check(claim.signed_at, now)
}

/// The header's value for a body that is sent at `secs`, in Unix seconds.
pub fn sign(secret: &Secret, secs: i64, body: &[u8]) -> String {
    let time = secs.to_string();
    let digest = hex::encode(mac(secret, &time, body));
    format!("t={time},v0={digest}")
}

pub(super) fn mac(secret: &Secret, time: &str, body: &[u8]) -> [u8; 32] {
    hmac_sha256(secret.expose().as_bytes(), &[time.as_bytes(), b".", body])
}

#[cfg(test)]
mod tests;
