//! A secret that can't be printed, and the key that seals bodies at rest.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::signature::hmac_sha256;

/// A password, key or token. `Debug` says `[secret]`; there is no `Display` and no `Serialize`.
#[derive(Clone)]
pub struct Secret(SecretString);

/// The text was empty, and an empty secret would verify what anybody signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret must not be empty")]
pub struct EmptySecret;

impl Secret {
    /// Wraps a secret. An empty one is refused: an empty HMAC key verifies every forgery.
    pub fn new(text: impl Into<String>) -> Result<Self, EmptySecret> {
        let text = text.into();
        if text.trim().is_empty() {
            Err(EmptySecret)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Seals what must be kept but not read: AES-256-GCM under `AFTERCALL_SECRET_KEY`.
///
/// A sealed text is `v1:<hex of 12-byte nonce, ciphertext and 16-byte tag>`.
#[derive(Clone)]
pub struct SealKey {
    current: Key,
    previous: Option<Key>,
    // Those before, which the database keeps: they open and match, and nothing new is made with them.
    older: Arc<OnceLock<Vec<Key>>>,
}

/// A key of AES-256, of HMAC as well.
pub type Key = [u8; 32];

/// The text was not sealed under this key or one before it, or was changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed under another key, or changed since")]
pub struct Unsealable;

impl SealKey {
    /// A key of 32 bytes, and the one before it, which still opens what it sealed.
    pub fn new(current: Key, previous: Option<Key>) -> Self {
        Self {
            current,
            previous,
            older: Arc::default(),
        }
    }

    /// Every key, the present one first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let older = self.older.get().into_iter().flatten();
        [&self.current]
            .into_iter()
            .chain(&self.previous)
            .chain(older)
    }

    /// From now on, what was made under one of these opens and matches, too. Told once: says whether
    /// this was the first time.
    pub fn succeed(&self, older: Vec<Key>) -> bool {
        let known = [Some(self.current), self.previous];
        let older = older.into_iter().filter(|key| !known.contains(&Some(*key)));
        self.older.set(older.collect()).is_ok()
    }

    /// Whether the keys before the previous one are known.
    pub fn knows_older(&self) -> bool {
        self.older.get().is_some()
    }

    /// Seals `plain`. The nonce must be fresh random bytes for every call.
    pub fn seal(&self, plain: &[u8], nonce: [u8; NONCE_LEN]) -> String {
        let mut sealed = plain.to_vec();
        #[expect(
            clippy::expect_used,
            reason = "AES-256-GCM refuses only texts over 64 GiB"
        )]
        cipher(&self.current)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .expect("bodies are bounded far below 64 GiB");
        format!("v1:{}{}", hex::encode(nonce), hex::encode(sealed))
    }

    /// Opens what [`SealKey::seal`] made.
    pub fn open(&self, sealed: &str) -> Result<Vec<u8>, Unsealable> {
        let bytes = sealed
            .strip_prefix("v1:")
            .and_then(|hexed| hex::decode(hexed).ok())
            .filter(|bytes| bytes.len() >= NONCE_LEN)
            .ok_or(Unsealable)?;
        let (nonce, body) = bytes.split_at(NONCE_LEN);
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| Unsealable)?;
        self.keys()
            .find_map(|key| {
                let mut body = body.to_vec();
                let plain = cipher(key)
                    .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut body)
                    .ok()?;
                Some(plain.to_vec())
            })
            .ok_or(Unsealable)
    }

    /// A hash that only holders of the key can make, in hex: for barriers that must not name whom they bar.
    pub fn keyed_hash(&self, purpose: &str, text: &str) -> String {
        keyed_hash(&self.current, purpose, text)
    }

    /// The hash under the present key, and under each before it: what was kept under any is found.
    pub fn keyed_hashes(&self, purpose: &str, text: &str) -> Vec<String> {
        self.keys()
            .map(|key| keyed_hash(key, purpose, text))
            .collect()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

fn keyed_hash(key: &Key, purpose: &str, text: &str) -> String {
    let parts: [&[u8]; 3] = [purpose.as_bytes(), b"\0", text.as_bytes()];
    hex::encode(hmac_sha256(key, &parts))
}

fn cipher(key: &Key) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "AES-256 takes every key of 32 bytes")]
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key is 32 bytes"))
}

/// SHA-256 in lower-case hex: how tokens are stored, and what names a body without an id.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("planted").unwrap();
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(format!("{:?}", SealKey::new([7; 32], None)), "[secret]");
        assert_eq!(Secret::new("  ").unwrap_err(), EmptySecret);
    }

    #[test]
    fn what_was_hashed_under_the_key_before_is_found() {
        let old = SealKey::new([1; 32], None);
        let new = SealKey::new([2; 32], Some([1; 32]));
        let hashes = new.keyed_hashes("caller", "+1");
        assert_eq!(hashes[0], new.keyed_hash("caller", "+1"));
        assert_eq!(hashes[1], old.keyed_hash("caller", "+1"));
        assert_ne!(hashes[0], new.keyed_hash("memory", "+1"));
    }

    #[test]
    fn the_keys_before_the_previous_one_open_and_match_once_they_are_told() {
        let first = SealKey::new([1; 32], None);
        let third = SealKey::new([3; 32], Some([2; 32]));
        let sealed = first.seal(b"kept", [9; 12]);
        let flow = third.clone();
        assert_eq!(flow.open(&sealed), Err(Unsealable));
        assert!(third.succeed(vec![[1; 32], [2; 32], [3; 32]]) && !third.succeed(Vec::new()));
        assert_eq!(flow.open(&sealed).unwrap(), b"kept");
        let hashes = flow.keyed_hashes("caller", "+1");
        assert_eq!(hashes.len(), 3, "no key counts twice");
        assert_eq!(hashes[2], first.keyed_hash("caller", "+1"));
    }

    #[test]
    fn a_sealed_body_opens_under_its_key_and_the_next() {
        let old = SealKey::new([1; 32], None);
        let new = SealKey::new([2; 32], Some([1; 32]));
        let sealed = old.seal(b"what was said", [9; 12]);
        assert!(!sealed.contains("said"));
        assert_eq!(old.open(&sealed).unwrap(), b"what was said");
        assert_eq!(new.open(&sealed).unwrap(), b"what was said");
        assert_eq!(SealKey::new([2; 32], None).open(&sealed), Err(Unsealable));
        let mut changed = sealed.clone();
        let last = changed.pop().unwrap();
        changed.push(if last == '0' { '1' } else { '0' });
        assert_eq!(old.open(&changed), Err(Unsealable));
    }
}
