//! The vectors of `platforms.md` §8, ours and the shared ones, at their `now`.

use std::path::PathBuf;

use super::*;

#[test]
fn the_vectors_verify_at_their_time() {
    assert_eq!(check_vectors(&serde_json::from_str(VECTORS).unwrap()), 11);
}

#[test]
fn the_shared_vectors_verify_at_their_time() {
    let shared = std::env::var_os("AFTERCALL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(shared.join("fixtures/signature_vectors.json")) else {
        println!("skipped: no shared fixtures beside the project");
        return;
    };
    assert!(check_vectors(&serde_json::from_str(&text).unwrap()) >= 11);
}

fn check_vectors(vectors: &Value) -> usize {
    let mut checked = 0;
    for (name, vector) in vectors.as_object().unwrap() {
        let text = |key: &str| vector[key].as_str().unwrap_or_default().to_owned();
        let now = Timestamp::from_secs(vector["now"].as_i64().unwrap_or_default());
        let body = text("body");
        let verdict = if name.starts_with("livekit_") {
            let keys = [(text("api_key"), secret(&text("api_secret")))];
            let headers = headers(&[(jwt::HEADER, text("token"))]);
            let tolerance = Tolerance::of(Duration::from_mins(5));
            jwt::verify(&headers, body.as_bytes(), &keys, tolerance, now)
        } else if name == "speechify_legacy" {
            let time = text("x_speechify_timestamp");
            let now = Timestamp::from_millis(time.parse().unwrap());
            let headers = headers(&[
                (prefixed_hmac::SIGNATURE, text("x_speechify_signature")),
                (prefixed_hmac::TIMESTAMP, time),
            ]);
            let tolerance = Tolerance::of(Duration::from_mins(30));
            prefixed_hmac::verify(
                &headers,
                body.as_bytes(),
                &[secret(&text("secret"))],
                tolerance,
                now,
            )
        } else if name.starts_with("speechify_") || name.starts_with("elevenlabs_") {
            // One scheme under two headers; the header's name is configuration.
            let header = if name.starts_with("speechify_") {
                timestamped_hmac::SPEECHIFY
            } else {
                timestamped_hmac::ELEVENLABS
            };
            let secrets = [secret(&text("secret"))];
            let headers = headers(&[(header, text("header"))]);
            let tolerance = Tolerance::of(Duration::from_mins(30));
            timestamped_hmac::verify(header, &headers, body.as_bytes(), &secrets, tolerance, now)
        } else if let Some(verdict) = check_carrier(name, vector) {
            verdict
        } else {
            continue;
        };
        assert_eq!(verdict, Ok(()), "{name}");
        checked += 1;
    }
    checked
}

/// Judges a vector of a platform whose body says when it was signed, at that time.
fn check_carrier(name: &str, vector: &Value) -> Option<Result<(), Refusal>> {
    let text = |key: &str| vector[key].as_str().unwrap_or_default().to_owned();
    let body = text("body");
    let at = Timestamp::from_secs(1_760_446_964);
    let tolerance = Tolerance::of(Duration::from_mins(5));
    Some(match name {
        "telnyx" => {
            let headers = headers(&[
                (ed25519::SIGNATURE, text("telnyx_signature_ed25519")),
                (ed25519::TIMESTAMP, text("telnyx_timestamp")),
            ]);
            let keys = [secret(&text("public_key"))];
            ed25519::verify(&headers, body.as_bytes(), &keys, tolerance, at)
        }
        "standard_webhooks_v1" | "standard_webhooks_v1a" => {
            let time = text("webhook_timestamp");
            let at = Timestamp::from_secs(time.parse().unwrap());
            let headers = headers(&[
                (standard::ID, text("webhook_id")),
                (standard::TIMESTAMP, time),
                (standard::SIGNATURE, text("webhook_signature")),
            ]);
            let key = vector.get("whpk").unwrap_or(&vector["secret"]);
            let keys = [SenderKey::read(&secret(key.as_str().unwrap())).unwrap()];
            standard::verify(&headers, body.as_bytes(), &keys, tolerance, at).map(drop)
        }
        "retell" => {
            let headers = headers(&[(appended_hmac::HEADER, text("header"))]);
            let keys = [secret(&text("api_key"))];
            appended_hmac::verify(&headers, body.as_bytes(), &keys, tolerance, at)
        }
        "vonage" => {
            let headers = headers(&[(jwt::HEADER, text("authorization"))]);
            let secrets = [secret(&text("signature_secret"))];
            payload_jwt::verify(&headers, body.as_bytes(), &secrets, tolerance, at)
        }
        _ => return None,
    })
}
