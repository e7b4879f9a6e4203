use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::conversation::{Conversation, Message};
use crate::extract::ground;
use crate::id::{AgentId, ConversationId, MessageId};
use crate::memory::observation::Op;
use crate::memory::redact::redact;
use crate::time::Timestamp;

mod dialogue;
mod facts;
mod wishes;

/// Friday, 6 March 2026, 10:00 in Los Angeles.
const SAID_AT: &str = "2026-03-06T18:00:00Z";

/// A call as lines "a: …" and "u: …", redacted; the messages are m0, m1, ….
pub(super) fn transcript(lines: &str) -> (Conversation, Vec<Message>) {
    let at: Timestamp = SAID_AT.parse().unwrap();
    let call = Conversation::blank(
        ConversationId::new("c").unwrap(),
        AgentId::new("a").unwrap(),
        at,
    );
    let mut messages: Vec<Message> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
        .map(|(number, line)| {
            let (who, content) = line.split_once(": ").unwrap();
            Message {
                id: MessageId::new(&format!("m{number}")).unwrap(),
                role: if who == "u" { "user" } else { "assistant" }.into(),
                content: content.to_owned(),
                tool_name: None,
                tool_args: None,
                tool_result: None,
                started_at: None,
                ended_at: None,
            }
        })
        .collect();
    redact(&mut messages);
    (call, messages)
}

fn observe(lines: &str) -> Vec<Observation> {
    let (call, messages) = transcript(lines);
    let found = Rules.observe(&Transcript {
        conversation: &call,
        messages: &messages,
        zone: &jiff::tz::TimeZone::get("America/Los_Angeles").unwrap(),
        region: "US",
    });
    let (kept, dropped) = ground(found.clone(), &messages);
    assert_eq!(dropped, 0, "{found:#?}");
    kept
}

/// What a call says, as `slot=value`, a retraction with `-` and a confirmation with `~` before it.
fn said(lines: &str) -> Vec<String> {
    observe(lines)
        .into_iter()
        .map(|one| {
            let sign = match one.op {
                Op::Assert => "",
                Op::Retract => "-",
                Op::Confirm => "~",
            };
            let value = match one.value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            format!("{sign}{}={value}", one.slot)
        })
        .collect()
}

#[track_caller]
fn check(lines: &str, facts: &[&str]) {
    assert_eq!(said(lines), facts, "{lines}");
}

/// One turn of the caller, after the agent's greeting.
#[track_caller]
fn turn(text: &str, facts: &[&str]) {
    check(&format!("a: Hello, how can I help?\nu: {text}"), facts);
}

#[test]
fn every_pattern_compiles() {
    // Every file's patterns are forced by one turn of each side that reaches them.
    let _ = observe(
        "a: May I have your name, phone number and email? When should we call you?\nu: Hi.\na: I'll call you back, shall I call you? I'll send it.\nu: I'll call back. I'll send it.",
    );
}

#[test]
fn names_by_their_own_words() {
    turn("My name is John Smith.", &["identity.name=John Smith"]);
    turn(
        "Hi, this is Maria Garcia calling about my bill.",
        &["identity.name=Maria Garcia"],
    );
    turn(
        "Hello, I'm Ann Lee and I need help.",
        &["identity.name=Ann Lee"],
    );
    turn(
        "Hi, it's Rose, I'd like some help.",
        &["identity.name=Rose"],
    );
    turn("It's Dave from Acme.", &["identity.name=Dave"]);
    turn("john o'neil speaking", &["identity.name=John O'neil"]);
    turn(
        "my first name is ann and my last name is lee",
        &["identity.name=Ann Lee"],
    );
    turn("My name is Jon, that's J O H N", &["identity.name=John"]);
    turn("You can call me Bob.", &["identity.preferred_name=Bob"]);
}

#[test]
fn no_names() {
    for text in [
        "I'm calling about my order.",
        "I'm so tired of this.",
        "This is ridiculous.",
        "It's broken.",
        "I am looking for a table",
        "I'm not sure.",
        "It is Tuesday.",
        "Her name is Jane.",
        "What's your name?",
        "This is a problem.",
        "I'm happy with that, thanks.",
        "I'm in Chicago.",
        "No.",
    ] {
        turn(text, &[]);
    }
}

#[test]
fn names_in_answer_and_put_right() {
    check(
        "a: May I have your name?\nu: Sure, John Smith.",
        &["identity.name=John Smith"],
    );
    check(
        "a: Who am I speaking with?\nu: priya raman",
        &["identity.name=Priya Raman"],
    );
    check(
        "a: Your name?\nu: Sarah Connor\na: How do you spell your last name?\nu: C O N N E R",
        &[
            "identity.name=Sarah Connor",
            "-identity.name=Sarah Connor",
            "identity.name=Sarah Conner",
        ],
    );
    check("a: What's your name?\nu: Why do you ask?", &[]);
    check("a: What's your name?\nu: I'd rather not say", &[]);
    check(
        "a: What's your name?\nu: John.\na: Thanks, Tom. How can I help?\nu: No, actually it's Jon Snow.",
        &[
            "identity.name=John",
            "-identity.name=John",
            "identity.name=Jon Snow",
        ],
    );
    check(
        "a: Your name, please?\nu: Ann Lee\na: Is that Ann Lee?\nu: Yes.",
        &["identity.name=Ann Lee", "~identity.name=Ann Lee"],
    );
}

#[test]
fn somebody_elses_line_says_nothing_of_the_caller() {
    turn(
        "You have the wrong number, this is Bob Jones.",
        &["line.wrong_number=true"],
    );
    turn(
        "I'm calling on behalf of my mother. My name is Jane Doe.",
        &["line.third_party=true"],
    );
    turn("I gave you the wrong number earlier", &[]);
}

#[test]
fn phones_typed_and_spoken() {
    turn(
        "My number is 650-253-0000.",
        &["contact.phone=+16502530000"],
    );
    turn(
        "you can reach me at six five oh two five three double oh double oh",
        &["contact.phone=+16502530000"],
    );
    turn(
        "Call me on +44 20 7946 0958",
        &["contact.phone=+442079460958"],
    );
    // Not a valid number: its digits, and no country code guessed.
    turn(
        "my phone number is 123 456 7890",
        &["contact.phone=1234567890"],
    );
    check(
        "a: What's the best number to reach you?\nu: 650 253 0000",
        &["contact.phone=+16502530000"],
    );
}

#[test]
fn phones_of_others_and_other_numbers() {
    turn("Her number is 650-253-0000.", &[]);
    turn("Is your number 650-253-0000?", &[]);
    turn(
        "my order number is 6502530000",
        &["identifier.order=6502530000"],
    );
    check("a: You can call us at 650-253-0000.\nu: Thanks.", &[]);
    check(
        "a: The restaurant's number is 650-253-0000.\nu: Great, book it.",
        &[],
    );
}

#[test]
fn phones_put_right_and_read_back() {
    turn(
        "It's 650-253-0000, sorry, 650-253-0001.",
        &[
            "contact.phone=+16502530000",
            "-contact.phone=+16502530000",
            "contact.phone=+16502530001",
        ],
    );
    check(
        "a: Your phone number?\nu: 650-253-0000\na: 650-253-0000, is that right?\nu: Yes.",
        &["contact.phone=+16502530000", "~contact.phone=+16502530000"],
    );
    check(
        "a: Your phone number?\nu: 650-253-0000\na: 650-253-0000, is that right?\nu: No, it's 650-253-0001.",
        &[
            "contact.phone=+16502530000",
            "-contact.phone=+16502530000",
            "contact.phone=+16502530001",
        ],
    );
    turn(
        "My old number was 650-253-0000.",
        &["-contact.phone=+16502530000"],
    );
}

#[test]
fn emails_typed_and_spoken() {
    for text in [
        "My email is john.smith@gmail.com.",
        "john dot smith at gmail dot com",
        "It's John dot Smith at gmail.com",
        "my email address is j o h n dot s m i t h at gmail dot com",
        "sure, j-o-h-n dot smith at gmail dot com, thanks",
    ] {
        turn(text, &["contact.email=john.smith@gmail.com"]);
    }
    turn(
        "ann underscore lee forty two at acme dot co dot uk",
        &["contact.email=ann_lee42@acme.co.uk"],
    );
    turn(
        "bob double seven at yahoo dot com",
        &["contact.email=bob77@yahoo.com"],
    );
    turn(
        "my mail id is sam 27 gmailcom",
        &["contact.email=sam27@gmail.com"],
    );
    turn("her email is ann@acme.com", &[]);
    turn("Meet me at noon dot", &[]);
    check(
        "a: Your email?\nu: ann@acme.com\na: Got it.\nu: Sorry, make that anna@acme.com",
        &[
            "contact.email=ann@acme.com",
            "-contact.email=ann@acme.com",
            "contact.email=anna@acme.com",
        ],
    );
}

#[test]
fn identifiers_behind_their_cue() {
    turn(
        "My booking reference is ABC123.",
        &["identifier.booking=ABC123"],
    );
    turn("claim number g 75 f 34", &["identifier.claim=G75F34"]);
    turn(
        "the order number is one two three four five",
        &["identifier.order=12345"],
    );
    turn("my order is late", &["issue.open=order is late"]);
    turn("k as in kilo 7 papa 2 9, that is my ticket number", &[]);
    check(
        "a: Your ticket number?\nu: k as in kilo, 7, p as in papa, 2 9",
        &["identifier.ticket=K7P29"],
    );
    check(
        "a: What's your policy number?\nu: tcw 702459821",
        &["identifier.policy=TCW702459821"],
    );
}

#[test]
fn secrets_are_in_no_observation() {
    let found = observe(
        "a: Your card number, please?\nu: 4111 1111 1111 1111, and my name is Ann Lee\n\
         a: And the last four of your social?\nu: 6789\na: Your email?\nu: my password is hunter2, email ann@acme.com",
    );
    let text = serde_json::to_string(&found).unwrap();
    for secret in ["4111", "6789", "hunter2", "redacted"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(found.len(), 2, "{text}");
}

#[test]
fn the_order_is_that_of_speech_and_every_run_the_same() {
    let call = "u: I'm Ann Lee, 650-253-0000\na: Thanks.\nu: Email me instead at ann@acme.com";
    let found = observe(call);
    let order: Vec<i64> = found.iter().map(|one| one.seq).collect();
    assert_eq!(
        order,
        (0..i64::try_from(found.len()).unwrap()).collect::<Vec<_>>()
    );
    assert_eq!(found, observe(call));
}

#[test]
fn a_long_call_takes_no_longer_a_word() {
    for piece in [
        "my name is ",
        "at gmail dot com ",
        "one two ",
        "call me tomorrow at 3 ",
        "a dot b ",
        "my internet is not working ",
        "my account is a 1 b 2 ",
        "12 main street ",
        "s as in sam ",
        "at three or four or five ",
        "stop calling me ",
        "double ",
        "area code 4 ",
        "change my address to 12 jp nagar ",
        "what city and phone number ",
        "kilo dash 7 ",
        "P.O. ",
        "booked for Friday at 8 ",
    ] {
        let _ = observe(&format!("a: Hi.\nu: {}", piece.repeat(3_000)));
        // The same in many turns: what an earlier turn left must not be read again by each.
        let turns = format!("a: Is {piece}right?\nu: {piece}\n").repeat(2_000);
        let _ = observe(&turns);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// `observe` asserts that every observation stands on its quote.
    #[test]
    fn whatever_is_said_is_grounded(
        turns in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(prop_oneof![words(), "\\PC{0,6}"], 1..14)),
            1..8,
        ),
    ) {
        let lines: Vec<String> = turns
            .into_iter()
            .map(|(caller, words)| {
                let text = words.join(" ").replace(['\n', '\r', '\u{85}', '\u{2028}'], " ");
                format!("{}: .{text}", if caller { "u" } else { "a" })
            })
            .collect();
        let _ = observe(&lines.join("\n"));
    }
}

fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "my name is",
        "Zoë",
        "O’Neil",
        "İnan",
        "j-o-h-n",
        "at gmail dot com",
        "call me back",
        "tomorrow at 3",
        "next Friday",
        "650 253 0000",
        "double five",
        "your phone number?",
        "what's your name?",
        "yes",
        "no",
        "sorry, it's",
        "stop calling me",
        "my order number is",
        "A7K9",
        "I prefer",
        "mornings",
        "booked",
        "table",
        "your table has been",
        "my pin is 1234",
        "ß",
        "½",
        "the 3rd of May",
        "half past 3",
        "in two hours",
        "not",
        "I'll call you",
        "my address is",
        "12 Main Street",
        "[redacted PIN]",
        "wrong number",
        "ann@acme.com",
    ])
    .prop_map(str::to_owned)
}
