//! Signature schemes: bytes and secrets in, a verdict with its reason out. Nothing here reads a clock.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

use crate::time::Timestamp;

pub mod appended_hmac;
pub mod bearer;
pub mod custom_hmac;
pub mod ed25519;
pub mod explain;
pub mod form;
pub mod jwt;
pub mod payload_jwt;
pub mod prefixed_hmac;
pub mod standard;
pub mod timestamped_hmac;
pub mod url_hmac;

/// Why a delivery was refused, in words that an operator can act on and that carry no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header is not there.
    #[error("header {0} is missing")]
    Missing(String),
    /// The header can't be read.
    #[error("header {0} is malformed: {1}")]
    Malformed(String, String),
    /// Signed too long ago.
    #[error("signed {age_s} s ago, {tolerance_s} s are allowed")]
    TooOld {
        /// How old.
        age_s: i64,
        /// How old it may be.
        tolerance_s: i64,
    },
    /// Signed in the future.
    #[error("signed {ahead_s} s in the future, {tolerance_s} s are allowed")]
    TooNew {
        /// How far ahead.
        ahead_s: i64,
        /// How far it may be.
        tolerance_s: i64,
    },
    /// No secret matches.
    #[error("the signature matches none of the {tried} configured secrets")]
    Mismatch {
        /// How many were tried.
        tried: usize,
    },
    /// The token's issuer is not a configured key.
    #[error("no secret is configured for the key that signed")]
    UnknownKey,
    /// The body is not the one that was signed.
    #[error("the body differs from the signed one")]
    BodyAltered,
    /// The scheme is fixed, and this is another.
    #[error("the algorithm is {0}, which is not allowed")]
    Algorithm(String),
    /// The token says until when it holds, and that is over.
    #[error("the token expired {ago_s} s ago")]
    Expired {
        /// How long ago.
        ago_s: i64,
    },
}

/// How far a signature's time may lie from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Into the past.
    pub past: Duration,
    /// Into the future; never more than five minutes.
    pub future: Duration,
}

impl Tolerance {
    /// The most that a signature may lie ahead of our clock, whatever is configured.
    pub const MAX_FUTURE: Duration = Duration::from_mins(5);

    /// So much into the past, and as much into the future as is allowed at most.
    pub fn of(past: Duration) -> Self {
        Self {
            past,
            future: past.min(Self::MAX_FUTURE),
        }
    }

    /// Judges the time of a signature. Both edges are still allowed.
    pub fn check(self, signed_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        let age_s = now.as_secs() - signed_at.as_secs();
        let past = i64::try_from(self.past.as_secs()).unwrap_or(i64::MAX);
        let future = i64::try_from(self.future.as_secs()).unwrap_or(i64::MAX);
        if age_s > past {
            return Err(Refusal::TooOld {
                age_s,
                tolerance_s: past,
            });
        }
        if -age_s > future {
            return Err(Refusal::TooNew {
                ahead_s: -age_s,
                tolerance_s: future,
            });
        }
        Ok(())
    }
}

/// HMAC-SHA256 over the parts, one after the other.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl Refusal {
    /// A stable code that groups refusals of the same cause.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing_header",
            Self::Malformed(..) => "malformed_header",
            Self::TooOld { .. } => "too_old",
            Self::TooNew { .. } => "too_new",
            Self::Mismatch { .. } => "wrong_signature",
            Self::UnknownKey => "unknown_key",
            Self::BodyAltered => "body_altered",
            Self::Algorithm(_) => "wrong_algorithm",
            Self::Expired { .. } => "expired",
        }
    }
}

/// The one value of a header. A header that is there twice is refused: which of the two was meant,
/// the sender and we could see differently.
pub fn sole_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values
        .next()
        .ok_or_else(|| Refusal::Missing(name.to_owned()))?;
    if values.next().is_some() {
        return Err(malformed(name, "it is there more than once"));
    }
    let text = value
        .to_str()
        .map_err(|_| malformed(name, "it has characters outside ASCII"))?
        .trim();
    if text.is_empty() {
        return Err(malformed(name, "it is empty"));
    }
    Ok(text)
}

/// A refusal of a header that can't be read.
fn malformed(header: &str, why: &str) -> Refusal {
    Refusal::Malformed(header.to_owned(), why.to_owned())
}

/// The 32 bytes of 64 lower-case hex digits: the one spelling that senders use. A second spelling
/// of the same signature would only help who replays it.
fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

/// Digits alone, as a number: no sign, no space, no fraction.
fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests;
