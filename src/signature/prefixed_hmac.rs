//! `sha256=<hex>` beside a header with the time in Unix milliseconds: HMAC-SHA256 over
//! `<ms>.<raw body>`, the form that Speechify signed with first (`platforms.md` §4.4).

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::timestamped_hmac::mac;
use super::{Refusal, Tolerance, digest_from_hex, digits, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The header with the signature.
pub const SIGNATURE: &str = "X-Speechify-Signature";
/// The header with the time.
pub const TIMESTAMP: &str = "X-Speechify-Timestamp";

/// What the two headers say, still unproved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim<'a> {
    /// The time as it is written, which is what was signed.
    pub(super) time: &'a str,
    /// The same time as a moment.
    pub(super) signed_at: Timestamp,
    /// The signature.
    pub(super) digest: [u8; 32],
}

/// Reads the two headers.
pub(super) fn read(headers: &HeaderMap) -> Result<Claim<'_>, Refusal> {
    let signature = sole_header(headers, SIGNATURE)?;
    let time = sole_header(headers, TIMESTAMP)?;
    let digest = signature
        .strip_prefix("sha256=")
        .and_then(digest_from_hex)
        .ok_or_else(|| {
            malformed(
                SIGNATURE,
                "it is not sha256= and 64 lower-case hexadecimal digits",
            )
        })?;
    let millis =
        digits(time).ok_or_else(|| malformed(TIMESTAMP, "it is not whole milliseconds"))?;
    Ok(Claim {
        time,
        signed_at: Timestamp::from_millis(millis),
        digest,
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
    let claim = read(headers)?;
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

/// The values of [`SIGNATURE`] and [`TIMESTAMP`] for a body that is sent at `millis`.
pub fn sign(secret: &Secret, millis: i64, body: &[u8]) -> (String, String) {
    let time = millis.to_string();
    let digest = hex::encode(mac(secret, &time, body));
    (format!("sha256={digest}"), time)
}
