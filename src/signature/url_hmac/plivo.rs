//! Plivo's third scheme: HMAC-SHA256 over the URL with its sorted query, the form's sorted fields and
//! a nonce (`platforms.md` §5). Plivo signs no time. Its second scheme signs the URL and the nonce
//! alone: whoever saw one such signature could send any body, so it proves nothing here.

use ring::hmac::HMAC_SHA256;

use super::{HeaderMap, Refusal, Scheme, Secret, Url, bytes, check, form, mac, made_by_any};
use crate::signature::sole_header;

/// The header with the signature, or several behind commas, in base64.
pub const HEADER: &str = "X-Plivo-Signature-V3";
/// The header with the nonce.
pub const NONCE: &str = "X-Plivo-Signature-V3-Nonce";
/// The header of the second scheme, which is not accepted.
pub const SECOND: &str = "X-Plivo-Signature-V2";

/// The two headers, still unproved.
pub(in crate::signature) struct Claim<'a> {
    macs: Vec<Vec<u8>>,
    nonce: &'a str,
}

/// Reads the two headers.
pub(in crate::signature) fn read(headers: &HeaderMap) -> Result<Claim<'_>, Refusal> {
    let value = sole_header(headers, HEADER)?;
    let nonce = sole_header(headers, NONCE)?;
    let macs = value
        .split(',')
        .map(|one| bytes(HEADER, one.trim(), 32))
        .collect::<Result<_, _>>()?;
    Ok(Claim { macs, nonce })
}

impl Scheme for Claim<'_> {
    fn is_signed(&self, url: &Url<'_>, body: &[u8], secrets: &[Secret]) -> bool {
        let message = message(url, body, self.nonce);
        self.macs.iter().fold(false, |any, mac| {
            made_by_any(HMAC_SHA256, secrets, &message, mac) | any
        })
    }
}

/// `<url>[?<sorted query>][.]<sorted fields>.<nonce>`, as Plivo's own libraries put it together: the
/// question mark stands wherever there are fields, the full stop only behind a query.
fn message(url: &Url<'_>, body: &[u8], nonce: &str) -> Vec<u8> {
    let query = form::sorted(url.query.unwrap_or_default().as_bytes());
    let fields = form::sorted(body);
    let bare = Url {
        query: None,
        ..url.clone()
    };
    let mut message = bare.text().into_bytes();
    if !query.is_empty() || !fields.is_empty() {
        message.push(b'?');
    }
    for (at, (name, value)) in query.iter().enumerate() {
        if at > 0 {
            message.push(b'&');
        }
        message.extend(name);
        message.push(b'=');
        message.extend(value);
    }
    if !query.is_empty() && !fields.is_empty() {
        message.push(b'.');
    }
    for (name, value) in fields {
        message.extend(name);
        message.extend(value);
    }
    message.push(b'.');
    message.extend(nonce.as_bytes());
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

/// The value of [`HEADER`] for a form that is posted to `url` with this nonce.
pub fn sign(secret: &Secret, url: &str, body: &[u8], nonce: &str) -> String {
    let message = Url::parse(url).map_or_else(Vec::new, |url| message(&url, body, nonce));
    mac(HMAC_SHA256, secret, &message)
}
