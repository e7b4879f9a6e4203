use serde_json::json;

use super::*;
use crate::platform::tests::shared_fixture;
use crate::time::Timestamp;

const START: i64 = 1_760_446_800;

fn read(body: &Value) -> Fetched {
    let naming = Naming {
        platform: "anyreach",
        source: "acme".to_owned(),
        agent: None,
    };
    call(body.as_object().unwrap().clone(), &naming).unwrap()
}

fn row(status: &str, direction: &str, duration: Option<i64>) -> Value {
    json!({"id": "5f0c1d", "organization_id": "org", "direction": direction, "channel": "telephone",
        "status": status, "user_id": "+14155550123", "agent_id": "ag", "agent_number": "+18005550100",
        "duration": duration, "user_turn_count": 2, "created_at": "2025-10-14T13:00:00Z",
        "updated_at": "2025-10-14T13:05:00Z"})
}

fn full() -> Value {
    let mut call = row("completed", "inbound", Some(62));
    call["agent"] = json!({"id": "ag", "name": "Front desk"});
    call["summary"] = json!("A booking.");
    call["custom_metadata"] = json!({"crm": 1});
    call["recording_details"] =
        json!({"recording_url": "https://a.example/r.ogg", "format": "ogg"});
    call["conversation"] = json!({"messages": [{"role": "user", "content": "Hello"}]});
    call["initial_context"] = json!("from the site");
    call
}

#[test]
fn every_field_finds_its_place() {
    let fetched = read(&full());
    let call = fetched.conversation;
    assert_eq!(call.status, Status::Completed);
    assert_eq!(call.transport, Transport::SipInbound);
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.from_number.as_deref(), Some("+14155550123"));
    assert_eq!(call.to_number.as_deref(), Some("+18005550100"));
    assert_eq!(call.started_at, Some(Timestamp::from_secs(START)));
    assert_eq!(call.ended_at, Some(Timestamp::from_secs(START + 62)));
    assert_eq!(call.duration_ms, Some(62_000));
    assert_eq!(call.user_turn_count, Some(2));
    assert_eq!(call.agent_name.as_deref(), Some("Front desk"));
    assert_eq!(call.summary.as_deref(), Some("A booking."));
    assert_eq!(
        call.recording_url.as_deref(),
        Some("https://a.example/r.ogg")
    );
    assert_eq!(json!(call.metadata), json!({"crm": 1}));
    assert_eq!(
        call.platform_fields["initial_context"],
        json!("from the site")
    );
    assert_eq!(call.platform_fields["organization_id"], json!("org"));
    assert_eq!(fetched.messages[0].content, "Hello");
    assert_eq!(
        fetched.reason, None,
        "completed says nothing of who hung up"
    );
}

#[test]
fn the_status_is_all_that_says_why() {
    for (status, direction, duration, stands, reason) in [
        (
            "unanswered",
            "outbound",
            None,
            "failed",
            Some("dial_no_answer"),
        ),
        ("unanswered", "inbound", None, "failed", None),
        ("failed", "outbound", Some(0), "failed", Some("dial_failed")),
        ("failed", "outbound", Some(30), "failed", None),
        ("cancelled", "outbound", None, "failed", None),
        (
            "transferred",
            "inbound",
            Some(30),
            "completed",
            Some("transferred"),
        ),
    ] {
        let fetched = read(&row(status, direction, duration));
        assert_eq!(fetched.conversation.status.as_str(), stands);
        let said = fetched.reason.unwrap();
        assert_eq!(said.raw, status);
        assert_eq!(
            said.reason.as_ref().map(EndReason::as_str),
            reason,
            "{status}"
        );
        assert!(fetched.conversation.ended_at.is_some());
    }
    for status in ["token_created", "triggered", "ringing", "in_progress"] {
        let fetched = read(&row(status, "inbound", None));
        assert!(!fetched.conversation.status.is_terminal());
        assert_eq!(
            (fetched.conversation.ended_at, fetched.reason),
            (None, None)
        );
    }
}

#[test]
fn an_outbound_call_is_placed_by_the_agents_number() {
    let call = read(&row("completed", "outbound", Some(9))).conversation;
    assert_eq!(call.from_number.as_deref(), Some("+18005550100"));
    assert_eq!(call.to_number.as_deref(), Some("+14155550123"));
    assert_eq!(call.caller_identity, "+14155550123");
}

#[test]
fn a_guest_of_the_web_is_shown_as_it_came() {
    let mut web = row("completed", "inbound", Some(9));
    web["channel"] = json!("webrtc");
    web["user_id"] = json!("guest_81f0");
    let call = read(&web).conversation;
    assert_eq!(call.transport, Transport::Web);
    assert_eq!(call.caller_identity, "guest_81f0");
    assert_eq!(call.from_number, None);
    let key = crate::memory::caller::CallerKey::of("anyreach", &call.caller_identity);
    assert_eq!(key, None, "and is nobody");
    web["channel"] = json!("email");
    assert_eq!(read(&web).conversation.transport.as_str(), "email");
}

#[test]
fn absent_and_null_are_told_apart() {
    let bare = row("completed", "inbound", Some(9));
    assert!(is_bare(bare.as_object().unwrap()));
    let mut seen = bare;
    seen["conversation"] = Value::Null;
    assert!(!is_bare(seen.as_object().unwrap()));
}

#[test]
fn the_official_answer_is_read() {
    let Some(bytes) = shared_fixture("anyreach_get_conversation.official.json") else {
        return;
    };
    // The sample leaves the three enumerations out.
    let mut body: Value = serde_json::from_slice(&bytes).unwrap();
    body["status"] = json!("completed");
    let call = read(&body).conversation;
    assert_eq!(call.id.as_str(), "<string>");
    assert_eq!(call.duration_ms, Some(123_000));
    assert!(!is_bare(body.as_object().unwrap()));
}
