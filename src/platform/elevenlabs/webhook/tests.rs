use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::conversation::Status;
use crate::end_reason::EndReason;
use crate::event::CallEvent;
use crate::platform::tests::{shared_fixture, source};

const NOW: Timestamp = Timestamp::from_secs(1_760_000_000);

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Elevenlabs, None))
}

fn classify(body: &[u8]) -> Classified {
    let secret = Secret::new("s3cret").unwrap();
    let value = timestamped_hmac::sign(&secret, NOW.as_secs(), body);
    let mut headers = HeaderMap::new();
    headers.insert(ELEVENLABS, HeaderValue::from_str(&value).unwrap());
    let delivery = Delivery {
        headers: &headers,
        ..Delivery::kept(body)
    };
    assert!(sender().is_signed(&headers));
    assert_eq!(sender().verify(delivery, NOW), Ok(()));
    assert!(sender().explain(delivery, NOW).iter().all(|check| check.ok));
    sender().classify(delivery, NOW)
}

fn event(body: &[u8]) -> CallEvent {
    match classify(body) {
        Classified::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn failure(reason: &str, kind: &str, body: &Value) -> Vec<u8> {
    json!({"type": "call_initiation_failure", "event_timestamp": 1_759_931_652, "data": {
        "agent_id": "xyz", "conversation_id": "abc", "failure_reason": reason,
        "metadata": {"type": kind, "body": body}}})
    .to_string()
    .into_bytes()
}

#[test]
fn a_transcription_tells_the_whole_call() {
    let body =
        json!({"type": "post_call_transcription", "event_timestamp": 1_739_537_297, "data": {
        "agent_id": "xyz", "conversation_id": "abc", "status": "done", "user_id": "user123",
        "transcript": [{"role": "user", "message": "Hello", "time_in_call_secs": 2}],
        "metadata": {"start_time_unix_secs": 1_739_537_200, "call_duration_secs": 22}}})
        .to_string();
    let event = event(body.as_bytes());
    assert_eq!(
        event.event_id.as_str(),
        "post_call_transcription:abc:1739537297"
    );
    assert_eq!(event.conversation_id.unwrap().as_str(), "abc");
    assert_eq!(event.agent_id.unwrap().as_str(), "xyz");
    assert_eq!(event.hint, None);
    let told = sender().told(body.as_bytes(), NOW).unwrap();
    assert_eq!(told.conversation.status, Status::Completed);
    assert_eq!(told.conversation.caller_identity, "user123");
    assert_eq!(told.messages.len(), 1);
}

#[test]
fn a_call_that_never_began_says_why() {
    for (reason, kind, carrier, said, seen) in [
        (
            "busy",
            "sip",
            json!({"sip_status_code": 486}),
            Some("dial_busy"),
            Some("dial_busy"),
        ),
        (
            "no-answer",
            "twilio",
            json!({}),
            Some("dial_no_answer"),
            None,
        ),
        (
            "unknown",
            "sip",
            json!({"sip_status_code": 603}),
            None,
            Some("dial_rejected"),
        ),
        (
            "unknown",
            "sip",
            json!({"sip_status_code": 503}),
            None,
            Some("dial_failed"),
        ),
        (
            "unknown",
            "twilio",
            json!({"CallStatus": "busy", "SipResponseCode": "487"}),
            None,
            Some("dial_busy"),
        ),
        ("unknown", "twilio", json!({}), None, None),
    ] {
        let body = failure(reason, kind, &carrier);
        let hint = event(&body).hint.unwrap();
        let word = hint.said.unwrap();
        assert_eq!(word.raw, reason);
        assert_eq!(word.reason.as_ref().map(EndReason::as_str), said);
        assert_eq!(hint.seen.as_ref().map(EndReason::as_str), seen, "{carrier}");
        let call = sender().told(&body, NOW).unwrap().conversation;
        assert_eq!(call.status, Status::Failed);
        assert!(call.is_outbound());
        assert_eq!((call.started_at, call.duration_ms), (None, None));
    }
}

#[test]
fn audio_and_other_types_are_ignored() {
    for kind in ["post_call_audio", "voice_removed", "agent_qa"] {
        let body = json!({"type": kind, "data": {"conversation_id": "abc"}}).to_string();
        let ignored = classify(body.as_bytes());
        assert_eq!(ignored, Classified::Ignored(format!("type {kind}")));
    }
}

#[test]
fn the_unreadable_is_told_apart() {
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"\xff",
        br#"{"data":{}}"#,
        br#"{"type":"post_call_transcription"}"#,
        br#"{"type":"post_call_transcription","data":{"conversation_id":""}}"#,
    ] {
        assert!(matches!(classify(body), Classified::Unreadable(_)));
        assert!(sender().told(body, NOW).is_err());
    }
}

#[test]
fn the_official_bodies_are_read() {
    for (name, reason) in [
        ("elevenlabs_post_call_transcription.official.json", None),
        (
            "elevenlabs_call_initiation_failure_sip.official.json",
            Some("dial_busy"),
        ),
        (
            "elevenlabs_call_initiation_failure_twilio.official.json",
            Some("dial_busy"),
        ),
    ] {
        let Some(body) = shared_fixture(name) else {
            return;
        };
        assert_eq!(event(&body).conversation_id.unwrap().as_str(), "abc");
        let told = sender().told(&body, NOW).unwrap();
        assert!(told.conversation.status.is_terminal());
        let found = told.reason.and_then(|said| said.reason);
        assert_eq!(found.as_ref().map(EndReason::as_str), reason, "{name}");
        assert_eq!(told.conversation.agent_id.as_str(), "xyz");
    }
    if let Some(body) = shared_fixture("elevenlabs_post_call_audio.official.json") {
        assert!(matches!(classify(&body), Classified::Ignored(_)));
    }
}
