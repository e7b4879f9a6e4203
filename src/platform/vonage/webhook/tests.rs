use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, source, unreadable};

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Vonage, None))
}

fn with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut event = json!({
        "status": "completed", "uuid": "leg1", "conversation_uuid": "CON-1", "direction": "inbound",
        "from": "447700900000", "to": "442079460000", "start_time": "2025-10-14T13:00:00.000Z",
        "end_time": "2025-10-14T13:01:00.000Z", "timestamp": "2025-10-14T13:01:01.000Z",
        "duration": "60", "rate": "0.0045", "price": "0.0045", "network": "GB-FIXED",
        "disconnected_by": "user"
    });
    change(&mut event);
    event.to_string().into_bytes()
}

#[test]
fn the_token_is_for_these_bytes_alone() {
    let body = with(|_| {});
    let token = payload_jwt::sign(&Secret::new("s3cret").unwrap(), &body, AT);
    let mut headers = HeaderMap::new();
    headers.insert(jwt::HEADER, HeaderValue::from_str(&token).unwrap());
    let delivery = |body| Delivery {
        headers: &headers,
        ..Delivery::kept(body)
    };
    assert_eq!(sender().verify(delivery(&body), AT), Ok(()));
    assert!(
        sender()
            .verify(delivery(&[&*body, b" "].concat()), AT)
            .is_err()
    );
    assert!(sender().signs_on_retry() && !sender().is_signed(&HeaderMap::new()));
}

#[test]
fn a_completed_call_does_not_say_who_hung_up() {
    let body = with(|_| {});
    let event = event(&sender(), &body);
    assert_eq!(
        event.event_id.as_str(),
        "leg1:completed:2025-10-14T13:01:01.000Z"
    );
    assert_eq!(event.conversation_id.unwrap().as_str(), "CON-1");
    let fetched = sender().told(&body, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(
        (&call.status, &call.transport),
        (&Status::Completed, &Transport::SipInbound)
    );
    assert_eq!(call.duration_ms, Some(60_000));
    assert_eq!(call.caller_identity, "+447700900000");
    assert_eq!(call.agent_id.as_str(), "+442079460000");
    assert_eq!(call.platform_fields["disconnected_by"], "user");
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "fallback"))
    );
    let lone = with(|event| {
        event.as_object_mut().unwrap().remove("conversation_uuid");
    });
    assert_eq!(
        sender().told(&lone, AT).unwrap().conversation.id.as_str(),
        "leg1"
    );
}

#[test]
fn every_word_for_the_end_is_mapped() {
    for (status, detail, reason) in [
        ("busy", "", "dial_busy"),
        ("timeout", "", "dial_no_answer"),
        ("unanswered", "", "dial_no_answer"),
        ("cancelled", "", "dial_failed"),
        ("failed", "cannot_route", "dial_failed"),
        ("failed", "number_out_of_service", "dial_failed"),
        ("failed", "internal_error", "dial_failed"),
        ("rejected", "invalid_number", "dial_failed"),
        ("rejected", "restricted", "dial_rejected"),
        ("rejected", "declined", "dial_rejected"),
        ("rejected", "", "dial_rejected"),
    ] {
        let body = with(|event| {
            event["status"] = json!(status);
            event["detail"] = json!(detail);
            event["direction"] = json!("outbound");
        });
        let fetched = sender().told(&body, AT).unwrap();
        assert_eq!(fetched.conversation.duration_ms, None);
        assert_eq!(fetched.conversation.caller_identity, "+442079460000");
        let expected = Some((reason.to_owned(), "platform"));
        assert_eq!(settled(&fetched), expected, "{status} {detail}");
    }
}

#[test]
fn other_events_are_ignored() {
    assert_eq!(
        ignored(&sender(), br#"{"status":"ringing","uuid":"1"}"#),
        "status ringing"
    );
    assert_eq!(
        ignored(&sender(), br#"{"recording_url":"x","uuid":"1"}"#),
        "no status"
    );
    unreadable(&sender());
}
