use http::HeaderValue;

use super::*;

fn explained(value: &str, secrets: &[&str]) -> Vec<Check> {
    let mut headers = HeaderMap::new();
    headers.insert("x-vapi-secret", HeaderValue::from_str(value).unwrap());
    let secrets: Vec<Secret> = secrets
        .iter()
        .map(|text| Secret::new(*text).unwrap())
        .collect();
    let checks = bearer(&headers, "x-vapi-secret", &secrets);
    let told = format!("{checks:?}");
    assert!(!told.contains("planted"), "{told}");
    checks
}

#[test]
fn which_secret_was_sent_is_told_and_never_the_secret() {
    let good = explained("planted-two", &["planted-one", "planted-two"]);
    assert!(good.iter().all(|check| check.ok), "{good:?}");
    assert!(
        good.iter()
            .any(|check| check.detail == "it is secret 2 of 2")
    );
    for (sent, live, found) in [
        ("planted-three", "planted-one", "none of the 1"),
        ("planted-one", "planted-one ", "space around it"),
    ] {
        let checks = explained(sent, &[live]);
        let fault = checks.iter().find(|check| !check.ok).unwrap();
        assert_eq!(fault.part, "secret");
        assert!(fault.detail.contains(found), "{}", fault.detail);
    }
    let missing = bearer(&HeaderMap::new(), "authorization", &[]);
    assert_eq!(missing[0].part, "header");
}
