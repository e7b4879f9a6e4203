use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{Role, Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, source, unreadable};

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Bland, None))
}

fn call() -> Value {
    json!({
        "call_id": "c1", "completed": true, "status": "completed", "inbound": true,
        "from": "+14155550123", "to": "+18005550100", "answered_by": "human",
        "created_at": "2025-10-14T13:00:00.000Z", "started_at": "2025-10-14T13:00:02.000Z",
        "end_at": "2025-10-14T13:01:32.000Z", "call_length": 1.5, "price": 0.135,
        "call_ended_by": "USER", "summary": "A booking.", "pathway_id": "path1",
        "recording_url": "https://r.example/1.mp3", "disposition_tag": "BOOKED",
        "metadata": {"crm": "1"}, "variables": {"name": "Ada", "system__now": "x"},
        "concatenated_transcript": "user: Hi \n assistant: Hello \n ",
        "transcripts": [
            {"id": 11, "user": "user", "text": "Hi", "created_at": "2025-10-14T13:00:03.000Z"},
            {"id": 12, "user": "assistant", "text": "Hello"},
            {"id": 13, "user": "agent-action", "text": "Ended call"}
        ]
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut call = call();
    change(&mut call);
    call.to_string().into_bytes()
}

#[test]
fn the_signature_is_over_the_body_alone() {
    let body = with(|_| {});
    let mut headers = HeaderMap::new();
    for (name, value) in custom_hmac::sign(&form(), &Secret::new("s3cret").unwrap(), 0, &body) {
        let name: http::HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(&value).unwrap());
    }
    let delivery = |body| Delivery {
        headers: &headers,
        ..Delivery::kept(body)
    };
    assert_eq!(headers.len(), 1);
    assert_eq!(sender().verify(delivery(&body), AT), Ok(()));
    assert!(
        sender()
            .verify(delivery(&[&*body, b" "].concat()), AT)
            .is_err()
    );
    assert!(sender().is_signed(&headers) && !sender().is_signed(&HeaderMap::new()));
}

#[test]
fn a_finished_call_is_whole() {
    let body = with(|_| {});
    let event = event(&sender(), &body);
    assert_eq!(
        (&event.kind, event.event_id.as_str()),
        (&EventKind::Finished, "finished:c1")
    );
    let fetched = sender().told(&body, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(
        (&call.status, &call.transport),
        (&Status::Completed, &Transport::SipInbound)
    );
    assert_eq!(
        (call.duration_ms, call.cost_cents),
        (Some(90_000), Some(14))
    );
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.agent_id.as_str(), "path1");
    assert_eq!(call.summary.as_deref(), Some("A booking."));
    assert_eq!(call.platform_fields["disposition_tag"], "BOOKED");
    assert!(!call.platform_fields.contains_key("concatenated_transcript"));
    let roles: Vec<_> = fetched.messages.iter().map(|m| m.role.clone()).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::System]);
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "platform"))
    );
}

#[test]
fn a_corrected_transcript_is_an_event_of_its_own() {
    let body = with(|call| {
        call["corrected_transcript"] = json!([{"id": 21, "speaker": "user", "text": "High"}]);
        call["citations"] = json!([]);
    });
    let event = event(&sender(), &body);
    assert_eq!(
        (&event.kind, event.event_id.as_str()),
        (&EventKind::Analyzed, "corrected:c1")
    );
    let fetched = sender().told(&body, AT).unwrap();
    assert_eq!(fetched.messages.len(), 1);
    assert_eq!(fetched.messages[0].content, "High");
}

#[test]
fn every_word_for_the_end_is_mapped() {
    for (field, word, reason) in [
        ("call_ended_by", "user", Some(("caller_hangup", "platform"))),
        (
            "call_ended_by",
            "ASSISTANT",
            Some(("agent_ended", "platform")),
        ),
        ("call_ended_by", "agent", Some(("agent_ended", "platform"))),
        (
            "call_ended_by",
            "system",
            Some(("caller_hangup", "fallback")),
        ),
        (
            "answered_by",
            "voicemail",
            Some(("voicemail_hangup", "platform")),
        ),
        (
            "answered_by",
            "no-answer",
            Some(("dial_no_answer", "platform")),
        ),
        (
            "transferred_to",
            "+14155550199",
            Some(("transferred", "platform")),
        ),
        ("status", "busy", Some(("dial_busy", "platform"))),
        ("status", "no-answer", Some(("dial_no_answer", "platform"))),
        ("status", "failed", Some(("dial_failed", "platform"))),
    ] {
        let body = with(|call| call[field] = json!(word));
        let fetched = sender().told(&body, AT).unwrap();
        let expected = reason.map(|(reason, source)| (reason.to_owned(), source));
        assert_eq!(settled(&fetched), expected, "{field} {word}");
        let never = matches!(reason, Some((dial, _)) if dial.starts_with("dial_"));
        assert_eq!(
            fetched.conversation.duration_ms.is_none(),
            never,
            "{field} {word}"
        );
    }
}

#[test]
fn lines_stand_in_for_a_transcript() {
    let body = with(|call| {
        call.as_object_mut().unwrap().remove("transcripts");
    });
    let fetched = sender().told(&body, AT).unwrap();
    let said: Vec<_> = fetched
        .messages
        .iter()
        .map(|m| m.content.as_str())
        .collect();
    assert_eq!(said, ["Hi ", "Hello"]);
}

#[test]
fn a_running_call_is_no_event() {
    let running = json!({"call_id": "c1", "completed": false, "status": "in-progress"});
    let running = running.to_string().into_bytes();
    assert_eq!(ignored(&sender(), &running), "a call that is not over");
    let spoken = json!({"call_id": "c1", "category": "call", "message": "x"});
    let spoken = spoken.to_string().into_bytes();
    assert_eq!(ignored(&sender(), &spoken), "an event of a running call");
    unreadable(&sender());
}
