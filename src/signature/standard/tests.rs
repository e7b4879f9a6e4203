use http::HeaderMap;

use super::*;

// The vector of the official libraries (`platforms.md` §7).
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const MESSAGE: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const SECS: i64 = 1_649_367_553;
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
const GOOD: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

fn key(text: &str) -> Key {
    Key::read(&Secret::new(text).unwrap()).unwrap()
}

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ID, MESSAGE.parse().unwrap());
    headers.insert(TIMESTAMP, SECS.to_string().parse().unwrap());
    headers.insert(SIGNATURE, signature.parse().unwrap());
    headers
}

fn judge(headers: &HeaderMap, now_secs: i64) -> Result<&str, Refusal> {
    let tolerance = Tolerance::of(std::time::Duration::from_mins(5));
    verify(
        headers,
        BODY,
        &[SenderKey::Shared(key(SECRET))],
        tolerance,
        Timestamp::from_secs(now_secs),
    )
}

#[test]
fn the_official_vector_is_signed_and_verified() {
    assert_eq!(sign(&[key(SECRET)], MESSAGE, SECS, BODY), GOOD);
    assert_eq!(judge(&headers(GOOD), SECS), Ok(MESSAGE));
    let bare = key("C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    assert_eq!(bare, key(SECRET), "the prefix may be left out");
}

#[test]
fn one_good_signature_of_several_is_enough() {
    let other = sign(
        &[key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        MESSAGE,
        SECS,
        BODY,
    );
    let four = format!("{other} v1a,abc v2,{} {GOOD}", &GOOD[3..]);
    assert_eq!(judge(&headers(&four), SECS), Ok(MESSAGE));
    let none = format!("{other} {other} v1a,{}", &GOOD[3..]);
    assert!(matches!(
        judge(&headers(&none), SECS),
        Err(Refusal::Mismatch { tried: 1 })
    ));
    let both = sign(
        &[key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key(SECRET)],
        MESSAGE,
        SECS,
        BODY,
    );
    assert_eq!(
        judge(&headers(&both), SECS),
        Ok(MESSAGE),
        "during a rotation both sign"
    );
}

#[test]
fn what_is_not_whole_is_refused() {
    for signature in ["v1,", "v1", &GOOD[..11], &GOOD[3..], "v2,aaaa"] {
        let headers = headers(signature);
        let refused = judge(&headers, SECS);
        assert!(
            matches!(refused, Err(Refusal::Malformed(ref name, _)) if name == SIGNATURE),
            "{refused:?}"
        );
    }
    for name in [ID, TIMESTAMP, SIGNATURE] {
        let mut headers = headers(GOOD);
        headers.remove(name);
        assert_eq!(
            judge(&headers, SECS),
            Err(Refusal::Missing(name.to_owned()))
        );
    }
    let mut dotted = headers(GOOD);
    dotted.insert(ID, "msg_1.2".parse().unwrap());
    assert!(matches!(
        judge(&dotted, SECS),
        Err(Refusal::Malformed(name, _)) if name == ID
    ));
    let mut changed = headers(GOOD);
    changed.insert(ID, "msg_other".parse().unwrap());
    assert!(matches!(
        judge(&changed, SECS),
        Err(Refusal::Mismatch { .. })
    ));
}

#[test]
fn five_minutes_either_way_are_near_enough() {
    for now in [SECS - 300, SECS + 300] {
        assert!(judge(&headers(GOOD), now).is_ok());
    }
    assert!(matches!(
        judge(&headers(GOOD), SECS + 301),
        Err(Refusal::TooOld { .. })
    ));
    assert!(matches!(
        judge(&headers(GOOD), SECS - 301),
        Err(Refusal::TooNew { .. })
    ));
}

#[test]
fn a_key_is_read_written_and_never_shown() {
    let made = Key::of_random([7; 32]);
    assert_eq!(key(&made.to_text()), made);
    assert_eq!(format!("{made:?}"), "[secret]");
    for text in ["whsec_", "whsec_not base64!", "whsk_abc"] {
        assert_eq!(
            Key::read(&Secret::new(text).unwrap()),
            Err(NotAKey),
            "{text}"
        );
    }
}

#[test]
fn a_private_keys_owner_signs_by_v1a() {
    // The vector of `platforms.md` §8.
    const PUBLIC: &str = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const SIGNED: &str = "v1a,CnkujwXFUOk59gNZFCCzmJ2MkkC0yKa+OmyYFXFtPnxkRhEkUBAd4PGNNNjLh4huOXNuqy+Eyxud5+wHP2ezBA==";
    let read = |text: &str| SenderKey::read(&Secret::new(text).unwrap());
    let judge = |signature: &str, body: &[u8], keys: &[SenderKey]| {
        let tolerance = Tolerance::of(std::time::Duration::from_mins(5));
        let now = Timestamp::from_secs(SECS);
        verify(&headers(signature), body, keys, tolerance, now).is_ok()
    };
    let public = read(PUBLIC).unwrap();
    let shared = read(SECRET).unwrap();
    for keys in [vec![public.clone()], vec![shared.clone(), public.clone()]] {
        assert!(judge(SIGNED, BODY, &keys));
        assert!(judge(
            &format!("{} {SIGNED}", GOOD.replace('K', "L")),
            BODY,
            &keys
        ));
    }
    assert!(!judge(SIGNED, BODY, &[shared]));
    assert!(!judge(SIGNED, b"{}", std::slice::from_ref(&public)));
    assert!(!judge(
        &SIGNED.replace("v1a,", "v1,"),
        BODY,
        std::slice::from_ref(&public)
    ));
    assert_eq!(format!("{public:?}"), "[secret]");
    assert_eq!(read("whsk_AAECAwQ="), Err(NotASenderKey::Private));
    for text in ["whpk_", "whpk_AAEC", "whsec_", "plain text"] {
        assert_eq!(read(text), Err(NotASenderKey::Unreadable), "{text}");
    }
}
