//! The keys of those who send to us: shared ones, which sign `v1`, and public ones, whose owners sign
//! `v1a` (`platforms.md` §7).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::{Choice, ConstantTimeEq as _};

use super::{Claim, Key};
use crate::secret::Secret;
use crate::signature::ed25519;

/// What a public key's text begins with.
const PUBLIC: &str = "whpk_";
/// What a private key's text begins with.
const PRIVATE: &str = "whsk_";

/// A key that a sender's signatures are checked with. `Debug` says `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub enum SenderKey {
    /// `whsec_`: HMAC-SHA256.
    Shared(Key),
    /// `whpk_`: Ed25519.
    Public([u8; 32]),
}

/// The text is no key that a sender's signatures could be checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASenderKey {
    /// It is none at all.
    #[error("expected whsec_ or whpk_ and base64, as the sender shows it")]
    Unreadable,
    /// It is the sender's own half.
    #[error("whsk_ is the sender's private key; set its public key, whpk_")]
    Private,
}

impl SenderKey {
    /// Reads `whsec_<base64>` or `whpk_<base64 of 32 bytes>`; `whsec_` may be left out.
    pub fn read(secret: &Secret) -> Result<Self, NotASenderKey> {
        let text = secret.expose().trim();
        if text.starts_with(PRIVATE) {
            return Err(NotASenderKey::Private);
        }
        let Some(public) = text.strip_prefix(PUBLIC) else {
            return Key::read(secret)
                .map(Self::Shared)
                .map_err(|_| NotASenderKey::Unreadable);
        };
        let bytes = BASE64.decode(public).ok();
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        key.map(Self::Public).ok_or(NotASenderKey::Unreadable)
    }

    /// Whether this key's owner signed exactly these bytes, and the id and time of the claim.
    pub(in crate::signature) fn signed(&self, claim: &Claim<'_>, body: &[u8]) -> Choice {
        match self {
            Self::Shared(key) => {
                let expected = key.mac(claim.id, claim.time, body);
                claim
                    .digests
                    .iter()
                    .fold(Choice::from(0), |found, one| found | expected.ct_eq(one))
            }
            Self::Public(key) => {
                let signed =
                    [claim.id.as_bytes(), b".", claim.time.as_bytes(), b".", body].concat();
                let holds = |signature: &Vec<u8>| ed25519::holds(key, &signed, signature);
                Choice::from(u8::from(claim.signatures.iter().any(holds)))
            }
        }
    }
}

impl fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
