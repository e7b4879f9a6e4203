use std::time::Duration;

use http::HeaderValue;

use super::*;

const NOW: i64 = 1_760_446_964;
const BODY: &[u8] = b"{\"event\": \"conversation.completed\", \"note\": \"a, b: c \\\" d\"}";
const SECRETS: [&str; 2] = ["planted-one", "planted-two"];

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

/// Explains `header` over `body`, and shows that no secret and no piece of the body is told.
fn explained(value: &str, body: &[u8], secrets: &[&str]) -> Vec<Check> {
    let mut headers = HeaderMap::new();
    headers.insert("speechify-signature", HeaderValue::from_str(value).unwrap());
    let secrets: Vec<Secret> = secrets.iter().map(|text| secret(text)).collect();
    let checks = timestamped_hmac(
        timestamped::SPEECHIFY,
        &headers,
        body,
        &secrets,
        Tolerance::of(Duration::from_mins(30)),
        Timestamp::from_secs(NOW),
    );
    let told = format!("{checks:?}");
    assert!(
        !told.contains("planted") && !told.contains("completed"),
        "{told}"
    );
    checks
}

#[track_caller]
fn only_fault(checks: &[Check]) -> &Check {
    let faults: Vec<&Check> = checks.iter().filter(|check| !check.ok).collect();
    assert_eq!(faults.len(), 1, "{checks:?}");
    faults[0]
}

#[test]
fn a_good_delivery_has_no_fault() {
    let value = timestamped::sign(&secret("planted-two"), NOW - 412, BODY);
    let checks = explained(&value, BODY, &SECRETS);
    let details: Vec<&str> = checks.iter().map(|check| check.detail.as_str()).collect();
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    assert_eq!(
        details,
        [
            "Speechify-Signature is there",
            "a time and a signature",
            "made with secret 2 of 2",
            "412 s old"
        ]
    );
}

#[test]
fn an_altered_body_is_recognised() {
    let signed_forms: [(&[u8], &str); 5] = [
        (
            b"{\"event\":\"conversation.completed\",\"note\":\"a, b: c \\\" d\"}",
            "without spaces",
        ),
        (BODY, "without the line end"),
        (b"{\"a\":1,\n\"b\":2}", "LF for CR LF"),
        (b"{\"a\":1}\n", "with a line end"),
        (b"{\"a\": 1, \"b\": \"x,y\"}", "a space behind"),
    ];
    let received: [&[u8]; 5] = [
        BODY,
        &[BODY, b"\n"].concat(),
        b"{\"a\":1,\r\n\"b\":2}",
        b"{\"a\":1}",
        b"{\"a\":1,\"b\":\"x,y\"}",
    ];
    for ((signed, how), body) in signed_forms.into_iter().zip(received) {
        let value = timestamped::sign(&secret("planted-one"), NOW, signed);
        let checks = explained(&value, body, &SECRETS);
        let fault = only_fault(&checks);
        assert_eq!(fault.part, "body", "{how}");
        assert!(fault.detail.contains(how), "{} for {how}", fault.detail);
        assert!(fault.mend.is_some());
    }
}

#[test]
fn the_senders_mistakes_are_recognised() {
    let good = timestamped::mac(&secret("planted-one"), &NOW.to_string(), BODY);
    let bare = hmac_sha256(b"planted-one", &[BODY]);
    for (value, part, mend) in [
        (
            format!("t={NOW},v0={}", hex::encode_upper(good)),
            "form",
            "lower case",
        ),
        (
            format!("t={NOW},v0={}", STANDARD.encode(good)),
            "form",
            "in base64",
        ),
        (
            timestamped::sign(&secret("planted-one"), NOW * 1000, BODY),
            "time",
            "milliseconds",
        ),
        (
            timestamped::sign(&secret("planted-one"), NOW - 90_000, BODY),
            "time",
            "tolerance",
        ),
        (
            timestamped::sign(&secret("planted-one"), NOW + 900, BODY),
            "time",
            "clock",
        ),
        (
            format!("t={NOW},v0={}", hex::encode(bare)),
            "signature",
            "full stop",
        ),
        (
            timestamped::sign(&secret("somebody else's"), NOW, BODY),
            "signature",
            "webhook.secrets",
        ),
    ] {
        let checks = explained(&value, BODY, &SECRETS);
        let fault = only_fault(&checks);
        assert_eq!(fault.part, part, "{value}");
        let told = fault.mend.as_deref().unwrap_or_default();
        assert!(told.contains(mend), "{told} for {mend}");
    }
}

#[test]
fn a_secret_with_a_line_end_or_decoded_is_recognised() {
    let value = timestamped::sign(&secret("planted-one"), NOW, BODY);
    let checks = explained(&value, BODY, &["planted-one\n"]);
    assert_eq!(only_fault(&checks).part, "secret");

    let key = hmac_sha256(
        b"0123456789abcdef01234567",
        &[NOW.to_string().as_bytes(), b".", BODY],
    );
    let encoded = format!("whsec_{}", STANDARD.encode("0123456789abcdef01234567"));
    let value = format!("t={NOW},v0={}", hex::encode(key));
    let checks = explained(&value, BODY, &[&encoded]);
    assert!(only_fault(&checks).detail.contains("base64-decoded"));
}

#[test]
fn a_missing_header_ends_it() {
    let none = HeaderMap::new();
    let tolerance = Tolerance::of(Duration::from_mins(5));
    let now = Timestamp::from_secs(NOW);
    for checks in [
        timestamped_hmac(timestamped::SPEECHIFY, &none, BODY, &[], tolerance, now),
        prefixed_hmac(&none, BODY, &[], tolerance, now),
        jwt(&none, BODY, &[], tolerance, now),
    ] {
        assert!(
            checks
                .iter()
                .all(|check| !check.ok && check.part == "header" && check.mend.is_some())
        );
    }
}

#[test]
fn the_parts_of_a_token_are_judged_apart() {
    let keys = [("APIkey".to_owned(), secret("planted-one"))];
    let explain = |token: &str, body: &[u8], at: i64| {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(token).unwrap());
        let tolerance = Tolerance::of(Duration::from_mins(5));
        let checks = jwt(&headers, body, &keys, tolerance, Timestamp::from_secs(at));
        let faults: Vec<&'static str> = checks
            .iter()
            .filter(|check| !check.ok)
            .map(|check| check.part)
            .collect();
        faults
    };
    let at = Timestamp::from_secs(NOW);
    let good = token::sign("APIkey", &secret("planted-one"), BODY, at);
    assert!(explain(&good, BODY, NOW).is_empty());
    assert_eq!(explain(&good, &[BODY, b"\n"].concat(), NOW), ["body"]);
    assert_eq!(explain(&good, BODY, NOW + 900), ["time"]);
    assert_eq!(explain(&good, b"other", NOW - 900), ["time", "body"]);
    assert_eq!(explain("garbage", BODY, NOW), ["form"]);
    let stranger = token::sign("APIother", &secret("planted-one"), BODY, at);
    assert_eq!(explain(&stranger, BODY, NOW), ["secret"]);
    let forged = token::sign("APIkey", &secret("guess"), BODY, at);
    assert_eq!(explain(&forged, BODY, NOW), ["signature"]);
}

#[test]
fn what_can_not_be_read_of_standard_webhooks_is_mended_where_it_is_wrong() {
    use crate::signature::standard::{ID, SIGNATURE, TIMESTAMP};
    for (wrong, mend) in [
        (TIMESTAMP, "Unix seconds"),
        (ID, "full stop"),
        (SIGNATURE, "base64"),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (ID, "msg_1"),
            (TIMESTAMP, "1760446964"),
            (SIGNATURE, "v1,AA=="),
        ] {
            let value = if name == wrong { "soon." } else { value };
            headers.insert(name, HeaderValue::from_static(value));
        }
        let tolerance = Tolerance::of(Duration::from_mins(5));
        let checks = standard(&headers, BODY, &[], tolerance, Timestamp::from_secs(NOW));
        let told = only_fault(&checks).mend.as_deref().unwrap();
        assert!(told.contains(mend), "{wrong}: {told}");
    }
}
