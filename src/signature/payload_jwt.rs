//! Vonage's token: a JWT (HS256) in `Authorization: Bearer` whose claim `payload_hash` is the raw
//! body's hash in hexadecimal (`platforms.md` §5). It has no end, so its beginning is judged.

use http::HeaderMap;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::jwt::{self, HEADER, LEEWAY, Token};
use super::{Refusal, Tolerance, digest_from_hex, malformed};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Who makes the tokens.
const ISSUER: &str = "Vonage";

/// What such a token claims.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    #[serde(default, deserialize_with = "jwt::moment")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "jwt::moment")]
    exp: Option<i64>,
    payload_hash: Option<String>,
}

/// Takes the token out of its header.
pub(super) fn read(headers: &HeaderMap) -> Result<Token<'_, Claims>, Refusal> {
    jwt::read(headers)
}

impl Token<'_, Claims> {
    /// Whether Vonage made it, with one of the secrets.
    pub(super) fn check_maker(&self, secrets: &[Secret]) -> Result<(), Refusal> {
        let mut matches = subtle::Choice::from(0);
        for secret in secrets {
            matches |= self.is_made_with(secret);
        }
        if !bool::from(matches) {
            return Err(Refusal::Mismatch {
                tried: secrets.len(),
            });
        }
        match self.claims.iss.as_deref() {
            Some(ISSUER) => Ok(()),
            _ => Err(Refusal::UnknownKey),
        }
    }

    /// Judges when it was made, and until when it holds where it says so.
    pub(super) fn check_vonage_times(
        &self,
        tolerance: Tolerance,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let made = self
            .claims
            .iat
            .ok_or_else(|| malformed(HEADER, "the token has no time (iat)"))?;
        tolerance.check(Timestamp::from_secs(made), now)?;
        let leeway = i64::try_from(LEEWAY.as_secs()).unwrap_or(i64::MAX);
        match self.claims.exp.map(|exp| now.as_secs().saturating_sub(exp)) {
            Some(ago_s) if ago_s > leeway => Err(Refusal::Expired { ago_s }),
            _ => Ok(()),
        }
    }

    /// The hash that it claims, as it is written.
    pub(super) fn payload_hash(&self) -> Result<&str, Refusal> {
        self.claims
            .payload_hash
            .as_deref()
            .filter(|hash| digest_from_hex(hash).is_some())
            .ok_or_else(|| {
                malformed(
                    HEADER,
                    "the token has no hash of the body (payload_hash) in lower-case hexadecimal",
                )
            })
    }

    /// Whether it is for exactly these bytes.
    pub(super) fn check_payload(&self, body: &[u8]) -> Result<(), Refusal> {
        let claimed = self.payload_hash()?;
        let expected = hex::encode(Sha256::digest(body));
        if bool::from(expected.as_bytes().ct_eq(claimed.as_bytes())) {
            Ok(())
        } else {
            Err(Refusal::BodyAltered)
        }
    }
}

/// Whether the token is signed with one of the secrets, young enough, and for exactly these bytes.
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<(), Refusal> {
    let token = read(headers)?;
    token.check_maker(secrets)?;
    token.check_vonage_times(tolerance, now)?;
    token.check_payload(body)
}

/// The value of the header that Vonage sends with `body` at `now`.
pub fn sign(secret: &Secret, body: &[u8], now: Timestamp) -> String {
    let token = jwt::encode(
        &serde_json::json!({"alg": "HS256", "typ": "JWT"}),
        &serde_json::json!({
            "iat": now.as_secs(),
            "iss": ISSUER,
            "payload_hash": hex::encode(Sha256::digest(body)),
        }),
        secret,
    );
    format!("Bearer {token}")
}
