use serde_json::Value;

use super::*;
use crate::id::MessageId;
use crate::memory::slot::Slot;
use crate::time::Timestamp;

fn message(id: &str, role: Role, content: &str) -> Message {
    Message {
        id: MessageId::new(id).unwrap(),
        role,
        content: content.to_owned(),
        tool_name: None,
        tool_args: None,
        tool_result: None,
        started_at: None,
        ended_at: None,
    }
}

fn call() -> Vec<Message> {
    vec![
        message(
            "m1",
            Role::Assistant,
            "Is  this John Smith at 415-555-0123?",
        ),
        message(
            "m2",
            Role::User,
            "Yes, it's\nJohn. I'm paying by [redacted card number] today.",
        ),
        message("m3", Role::System, "The caller is Jane."),
        message("m4", Role::Assistant, "I'll call you back tomorrow."),
    ]
}

fn said(slot: &str, op: Op, ids: &[&str], quote: &str) -> Observation {
    Observation {
        slot: Slot::from(slot),
        object_key: String::new(),
        value: Value::from("x"),
        op,
        message_ids: ids.iter().map(|id| MessageId::new(id).unwrap()).collect(),
        quote: quote.to_owned(),
        confidence: 0.9,
        said_at: Timestamp::from_secs(0),
        seq: 0,
        due_at: None,
    }
}

#[track_caller]
fn check(observation: Observation, stands: bool) {
    let (kept, dropped) = ground(vec![observation], &call());
    assert_eq!((kept.len(), dropped), if stands { (1, 0) } else { (0, 1) });
}

#[test]
fn a_quote_must_stand_in_a_cited_message() {
    check(
        said("identity.name", Op::Assert, &["m2"], "it's john"),
        true,
    );
    check(
        said("identity.name", Op::Assert, &["m2"], "IT'S  John"),
        true,
    );
    check(
        said("identity.name", Op::Assert, &["m2"], "it's jon"),
        false,
    );
    check(
        said("identity.name", Op::Assert, &["m4"], "it's john"),
        false,
    );
    check(
        said("identity.name", Op::Assert, &["m2", "m9"], "it's john"),
        false,
    );
    check(said("identity.name", Op::Assert, &[], "it's john"), false);
    check(said("identity.name", Op::Assert, &["m2"], " "), false);
}

#[test]
fn a_quote_never_touches_a_redaction() {
    check(said("fact", Op::Assert, &["m2"], "paying by"), true);
    check(
        said(
            "fact",
            Op::Assert,
            &["m2"],
            "by [redacted card number] today",
        ),
        false,
    );
    check(
        said("fact", Op::Assert, &["m2"], "[redacted card number]"),
        false,
    );
    check(said("fact", Op::Assert, &["m2"], "redacted card"), false);
    check(
        said("fact", Op::Assert, &["m2"], "card number] today"),
        false,
    );
    let mut value = said("fact", Op::Assert, &["m2"], "paying by");
    value.value = Value::from("pays by [redacted card number]");
    check(value, false);
}

#[test]
fn an_agent_never_says_who_the_caller_is() {
    check(
        said("identity.name", Op::Assert, &["m1"], "John Smith"),
        false,
    );
    check(
        said("contact.phone", Op::Assert, &["m1", "m2"], "415-555-0123"),
        false,
    );
    check(
        said("contact.phone", Op::Confirm, &["m1", "m2"], "415-555-0123"),
        true,
    );
    check(
        said("contact.phone", Op::Confirm, &["m1"], "415-555-0123"),
        false,
    );
    check(said("identity.name", Op::Assert, &["m3"], "Jane"), false);
    check(
        said("commitment.callback", Op::Assert, &["m4"], "call you back"),
        true,
    );
}

#[test]
fn the_message_of_the_quote_comes_first() {
    let (kept, _) = ground(
        vec![said(
            "identity.name",
            Op::Assert,
            &["m1", "m2"],
            "it's john",
        )],
        &call(),
    );
    let ids: Vec<&str> = kept[0].message_ids.iter().map(MessageId::as_str).collect();
    assert_eq!(ids, ["m2", "m1"]);
}

#[test]
fn a_confidence_is_a_probability() {
    for confidence in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
        let mut odd = said("identity.name", Op::Assert, &["m2"], "john");
        odd.confidence = confidence;
        check(odd, false);
    }
}
