use serde_json::json;

use super::*;
use crate::config::PlatformName;
use crate::conversation::{CallSuccess, Role, Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, shared_fixture, source, unreadable};

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Retell, None))
}

fn body(event: &str, call: serde_json::Value) -> Vec<u8> {
    let mut body = json!({ "event": event });
    body["call"] = call;
    body.to_string().into_bytes()
}

#[test]
fn the_documents_sample_is_the_call_it_shows() {
    let Some(sample) = shared_fixture("retell_call_ended.official-adapted.json") else {
        return;
    };
    let event = event(&sender(), &sample);
    assert_eq!(event.kind, EventKind::Finished);
    assert_eq!(
        event.event_id.as_str(),
        "call_ended:Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6"
    );
    assert_eq!(
        event.occurred_at,
        Some(Timestamp::from_millis(1_714_608_491_736))
    );
    let fetched = sender().told(&sample, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(call.id.as_str(), "Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6");
    assert_eq!(call.agent_id.as_str(), "oBeDLoLOeuAbiuaMFXRtDOLriTJ5tSxD");
    assert_eq!(call.status, Status::Completed, "whatever call_status says");
    assert_eq!(call.transport, Transport::SipInbound);
    assert_eq!(call.caller_identity, "+12137771234");
    assert_eq!(call.to_number.as_deref(), Some("+12137771235"));
    assert_eq!(call.duration_ms, Some(15_791));
    let variables = call.dynamic_variables.value().unwrap();
    assert_eq!(variables["customer_name"], "John Doe");
    assert!(fetched.messages.is_empty() && !call.platform_fields.contains_key("transcript"));
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "platform"))
    );
}

#[test]
fn the_analysis_comes_later_and_brings_more() {
    let call = json!({
        "call_id": "c1", "call_type": "web_call", "agent_id": "a1", "agent_name": "Front desk",
        "call_status": "ended", "access_token": "planted",
        "start_timestamp": 1_760_446_800_000_i64, "end_timestamp": 1_760_446_860_000_i64,
        "disconnection_reason": "agent_hangup", "recording_url": "https://r.example/1.wav",
        "call_cost": {"combined_cost": 12.7, "product_costs": []},
        "transcript_with_tool_calls": [
            {"role": "agent", "content": "Hello", "words": [{"word": "Hello", "start": 0.5, "end": 1.0}]},
            {"role": "user", "content": "Book me in", "words": []},
            {"role": "tool_call_invocation", "tool_call_id": "t1", "name": "book", "arguments": "{\"day\":1}"},
            {"role": "tool_call_result", "tool_call_id": "t1", "content": "{\"ok\":true}"},
            {"role": "somebody", "content": "?"}
        ],
        "call_analysis": {"call_summary": "Booked.", "call_successful": true, "user_sentiment": "Positive"}
    });
    let body = body("call_analyzed", call);
    let event = event(&sender(), &body);
    assert_eq!(event.kind, EventKind::Analyzed);
    assert_eq!(event.event_id.as_str(), "call_analyzed:c1");
    let fetched = sender().told(&body, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(call.transport, Transport::Web);
    assert_eq!(call.caller_identity, "", "nobody is named");
    assert_eq!(call.summary.as_deref(), Some("Booked."));
    assert_eq!(call.call_successful, Some(CallSuccess::Success));
    assert_eq!(call.cost_cents, Some(12));
    assert_eq!(
        call.platform_fields["call_analysis"]["user_sentiment"],
        "Positive"
    );
    assert!(!call.platform_fields.contains_key("access_token"));
    let roles: Vec<_> = fetched.messages.iter().map(|m| m.role.clone()).collect();
    assert_eq!(
        roles,
        [
            Role::Assistant,
            Role::User,
            Role::Tool,
            Role::from("somebody")
        ]
    );
    assert_eq!(
        fetched.messages[0].started_at,
        Some(Timestamp::from_millis(1_760_446_800_500))
    );
    assert_eq!(fetched.messages[2].tool_result, Some(json!({"ok": true})));
    assert_eq!(
        settled(&fetched),
        Some(("agent_ended".to_owned(), "platform"))
    );
}

#[test]
fn a_call_that_nobody_took_never_began() {
    let body = body(
        "call_ended",
        json!({"call_id": "c1", "call_type": "phone_call", "direction": "outbound",
            "from_number": "+18005550100", "to_number": "+14155550123",
            "call_status": "not_connected", "disconnection_reason": "dial_busy",
            "start_timestamp": 1_760_446_800_000_i64, "end_timestamp": 1_760_446_805_000_i64}),
    );
    let fetched = sender().told(&body, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!((&call.status, call.duration_ms), (&Status::Failed, None));
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(
        call.agent_id.as_str(),
        "+18005550100",
        "the workspace's number"
    );
    assert_eq!(
        settled(&fetched),
        Some(("dial_busy".to_owned(), "platform"))
    );
}

#[test]
fn a_word_that_maps_to_nothing_leaves_the_fallback() {
    let body = body(
        "call_ended",
        json!({"call_id": "c1", "disconnection_reason": "error_asr",
            "start_timestamp": 1_760_446_800_000_i64, "end_timestamp": 1_760_446_805_000_i64}),
    );
    let fetched = sender().told(&body, AT).unwrap();
    assert_eq!(fetched.reason.as_ref().unwrap().raw, "error_asr");
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "fallback"))
    );
}

#[test]
fn other_events_are_ignored_and_what_can_not_be_read_is_no_event() {
    assert_eq!(
        ignored(&sender(), &body("call_started", json!({"call_id": "c1"}))),
        "event call_started"
    );
    unreadable(&sender());
    let nameless = body("call_ended", json!({}));
    assert!(matches!(
        sender().classify(Delivery::kept(&nameless), AT),
        Classified::Unreadable(_)
    ));
}
