//! HMAC-SHA256 in the form that the customer chose: which header, which encoding, a prefix or none,
//! the body with a time before it or alone. Vapi's HMAC credentials and Bland's webhooks are forms of
//! it (`platforms.md` §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::{Refusal, Tolerance, digest_from_hex, digits, hmac_sha256, malformed, sole_header};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Where the time stands in what is signed.
const TIME: &str = "{timestamp}";
/// Where the body stands.
const BODY: &str = "{body}";

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 64 lower-case hexadecimal digits.
    Hex,
    /// Standard base64, padded.
    Base64,
}

/// The form of a sender's signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The header with the signature.
    pub header: String,
    /// What is signed: a text with `{body}` in it, and `{timestamp}` where a time is signed.
    pub payload: String,
    /// The header with the time, in Unix seconds or milliseconds. A time that is not signed is not
    /// looked at: anybody could have changed it.
    pub timestamp: String,
    /// What stands before the signature, as `sha256=`; often nothing.
    pub prefix: String,
    /// How the signature is written.
    pub encoding: Encoding,
}

impl Form {
    /// Whether a time is signed with the body.
    pub fn has_time(&self) -> bool {
        self.payload.contains(TIME)
    }

    /// The MAC of a body that is sent at `time`.
    pub(super) fn mac(&self, key: &[u8], time: &str, body: &[u8]) -> [u8; 32] {
        let (before, behind) = self
            .payload
            .split_once(BODY)
            .unwrap_or((self.payload.as_str(), ""));
        let (before, behind) = (before.replace(TIME, time), behind.replace(TIME, time));
        hmac_sha256(key, &[before.as_bytes(), body, behind.as_bytes()])
    }
}

/// What the headers say, still unproved.
pub(super) struct Claim<'a> {
    /// The time as it is written, and as a moment.
    pub(super) time: Option<(&'a str, Timestamp)>,
    /// The signature.
    pub(super) digest: [u8; 32],
}

impl<'a> Claim<'a> {
    /// The time as it is written.
    pub(super) fn time(&self) -> &'a str {
        self.time.map_or("", |(time, _)| time)
    }
}

/// Reads the headers that the form names.
pub(super) fn read<'a>(form: &Form, headers: &'a HeaderMap) -> Result<Claim<'a>, Refusal> {
    let value = sole_header(headers, &form.header)?;
    let wrong = |why: &str| malformed(&form.header, why);
    let written = value
        .strip_prefix(&form.prefix)
        .ok_or_else(|| wrong("it lacks the configured prefix"))?;
    let digest = match form.encoding {
        Encoding::Hex => digest_from_hex(written)
            .ok_or_else(|| wrong("it is not 64 lower-case hexadecimal digits"))?,
        Encoding::Base64 => STANDARD
            .decode(written)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| wrong("it is not the base64 of 32 bytes"))?,
    };
    if !form.has_time() {
        return Ok(Claim { time: None, digest });
    }
    let time = sole_header(headers, &form.timestamp)?;
    let number = digits(time)
        .ok_or_else(|| malformed(&form.timestamp, "it is not whole seconds or milliseconds"))?;
    Ok(Claim {
        time: Some((time, moment(number))),
        digest,
    })
}

/// Seconds and milliseconds are told apart by size: nobody says which of the two is sent.
fn moment(number: i64) -> Timestamp {
    if number < 100_000_000_000 {
        Timestamp::from_secs(number)
    } else {
        Timestamp::from_millis(number)
    }
}

/// Whether one of the secrets signed exactly these bytes, at a time that is near enough to `now`
/// where the form has one.
pub fn verify(
    form: &Form,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<(), Refusal> {
    let claim = read(form, headers)?;
    let mut matches = subtle::Choice::from(0);
    for secret in secrets {
        let key = secret.expose().as_bytes();
        matches |= form.mac(key, claim.time(), body).ct_eq(&claim.digest);
    }
    if !bool::from(matches) {
        return Err(Refusal::Mismatch {
            tried: secrets.len(),
        });
    }
    claim
        .time
        .map_or(Ok(()), |(_, signed_at)| tolerance.check(signed_at, now))
}

/// The headers, name and value, of a body that is sent at `secs`, in Unix seconds.
pub fn sign(form: &Form, secret: &Secret, secs: i64, body: &[u8]) -> Vec<(String, String)> {
    let time = secs.to_string();
    let digest = form.mac(secret.expose().as_bytes(), &time, body);
    let written = match form.encoding {
        Encoding::Hex => hex::encode(digest),
        Encoding::Base64 => STANDARD.encode(digest),
    };
    let mut headers = vec![(form.header.clone(), format!("{}{written}", form.prefix))];
    if form.has_time() {
        headers.push((form.timestamp.clone(), time));
    }
    headers
}
