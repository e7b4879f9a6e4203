//! Telnyx's signature: Ed25519 over `<unix seconds>|<raw body>`, in two headers (`platforms.md` §5).
//! What is configured as the secret is the account's public key, in base64 as the portal shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use super::{Refusal, Tolerance, digits, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The header with the signature, in base64.
pub const SIGNATURE: &str = "telnyx-signature-ed25519";
/// The header with the time, in Unix seconds.
pub const TIMESTAMP: &str = "telnyx-timestamp";

/// What the two headers say, still unproved.
pub(super) struct Claim<'a> {
    /// The time as it is written, which is what was signed.
    pub(super) time: &'a str,
    /// The same time as a moment.
    pub(super) signed_at: Timestamp,
    signature: Vec<u8>,
}

/// Reads the two headers.
pub(super) fn read(headers: &HeaderMap) -> Result<Claim<'_>, Refusal> {
    let signature = sole_header(headers, SIGNATURE)?;
    let time = sole_header(headers, TIMESTAMP)?;
    let signature = STANDARD
        .decode(signature)
        .ok()
        .filter(|bytes| bytes.len() == 64)
        .ok_or_else(|| malformed(SIGNATURE, "it is not the base64 of 64 bytes"))?;
    let secs = digits(time).ok_or_else(|| malformed(TIMESTAMP, "it is not whole seconds"))?;
    Ok(Claim {
        time,
        signed_at: Timestamp::from_secs(secs),
        signature,
    })
}

impl Claim<'_> {
    /// Whether the owner of the public key signed exactly these bytes at the claimed time.
    pub(super) fn is_of(&self, key: &[u8], body: &[u8]) -> bool {
        let signed = [self.time.as_bytes(), b"|", body].concat();
        holds(key, &signed, &self.signature)
    }
}

/// Whether `signature` is the key owner's over exactly these bytes.
pub(super) fn holds(public_key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(signed, signature)
        .is_ok()
}

/// The 32 bytes of a public key that is configured in base64; none when it is no such key.
pub(super) fn public_key(secret: &Secret) -> Option<Vec<u8>> {
    STANDARD
        .decode(secret.expose().trim())
        .ok()
        .filter(|key| key.len() == 32)
}

/// Whether a configured text is such a key.
pub fn is_public_key(secret: &Secret) -> bool {
    public_key(secret).is_some()
}

/// Whether the owner of one of the public keys signed exactly these bytes, at a time that is near
/// enough to `now`.
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    keys: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<(), Refusal> {
    let claim = read(headers)?;
    if !keys
        .iter()
        .filter_map(public_key)
        .any(|key| claim.is_of(&key, body))
    {
        return Err(Refusal::Mismatch { tried: keys.len() });
    }
    tolerance.check(claim.signed_at, now)
}

/// The values of [`SIGNATURE`] and [`TIMESTAMP`] for a body that the owner of the private key `seed`
/// sends at `secs`, in Unix seconds.
pub fn sign(seed: &[u8; 32], secs: i64, body: &[u8]) -> (String, String) {
    let time = secs.to_string();
    let signed = [time.as_bytes(), b"|", body].concat();
    (sign_bytes(seed, &signed), time)
}

/// The private key's signature over exactly these bytes, in base64.
pub fn sign_bytes(seed: &[u8; 32], signed: &[u8]) -> String {
    STANDARD.encode(pair(seed).sign(signed))
}

/// The public key of a private one, in base64: what a source is configured with.
pub fn public_key_of(seed: &[u8; 32]) -> String {
    use ring::signature::KeyPair as _;
    STANDARD.encode(pair(seed).public_key())
}

fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    #[expect(clippy::expect_used, reason = "every 32 bytes are a seed")]
    Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes")
}
