//! The headers that the simulated platforms sign their webhooks with.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::signature::hmac_sha256;
use crate::time::Timestamp;

/// Header names and values of one delivery.
pub type Headers = Vec<(&'static str, String)>;

/// LiveKit's tokens are valid so long.
const TOKEN_LIFE: Duration = Duration::from_mins(5);

/// Speechify's current scheme: `t=<unix s>,v0=<hex HMAC of "<t>.<body>">` (`platforms.md` §4.4).
pub fn speechify(secret: &str, body: &[u8], now: Timestamp) -> Headers {
    let t = now.as_secs().to_string();
    let mac = hmac_sha256(secret.as_bytes(), &[t.as_bytes(), b".", body]);
    vec![(
        "speechify-signature",
        format!("t={t},v0={}", hex::encode(mac)),
    )]
}

/// Speechify's legacy scheme: the time in milliseconds in a header of its own.
pub fn speechify_legacy(secret: &str, body: &[u8], now: Timestamp) -> Headers {
    let ms = now.as_millis().to_string();
    let mac = hmac_sha256(secret.as_bytes(), &[ms.as_bytes(), b".", body]);
    vec![
        ("x-speechify-timestamp", ms),
        (
            "x-speechify-signature",
            format!("sha256={}", hex::encode(mac)),
        ),
    ]
}

/// LiveKit's token: a JWT of HS256 over the body's SHA-256, without `Bearer` (`platforms.md` §1.1).
pub fn livekit(key: &str, secret: &str, body: &[u8], now: Timestamp) -> Headers {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = json!({
        "iss": key,
        "exp": now.plus(TOKEN_LIFE).as_secs(),
        "nbf": now.as_secs(),
        "iat": now.as_secs(),
        "sha256": STANDARD.encode(Sha256::digest(body)),
    });
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let mac = hmac_sha256(
        secret.as_bytes(),
        &[header.as_bytes(), b".", claims.as_bytes()],
    );
    let signature = URL_SAFE_NO_PAD.encode(mac);
    vec![("authorization", format!("{header}.{claims}.{signature}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"event":"conversation.completed","timestamp":1776447130000,"conversation":{"id":"conv_01HS0000000000000000000000","agent_id":"agent_01HS0000000000000000000000","status":"completed"}}"#;
    const SECRET: &str = "speechify_test_secret_32_bytes_xx";

    /// The vectors of `platforms.md` §8.
    #[test]
    fn speechify_signs_as_published() {
        let current = speechify(SECRET, BODY, Timestamp::from_secs(1_776_447_130));
        assert_eq!(
            current[0].1,
            "t=1776447130,v0=817a828cbae7fb0f1caf9e030a422bd83250788b15cf65eabe8a7bcd16a74174"
        );
        let legacy = speechify_legacy(SECRET, BODY, Timestamp::from_secs(1_776_447_130));
        assert_eq!(
            legacy[1].1,
            "sha256=09884b4a95b473060e9fb01299090d371b8896507df4550f703e2ed315d1f698"
        );
    }

    #[test]
    fn a_livekit_token_names_key_and_body() {
        let headers = livekit("myapikey", "secret", b"{}", Timestamp::from_secs(1_000));
        let parts: Vec<&str> = headers[0].1.split('.').collect();
        assert_eq!(parts.len(), 3);
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iss"], "myapikey");
        assert_eq!(claims["exp"], 1_300);
        assert_eq!(claims["sha256"], STANDARD.encode(Sha256::digest(b"{}")));
    }
}
