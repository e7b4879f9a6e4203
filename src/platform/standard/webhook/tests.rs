use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::config::PlatformName;
use crate::conversation::{Role, Status, Transport};
use crate::end_reason::EndReason;
use crate::event::CallEvent;
use crate::platform::tests::source;
use crate::signature::standard::Key;

const NOW: Timestamp = Timestamp::from_secs(1_760_447_000);
const SENT: &str = "2025-10-14T13:02:44Z";

fn key() -> Key {
    Key::of_random([7; 32])
}

fn sender() -> Sender {
    let mut source = source(PlatformName::Standard, None);
    source.webhook.secrets = vec![Secret::new(key().to_text()).unwrap()];
    Sender::of(&source)
}

fn headers(body: &[u8]) -> HeaderMap {
    let signature = standard::sign(&[key()], "msg_1", NOW.as_secs(), body);
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    headers.insert("webhook-timestamp", NOW.as_secs().into());
    headers.insert(
        "webhook-signature",
        HeaderValue::from_str(&signature).unwrap(),
    );
    headers
}

fn classify(body: &Value) -> Classified {
    let body = body.to_string().into_bytes();
    let headers = headers(&body);
    let delivery = Delivery {
        headers: &headers,
        ..Delivery::kept(&body)
    };
    assert!(sender().is_signed(&headers));
    assert_eq!(sender().verify(delivery, NOW), Ok(()));
    assert!(sender().explain(delivery, NOW).iter().all(|check| check.ok));
    sender().classify(delivery, NOW)
}

fn event(body: &Value) -> CallEvent {
    match classify(body) {
        Classified::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn told(body: &Value) -> Fetched {
    sender().told(body.to_string().as_bytes(), NOW).unwrap()
}

#[test]
fn both_forms_mean_the_same() {
    let messages = json!([
        {"role": "assistant", "content": "Acme, good morning."},
        {"role": "user", "content": "I can only do mornings.", "started_at": "2025-10-14T13:00:06Z"},
    ]);
    let nested = json!({"type": "conversation.completed", "timestamp": SENT, "data": {
        "conversation": {"id": "call-1", "agent_id": "front-desk", "caller_identity": "+14155550123"},
        "messages": messages}});
    let flat = json!({"type": "call.finished", "timestamp": SENT, "data": {
        "conversation_id": "call-1", "agent_id": "front-desk", "caller_identity": "+14155550123",
        "messages": messages}});
    for body in [&nested, &flat] {
        let event = event(body);
        assert_eq!(event.event_id.as_str(), "msg_1");
        assert_eq!(event.kind, EventKind::Finished);
        assert_eq!(event.conversation_id.unwrap().as_str(), "call-1");
        assert_eq!(event.agent_id.unwrap().as_str(), "front-desk");
        assert_eq!(
            event.occurred_at.unwrap().to_string(),
            "2025-10-14T13:02:44.000Z"
        );
    }
    assert_eq!(told(&nested), told(&flat));
    let Fetched {
        conversation: call,
        messages,
        ..
    } = told(&nested);
    assert_eq!(call.status, Status::Completed);
    assert_eq!(call.platform, "standard");
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.created_at.to_string(), "2025-10-14T13:02:44.000Z");
    assert!(
        call.platform_fields.is_empty(),
        "{:?}",
        call.platform_fields
    );
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].role, Role::User);
    assert!(messages[1].started_at.is_some());
}

#[test]
fn any_field_of_the_first_source_document_may_be_there() {
    let body = json!({"type": "conversation.ended", "timestamp": SENT, "data": {"conversation": {
        "id": "call-2", "status": "failed", "transport": "sip_outbound", "end_reason": "dial_busy",
        "created_at": "2025-10-14T13:00:00Z", "to_number": "+14155550123", "metadata": {"crm": 1},
        "our_own": "stays"}}});
    let told = told(&body);
    let call = told.conversation;
    assert_eq!(call.status, Status::Failed);
    assert_eq!(call.transport, Transport::SipOutbound);
    assert_eq!(told.reason.unwrap().reason, Some(EndReason::DialBusy));
    assert_eq!(call.metadata["crm"], json!(1));
    assert_eq!(call.platform_fields["our_own"], json!("stays"));
    assert_eq!(call.agent_id.as_str(), "acme", "nobody named one");
}

#[test]
fn the_type_says_that_it_is_over_whatever_the_sender_calls_its_state() {
    let status = |word: &str| {
        let body = json!({"type": "call.finished", "timestamp": SENT,
            "data": {"conversation_id": "call-3", "status": word}});
        told(&body).conversation
    };
    let call = status("wrapped-up");
    assert_eq!(call.status, Status::Completed);
    assert_eq!(call.platform_fields["status"], json!("wrapped-up"));
    assert_eq!(status("active").status, Status::Active);
}

#[test]
fn what_senders_cut_in_half_costs_no_call() {
    let body = r#"{"type":"call.finished","data":{"conversation_id":"call-4","summary":"so \ud83d",
        "metadata":{"n":1e999}}}"#;
    let call = sender().told(body.as_bytes(), NOW).unwrap().conversation;
    assert_eq!(call.summary.as_deref(), Some("so \u{fffd}"));
    assert_eq!(call.metadata["n"], json!(null));
}

#[test]
fn other_types_are_ignored_and_the_unreadable_is_told_apart() {
    let ignored = classify(&json!({"type": "invoice.paid", "data": {}}));
    assert_eq!(ignored, Classified::Ignored("type invoice.paid".to_owned()));
    for body in [
        json!({"type": "call.finished", "data": {}}),
        json!({"type": "call.finished", "data": {"conversation": {"agent_id": "a"}}}),
        json!({"data": {"conversation_id": "x"}}),
        json!([]),
    ] {
        assert!(
            matches!(classify(&body), Classified::Unreadable(_)),
            "{body}"
        );
    }
}

#[test]
fn a_call_that_nobody_could_ask_for_is_parked() {
    for id in ["..", ".", ""] {
        let body = json!({"type": "conversation.completed", "data": {"conversation_id": id}});
        assert!(matches!(classify(&body), Classified::Unreadable(_)), "{id}");
    }
    let body = json!({"type": "conversation.completed",
                      "data": {"conversation_id": "call-1", "agent_id": ".."}});
    let agent = told(&body).conversation.agent_id;
    assert_eq!(agent.as_str(), sender().naming.source);
}

#[test]
fn a_number_that_can_not_be_is_left_out_and_kept_as_it_came() {
    for (name, value) in [
        ("duration_ms", json!(-5)),
        ("duration_ms", json!(i64::MAX)),
        ("duration_ms", json!(1e30)),
        ("cost_cents", json!(1e30)),
        ("user_turn_count", json!(-1)),
        ("started_at", json!("0001-01-01T00:00:00Z")),
        ("ended_at", json!("9999-12-31T00:00:00Z")),
    ] {
        let mut data = json!({"conversation_id": "call-1"});
        data[name] = value.clone();
        let call = told(&json!({"type": "call.finished", "data": data})).conversation;
        assert_eq!(call.platform_fields[name], value, "{name}");
        let stored = serde_json::to_value(&call).unwrap();
        assert_eq!(stored[name], Value::Null, "{name}");
        assert_eq!(call.created_at, NOW, "the receipt's time stands in");
    }
}

#[test]
fn what_is_cut_off_tells_nothing() {
    for body in ["", "{", "{\"data\":1}", "{\"data\":{}}", "\u{0}", "[[[["] {
        assert!(sender().told(body.as_bytes(), NOW).is_err(), "{body}");
    }
}
