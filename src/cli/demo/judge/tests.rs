use serde_json::json;

use super::*;
use crate::simulate::script;

fn known() -> Known {
    serde_json::from_value(json!({
        "end_reason": "agent_ended",
        "source": "platform",
        "remembers": {"contact.phone": "+14155550188"},
        "supersedes": {"contact.phone": "+14155550134"},
        "retries": 1,
    }))
    .unwrap()
}

fn fact(slot: &str, value: &str, valid_to: &Value) -> Value {
    json!({"slot": slot, "value": value, "fact": "A sentence.", "valid_to": valid_to})
}

fn found(memories: &[Value]) -> Found {
    let call = json!({"end_reason": "agent_ended", "end_reason_source": "platform"});
    let steps = [
        "received",
        "attempt_failed",
        "fetched",
        "settled",
        "remembered",
    ];
    let timeline: Vec<Value> = steps.iter().map(|step| json!({"step": step})).collect();
    read(&call, memories, &timeline)
}

#[test]
fn what_is_as_scripted_has_no_differences() {
    let memories = [
        fact("contact.phone", "+14155550188", &Value::Null),
        fact(
            "contact.phone",
            "+14155550134",
            &json!("2026-01-01T00:00:00.000Z"),
        ),
    ];
    let found = found(&memories);
    assert_eq!(outcome(&known(), &found, 1), Vec::<String>::new());
    assert_eq!((found.memories.len(), found.superseded.len()), (1, 1));
    assert_eq!((found.retries, found.settled), (1, 1));
}

#[test]
fn every_difference_is_told() {
    let old = [fact("contact.phone", "+14155550134", &Value::Null)];
    let mut found = found(&old);
    found.end_reason_source = Some("fallback".to_owned());
    found.retries = 0;
    found.settled = 2;
    let told = outcome(&known(), &found, 1).join("\n");
    for part in [
        "end_reason_source: platform expected, found fallback",
        "contact.phone = \"+14155550188\" expected",
        "\"+14155550134\" must not hold",
        "1 retries expected, found 0",
        "settled 2 times",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
}

#[test]
fn nothing_may_be_remembered_where_nothing_is_scripted() {
    let mut known = known();
    known.remembers.clear();
    let named = [fact("identity.name", "Alex", &Value::Null)];
    assert_eq!(
        outcome(&known, &found(&named), 1),
        ["memory: nothing expected, found identity.name"]
    );
    let mut early = found(&[]);
    early.remembered = false;
    assert_eq!(
        outcome(&known, &early, 1),
        ["memory: the stage is not through"]
    );
}

#[test]
fn answers_are_held_against_their_sending() {
    let scripts = script::all().unwrap();
    let forged = scripts
        .iter()
        .find(|script| script.name == "forged")
        .unwrap();
    assert_eq!(
        answers(forged, &[(0, Some(Answered::Refused))]),
        Vec::<String>::new()
    );
    assert_eq!(
        answers(forged, &[(0, Some(Answered::Accepted)), (0, None)]),
        [
            "webhook 1: refused expected, answered accepted",
            "webhook 1: refused expected, answered something else",
        ]
    );
}
