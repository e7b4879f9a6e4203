use proptest::prelude::*;

use super::*;

#[track_caller]
fn key(identity: &str) -> Option<String> {
    CallerKey::of("speechify", identity).map(|key| key.0)
}

#[test]
fn four_forms_are_one_caller() {
    for identity in [
        "+14155550123",
        "sip_+14155550123",
        "sip:+14155550123@sip.example.com",
        "sip:+14155550123@10.0.0.1:5060;transport=tls",
        "tel:+14155550123",
        "  +14155550123\n",
    ] {
        assert_eq!(key(identity).as_deref(), Some("+14155550123"), "{identity}");
    }
}

#[test]
fn all_else_stays_as_it_came() {
    for identity in [
        "14155550123",
        "(415) 555-0123",
        "sip_14155550123",
        "sip:14155550123@host",
        "sip:+14155550123",
        "sip:+14155550123@",
        "SIP:+14155550123@host",
        "TEL:+14155550123",
        "sips:+14155550123@host",
        "tel:+14155550123;ext=5",
        "+0123456789",
        "+1234567890123456",
        "+123",
        "User-7",
        "user-7",
        "Ann@Example.com",
        "guest_42",
        "anonymous-7",
        "unknown caller 4",
        "26669668",
    ] {
        assert_eq!(key(identity).as_deref(), Some(identity), "{identity}");
    }
}

#[test]
fn nobody_has_no_key() {
    for identity in [
        "",
        "   ",
        "+",
        "sip_",
        "sip_+",
        "sip:@host",
        "tel:",
        "anonymous",
        "Anonymous",
        "ANONYMOUS",
        "sip_anonymous",
        "sip:anonymous@anonymous.invalid",
        "SIP:Anonymous@anonymous.invalid",
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "anonymous@anonymous.invalid",
        "unknown",
        "Private",
        "restricted",
        "blocked",
        "unavailable",
        "withheld",
        "null",
        "None",
        "asterisk",
        "+266696687",
        "sip_+266696687",
        "sip:+7378742833@carrier",
        "8656696",
        "86282452253",
        "2562533",
        "7748283",
        "tel:+7748283",
        // SHA-256 of "anonymous" and "Anonymous", first 8 bytes, as `sha256sum` prints them
        "sip_2f183a4e64493af3",
        "2F183A4E64493AF3",
    ] {
        assert_eq!(key(identity), None, "{identity}");
    }
}

#[test]
fn keypads_spell_the_words() {
    for (word, digits) in [
        ("anonymous", "266696687"),
        ("restricted", "7378742833"),
        ("unknown", "8656696"),
        ("unavailable", "86282452253"),
        ("blocked", "2562533"),
        ("private", "7748283"),
    ] {
        assert_eq!(keypad(word), digits);
    }
}

#[test]
fn a_hidden_word_is_nobody_in_every_spelling() {
    for word in [
        "anonymous",
        "Anonymous",
        "ANONYMOUS",
        "+anonymous",
        "266696687",
        "+266696687",
        "",
    ] {
        assert_eq!(key(&format!("sip_{}", hidden(word))), None, "{word}");
    }
    assert!(key(&format!("sip_{}", hidden("+14155550123"))).is_some());
}

#[test]
fn a_guest_is_nobody_at_anyreach_only() {
    assert_eq!(CallerKey::of("anyreach", "guest_8f2"), None);
    assert!(CallerKey::of("livekit", "guest_8f2").is_some());
    assert!(CallerKey::of("anyreach", "visitor_8f2").is_some());
}

proptest! {
    #[test]
    fn a_key_is_its_own_key(identity in ".{0,40}") {
        if let Some(key) = CallerKey::of("livekit", &identity) {
            prop_assert_eq!(CallerKey::of("livekit", key.as_str()), Some(key));
        }
    }

    #[test]
    fn two_identities_share_a_key_only_as_one_number(a in "[a-z:+@0-9_]{0,14}", b in "[a-z:+@0-9_]{0,14}") {
        if let (Some(one), Some(two)) = (key(&a), key(&b))
            && one == two
            && a.trim() != b.trim()
        {
            prop_assert!(one.starts_with('+'));
        }
    }

    #[test]
    fn every_form_of_a_number_is_the_number(number in "[1-9][0-9]{6,14}", host in "[a-z.]{1,12}") {
        let plain = format!("+{number}");
        prop_assume!(key(&plain).is_some());
        for form in [format!("sip_+{number}"), format!("sip:+{number}@{host}"), format!("tel:+{number}")] {
            prop_assert_eq!(key(&form), Some(plain.clone()));
        }
    }
}
