use http::HeaderValue;

use super::*;

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const FORM: &[u8] = b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212\
                      &Caller=%2B14158675309";

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts
        .iter()
        .map(|text| Secret::new(*text).unwrap())
        .collect()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn by_twilio(value: &str, url: &str, body: &[u8]) -> Result<(), Refusal> {
    let headers = headers(&[("x-twilio-signature", value)]);
    twilio::verify(
        &headers,
        &[url.to_owned()],
        body,
        &secrets(&["old", "12345"]),
    )
}

fn by_plivo(value: &str, nonce: &str, url: &str, body: &[u8]) -> Result<(), Refusal> {
    let headers = headers(&[
        ("x-plivo-signature-v3", value),
        ("x-plivo-signature-v3-nonce", nonce),
    ]);
    plivo::verify(
        &headers,
        &[url.to_owned()],
        body,
        &secrets(&["old", "12345"]),
    )
}

/// Twilio's published vector (`platforms.md` §8).
#[test]
fn twilios_own_vector_verifies() {
    let value = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert_eq!(by_twilio(value, URL, FORM), Ok(()));
    assert_eq!(twilio::sign(&secrets(&["12345"])[0], URL, FORM), value);
}

/// The first of Plivo's two steps, which its V2 shares: the vendor's value for URL and nonce.
#[test]
fn plivos_url_and_nonce_are_hashed_as_published() {
    let made = mac(
        hmac::HMAC_SHA256,
        &secrets(&["my_auth_token"])[0],
        b"https://answer.url12345",
    );
    assert_eq!(made, "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc=");
}

#[test]
fn the_port_may_be_told_or_not() {
    let secret = &secrets(&["12345"])[0];
    let forms = [
        "https://a.example/w",
        "https://a.example:443/w",
        "https://a.example:8443/w",
    ];
    let twilios = twilio::sign(secret, forms[0], FORM);
    let plivos = plivo::sign(secret, forms[0], FORM, "n");
    for url in forms {
        assert_eq!(by_twilio(&twilios, url, FORM), Ok(()), "{url}");
        assert_eq!(by_plivo(&plivos, "n", url, FORM), Ok(()), "{url}");
    }
}

#[test]
fn a_body_that_is_no_form_is_hashed_into_the_url() {
    use sha2::Digest as _;
    let body: &[u8] = b"{\"a\":\"\xff\"}";
    let hash = hex::encode(sha2::Sha256::digest(body));
    let url = format!("https://a.example/w?x=1&bodySHA256={hash}");
    let value = twilio::sign(&secrets(&["12345"])[0], &url, body);
    assert_eq!(by_twilio(&value, &url, body), Ok(()));
    assert!(by_twilio(&value, &url, b"{\"a\":\"\xff\"} ").is_err());
    assert!(by_twilio(&value, &url.replace(&hash, &hash.to_uppercase()), body).is_err());
    assert!(by_twilio(&value, "https://a.example/w?x=1", body).is_err());
}

#[test]
fn whatever_is_changed_is_refused() {
    let secret = &secrets(&["12345"])[0];
    let twilios = twilio::sign(secret, URL, FORM);
    let plivos = plivo::sign(secret, URL, FORM, "17");
    assert_eq!(by_twilio(&twilios, URL, FORM), Ok(()));
    assert_eq!(by_plivo(&plivos, "17", URL, FORM), Ok(()));
    assert!(by_plivo(&plivos, "18", URL, FORM).is_err());
    let bodies = [
        [FORM, b" "].concat(),
        [b" ", FORM].concat(),
        [FORM, b"&x=1"].concat(),
        FORM[..FORM.len() - 1].to_vec(),
        Vec::new(),
        b"\xff".to_vec(),
    ];
    for body in bodies {
        assert!(by_twilio(&twilios, URL, &body).is_err(), "{body:?}");
        assert!(by_plivo(&plivos, "17", URL, &body).is_err(), "{body:?}");
    }
    for url in [
        "http://mycompany.com/myapp.php?foo=1&bar=2",
        "https://mycompany.com/myapp.php?foo=1",
        "https://mycompany.com/myapp.php/?foo=1&bar=2",
        "https://mycompany.org/myapp.php?foo=1&bar=2",
        "not a url",
        "",
    ] {
        assert!(by_twilio(&twilios, url, FORM).is_err(), "{url}");
        assert!(by_plivo(&plivos, "17", url, FORM).is_err(), "{url}");
    }
    for at in 0..twilios.len() {
        for other in ["0", "A", "z", "="] {
            let mut changed = twilios.clone();
            changed.replace_range(at..=at, other);
            let same = changed == twilios;
            assert_eq!(by_twilio(&changed, URL, FORM).is_ok(), same, "{changed}");
        }
    }
    for garbage in ["", " ", "garbage", "=", ",", "é", &plivos] {
        assert!(by_twilio(garbage, URL, FORM).is_err(), "{garbage}");
    }
    for garbage in ["", " ", "garbage", "=", ",", "é", &twilios] {
        assert!(by_plivo(garbage, "17", URL, FORM).is_err(), "{garbage}");
    }
}

#[test]
fn another_tenants_secret_and_none_at_all_are_refused() {
    let theirs = &secrets(&["another tenant's"])[0];
    let value = twilio::sign(theirs, URL, FORM);
    assert_eq!(
        by_twilio(&value, URL, FORM),
        Err(Refusal::Mismatch { tried: 2 })
    );
    let value = plivo::sign(theirs, URL, FORM, "1");
    assert_eq!(
        by_plivo(&value, "1", URL, FORM),
        Err(Refusal::Mismatch { tried: 2 })
    );
    let headers = headers(&[("x-twilio-signature", &twilio::sign(theirs, URL, FORM))]);
    assert!(twilio::verify(&headers, &[URL.to_owned()], FORM, &[]).is_err());
    assert!(twilio::verify(&headers, &[], FORM, &secrets(&["another tenant's"])).is_err());
}

/// Put together as Plivo's own library does: `url?` and the fields; with a query, a full stop
/// between the two.
#[test]
fn plivos_third_scheme_is_put_together_as_plivo_does() {
    let secret = &secrets(&["12345"])[0];
    for (url, body, message) in [
        (
            "https://a.example/w",
            "b=2&a=1",
            "https://a.example/w?a1b2.n",
        ),
        (
            "https://a.example/w?z=1&y=2",
            "b=2&a=1",
            "https://a.example/w?y=2&z=1.a1b2.n",
        ),
        ("https://a.example/w?z=1", "", "https://a.example/w?z=1.n"),
        ("https://a.example/w", "", "https://a.example/w.n"),
    ] {
        let made = plivo::sign(secret, url, body.as_bytes(), "n");
        assert_eq!(
            made,
            mac(hmac::HMAC_SHA256, secret, message.as_bytes()),
            "{url}"
        );
    }
}

#[test]
fn plivo_may_send_several_signatures() {
    let secret = &secrets(&["12345"])[0];
    let good = plivo::sign(secret, URL, FORM, "n");
    let other = plivo::sign(&secrets(&["x"])[0], URL, FORM, "n");
    assert_eq!(by_plivo(&format!("{other},{good}"), "n", URL, FORM), Ok(()));
    assert_eq!(
        by_plivo(&format!("{good}, {other}"), "n", URL, FORM),
        Ok(())
    );
    assert!(by_plivo(&format!("{good},"), "n", URL, FORM).is_err());
}
