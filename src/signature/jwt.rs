//! LiveKit's token: a JWT (HS256) in `Authorization` whose claim `sha256` is the raw body's hash
//! (`platforms.md` §1.1 and §1.2).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Refusal, Tolerance, hmac_sha256, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The header with the token.
pub const HEADER: &str = "Authorization";

/// How far `exp` and `nbf` may be overrun: what LiveKit's own verifiers allow.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// How long a token holds that LiveKit's server makes: one for an event and all its retries.
const LIFETIME_S: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that a verifier must understand. We know none.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) iat: Option<i64>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) nbf: Option<i64>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) exp: Option<i64>,
    pub(super) sha256: Option<String>,
}

/// A token taken apart, still unproved.
pub(super) struct Token<'a, C = Claims> {
    signed: &'a str,
    mac: Vec<u8>,
    pub(super) claims: C,
}

/// Takes the token out of its header: raw, as LiveKit sends it, or behind `Bearer `, as proxies and
/// other senders write it.
pub(super) fn read<C: for<'de> Deserialize<'de>>(
    headers: &HeaderMap,
) -> Result<Token<'_, C>, Refusal> {
    let value = sole_header(headers, HEADER)?;
    let token = match value.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer ") => rest.trim_start(),
        _ => value,
    };
    let (signed, mac) = token
        .rsplit_once('.')
        .ok_or_else(|| malformed(HEADER, "it is not a JWT"))?;
    let (header, claims) = signed
        .split_once('.')
        .filter(|(_, claims)| !claims.contains('.'))
        .ok_or_else(|| malformed(HEADER, "it is not a JWT"))?;
    let header: Header = part(header, "the token's header can't be read")?;
    if header.alg != "HS256" {
        let named: String = header
            .alg
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(16)
            .collect();
        return Err(Refusal::Algorithm(named));
    }
    if header.crit.is_some() {
        return Err(malformed(HEADER, "the token asks for an extension (crit)"));
    }
    Ok(Token {
        signed,
        mac: URL_SAFE_NO_PAD
            .decode(mac)
            .map_err(|_| malformed(HEADER, "the token's signature is not base64url"))?,
        claims: part(claims, "the token's claims can't be read")?,
    })
}

fn part<T: for<'de> Deserialize<'de>>(text: &str, why: &str) -> Result<T, Refusal> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| malformed(HEADER, why))
}

/// A `NumericDate`: whole seconds, or with a fraction, which is cut.
pub(super) fn moment<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(i64),
        Fraction(f64),
    }
    Ok(
        Option::deserialize(deserializer)?.map(|number| match number {
            Number::Whole(secs) => secs,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the cast saturates, as it should"
            )]
            Number::Fraction(secs) => secs as i64,
        }),
    )
}

impl<C> Token<'_, C> {
    /// Whether this secret signed the token.
    pub(super) fn is_made_with(&self, secret: &Secret) -> subtle::Choice {
        let expected = hmac_sha256(secret.expose().as_bytes(), &[self.signed.as_bytes()]);
        expected.as_slice().ct_eq(&self.mac)
    }
}

impl Token<'_> {
    /// How many secrets are configured for the token's issuer, and whether one of them signed it.
    pub(super) fn is_signed_by(&self, keys: &[(String, Secret)]) -> (usize, bool) {
        let issuer = self.claims.iss.as_deref().unwrap_or_default();
        let mut tried = 0;
        let mut matches = subtle::Choice::from(0);
        for (_, secret) in keys.iter().filter(|(key, _)| key == issuer) {
            tried += 1;
            matches |= self.is_made_with(secret);
        }
        (tried, bool::from(matches))
    }

    /// Judges the token's times. `exp` must be there; `nbf` and it have [`LEEWAY`]. The setting bounds
    /// how old a token may be that holds longer than LiveKit's five minutes; the leeway is added, for
    /// else the default would refuse what LiveKit's own verifiers take.
    pub(super) fn check_times(&self, tolerance: Tolerance, now: Timestamp) -> Result<(), Refusal> {
        let leeway = i64::try_from(LEEWAY.as_secs()).unwrap_or(i64::MAX);
        let now_s = now.as_secs();
        let exp = self
            .claims
            .exp
            .ok_or_else(|| malformed(HEADER, "the token has no end (exp)"))?;
        if now_s.saturating_sub(exp) > leeway {
            return Err(Refusal::Expired {
                ago_s: now_s.saturating_sub(exp),
            });
        }
        if let Some(nbf) = self.claims.nbf
            && nbf.saturating_sub(now_s) > leeway
        {
            return Err(Refusal::TooNew {
                ahead_s: nbf.saturating_sub(now_s),
                tolerance_s: leeway,
            });
        }
        // Some signers leave `iat` out, some write 0 for "from ever" into `nbf`.
        let made = self.claims.iat.or(self.claims.nbf.filter(|nbf| *nbf > 0));
        let allowed = Tolerance {
            past: tolerance.past.saturating_add(LEEWAY),
            ..tolerance
        };
        made.map_or(Ok(()), |made| {
            allowed.check(Timestamp::from_secs(made), now)
        })
    }

    /// Whether the token is for exactly these bytes: the claim is the standard, padded base64 of
    /// their hash, and no other spelling of it.
    pub(super) fn check_body(&self, body: &[u8]) -> Result<(), Refusal> {
        let claim = self
            .claims
            .sha256
            .as_deref()
            .ok_or_else(|| malformed(HEADER, "the token has no hash of the body (sha256)"))?;
        let expected = STANDARD.encode(Sha256::digest(body));
        if bool::from(expected.as_bytes().ct_eq(claim.as_bytes())) {
            return Ok(());
        }
        match STANDARD.decode(claim) {
            Ok(hash) if hash.len() == 32 => Err(Refusal::BodyAltered),
            _ => Err(malformed(
                HEADER,
                "the token's sha256 is not the padded standard base64 of a hash",
            )),
        }
    }
}

/// Whether the token is signed with a secret of the key that it names, holds now, and is for exactly
/// these bytes.
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    keys: &[(String, Secret)],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<(), Refusal> {
    let token: Token<'_> = read(headers)?;
    match token.is_signed_by(keys) {
        (0, _) => return Err(Refusal::UnknownKey),
        (tried, false) => return Err(Refusal::Mismatch { tried }),
        (_, true) => {}
    }
    token.check_times(tolerance, now)?;
    token.check_body(body)
}

/// The token that LiveKit's server sends with `body` at `now`.
pub fn sign(key: &str, secret: &Secret, body: &[u8], now: Timestamp) -> String {
    let secs = now.as_secs();
    encode(
        &serde_json::json!({"alg": "HS256", "typ": "JWT"}),
        &serde_json::json!({
            "iss": key,
            "iat": secs,
            "nbf": secs,
            "exp": secs + LIFETIME_S,
            "sha256": STANDARD.encode(Sha256::digest(body)),
        }),
        secret,
    )
}

/// A JWT of this header and these claims, signed by HS256 whatever the header says.
pub(super) fn encode(
    header: &serde_json::Value,
    claims: &serde_json::Value,
    secret: &Secret,
) -> String {
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let mac = hmac_sha256(secret.expose().as_bytes(), &[token.as_bytes()]);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut token);
    token
}

#[cfg(test)]
mod tests;
