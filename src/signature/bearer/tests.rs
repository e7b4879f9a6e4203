use http::HeaderValue;

use super::*;

fn headers(name: &'static str, value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_bytes(value).unwrap());
    headers
}

fn secrets() -> Vec<Secret> {
    ["old", "good"]
        .map(|text| Secret::new(text).unwrap())
        .to_vec()
}

#[test]
fn every_live_secret_is_taken_as_it_is() {
    for (name, value) in [
        ("x-vapi-secret", "good"),
        ("x-vapi-secret", "old"),
        ("x-vapi-secret", "Bearer good"),
        ("authorization", "Bearer good"),
        ("authorization", "bearer  good"),
    ] {
        let verdict = verify(&headers(name, value.as_bytes()), name, &secrets());
        assert_eq!(verdict, Ok(()), "{name}: {value}");
    }
}

#[test]
fn everything_else_is_refused() {
    for (name, value) in [
        ("x-vapi-secret", "goo"),
        ("x-vapi-secret", "goodd"),
        ("x-vapi-secret", "GOOD"),
        ("x-vapi-secret", ""),
        ("x-vapi-secret", "Bearer "),
        ("authorization", "good"),
        ("authorization", "Basic good"),
        ("authorization", "Bearer"),
        ("authorization", "Bearer bad"),
    ] {
        let verdict = verify(&headers(name, value.as_bytes()), name, &secrets());
        assert!(verdict.is_err(), "{name}: {value}");
    }
    let name = "x-vapi-secret";
    assert!(verify(&headers(name, b"g\xffod"), name, &secrets()).is_err());
    assert!(verify(&headers(name, b"good"), name, &[]).is_err());
    let mut twice = headers(name, b"good");
    twice.append(name, HeaderValue::from_static("good"));
    assert!(verify(&twice, name, &secrets()).is_err());
    assert_eq!(
        verify(&HeaderMap::new(), name, &secrets()),
        Err(Refusal::Missing(name.to_owned()))
    );
}
