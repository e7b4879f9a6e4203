//! What one turn asks for, and another answers or repeats.

use super::*;

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
fn a_secret_may_be_asked_for_again() {
    call(
        &[
            ("a", "Please say your PIN."),
            ("u", "sure. um, nine, nine, one, two"),
            ("a", "Could you repeat it?"),
            ("u", "nine nine one three"),
            ("a", "Sorry, I didn't quite catch that."),
            ("u", "9 9 1 4"),
            ("a", "Thanks. What is your order number?"),
            ("u", "9917"),
            ("a", "Could you repeat that?"),
            ("u", "9918"),
        ],
        &[
            "Please say your PIN.",
            "sure. um, [redacted PIN]",
            "Could you repeat it?",
            "[redacted PIN]",
            "Sorry, I didn't quite catch that.",
            "[redacted PIN]",
            "Thanks. What is your order number?",
            "9917",
            "Could you repeat that?",
            "9918",
        ],
    );
    call(
        &[
            ("a", "What is your password?"),
            ("u", "bluebird"),
            ("a", "And could you spell your name again?"),
            ("u", "Ana Lopez"),
        ],
        &[
            "What is your password?",
            "[redacted password]",
            "And could you spell your name again?",
            "Ana Lopez",
        ],
    );
}
