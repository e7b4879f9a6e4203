//! What holds for any text: twice is once, no panic, no card, no more time a word.

use proptest::prelude::*;

use super::*;

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
        "4111 and then ",
        "password is a b,c ",
        "my password is capital t, x, ",
        "could you repeat it? ",
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
        "hunter2",
        "capital T,",
        "repeat it",
        "and then",
        "４１１１",
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
