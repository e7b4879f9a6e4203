use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::id::MessageId;

fn message(role: &str, content: &str) -> Message {
    Message {
        id: MessageId::new("m").unwrap(),
        role: role.into(),
        content: content.to_owned(),
        tool_name: None,
        tool_args: None,
        tool_result: None,
        started_at: None,
        ended_at: None,
    }
}

#[track_caller]
fn check(text: &str, redacted: &str) {
    let once = redact_text(text);
    assert_eq!(once, redacted, "{text}");
    assert_eq!(redact_text(&once), once, "twice: {text}");
}

#[track_caller]
fn stays(text: &str) {
    check(text, text);
}

/// A call as `a: …` and `u: …` lines; what the caller's and agent's turns become.
#[track_caller]
fn call(turns: &[(&str, &str)], redacted: &[&str]) {
    let mut messages: Vec<Message> = turns
        .iter()
        .map(|(who, text)| message(if *who == "u" { "user" } else { "assistant" }, text))
        .collect();
    redact(&mut messages);
    let said: Vec<&str> = messages
        .iter()
        .map(|message| message.content.as_str())
        .collect();
    assert_eq!(said, redacted);
    let once = messages.clone();
    redact(&mut messages);
    assert_eq!(messages, once);
}

#[test]
fn card_numbers_by_issuer_and_check_digit() {
    let gone = "[redacted card number]";
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111, 1111, 1111, 1111",
        "4111 1111 um 1111 1111",
        "5500005555555559",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "four one one one one one one one one one one one one one one one",
        "four triple one, quadruple one, double one double one, one one one one",
        "forty one eleven eleven eleven eleven eleven eleven eleven",
        "four one one one 1111 1111 one one one one",
    ] {
        check(card, gone);
        check(
            &format!("It's {card}. Thanks"),
            &format!("It's {gone}. Thanks"),
        );
        check(&format!("Yes,{card}!"), &format!("Yes,{gone}!"));
    }
    check("4111 1111 1111 1111 12 26 123", gone);
    check(
        "zip 94107, 4111 1111 1111 1111",
        "zip 94107, [redacted card number]",
    );
}

#[test]
fn card_numbers_by_their_cue() {
    check(
        "my credit card no 8526",
        "my credit card no [redacted card number]",
    );
    check(
        "the card ending in 4 4 4 2",
        "the card ending in [redacted card number]",
    );
    // Misheard: no check digit fits.
    check(
        "card number is 4111 1111 1111 1112",
        "card number is [redacted card number]",
    );
}

#[test]
fn security_codes_and_pins() {
    check("the CVV is 123", "the CVV is [redacted security code]");
    check("CVC: 1234", "CVC: [redacted security code]");
    check(
        "three digits on the back are one two three",
        "three digits on the back are [redacted security code]",
    );
    check(
        "security code nine oh one",
        "security code [redacted security code]",
    );
    check("my PIN is 4821", "my PIN is [redacted PIN]");
    check("pin: four eight two one", "pin: [redacted PIN]");
    check("4821 is my pin", "[redacted PIN] is my pin");
    check(
        "I'd rather say my PIN, it's one nine eight four",
        "I'd rather say my PIN, it's [redacted PIN]",
    );
    check(
        "my PIN is, um, 4 8 2 1 okay",
        "my PIN is, um, [redacted PIN] okay",
    );
}

#[test]
fn social_security_numbers() {
    let gone = "[redacted social security number]";
    check("123-45-6789", gone);
    check("it's 123-45-6789, ok", &format!("it's {gone}, ok"));
    check("my social is 123 45 6789", &format!("my social is {gone}"));
    check("ssn 9523", &format!("ssn {gone}"));
    check("vinoth ssn 5097", &format!("vinoth ssn {gone}"));
    check(
        "the last four of my social are 1 2 3 4",
        &format!("the last four of my social are {gone}"),
    );
    check(
        "last four digits of my social security number is six seven eight nine",
        &format!("last four digits of my social security number is {gone}"),
    );
    check(
        "ssn is 8845 and credit card number is 8457665213245896",
        &format!("ssn is {gone} and credit card number is [redacted card number]"),
    );
}

#[test]
fn passwords() {
    let gone = "[redacted password]";
    check("my password is hunter2", &format!("my password is {gone}"));
    check("password: s3cr3t!x, ok?", &format!("password: {gone}, ok?"));
    check(
        "the password is purple elephant seven and my name is Ann",
        &format!("the password is {gone} and my name is Ann"),
    );
    check(
        "{\"password\":\"hunter2\"}",
        &format!("{{\"password\":\"{gone}\"}}"),
    );
    stays("I forgot my password");
    stays("my password is not working");
    stays("The password is wrong. I tried three times.");
    stays("I want to change my password to something new");
}

#[test]
fn one_time_codes() {
    let gone = "[redacted one-time code]";
    check(
        "the verification code is 482913",
        &format!("the verification code is {gone}"),
    );
    check("OTP 4 8 2 9 1 3", &format!("OTP {gone}"));
    check(
        "482913 is the code you sent",
        &format!("{gone} is the code you sent"),
    );
    check(
        "the code you texted me is G7K2Q9",
        &format!("the code you texted me is {gone}"),
    );
    check(
        "my one-time code is four eight two nine",
        &format!("my one-time code is {gone}"),
    );
}

#[test]
fn other_numbers_stay() {
    for text in [
        "my number is 415-555-0123",
        "call +44 20 7946 0958 or (415) 555-0123",
        "four one five five five five oh one two three",
        "my phone is 4155550123, my old one was 4155550199",
        "order number 1234567890123456",
        "order 112-3456789-1234567",
        "tracking 1Z999AA10123456784",
        "born 12/31/1979, or 1979-12-31",
        "on March 3rd 2026 at 10:30",
        "twenty twenty six",
        "flight 212 to room 1408",
        "it's 5 pm and there are 3 of us",
        "booking confirmation code ABC123",
        "I follow you on social media, 1200 people do",
        "I lost my credit card in 2019",
        "my social security card was lost, call me at 415 555 0123",
        "my PIN does not work, my phone is 415 555 0123",
        "no one called",
        "pin it to the wall",
        "",
    ] {
        stays(text);
    }
}

#[test]
fn an_answer_is_known_by_its_question() {
    call(
        &[
            (
                "a",
                "Can I have the last four of your social and your name?",
            ),
            ("u", "John Smith, 6789"),
            ("a", "Thanks. What's your phone number?"),
            ("u", "415 555 0123"),
            ("u", "or 5550"),
        ],
        &[
            "Can I have the last four of your social and your name?",
            "John Smith, [redacted social security number]",
            "Thanks. What's your phone number?",
            "415 555 0123",
            "or 5550",
        ],
    );
    call(
        &[
            ("a", "What is your password?"),
            ("u", "Um, it's blue horse nine."),
            ("a", "And your four digit PIN?"),
            ("u", "one nine eight four"),
            (
                "a",
                "I've texted you a six digit code. Could you read it to me?",
            ),
            ("u", "Sure, it's 4 8 2 9 1 3"),
        ],
        &[
            "What is your password?",
            "Um, it's [redacted password].",
            "And your four digit PIN?",
            "[redacted PIN]",
            "I've texted you a six digit code. Could you read it to me?",
            "Sure, it's [redacted one-time code]",
        ],
    );
    call(
        &[
            ("a", "What is your password?"),
            ("u", "I don't remember."),
            ("a", "I sent you a code by text. What is your order number?"),
            ("u", "482913"),
        ],
        &[
            "What is your password?",
            "I don't remember.",
            "I sent you a code by text. What is your order number?",
            "482913",
        ],
    );
}

#[test]
fn an_answer_may_come_turns_later() {
    call(
        &[
            ("a", "For security, what are the last four of your social?"),
            ("u", "Let me find it, hold on."),
            ("a", "Take your time."),
            ("u", "Okay, I have it here. It's six seven eight nine."),
            ("a", "Thank you. What is your address?"),
            ("u", "843 Garden Drive, Albany 12208"),
        ],
        &[
            "For security, what are the last four of your social?",
            "Let me find it, hold on.",
            "Take your time.",
            "Okay, I have it here. It's [redacted social security number].",
            "Thank you. What is your address?",
            "843 Garden Drive, Albany 12208",
        ],
    );
    call(
        &[
            ("a", "And the security code on the back?"),
            ("u", "um, it's"),
            ("u", "seven three seven"),
        ],
        &[
            "And the security code on the back?",
            "um, it's",
            "[redacted security code]",
        ],
    );
}

#[test]
fn naming_a_card_announces_no_number() {
    call(
        &[
            ("u", "I want to change the address of my credit card"),
            ("u", "843 Garden Drive"),
            ("u", "call me on 650 253 0000"),
        ],
        &[
            "I want to change the address of my credit card",
            "843 Garden Drive",
            "call me on 650 253 0000",
        ],
    );
}

#[test]
fn secrets_are_announced_in_other_languages_too() {
    check(
        "mi contraseña es girasol",
        "mi contraseña es [redacted password]",
    );
    check(
        "mon mot de passe est tournesol",
        "mon mot de passe est [redacted password]",
    );
    check(
        "meine Kreditkartennummer 4111 1111 1111 1112",
        "meine Kreditkartennummer [redacted card number]",
    );
}

#[test]
fn a_card_is_dictated_in_groups() {
    call(
        &[
            ("a", "Please read me the card number."),
            ("u", "4111 1111"),
            ("a", "Go on."),
            ("u", "eleven eleven"),
            ("u", "1111"),
            ("a", "Thank you. When should we deliver?"),
            ("u", "2026"),
        ],
        &[
            "Please read me the card number.",
            "[redacted card number]",
            "Go on.",
            "[redacted card number]",
            "[redacted card number]",
            "Thank you. When should we deliver?",
            "2026",
        ],
    );
    call(
        &[
            ("u", "my card number is"),
            ("a", "Yes?"),
            ("u", "4111 1111 1111 1112"),
        ],
        &["my card number is", "Yes?", "[redacted card number]"],
    );
}

#[test]
fn an_agents_words_are_redacted_too() {
    call(
        &[("a", "I have 4111 1111 1111 1111, and your PIN is 4821.")],
        &["I have [redacted card number], and your PIN is [redacted PIN]."],
    );
}

#[test]
fn a_secret_is_known_again() {
    call(
        &[
            ("u", "four eight two one, or 4821"),
            ("a", "What is your PIN?"),
            ("u", "4821"),
            ("a", "So, 4 8 2 1? Your order is 48211."),
        ],
        &[
            "[redacted PIN], or [redacted PIN]",
            "What is your PIN?",
            "[redacted PIN]",
            "So, [redacted PIN]? Your order is 48211.",
        ],
    );
}

#[test]
fn tools_are_redacted_by_field_and_by_text() {
    let mut messages = vec![message("tool", "card number 4111111111111111")];
    messages[0].tool_name = Some("verify_otp".to_owned());
    messages[0].tool_args = Some(json!({
        "code": "482913", "phone": "+14155550123", "order_id": 12_345_678, "Password": "hunter2",
        "pin": 4821, "cardNumber": 4_111_111_111_111_111_u64, "cvv": "123", "last4_ssn": "6789",
        "fields": [{"name": "pin", "value": "1234"}], "ok": true, "none": null, "note": "",
    }));
    messages[0].tool_result = Some(json!("{\"ssn\":\"123-45-6789\",\"total\":2500}"));
    redact(&mut messages);
    assert_eq!(messages[0].content, "card number [redacted card number]");
    assert_eq!(
        messages[0].tool_args,
        Some(json!({
            "code": "[redacted one-time code]", "phone": "+14155550123", "order_id": 12_345_678,
            "Password": "[redacted password]", "pin": "[redacted PIN]",
            "cardNumber": "[redacted card number]", "cvv": "[redacted security code]",
            "last4_ssn": "[redacted social security number]",
            "fields": [{"name": "pin", "value": "[redacted PIN]"}], "ok": true, "none": null,
            "note": "",
        }))
    );
    assert_eq!(
        messages[0].tool_result,
        Some(json!(
            "{\"ssn\":\"[redacted social security number]\",\"total\":2500}"
        ))
    );
    let once = messages.clone();
    redact(&mut messages);
    assert_eq!(messages, once);
}

#[test]
fn a_long_transcript_takes_no_longer_a_word() {
    // A quadratic step would take minutes here.
    for piece in [
        "1 ",
        "my pin is ",
        "4111 ",
        "password is x ",
        "one two ",
        "card number card ",
    ] {
        let _ = redact_text(&piece.repeat(20_000));
    }
}

fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "my",
        "card number",
        "is",
        "pin",
        "PIN",
        "password",
        "the",
        "social",
        "ssn",
        "security code",
        "4111 1111 1111 1111",
        "123-45-6789",
        "482913",
        "1234",
        "one two",
        "double five",
        "oh",
        ",",
        ". ",
        "?",
        "-",
        "phone",
        "415 555 0123",
        "code you sent",
        "otp",
        "last four digits",
        "and",
        "[redacted PIN]",
        "[redacted password]",
        "[redacted card number]",
        "[redacted",
        "]",
        "blue",
        "A7K9",
        "2019",
        "\n",
        "ü",
        "verification code",
    ]);
    words.prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn twice_is_once(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(piece(), 0..12)), 0..6),
    ) {
        let mut messages: Vec<Message> = turns
            .iter()
            .map(|(user, words)| message(if *user { "user" } else { "assistant" }, &words.join(" ")))
            .collect();
        redact(&mut messages);
        let once = messages.clone();
        redact(&mut messages);
        prop_assert_eq!(messages, once);
    }

    #[test]
    fn never_panics(text in "\\PC{0,120}") {
        let _ = redact_text(&text);
    }

    #[test]
    fn no_card_survives(
        body in "4[0-9]{14}",
        gap in prop::sample::select(vec!["", " ", "-", ", ", "."]),
        lead in "[a-z ]{0,12}",
    ) {
        let check = (0..10).find(|digit| {
            let number = format!("{body}{digit}");
            number.bytes().rev().enumerate().map(|(at, byte)| {
                let digit = u32::from(byte - b'0') * if at % 2 == 0 { 1 } else { 2 };
                digit / 10 + digit % 10
            }).sum::<u32>() % 10 == 0
        }).unwrap();
        let number = format!("{body}{check}");
        let groups: Vec<&str> = (0..4).map(|at| &number[at * 4..at * 4 + 4]).collect();
        let text = format!("{lead} {}.", groups.join(gap));
        let digits = redact_text(&text).bytes().filter(u8::is_ascii_digit).count();
        prop_assert_eq!(digits, 0);
    }
}
