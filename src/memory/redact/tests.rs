//! What must go from one text, and what must stay.

use super::*;
use crate::id::MessageId;

mod fields;
mod laws;
mod turns;

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
        "4111 1111 uh 1111 uhm, 1111",
        "4111 1111, okay, and then 1111. Sorry, 1111",
        "４１１１ １１１１ １１１１ １１１１",
        "4\u{200b}111\u{200b}1111\u{200b}1111\u{200b}1111",
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
    check("4000056655665556x", &format!("{gone}x"));
    check("ref_4111111111111111_a", &format!("ref_{gone}_a"));
    check(
        "4111 1111 1111 1111 and then 3 of us",
        &format!("{gone} and then 3 of us"),
    );
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
    check(
        "My password is capital T, tiger43, that's my password",
        &format!("My password is {gone}, that's my password"),
    );
    check(
        "it's password: b, l, u, three, dash, seven, thanks",
        &format!("it's password: {gone}, thanks"),
    );
    check(
        "my password is bluebird, my name is Ann",
        &format!("my password is {gone}, my name is Ann"),
    );
    check(
        "gave a card and password hunterSUM.",
        &format!("gave a card and password {gone}."),
    );
    stays("wants the password Changed today");
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
