//! Signatures over the URL that the sender posted to, and over the sorted fields of its form: Twilio's
//! and Plivo's (`platforms.md` §5). Behind a proxy our own URL is another than the sender's, so
//! several can be tried.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::hmac;

use super::{Refusal, form, malformed};
use crate::secret::Secret;

pub mod plivo;
pub mod twilio;

/// A URL taken apart, as text: the sender signed its letters, so nothing is normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    scheme: &'a str,
    authority: Cow<'a, str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Takes apart `scheme://authority/path?query`; a fragment is dropped.
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let url = url.split('#').next().unwrap_or(url);
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Some(Self {
            scheme,
            authority: Cow::Borrowed(authority),
            path,
            query,
        })
    }

    fn text(&self) -> String {
        let Self {
            scheme,
            authority,
            path,
            query,
        } = self;
        match query {
            Some(query) => format!("{scheme}://{authority}{path}?{query}"),
            None => format!("{scheme}://{authority}{path}"),
        }
    }

    /// The URL as it is, without its port, and with the one that its scheme implies: senders and
    /// proxies differ in which of the three they mean.
    pub(super) fn with_ports(&self) -> Vec<Self> {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        let port = if self.scheme.eq_ignore_ascii_case("http") {
            80
        } else {
            443
        };
        let at = |authority: String| Self {
            authority: Cow::Owned(authority),
            ..self.clone()
        };
        let mut all = vec![
            self.clone(),
            at(host.to_owned()),
            at(format!("{host}:{port}")),
        ];
        all.dedup();
        all
    }

    /// The URL with another scheme.
    pub(super) fn with_scheme(&self, scheme: &'a str) -> Self {
        Self {
            scheme,
            ..self.clone()
        }
    }

    /// The URL with another path and query.
    pub(super) fn with_path(&self, path: &'a str, query: Option<&'a str>) -> Self {
        Self {
            path,
            query,
            ..self.clone()
        }
    }

    /// What [`Url::with_scheme`] replaces.
    pub(super) fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// What [`Url::with_path`] replaces.
    pub(super) fn path_and_query(&self) -> (&'a str, Option<&'a str>) {
        (self.path, self.query)
    }
}

/// The URLs that a delivery may have been posted to, each in all its spellings.
pub(super) fn candidates(urls: &[String]) -> impl Iterator<Item = Url<'_>> {
    urls.iter()
        .filter_map(|url| Url::parse(url))
        .flat_map(|url| url.with_ports())
}

/// A scheme that signs the URL.
pub(super) trait Scheme {
    /// Whether one of the secrets signed this URL and this body.
    fn is_signed(&self, url: &Url<'_>, body: &[u8], secrets: &[Secret]) -> bool;
}

/// Whether the scheme's signature fits one of the URLs.
fn check(
    scheme: &impl Scheme,
    urls: &[String],
    body: &[u8],
    secrets: &[Secret],
) -> Result<(), Refusal> {
    if candidates(urls).any(|url| scheme.is_signed(&url, body, secrets)) {
        return Ok(());
    }
    Err(Refusal::Mismatch {
        tried: secrets.len(),
    })
}

/// The bytes of a base64 signature of this length.
fn bytes(header: &str, value: &str, length: usize) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(value)
        .ok()
        .filter(|bytes| bytes.len() == length)
        .ok_or_else(|| malformed(header, &format!("it is not the base64 of {length} bytes")))
}

/// Whether one of the secrets made this MAC. Ring compares in constant time.
fn made_by_any(algorithm: hmac::Algorithm, secrets: &[Secret], message: &[u8], mac: &[u8]) -> bool {
    let made_by = |secret: &Secret| {
        let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
        hmac::verify(&key, message, mac).is_ok()
    };
    // Every secret is tried, so that the time taken says nothing.
    secrets
        .iter()
        .fold(false, |any, secret| made_by(secret) | any)
}

/// The MAC of a message, in base64.
fn mac(algorithm: hmac::Algorithm, secret: &Secret, message: &[u8]) -> String {
    let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
    STANDARD.encode(hmac::sign(&key, message))
}

#[cfg(test)]
mod tests;
