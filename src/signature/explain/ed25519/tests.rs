use std::time::Duration;

use http::HeaderValue;

use super::*;

const NOW: i64 = 1_760_446_964;
const BODY: &[u8] = b"{\"data\": {}}";

fn explained(signature: &str, time: &str, body: &[u8], keys: &[String]) -> Vec<Check> {
    let mut headers = HeaderMap::new();
    headers.insert(scheme::SIGNATURE, HeaderValue::from_str(signature).unwrap());
    headers.insert(scheme::TIMESTAMP, HeaderValue::from_str(time).unwrap());
    let keys: Vec<Secret> = keys.iter().map(|key| Secret::new(key).unwrap()).collect();
    let tolerance = Tolerance::of(Duration::from_mins(5));
    ed25519(&headers, body, &keys, tolerance, Timestamp::from_secs(NOW))
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
    let (signature, time) = scheme::sign(&[7; 32], NOW, BODY);
    let key = scheme::public_key_of(&[7; 32]);
    let keys = [scheme::public_key_of(&[8; 32]), key.clone()];
    let good = explained(&signature, &time, BODY, &keys);
    assert!(good.iter().all(|check| check.ok), "{good:?}");
    assert!(
        good.iter()
            .any(|check| check.detail == "made with key 2 of 2")
    );

    let fault = only_fault(explained(&signature, &time, &[BODY, b"\n"].concat(), &keys));
    assert_eq!(fault.part, "body");
    let fault = only_fault(explained(&signature, &time, BODY, &keys[..1]));
    assert_eq!(fault.part, "signature");
    let fault = only_fault(explained(&hex::encode([1; 64]), &time, BODY, &keys));
    assert_eq!(fault.part, "form");
    assert!(fault.mend.unwrap().contains("hexadecimal"));
    let (signature, time) = scheme::sign(&[7; 32], NOW - 412, BODY);
    let fault = only_fault(explained(&signature, &time, BODY, &keys));
    assert!(fault.part == "time" && fault.detail.contains("412 s"));
    let (signature, time) = scheme::sign(&[7; 32], NOW, BODY);
    let fault = only_fault(explained(
        &signature,
        &time,
        BODY,
        &["KEY0".to_owned(), key],
    ));
    assert_eq!(fault.part, "secret");
    assert!(fault.mend.unwrap().contains("portal"));
}
