//! Which part of a signature fails, and what would mend it: what `aftercall verify --explain` prints.
//! No text made here holds a secret, a signature or a piece of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Refusal, Tolerance, jwt as token, prefixed_hmac as prefixed, sole_header};
use super::{hmac_sha256, timestamped_hmac as timestamped};
use crate::secret::Secret;
use crate::time::Timestamp;

mod altered;
mod bearer;
mod ed25519;
mod hmac;
mod payload_jwt;
mod standard;
mod url_hmac;

pub use bearer::bearer;
pub use ed25519::ed25519;
pub use hmac::{appended_hmac, custom_hmac};
pub use payload_jwt::payload_jwt;
pub use standard::standard;
pub use url_hmac::{plivo, twilio};

/// One step of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part that was looked at: `header`, `form`, `secret`, `signature`, `url`, `time` or
    /// `body`.
    pub part: &'static str,
    /// Whether it stands.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What would mend it, where that can be told.
    pub mend: Option<String>,
}

impl Check {
    fn good(part: &'static str, detail: impl Into<String>) -> Self {
        Self {
            part,
            ok: true,
            detail: detail.into(),
            mend: None,
        }
    }

    fn bad(part: &'static str, detail: impl Into<String>, mend: Option<&str>) -> Self {
        Self {
            part,
            ok: false,
            detail: detail.into(),
            mend: mend.map(str::to_owned),
        }
    }
}

/// Explains `t=<unix s>,v0=<hex>`.
pub fn timestamped_hmac(
    header: &str,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let Some(value) = header_check(&mut checks, headers, header) else {
        return checks;
    };
    match timestamped::read(header, value) {
        Err(refusal) => checks.push(form_check(&refusal, value)),
        Ok(claim) => {
            checks.push(Check::good("form", "a time and a signature"));
            let claimed = Claimed {
                time: claim.time,
                digests: &claim.digests,
            };
            checks.push(claimed.signature_check(secrets, body));
            checks.push(time_check(claim.signed_at, tolerance, now));
        }
    }
    checks
}

/// Explains `sha256=<hex>` beside a time in milliseconds.
pub fn prefixed_hmac(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let found = header_check(&mut checks, headers, prefixed::SIGNATURE).zip(header_check(
        &mut checks,
        headers,
        prefixed::TIMESTAMP,
    ));
    let Some((value, _)) = found else {
        return checks;
    };
    match prefixed::read(headers) {
        Err(refusal) => checks.push(form_check(&refusal, value)),
        Ok(claim) => {
            checks.push(Check::good("form", "a signature and its time"));
            let claimed = Claimed {
                time: claim.time,
                digests: &[claim.digest],
            };
            checks.push(claimed.signature_check(secrets, body));
            checks.push(time_check(claim.signed_at, tolerance, now));
        }
    }
    checks
}

/// Explains LiveKit's token.
pub fn jwt(
    headers: &HeaderMap,
    body: &[u8],
    keys: &[(String, Secret)],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if header_check(&mut checks, headers, token::HEADER).is_none() {
        return checks;
    }
    let token = match token::read(headers) {
        Ok(token) => token,
        Err(refusal) => {
            checks.push(Check::bad(
                "form",
                refusal.to_string(),
                Some(
                    "send LiveKit's Authorization header through unchanged: a token of three parts, \
                     signed by HS256",
                ),
            ));
            return checks;
        }
    };
    checks.push(Check::good("form", "a token signed by HS256"));
    checks.push(match token.is_signed_by(keys) {
        (0, _) => Check::bad(
            "secret",
            "the token names a key that is not configured",
            Some(
                "set webhook.key of the source to the API key that LiveKit's webhook.api_key names",
            ),
        ),
        (tried, false) => Check::bad(
            "signature",
            format!("it matches none of the {tried} secrets of the key that the token names"),
            Some(
                "set webhook.secrets to the API secret of that key; the body plays no part in this",
            ),
        ),
        (tried, true) => Check::good(
            "signature",
            format!("made with one of the {tried} secrets of its key"),
        ),
    });
    checks.push(match token.check_times(tolerance, now) {
        Ok(()) => Check::good("time", "the token holds now"),
        Err(refusal) => Check::bad("time", refusal.to_string(), time_mend(&refusal)),
    });
    checks.push(match token.check_body(body) {
        Ok(()) => Check::good("body", "the token's hash is the body's"),
        Err(refusal) => {
            let hash = token.claims.sha256.as_deref().unwrap_or_default();
            let same = |other: &[u8]| STANDARD.encode(Sha256::digest(other)) == hash;
            body_check(body, same)
                .unwrap_or_else(|| Check::bad("body", refusal.to_string(), Some(altered::MEND)))
        }
    });
    checks
}

fn header_check<'a>(
    checks: &mut Vec<Check>,
    headers: &'a HeaderMap,
    name: &str,
) -> Option<&'a str> {
    match sole_header(headers, name) {
        Ok(value) => {
            checks.push(Check::good("header", format!("{name} is there")));
            Some(value)
        }
        Err(refusal) => {
            let mend = match refusal {
                Refusal::Missing(_) => {
                    "set a secret on the platform's side, and let proxies pass the header on"
                }
                _ => "let proxies pass the header on once, and unchanged",
            };
            checks.push(Check::bad("header", refusal.to_string(), Some(mend)));
            None
        }
    }
}

/// Says how a header that can't be read was meant, where its form betrays it.
fn form_check(refusal: &Refusal, value: &str) -> Check {
    let signature = value
        .split(',')
        .find_map(|part| {
            let part = part.trim();
            ["v0=", "d=", "sha256="]
                .into_iter()
                .find_map(|before| part.strip_prefix(before))
        })
        .unwrap_or(value);
    let is_hex = signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mend = if is_hex && signature.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("write the signature's hexadecimal digits in lower case")
    } else if STANDARD
        .decode(signature)
        .is_ok_and(|bytes| bytes.len() == 32)
    {
        Some("the signature is written in base64; write it in hexadecimal")
    } else {
        None
    };
    Check::bad("form", refusal.to_string(), mend)
}

fn time_check(signed_at: Timestamp, tolerance: Tolerance, now: Timestamp) -> Check {
    match tolerance.check(signed_at, now) {
        Ok(()) => {
            let age = now.as_secs() - signed_at.as_secs();
            let detail = if age < 0 {
                format!("{} s ahead of this clock", -age)
            } else {
                format!("{age} s old")
            };
            Check::good("time", detail)
        }
        Err(refusal) => {
            // Milliseconds of our days, read as seconds, lie behind the end of the calendar.
            let end = Timestamp::from_secs(i64::MAX);
            let secs = Timestamp::from_secs(signed_at.as_millis());
            let mend = if signed_at == end {
                Some("the time is in milliseconds; sign with seconds")
            } else if tolerance.check(secs, now).is_ok() {
                Some("the time is in seconds; sign with milliseconds")
            } else {
                time_mend(&refusal)
            };
            Check::bad("time", refusal.to_string(), mend)
        }
    }
}

fn time_mend(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::TooOld { .. } => Some(
            "if the delivery was held back on its way, raise webhook.tolerance; else set the clocks",
        ),
        Refusal::Expired { .. } => {
            Some("the delivery was held back, is sent a second time, or a clock is wrong")
        }
        Refusal::TooNew { .. } => Some("set the clock of this machine, or of the sender's"),
        _ => None,
    }
}

/// What a header claims, for comparing with what other mistakes would have made.
struct Claimed<'a> {
    time: &'a str,
    digests: &'a [[u8; 32]],
}

impl Claimed<'_> {
    fn matches(&self, mac: &[u8; 32]) -> bool {
        self.digests
            .iter()
            .any(|digest| bool::from(mac.ct_eq(digest)))
    }

    fn signature_check(&self, secrets: &[Secret], body: &[u8]) -> Check {
        let before = [self.time.as_bytes(), b"."].concat();
        Trial {
            secrets,
            body,
            made_with: &|key, body| self.matches(&hmac_sha256(key, &[&before, body])),
            without_time: &|key| self.matches(&hmac_sha256(key, &[body])),
            signed: "sign the time, a full stop and the body",
        }
        .check()
    }
}

/// Tries secrets, and what is likely to have been done to them and to the body.
struct Trial<'a> {
    secrets: &'a [Secret],
    body: &'a [u8],
    /// Whether the signature is that of this key over this body.
    made_with: &'a dyn Fn(&[u8], &[u8]) -> bool,
    /// Whether it is that of this key over the body without its time.
    without_time: &'a dyn Fn(&[u8]) -> bool,
    /// What is to be signed, for him who left the time out.
    signed: &'static str,
}

impl Trial<'_> {
    fn check(&self) -> Check {
        let count = self.secrets.len();
        for (index, secret) in self.secrets.iter().enumerate() {
            if (self.made_with)(secret.expose().as_bytes(), self.body) {
                let detail = format!("made with secret {} of {count}", index + 1);
                return Check::good("signature", detail);
            }
        }
        self.secrets
            .iter()
            .enumerate()
            .find_map(|(index, secret)| {
                self.mistake(secret, &format!("secret {} of {count}", index + 1))
            })
            .unwrap_or_else(|| no_secret_fits(count))
    }

    /// What was done to this secret or to the body, if that explains the signature.
    fn mistake(&self, secret: &Secret, which: &str) -> Option<Check> {
        let text = secret.expose();
        if (self.made_with)(text.trim().as_bytes(), self.body) {
            return Some(Check::bad(
                "secret",
                format!("made with {which} without the space around it"),
                Some("remove the space or line end around the secret"),
            ));
        }
        let decoded = text
            .strip_prefix("whsec_")
            .and_then(|encoded| STANDARD.decode(encoded).ok());
        if decoded.is_some_and(|key| (self.made_with)(&key, self.body)) {
            return Some(Check::bad(
                "secret",
                format!("made with the base64-decoded bytes of {which}"),
                Some("sign with the secret's text as it is, whsec_ included"),
            ));
        }
        if (self.without_time)(text.as_bytes()) {
            return Some(Check::bad(
                "signature",
                format!("made with {which}, over the body without its time"),
                Some(self.signed),
            ));
        }
        body_check(self.body, |other| (self.made_with)(text.as_bytes(), other))
    }
}

fn no_secret_fits(count: usize) -> Check {
    Check::bad(
        "signature",
        format!("it matches none of the {count} configured secrets"),
        Some(
            "compare webhook.secrets with the secret on the platform's side; if that is the \
             same, the body was changed on its way",
        ),
    )
}

/// Whether the body was signed in a form that proxies and careless copies turn into this one.
fn body_check(body: &[u8], is_signed: impl Fn(&[u8]) -> bool) -> Option<Check> {
    altered::forms(body)
        .find(|(_, form)| is_signed(form))
        .map(|(how, _)| {
            Check::bad(
                "body",
                format!("the signature fits the body {how}"),
                Some(altered::MEND),
            )
        })
}

#[cfg(test)]
mod tests;
