use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, shared_fixture, source, unreadable};

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Telnyx, None))
}

fn body(event_type: &str, payload: Value) -> Vec<u8> {
    let mut body = json!({"data": {"event_type": event_type, "id": "e1", "record_type": "event",
        "occurred_at": "2025-10-14T13:01:00.000Z"}});
    body["data"]["payload"] = payload;
    body.to_string().into_bytes()
}

#[test]
fn only_the_owner_of_the_key_is_believed() {
    let mut config = source(PlatformName::Telnyx, None);
    config.webhook.secrets = vec![Secret::new(ed25519::public_key_of(&[7; 32])).unwrap()];
    let sender = Sender::of(&config);
    for (seed, holds) in [([7; 32], true), ([8; 32], false)] {
        let (signature, time) = ed25519::sign(&seed, AT.as_secs(), b"{}");
        let mut headers = HeaderMap::new();
        headers.insert(
            ed25519::SIGNATURE,
            HeaderValue::from_str(&signature).unwrap(),
        );
        headers.insert(ed25519::TIMESTAMP, HeaderValue::from_str(&time).unwrap());
        let delivery = Delivery {
            headers: &headers,
            ..Delivery::kept(b"{}")
        };
        assert_eq!(sender.verify(delivery, AT).is_ok(), holds);
        assert_eq!(
            sender.explain(delivery, AT).iter().all(|check| check.ok),
            holds
        );
    }
}

#[test]
fn the_documents_hangup_is_a_rejected_call() {
    let Some(sample) = shared_fixture("telnyx_call_hangup.official.json") else {
        return;
    };
    let event = event(&sender(), &sample);
    assert_eq!(
        event.event_id.as_str(),
        "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"
    );
    let fetched = sender().told(&sample, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(call.id.as_str(), "428c31b6-7af4-4bcb-b7f5-5013ef9657c1");
    assert_eq!((&call.status, call.duration_ms), (&Status::Failed, None));
    assert_eq!(call.caller_identity, "+35319605860");
    assert_eq!(fetched.reason.as_ref().unwrap().raw, "call_rejected");
    assert_eq!(
        settled(&fetched),
        Some(("dial_rejected".to_owned(), "platform"))
    );
    assert_eq!(fetched.seen.unwrap().as_str(), "dial_rejected");
}

#[test]
fn the_documents_texml_callback_is_a_completed_call() {
    let Some(sample) = shared_fixture("telnyx_texml_completed.official.json") else {
        return;
    };
    let event = event(&sender(), &sample);
    assert!(event.event_id.as_str().ends_with(":completed:0"));
    assert_eq!(
        event.occurred_at.unwrap().to_string(),
        "2021-04-28T21:51:18.731Z"
    );
    let fetched = sender().told(&sample, AT).unwrap();
    let call = &fetched.conversation;
    assert!(call.id.as_str().starts_with("v2:7V3r4VFCGLTzKLOveE0"));
    assert_eq!(
        (&call.status, call.duration_ms),
        (&Status::Completed, Some(2_000))
    );
    assert_eq!(call.caller_identity, "+18445931290");
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "fallback"))
    );
}

#[test]
fn a_leg_that_hung_up_is_known_by_the_direction() {
    let hangup = |direction: &str, source: &str| {
        body(
            "call.hangup",
            json!({"call_session_id": "s1", "direction": direction, "from": "+14155550123",
                "to": "+18005550100", "start_time": "2025-10-14T13:00:00.000Z",
                "hangup_cause": "normal_clearing", "hangup_source": source, "sip_hangup_cause": "200"}),
        )
    };
    let fetched = sender().told(&hangup("incoming", "caller"), AT).unwrap();
    assert_eq!(fetched.conversation.transport, Transport::SipInbound);
    assert_eq!(fetched.conversation.duration_ms, Some(60_000));
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "platform"))
    );
    let fetched = sender().told(&hangup("outgoing", "caller"), AT).unwrap();
    assert_eq!(
        settled(&fetched),
        Some(("agent_ended".to_owned(), "platform"))
    );
}

#[test]
fn a_code_speaks_where_the_cause_does_not() {
    for (code, reason) in [
        ("486", "dial_busy"),
        ("480", "dial_no_answer"),
        ("503", "dial_failed"),
    ] {
        let body = body(
            "call.hangup",
            json!({"call_session_id": "s1", "hangup_cause": "unspecified", "sip_hangup_cause": code}),
        );
        let fetched = sender().told(&body, AT).unwrap();
        assert_eq!(fetched.conversation.status, Status::Failed);
        assert_eq!(
            settled(&fetched),
            Some((reason.to_owned(), "observed")),
            "{code}"
        );
    }
}

#[test]
fn an_assistants_conversation_goes_by_its_own_id() {
    let ended = body(
        "call.conversation.ended",
        json!({"conversation_id": "conv", "call_session_id": "s1", "assistant_id": "asst",
            "from": "+14155550123", "to": "+18005550100", "duration_sec": 12.5, "reason": "user_left"}),
    );
    let event_of = event(&sender(), &ended);
    assert_eq!(event_of.conversation_id.unwrap().as_str(), "conv");
    let fetched = sender().told(&ended, AT).unwrap();
    assert_eq!(fetched.conversation.agent_id.as_str(), "asst");
    assert_eq!(fetched.conversation.duration_ms, Some(12_500));
    assert_eq!(fetched.reason.as_ref().unwrap().raw, "user_left");
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "fallback"))
    );

    let insights = body(
        "call.conversation_insights.generated",
        json!({"conversation_id": "conv", "results": [{"insight_id": "i", "result": "A booking."}]}),
    );
    assert_eq!(event(&sender(), &insights).kind, EventKind::Analyzed);
    let fetched = sender().told(&insights, AT).unwrap();
    assert_eq!(fetched.conversation.summary.as_deref(), Some("A booking."));
    assert!(fetched.reason.is_none() && fetched.conversation.ended_at.is_none());
}

#[test]
fn other_events_are_ignored() {
    let answered = body("call.answered", json!({"call_session_id": "s1"}));
    assert_eq!(ignored(&sender(), &answered), "event call.answered");
    assert_eq!(
        ignored(&sender(), b"CallSid=v3:1&CallStatus=ringing"),
        "CallStatus ringing"
    );
    unreadable(&sender());
    assert!(matches!(
        sender().classify(Delivery::kept(&body("call.hangup", json!({}))), AT),
        Classified::Unreadable(_)
    ));
}
