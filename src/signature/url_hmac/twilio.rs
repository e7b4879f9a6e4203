//! Twilio: HMAC-SHA1 over the URL and the form's sorted fields, each name directly before its value;
//! of another body the URL carries the SHA-256, and the URL alone is signed (`platforms.md` §5).
//! Twilio signs no time.

use ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY as HMAC_SHA1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{HeaderMap, Refusal, Scheme, Secret, Url, bytes, check, form, mac, made_by_any};
use crate::signature::sole_header;

/// The header with the signature, in base64.
pub const HEADER: &str = "X-Twilio-Signature";

/// The parameter of the URL that holds the SHA-256 of a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// A signature, still unproved.
pub(in crate::signature) struct Claim(Vec<u8>);

/// Reads the header.
pub(in crate::signature) fn read(headers: &HeaderMap) -> Result<Claim, Refusal> {
    bytes(HEADER, sole_header(headers, HEADER)?, 20).map(Claim)
}

impl Scheme for Claim {
    fn is_signed(&self, url: &Url<'_>, body: &[u8], secrets: &[Secret]) -> bool {
        let text = url.text();
        let Some(hash) = body_hash(url) else {
            return made_by_any(HMAC_SHA1, secrets, &message(&text, body), &self.0);
        };
        let expected = hex::encode(Sha256::digest(body));
        made_by_any(HMAC_SHA1, secrets, text.as_bytes(), &self.0)
            && bool::from(expected.as_bytes().ct_eq(hash.as_bytes()))
    }
}

/// The hash of the body that the URL carries.
fn body_hash<'a>(url: &Url<'a>) -> Option<&'a str> {
    url.query?
        .split('&')
        .find_map(|pair| pair.strip_prefix(BODY_HASH)?.strip_prefix('='))
}

/// What is signed of a form. A field that is there twice with the same value counts once.
fn message(url: &str, body: &[u8]) -> Vec<u8> {
    let mut fields = form::sorted(body);
    fields.dedup();
    let mut message = url.as_bytes().to_vec();
    for (name, value) in fields {
        message.extend(name);
        message.extend(value);
    }
    message
}

/// Whether one of the secrets signed one of the URLs and exactly this body.
pub fn verify(
    headers: &HeaderMap,
    urls: &[String],
    body: &[u8],
    secrets: &[Secret],
) -> Result<(), Refusal> {
    check(&read(headers)?, urls, body, secrets)
}

/// The header's value for a form that is posted to `url`, or for any body where the URL carries its
/// hash.
pub fn sign(secret: &Secret, url: &str, body: &[u8]) -> String {
    let has_hash = Url::parse(url).is_some_and(|url| body_hash(&url).is_some());
    if has_hash {
        mac(HMAC_SHA1, secret, url.as_bytes())
    } else {
        mac(HMAC_SHA1, secret, &message(url, body))
    }
}
