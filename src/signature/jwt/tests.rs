use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use http::HeaderValue;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_760_446_964;
/// Its hash has a `+` and a `/`, so that the two alphabets differ.
const BODY: &[u8] = b"{\"event\":\"room_finished\",\"n\":5}";

fn secret() -> Secret {
    Secret::new("thiskeyistotallyunsafe").unwrap()
}

fn keys() -> Vec<(String, Secret)> {
    vec![
        ("other".to_owned(), Secret::new("another").unwrap()),
        (
            "myapikey".to_owned(),
            Secret::new("before the rotation").unwrap(),
        ),
        ("myapikey".to_owned(), secret()),
    ]
}

fn claims() -> Value {
    json!({
        "iss": "myapikey", "iat": NOW, "nbf": NOW, "exp": NOW + 300,
        "sha256": STANDARD.encode(Sha256::digest(BODY)),
    })
}

/// The claims with one of them set, or with null left out.
fn claims_with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => {
            claims.as_object_mut().unwrap().remove(key);
        }
        value => claims[key] = value,
    }
    claims
}

fn judge_value(value: &str, tolerance: Duration, at: i64) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(value).unwrap());
    let now = Timestamp::from_secs(at);
    verify(&headers, BODY, &keys(), Tolerance::of(tolerance), now)
}

fn judge(header: &Value, claims: &Value) -> Result<(), Refusal> {
    judge_value(
        &encode(header, claims, &secret()),
        Duration::from_mins(5),
        NOW,
    )
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

#[test]
fn the_scheme_before_the_token_may_be_there_in_any_case() {
    let token = sign("myapikey", &secret(), BODY, Timestamp::from_secs(NOW));
    for value in [
        token.clone(),
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER  {token}"),
    ] {
        assert_eq!(judge_value(&value, Duration::from_mins(5), NOW), Ok(()));
    }
    for value in [
        format!("Basic {token}"),
        format!("Bearer{token}"),
        format!("{token}.{token}"),
        format!("{token}."),
        format!("{token}="),
    ] {
        let verdict = judge_value(&value, Duration::from_mins(5), NOW);
        assert!(
            matches!(verdict, Err(Refusal::Malformed(ref name, _)) if name == HEADER),
            "{verdict:?}"
        );
    }
}

#[test]
fn only_hs256_is_taken() {
    for alg in ["none", "None", "RS256", "HS512", "hs256", "ES256", ""] {
        let header = json!({"alg": alg, "typ": "JWT"});
        assert_eq!(
            judge(&header, &claims()),
            Err(Refusal::Algorithm(alg.to_owned()))
        );
    }
    // Without a signature, as `alg: none` is sent.
    let token = encode(&json!({"alg": "none"}), &claims(), &secret());
    let bare = &token[..=token.rfind('.').unwrap()];
    let verdict = judge_value(bare, Duration::from_mins(5), NOW);
    assert_eq!(verdict, Err(Refusal::Algorithm("none".to_owned())));
    for header in [
        json!({}),
        json!({"alg": null}),
        json!([]),
        json!({"alg": "HS256", "crit": ["b64"]}),
    ] {
        let verdict = judge(&header, &claims());
        assert!(
            matches!(verdict, Err(Refusal::Malformed(..))),
            "{header} {verdict:?}"
        );
    }
    assert_eq!(
        judge(&json!({"alg": "HS256", "kid": "x"}), &claims()),
        Ok(())
    );
}

#[test]
fn the_issuer_picks_the_secret() {
    assert_eq!(
        judge(&hs256(), &claims_with("iss", json!("stranger"))),
        Err(Refusal::UnknownKey)
    );
    assert_eq!(
        judge(&hs256(), &claims_with("iss", Value::Null)),
        Err(Refusal::UnknownKey)
    );
    // A configured key, but not the one whose secret signed.
    assert_eq!(
        judge(&hs256(), &claims_with("iss", json!("other"))),
        Err(Refusal::Mismatch { tried: 1 })
    );
}

#[test]
fn the_token_must_say_its_end_and_have_begun() {
    let verdict = judge(&hs256(), &claims_with("exp", Value::Null));
    assert!(
        matches!(verdict, Err(Refusal::Malformed(..))),
        "{verdict:?}"
    );
    for (claim, value, verdict) in [
        ("exp", json!(NOW - 60), Ok(())),
        ("exp", json!(NOW - 61), Err(Refusal::Expired { ago_s: 61 })),
        (
            "exp",
            json!(i64::MIN),
            Err(Refusal::Expired { ago_s: i64::MAX }),
        ),
        ("exp", json!(1_760_447_000.5), Ok(())),
        ("nbf", Value::Null, Ok(())),
        ("nbf", json!(0), Ok(())),
        ("nbf", json!(NOW + 60), Ok(())),
        (
            "nbf",
            json!(NOW + 61),
            Err(Refusal::TooNew {
                ahead_s: 61,
                tolerance_s: 60,
            }),
        ),
        ("iat", Value::Null, Ok(())),
        ("iat", json!(NOW - 360), Ok(())),
        (
            "iat",
            json!(NOW - 361),
            Err(Refusal::TooOld {
                age_s: 361,
                tolerance_s: 360,
            }),
        ),
    ] {
        let shown = format!("{claim} {value}");
        assert_eq!(
            judge(&hs256(), &claims_with(claim, value)),
            verdict,
            "{shown}"
        );
    }
    let text = judge(&hs256(), &claims_with("exp", json!("soon")));
    assert!(matches!(text, Err(Refusal::Malformed(..))), "{text:?}");
}

#[test]
fn the_setting_bounds_tokens_that_hold_long() {
    let mut long = claims();
    long["exp"] = json!(NOW + 86_400);
    let token = encode(&hs256(), &long, &secret());
    let minute = Duration::from_mins(1);
    assert_eq!(judge_value(&token, minute, NOW + 120), Ok(()));
    assert!(matches!(
        judge_value(&token, minute, NOW + 121),
        Err(Refusal::TooOld { .. })
    ));
    assert_eq!(
        judge_value(&token, Duration::from_hours(10), NOW + 30_000),
        Ok(())
    );
}

#[test]
fn the_hash_is_padded_standard_base64() {
    let hash = Sha256::digest(BODY);
    assert_ne!(STANDARD.encode(hash), URL_SAFE.encode(hash));
    for spelling in [
        URL_SAFE.encode(hash),
        URL_SAFE_NO_PAD.encode(hash),
        STANDARD_NO_PAD.encode(hash),
        hex::encode(hash),
        format!(" {}", STANDARD.encode(hash)),
        String::new(),
    ] {
        let verdict = judge(&hs256(), &claims_with("sha256", json!(spelling)));
        assert!(
            matches!(verdict, Err(Refusal::Malformed(..))),
            "{spelling} {verdict:?}"
        );
    }
    let verdict = judge(&hs256(), &claims_with("sha256", Value::Null));
    assert!(
        matches!(verdict, Err(Refusal::Malformed(..))),
        "{verdict:?}"
    );
    let other = STANDARD.encode(Sha256::digest(b"another body"));
    assert_eq!(
        judge(&hs256(), &claims_with("sha256", json!(other))),
        Err(Refusal::BodyAltered)
    );
}

#[test]
fn a_claim_that_stands_twice_is_refused() {
    let twice = format!(r#"{{"iss":"myapikey","exp":{0},"exp":{0}}}"#, NOW + 300);
    let head = URL_SAFE_NO_PAD.encode(hs256().to_string());
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(twice));
    let mac = hmac_sha256(secret().expose().as_bytes(), &[signed.as_bytes()]);
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
    let verdict = judge_value(&token, Duration::from_mins(5), NOW);
    assert!(
        matches!(verdict, Err(Refusal::Malformed(..))),
        "{verdict:?}"
    );
}
