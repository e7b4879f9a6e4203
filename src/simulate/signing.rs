//! The headers that the simulated platforms put on their webhooks.

use crate::secret::Secret;
use crate::signature::{jwt, prefixed_hmac, timestamped_hmac};
use crate::time::Timestamp;

/// Header names and values of one delivery.
pub type Headers = Vec<(&'static str, String)>;

/// Speechify's headers today (`platforms.md` §4.4).
pub fn speechify(secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    let signature = timestamped_hmac::sign(secret, now.as_secs(), body);
    vec![(timestamped_hmac::SPEECHIFY, signature)]
}

/// Speechify's headers of old.
pub fn speechify_legacy(secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    let (signature, time) = prefixed_hmac::sign(secret, now.as_millis(), body);
    vec![
        (prefixed_hmac::SIGNATURE, signature),
        (prefixed_hmac::TIMESTAMP, time),
    ]
}

/// LiveKit's headers: a token over the body's hash (`platforms.md` §1.1).
pub fn livekit(key: &str, secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    vec![(jwt::HEADER, jwt::sign(key, secret, body, now))]
}

/// A form, with everything but letters and digits escaped.
pub fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    pairs.join("&")
}
