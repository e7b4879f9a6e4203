//! Standard Webhooks 1.0.0: HMAC-SHA256 (`v1`) or Ed25519 (`v1a`) over `<id>.<unix seconds>.<raw
//! body>`, in base64 (`platforms.md` §7). Our own deliveries are signed by `v1`; senders of the
//! platform `standard` sign by either.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;

use super::{Refusal, Tolerance, digits, hmac_sha256, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

mod sender_key;

pub use sender_key::{NotASenderKey, SenderKey};

/// The header with the event's id, which stays the same over all attempts.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in Unix seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with one signature or more, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// A symmetric key: the bytes behind `whsec_`, decoded. `Debug` says `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// The text is no secret of Standard Webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected whsec_ and base64, as the sender shows it")]
pub struct NotAKey;

impl Key {
    /// Reads `whsec_<base64>`; the prefix may be left out, as the official libraries allow.
    pub fn read(secret: &Secret) -> Result<Self, NotAKey> {
        let text = secret.expose().trim();
        let bytes = BASE64
            .decode(text.strip_prefix(PREFIX).unwrap_or(text))
            .map_err(|_| NotAKey)?;
        if bytes.is_empty() {
            return Err(NotAKey);
        }
        Ok(Self(bytes))
    }

    /// A key of random bytes, fresh for every call.
    pub fn of_random(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// The text that is given to whoever verifies.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    fn mac(&self, id: &str, time: &str, body: &[u8]) -> [u8; 32] {
        let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body];
        hmac_sha256(&self.0, &parts)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The value of [`SIGNATURE`]: one signature for each key, so that a receiver that knows any of them
/// can verify. Neither `id` nor the time may contain a dot.
pub fn sign(keys: &[Key], id: &str, secs: i64, body: &[u8]) -> String {
    let time = secs.to_string();
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| format!("v1,{}", BASE64.encode(key.mac(id, &time, body))))
        .collect();
    signatures.join(" ")
}

/// What the three headers say, still unproved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim<'a> {
    /// The event's id.
    pub(super) id: &'a str,
    /// The time as it is written, which is what was signed.
    pub(super) time: &'a str,
    /// The same time as a moment.
    pub(super) signed_at: Timestamp,
    /// Every `v1`. Versions that we do not know are left to those who do.
    pub(super) digests: Vec<[u8; 32]>,
    /// Every `v1a`.
    pub(super) signatures: Vec<Vec<u8>>,
}

/// Reads the three headers.
pub(super) fn read(headers: &HeaderMap) -> Result<Claim<'_>, Refusal> {
    let id = sole_header(headers, ID)?;
    let time = sole_header(headers, TIMESTAMP)?;
    let signatures = sole_header(headers, SIGNATURE)?;
    if id.contains('.') {
        return Err(malformed(ID, "it has a dot, which parts what is signed"));
    }
    let secs = digits(time).ok_or_else(|| malformed(TIMESTAMP, "it is not whole seconds"))?;
    let of_version = |version: &'static str| {
        signatures
            .split(' ')
            .filter_map(move |one| BASE64.decode(one.strip_prefix(version)?).ok())
    };
    let digests: Vec<[u8; 32]> = of_version("v1,")
        .filter_map(|bytes| bytes.try_into().ok())
        .collect();
    let signatures: Vec<Vec<u8>> = of_version("v1a,")
        .filter(|bytes| bytes.len() == 64)
        .collect();
    if digests.is_empty() && signatures.is_empty() {
        return Err(malformed(
            SIGNATURE,
            "it has neither a v1 with 32 bytes in base64, nor a v1a with 64",
        ));
    }
    Ok(Claim {
        id,
        time,
        signed_at: Timestamp::from_secs(secs),
        digests,
        signatures,
    })
}

/// The id of the event, when one of the keys signed exactly these bytes at a time near enough to
/// `now`.
pub fn verify<'a>(
    headers: &'a HeaderMap,
    body: &[u8],
    keys: &[SenderKey],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<&'a str, Refusal> {
    let claim = read(headers)?;
    // Every key is tried against every signature, so that the time taken says nothing.
    let mut matches = subtle::Choice::from(0);
    for key in keys {
        matches |= key.signed(&claim, body);
    }
    if !bool::from(matches) {
        return Err(Refusal::Mismatch { tried: keys.len() });
    }
    tolerance.check(claim.signed_at, now)?;
    Ok(claim.id)
}

#[cfg(test)]
mod tests;
