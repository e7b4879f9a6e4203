use std::time::Duration;

use http::HeaderValue;

use super::*;
use crate::signature::custom_hmac::Encoding;

const NOW: i64 = 1_760_446_964;
const BODY: &[u8] = b"{\"event\": \"call_ended\"}";

fn secret() -> Secret {
    Secret::new("planted").unwrap()
}

fn tolerance() -> Tolerance {
    Tolerance::of(Duration::from_mins(5))
}

#[track_caller]
fn only_fault(checks: Vec<Check>) -> Check {
    let told = format!("{checks:?}");
    assert!(
        !told.contains("planted") && !told.contains("call_ended"),
        "{told}"
    );
    let mut faults = checks.into_iter().filter(|check| !check.ok);
    let fault = faults.next().unwrap_or_else(|| panic!("no fault: {told}"));
    assert!(faults.next().is_none(), "{told}");
    fault
}

fn retell(value: &str, body: &[u8]) -> Vec<Check> {
    let mut headers = HeaderMap::new();
    headers.insert(appended::HEADER, HeaderValue::from_str(value).unwrap());
    let now = Timestamp::from_secs(NOW);
    appended_hmac(&headers, body, &[secret()], tolerance(), now)
}

#[test]
fn retells_faults_are_told_apart() {
    let good = appended::sign(&secret(), NOW * 1000, BODY);
    assert!(retell(&good, BODY).iter().all(|check| check.ok));
    let late = appended::sign(&secret(), (NOW - 412) * 1000, BODY);
    let fault = only_fault(retell(&late, BODY));
    assert_eq!(fault.part, "time");
    assert!(fault.detail.contains("412 s"), "{}", fault.detail);
    assert_eq!(
        only_fault(retell(&good, &[BODY, b"\n"].concat())).part,
        "body"
    );
    assert_eq!(only_fault(retell(&good.to_uppercase(), BODY)).part, "form");
    let digest = &good[good.len() - 64..];
    let upper = good.replace(digest, &digest.to_uppercase());
    assert!(
        only_fault(retell(&upper, BODY))
            .mend
            .unwrap()
            .contains("lower case")
    );
    let bare = hex::encode(hmac_sha256(b"planted", &[BODY]));
    let fault = only_fault(retell(&format!("v={NOW}000,d={bare}"), BODY));
    assert!(
        fault.detail.contains("without its time"),
        "{}",
        fault.detail
    );
}

fn form() -> Form {
    Form {
        header: "x-signature".to_owned(),
        payload: "{timestamp}.{body}".to_owned(),
        timestamp: "x-timestamp".to_owned(),
        prefix: String::new(),
        encoding: Encoding::Hex,
    }
}

fn custom(sent: &Form, expected: &Form) -> Vec<Check> {
    let mut headers = HeaderMap::new();
    for (name, value) in custom_hmac::sign(sent, &secret(), NOW, BODY) {
        let name: http::HeaderName = name.parse().unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    let now = Timestamp::from_secs(NOW + 5);
    super::custom_hmac(expected, &headers, BODY, &[secret()], tolerance(), now)
}

#[test]
fn another_form_than_the_configured_one_is_named() {
    let checks = custom(&form(), &form());
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    let base64 = Form {
        encoding: Encoding::Base64,
        ..form()
    };
    let fault = only_fault(custom(&base64, &form()));
    assert!(fault.mend.unwrap().contains("base64"));
    let bare = Form {
        payload: "{body}".to_owned(),
        ..form()
    };
    assert!(custom(&bare, &bare).iter().all(|check| check.ok));
    assert_eq!(only_fault(custom(&bare, &form())).part, "header");
    let elsewhere = Form {
        header: "x-other".to_owned(),
        ..form()
    };
    assert_eq!(only_fault(custom(&elsewhere, &form())).part, "header");
    let prefixed = Form {
        prefix: "sha256=".to_owned(),
        ..form()
    };
    assert_eq!(only_fault(custom(&form(), &prefixed)).part, "form");
}
