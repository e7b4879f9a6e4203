use std::time::Duration;

use http::HeaderValue;

use super::*;

const NOW: i64 = 1_760_446_964;
const BODY: &[u8] = b"{\"status\": \"completed\"}";

fn explained(value: &str, body: &[u8]) -> Vec<Check> {
    let mut headers = HeaderMap::new();
    headers.insert(jwt::HEADER, HeaderValue::from_str(value).unwrap());
    let secrets = [Secret::new("planted").unwrap()];
    let tolerance = Tolerance::of(Duration::from_mins(5));
    payload_jwt(
        &headers,
        body,
        &secrets,
        tolerance,
        Timestamp::from_secs(NOW),
    )
}

fn signed(secret: &str, at: i64) -> String {
    let secret = Secret::new(secret).unwrap();
    scheme::sign(&secret, BODY, Timestamp::from_secs(at))
}

#[track_caller]
fn only_fault(checks: Vec<Check>) -> Check {
    let mut faults = checks.into_iter().filter(|check| !check.ok);
    let fault = faults.next().expect("a fault");
    assert!(faults.next().is_none());
    fault
}

#[test]
fn each_part_is_told_apart() {
    let good = explained(&signed("planted", NOW), BODY);
    assert!(good.iter().all(|check| check.ok), "{good:?}");
    let fault = only_fault(explained(&signed("planted", NOW - 412), BODY));
    assert!(fault.part == "time" && fault.detail.contains("412 s"));
    let fault = only_fault(explained(&signed("another", NOW), BODY));
    assert_eq!(fault.part, "signature");
    let fault = only_fault(explained(&signed("planted", NOW), &[BODY, b"\n"].concat()));
    assert!(fault.part == "body" && fault.detail.contains("line end"));
    let fault = only_fault(explained("Bearer x.y", BODY));
    assert_eq!(fault.part, "form");
}
