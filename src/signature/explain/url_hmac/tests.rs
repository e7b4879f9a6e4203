use http::HeaderValue;

use super::*;

const URL: &str = "https://calls.example.com/webhooks/acme?a=1";
const FORM: &[u8] = b"CallSid=CA1&CallStatus=completed";

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts
        .iter()
        .map(|text| Secret::new(*text).unwrap())
        .collect()
}

fn signed_by_twilio(secret: &str, url: &str, body: &[u8]) -> HeaderMap {
    let value = first::sign(&Secret::new(secret).unwrap(), url, body);
    let mut headers = HeaderMap::new();
    headers.insert(first::HEADER, HeaderValue::from_str(&value).unwrap());
    headers
}

/// The one fault that is found in a delivery of a URL and a body that came as others.
#[track_caller]
fn fault(headers: &HeaderMap, url: &str, body: &[u8], live: &[&str]) -> Check {
    let checks = twilio(headers, &[url.to_owned()], body, &secrets(live));
    let told = format!("{checks:?}");
    assert!(!told.contains("planted") && !told.contains("CA1"), "{told}");
    let mut faults = checks.into_iter().filter(|check| !check.ok);
    let fault = faults.next().unwrap_or_else(|| panic!("no fault: {told}"));
    assert!(faults.next().is_none(), "{told}");
    fault
}

#[test]
fn a_good_delivery_has_no_fault() {
    let headers = signed_by_twilio("planted-two", URL, FORM);
    let live = secrets(&["planted-one", "planted-two"]);
    let checks = twilio(&headers, &[URL.to_owned()], FORM, &live);
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    assert!(
        checks
            .iter()
            .any(|check| check.detail == "made with secret 2 of 2")
    );
}

#[test]
fn a_proxy_that_changed_the_url_is_recognised() {
    let headers = signed_by_twilio("planted", URL, FORM);
    for (came, how) in [
        (
            "http://calls.example.com/webhooks/acme?a=1",
            "http for https",
        ),
        (
            "http://calls.example.com:8080/webhooks/acme?a=1",
            "http for https",
        ),
        (
            "https://calls.example.com/calls/webhooks/acme?a=1",
            "prefix of its path",
        ),
        (
            "https://calls.example.com/webhooks/acme/?a=1",
            "slash at its end",
        ),
        (
            "http://calls.example.com/calls/webhooks/acme?a=1",
            "scheme and path",
        ),
    ] {
        let fault = fault(&headers, came, FORM, &["planted"]);
        assert_eq!(fault.part, "url", "{came}");
        assert!(fault.detail.contains(how), "{came}: {}", fault.detail);
        assert!(fault.mend.unwrap().contains("webhook.url"));
    }
    let unsaid = signed_by_twilio("planted", "https://calls.example.com/webhooks/acme", FORM);
    assert!(
        fault(&unsaid, URL, FORM, &["planted"])
            .detail
            .contains("without its query")
    );
}

#[test]
fn other_mistakes_are_told_apart() {
    let headers = signed_by_twilio("planted", URL, FORM);
    let body = [FORM, b"\n"].concat();
    assert_eq!(fault(&headers, URL, &body, &["planted"]).part, "body");
    assert_eq!(fault(&headers, URL, FORM, &["planted "]).part, "secret");
    let unknown = fault(&headers, URL, FORM, &["another", "one more"]);
    assert_eq!(unknown.part, "signature");
    assert!(unknown.detail.contains("none of the 2"));
    let checks = twilio(&headers, &[], FORM, &secrets(&["planted"]));
    assert!(checks.iter().any(|check| check.part == "url" && !check.ok));
    assert_eq!(
        fault(&HeaderMap::new(), URL, FORM, &["planted"]).part,
        "header"
    );
    let mut garbage = HeaderMap::new();
    garbage.insert(first::HEADER, HeaderValue::from_static("garbage"));
    assert_eq!(fault(&garbage, URL, FORM, &["planted"]).part, "form");
}

#[test]
fn plivos_second_scheme_is_named() {
    let mut headers = HeaderMap::new();
    headers.insert(third::SECOND, HeaderValue::from_static("whatever"));
    let checks = plivo(&headers, &[URL.to_owned()], FORM, &secrets(&["planted"]));
    assert!(
        checks
            .iter()
            .any(|check| check.detail.contains("signs no body"))
    );

    let value = third::sign(&secrets(&["planted"])[0], URL, FORM, "7");
    headers.insert(third::HEADER, HeaderValue::from_str(&value).unwrap());
    headers.insert(third::NONCE, HeaderValue::from_static("7"));
    let checks = plivo(&headers, &[URL.to_owned()], FORM, &secrets(&["planted"]));
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    let proxied = [URL.replace("https", "http")];
    let checks = plivo(&headers, &proxied, FORM, &secrets(&["planted"]));
    assert!(checks.iter().any(|check| check.part == "url" && !check.ok));
}
