//! Every shared vector is accepted through HTTP, at its `now`.

use super::*;

/// The vectors of `platforms.md` §8 as deliveries: platform, settings, headers, and when.
fn delivery_of(name: &str, vector: &Value) -> (&'static str, String, Headers, i64) {
    let text = |key: &str| vector[key].as_str().unwrap_or_default().to_owned();
    let at = vector["now"].as_i64().unwrap_or(NOW);
    let secrets = |key: &str| format!("webhook.secrets = [{:?}]", text(key));
    match name {
        _ if name.starts_with("livekit") => {
            let key = format!(
                "webhook.key = {:?}\n{}",
                text("api_key"),
                secrets("api_secret")
            );
            ("livekit", key, vec![header(jwt::HEADER, text("token"))], at)
        }
        _ if name.starts_with("elevenlabs") => {
            let headers = vec![header(timestamped_hmac::ELEVENLABS, text("header"))];
            ("elevenlabs", secrets("secret"), headers, at)
        }
        "speechify_legacy" => {
            let time = text("x_speechify_timestamp");
            let at = time.parse::<i64>().unwrap() / 1000;
            let signature = header(prefixed_hmac::SIGNATURE, text("x_speechify_signature"));
            let headers = vec![signature, header(prefixed_hmac::TIMESTAMP, time)];
            ("speechify", secrets("secret"), headers, at)
        }
        _ if name.starts_with("speechify") => {
            let headers = vec![header(timestamped_hmac::SPEECHIFY, text("header"))];
            ("speechify", secrets("secret"), headers, at)
        }
        _ if name.starts_with("standard") => {
            let key = if vector.get("whpk").is_some() {
                "whpk"
            } else {
                "secret"
            };
            let headers = vec![
                header(standard::ID, text("webhook_id")),
                header(standard::TIMESTAMP, text("webhook_timestamp")),
                header(standard::SIGNATURE, text("webhook_signature")),
            ];
            let at = text("webhook_timestamp").parse().unwrap();
            ("standard", secrets(key), headers, at)
        }
        "telnyx" => {
            let signature = header(ed25519::SIGNATURE, text("telnyx_signature_ed25519"));
            let headers = vec![
                signature,
                header(ed25519::TIMESTAMP, text("telnyx_timestamp")),
            ];
            ("telnyx", secrets("public_key"), headers, at)
        }
        "retell" => {
            let headers = vec![header(appended_hmac::HEADER, text("header"))];
            ("retell", secrets("api_key"), headers, at)
        }
        "vonage" => {
            let headers = vec![header(jwt::HEADER, text("authorization"))];
            ("vonage", secrets("signature_secret"), headers, at)
        }
        other => panic!("no platform is known for the vector {other}"),
    }
}

#[tokio::test]
async fn every_vector_is_accepted_at_its_time() {
    let own = include_str!("../../../signature/vectors.json");
    let shared = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/fixtures/signature_vectors.json");
    let shared = std::fs::read_to_string(shared).unwrap_or_else(|_| {
        println!("skipped: signature_vectors.json is not beside the project");
        "{}".to_owned()
    });
    for text in [own, &shared] {
        let vectors: Value = serde_json::from_str(text).unwrap();
        for (name, vector) in vectors.as_object().unwrap() {
            let (platform, settings, headers, at) = delivery_of(name, vector);
            let body = vector["body"].as_str().unwrap().to_owned();
            let standing = bench(platform, &settings, at).await;
            assert_eq!(post(&standing, &headers, body.clone()).await, 200, "{name}");
            let spaced = format!("{body} ");
            assert_eq!(post(&standing, &headers, spaced).await, 401, "{name}");
            let far = i64::try_from(Duration::from_hours(2).as_secs()).unwrap();
            for at in [at - far, at + far] {
                let away = bench(platform, &settings, at).await;
                assert_eq!(
                    post(&away, &headers, body.clone()).await,
                    401,
                    "{name} at {at}"
                );
            }
        }
    }
}
