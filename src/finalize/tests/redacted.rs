//! Secrets in everything that a platform tells beside the transcript.

use super::*;
use crate::conversation::IvrSurrenderReason;
use crate::finalize::redact_all;

fn object(value: &Value) -> serde_json::Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn secrets_are_taken_out_of_every_field_that_is_free_text() {
    let mut fetched = call("c", "+14155550123", "Hello.", Some("card 4111111111111111"));
    let secrets =
        || object(&json!({"password": "hunter2", "cvv": "737", "card 4111111111111111": 1}));
    let conversation = &mut fetched.conversation;
    conversation.metadata = secrets();
    conversation.platform_fields = secrets();
    conversation.dynamic_variables = Presence::Value(secrets());
    let press = object(&json!({"dtmf": "4111111111111111#", "menu": "main"}));
    conversation.ivr_path_taken = Presence::Value(vec![press]);
    let card = "said 4111 1111 1111 1111";
    conversation.ivr_surrender_reason = Presence::Value(IvrSurrenderReason::from(card));
    conversation.summary = Some(card.to_owned());
    conversation.agent_name = Some(card.to_owned());
    let redacted = redact_all(fetched);
    let reason = redacted.reason.unwrap();
    let kept = json!([redacted.conversation, reason]).to_string();
    for secret in ["hunter2", "737", "4111"] {
        assert!(!kept.contains(secret), "{kept}");
    }
    assert!(
        kept.contains("\"menu\":\"main\"") && kept.contains("+14155550123"),
        "{kept}"
    );
    let known = call("c", "+14155550123", "Hello.", Some("agent_ended"));
    assert_eq!(redact_all(known.clone()).reason, known.reason);
}

#[test]
fn what_was_secret_in_the_call_is_secret_in_what_is_told_of_it() {
    let mut fetched = call("c", "+14155550123", "My password is hunter2.", None);
    fetched.messages.push(said(2, "assistant", "And your PIN?"));
    fetched
        .messages
        .push(said(3, "user", "nine nine one three"));
    let conversation = &mut fetched.conversation;
    conversation.summary = Some("Gave hunter2 and then 9913 for order 12.".to_owned());
    conversation.platform_fields = object(&json!({"turn": {"heard": "9913", "order": 12}}));
    let redacted = redact_all(fetched).conversation;
    assert_eq!(
        redacted.summary.as_deref(),
        Some("Gave [redacted password] and then [redacted PIN] for order 12.")
    );
    assert_eq!(
        redacted.platform_fields["turn"],
        json!({"heard": "[redacted PIN]", "order": 12})
    );
}
