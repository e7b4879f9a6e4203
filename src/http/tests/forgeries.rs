//! The negative cases of `platforms.md` §8 that are written in a scheme's own form, through HTTP: two
//! times or a time in words inside one header, upper-case digits, and tokens that prove nothing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::signatures::{Headers, JSON, NOW, bench, header, plain, post, secret};
use super::*;
use crate::signature::{
    appended_hmac, hmac_sha256, jwt, payload_jwt, prefixed_hmac, timestamped_hmac,
};

/// Posts each of these headers to a source whose secret is `good`: the first is taken, the others are
/// refused.
async fn only_the_first(platform: &str, more: &str, all: Vec<(&str, Headers)>) {
    let settings = format!("{more}{}", plain(&["good"]));
    let bench = bench(platform, &settings, NOW).await;
    for (n, (what, headers)) in all.into_iter().enumerate() {
        let wanted = if n == 0 { 200 } else { 401 };
        let status = post(&bench, &headers, JSON).await;
        assert_eq!(status, wanted, "{platform}: {what}");
    }
}

#[tokio::test]
async fn a_header_with_a_time_has_one_and_in_digits() {
    for (platform, name) in [
        ("speechify", timestamped_hmac::SPEECHIFY),
        ("elevenlabs", timestamped_hmac::ELEVENLABS),
    ] {
        let good = timestamped_hmac::sign(&secret("good"), NOW, JSON);
        let (time, mac) = good.split_once(',').unwrap();
        let digest = mac.trim_start_matches("v0=");
        let worded = hmac_sha256(b"good", &[b"soon.", JSON]);
        let with = |value: String| vec![header(name, value)];
        let cases = vec![
            ("as it is signed", with(good.clone())),
            ("two times", with(format!("{time},{time},{mac}"))),
            ("two other times", with(format!("t=1,{time},{mac}"))),
            ("no time", with(mac.to_owned())),
            ("no signature", with(time.to_owned())),
            (
                "a time in words",
                with(format!("t=soon,v0={}", hex::encode(worded))),
            ),
            (
                "upper-case digits",
                with(format!("{time},v0={}", digest.to_uppercase())),
            ),
            ("half a signature", with(format!("{time},{}", &mac[..20]))),
        ];
        only_the_first(platform, "", cases).await;
    }
    let good = appended_hmac::sign(&secret("good"), NOW * 1000, JSON);
    let (time, digest) = good.split_once(",d=").unwrap();
    let worded = hmac_sha256(b"good", &[JSON, b"soon"]);
    let with = |value: String| vec![header(appended_hmac::HEADER, value)];
    let cases = vec![
        ("as it is signed", with(good.clone())),
        ("two times", with(format!("{time},{time},d={digest}"))),
        (
            "a time in words",
            with(format!("v=soon,d={}", hex::encode(worded))),
        ),
        (
            "upper-case digits",
            with(format!("{time},d={}", digest.to_uppercase())),
        ),
    ];
    only_the_first("retell", "", cases).await;
}

#[tokio::test]
async fn speechifys_old_form_is_as_strict() {
    let (good, time) = prefixed_hmac::sign(&secret("good"), NOW * 1000, JSON);
    let digest = good.trim_start_matches("sha256=");
    let worded = hex::encode(hmac_sha256(b"good", &[b"soon.", JSON]));
    let with = |value: String, time: &str| {
        vec![
            header(prefixed_hmac::SIGNATURE, value),
            header(prefixed_hmac::TIMESTAMP, time),
        ]
    };
    let cases = vec![
        ("as it is signed", with(good.clone(), &time)),
        ("a time in words", with(format!("sha256={worded}"), "soon")),
        ("seconds for milliseconds", with(good.clone(), &time[..10])),
        (
            "upper-case digits",
            with(format!("sha256={}", digest.to_uppercase()), &time),
        ),
        ("no prefix", with(digest.to_owned(), &time)),
    ];
    only_the_first("speechify", "", cases).await;
}

/// A token of this header and these claims, signed by HS256 with `good` whatever it says.
fn token(head: &Value, claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(head), encoded(claims));
    let mac = hmac_sha256(b"good", &[signed.as_bytes()]);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

#[tokio::test]
async fn a_token_of_livekit_says_all_that_it_has_to_say() {
    // Its hash has a character that the two alphabets of base64 write otherwise, and padding.
    let hash = Sha256::digest(JSON);
    let head = json!({"alg": "HS256", "typ": "JWT"});
    let claims = json!({"iss": "APIa", "iat": NOW, "nbf": NOW, "exp": NOW + 300,
        "sha256": STANDARD.encode(hash)});
    let but = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        vec![header(jwt::HEADER, token(&head, &claims))]
    };
    let said = |head: Value| vec![header(jwt::HEADER, token(&head, &claims))];
    let unsigned = {
        let token = token(&json!({"alg": "none"}), &claims);
        let (signed, _) = token.rsplit_once('.').unwrap();
        vec![header(jwt::HEADER, format!("{signed}."))]
    };
    let cases = vec![
        ("as it is signed", said(head.clone())),
        ("alg none", said(json!({"alg": "none", "typ": "JWT"}))),
        ("alg none, unsigned", unsigned),
        ("alg RS256", said(json!({"alg": "RS256", "typ": "JWT"}))),
        ("no end", but("exp", Value::Null)),
        ("an end in words", but("exp", json!("soon"))),
        ("an unknown issuer", but("iss", json!("APIb"))),
        ("no issuer", but("iss", Value::Null)),
        ("no hash", but("sha256", Value::Null)),
        (
            "an unpadded hash",
            but("sha256", json!(STANDARD_NO_PAD.encode(hash))),
        ),
        (
            "a hexadecimal hash",
            but("sha256", json!(hex::encode(hash))),
        ),
        (
            "another body's hash",
            but("sha256", json!(STANDARD.encode(Sha256::digest("{}")))),
        ),
    ];
    only_the_first("livekit", "webhook.key = \"APIa\"\n", cases).await;
    // A body is looked for whose hash the two alphabets of base64 write otherwise.
    let mut bodies = (0..).map(|n: u32| format!("{{\"event\":\"none\",\"n\":{n}}}"));
    let differs = |body: &String| STANDARD.encode(Sha256::digest(body)).contains(['+', '/']);
    let body = bodies.find(differs).unwrap();
    let settings = format!("webhook.key = \"APIa\"\n{}", plain(&["good"]));
    let bench = bench("livekit", &settings, NOW).await;
    let hash = Sha256::digest(&body);
    for (written, wanted) in [(STANDARD.encode(hash), 200), (URL_SAFE.encode(hash), 401)] {
        let headers = but("sha256", json!(written));
        assert_eq!(post(&bench, &headers, body.clone()).await, wanted);
    }
}

#[tokio::test]
async fn a_token_of_vonage_says_all_that_it_has_to_say() {
    let hash = hex::encode(Sha256::digest(JSON));
    let head = json!({"alg": "HS256", "typ": "JWT"});
    let claims = json!({"iss": "Vonage", "iat": NOW, "payload_hash": hash});
    let bearer = |token: String| vec![header(jwt::HEADER, format!("Bearer {token}"))];
    let but = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        bearer(token(&head, &claims))
    };
    let good = payload_jwt::sign(&secret("good"), JSON, Timestamp::from_secs(NOW));
    let cases = vec![
        ("as it is signed", vec![header(jwt::HEADER, good)]),
        ("alg none", bearer(token(&json!({"alg": "none"}), &claims))),
        (
            "alg RS256",
            bearer(token(&json!({"alg": "RS256"}), &claims)),
        ),
        ("no time", but("iat", Value::Null)),
        ("a time in words", but("iat", json!("soon"))),
        ("an end that is past", but("exp", json!(NOW - 61))),
        ("an unknown issuer", but("iss", json!("Nexmo"))),
        ("no hash", but("payload_hash", Value::Null)),
        (
            "upper-case digits",
            but("payload_hash", json!(hash.to_uppercase())),
        ),
    ];
    only_the_first("vonage", "", cases).await;
}

#[tokio::test]
async fn hexadecimal_digits_are_lower_case() {
    let mac = hex::encode(hmac_sha256(b"good", &[JSON]));
    let with = |value: &str| vec![header("x-webhook-signature", value)];
    let upper = mac.to_uppercase();
    let cases = vec![
        ("as it is signed", with(&mac)),
        ("upper-case digits", with(&upper)),
        ("half of them", with(&mac[..32])),
    ];
    only_the_first("bland", "", cases).await;
}
