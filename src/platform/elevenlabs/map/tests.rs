use serde_json::json;

use super::*;
use crate::conversation::Presence;
use crate::platform::tests::shared_fixture;

const START: i64 = 1_760_446_800;

fn naming(platform: &'static str) -> Naming {
    Naming {
        platform,
        source: "acme".to_owned(),
        agent: None,
    }
}

fn read(body: Value) -> Fetched {
    let Value::Object(body) = body else {
        panic!("an object")
    };
    call(body, &naming("elevenlabs"), None).unwrap()
}

fn full() -> Value {
    json!({
        "agent_id": "agent_7", "agent_name": "Front desk", "conversation_id": "conv_1",
        "status": "done", "user_id": "u-9",
        "transcript": [
            {"role": "agent", "message": "Acme, hello.", "time_in_call_secs": 0, "tool_calls": null},
            {"role": "user", "message": "I'd like to book.", "time_in_call_secs": 4},
            {"role": "agent", "message": null, "time_in_call_secs": 6, "tool_calls": [
                {"request_id": "r1", "tool_name": "book", "params_as_json": "{\"day\":\"tue\"}"}]},
            {"role": "agent", "message": "Done.", "time_in_call_secs": 8, "tool_results": [
                {"request_id": "r1", "tool_name": "book", "result_value": "{\"ok\":true}"}]},
        ],
        "metadata": {
            "start_time_unix_secs": START, "accepted_time_unix_secs": START + 3,
            "call_duration_secs": 30, "cost": 296, "termination_reason": "end_call tool was called.",
            "phone_call": {"type": "twilio", "direction": "inbound", "agent_number": "+18005550100",
                "external_number": "+14155550123", "call_sid": "CA1"},
        },
        "analysis": {"call_successful": "success", "transcript_summary": "A booking.",
            "data_collection_results": {"x": 1}},
        "conversation_initiation_client_data": {"dynamic_variables":
            {"user_name": "angelo", "system__caller_id": "+14155550123"}},
        "has_audio": true,
    })
}

#[test]
fn every_field_finds_its_place() {
    let fetched = read(full());
    let call = fetched.conversation;
    assert_eq!(call.status, Status::Completed);
    assert_eq!(call.transport, Transport::SipInbound);
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.from_number.as_deref(), Some("+14155550123"));
    assert_eq!(call.to_number.as_deref(), Some("+18005550100"));
    assert_eq!(call.created_at, Timestamp::from_secs(START));
    assert_eq!(call.started_at, Some(Timestamp::from_secs(START + 3)));
    assert_eq!(call.ended_at, Some(Timestamp::from_secs(START + 30)));
    assert_eq!(call.duration_ms, Some(30_000));
    assert_eq!(call.agent_name.as_deref(), Some("Front desk"));
    assert_eq!(call.summary.as_deref(), Some("A booking."));
    assert_eq!(call.call_successful, Some(CallSuccess::Success));
    let variables = json!({"user_name": "angelo"});
    assert_eq!(json!(call.dynamic_variables), variables);
    assert_eq!(call.platform_fields["user_id"], json!("u-9"));
    assert_eq!(call.platform_fields["metadata"]["cost"], json!(296));
    assert_eq!(call.platform_fields["phone_call"]["call_sid"], json!("CA1"));
    let reason = fetched.reason.unwrap();
    assert_eq!(reason.reason.unwrap().as_str(), "agent_ended");
    assert_eq!(reason.raw, "end_call tool was called.");

    let said: Vec<_> = fetched
        .messages
        .iter()
        .map(|m| (m.role.as_str(), m.content.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("assistant", "Acme, hello."),
            ("user", "I'd like to book."),
            ("tool", ""),
            ("assistant", "Done."),
        ]
    );
    let tool = &fetched.messages[2];
    assert_eq!(tool.tool_args, Some(json!({"day": "tue"})));
    assert_eq!(tool.tool_result, Some(json!({"ok": true})));
    assert_eq!(
        fetched.messages[1].started_at,
        Some(Timestamp::from_secs(START + 7))
    );
    assert_eq!(
        read(full()).messages,
        fetched.messages,
        "the same every time"
    );
}

#[test]
fn where_the_call_stands() {
    for (word, status, is_over) in [
        ("initiated", "pending", false),
        ("in-progress", "active", false),
        ("processing", "active", false),
        ("done", "completed", true),
        ("failed", "failed", true),
        ("paused", "paused", false),
    ] {
        let mut body = full();
        body["status"] = json!(word);
        let call = read(body).conversation;
        assert_eq!(call.status.as_str(), status);
        assert_eq!(call.status.is_terminal(), is_over);
        assert_eq!(call.ended_at.is_some(), is_over, "{word}");
    }
}

#[test]
fn an_outbound_call_that_nobody_took_never_began() {
    let mut body = full();
    body["status"] = json!("failed");
    body["transcript"] = json!(null);
    body["metadata"] = json!({"start_time_unix_secs": START, "call_duration_secs": 0,
        "phone_call": {"direction": "outbound", "agent_number": "+18005550100",
            "external_number": "+14155550123"}});
    let call = read(body).conversation;
    assert!(call.is_outbound());
    assert_eq!((call.started_at, call.duration_ms), (None, None));
    assert_eq!(call.from_number.as_deref(), Some("+18005550100"));
    assert_eq!(call.caller_identity, "+14155550123");
}

#[test]
fn a_web_call_is_of_its_user() {
    let mut body = full();
    body["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("phone_call");
    let call = read(body).conversation;
    assert_eq!(call.caller_identity, "u-9");
    assert_eq!(call.transport, Transport::Web);
    let mut body = full();
    body["metadata"] = json!({"start_time_unix_secs": START, "authorization_method": "whatsapp"});
    assert_eq!(read(body).conversation.transport, Transport::Whatsapp);
}

#[test]
fn a_row_of_the_list_is_read_by_the_same_words() {
    let row = json!({"agent_id": "a", "conversation_id": "conv_2", "start_time_unix_secs": START,
        "call_duration_secs": 61, "message_count": 9, "status": "done", "call_successful": "unknown",
        "termination_reason": "", "direction": "outbound"});
    let row = listed(row, &naming("elevenlabs")).unwrap();
    assert!(row.is_over());
    assert_eq!(row.over_at(), Timestamp::from_secs(START + 61));
    assert_eq!(row.conversation.message_count, 9);
    assert!(row.conversation.is_outbound());
    assert_eq!(row.reason, None, "an empty word is none");
}

#[test]
fn voiceable_says_it_in_its_own_words() {
    let body = json!({"conversation_id": "v-1", "agent_id": "a", "agent_name": "Desk",
        "status": "completed", "created_at": "2025-10-14T13:00:00Z",
        "metadata": {"crm": "lead", "call_duration_secs": 12},
        "transcript": [{"role": "user", "content": "Hello"}]});
    let Value::Object(body) = body else {
        panic!("an object")
    };
    let fetched = call(body, &naming("voiceable"), None).unwrap();
    let call = fetched.conversation;
    assert_eq!(call.platform, "voiceable");
    assert_eq!(call.status, Status::Completed);
    assert_eq!(call.duration_ms, Some(12_000));
    assert_eq!(json!(call.metadata), json!({"crm": "lead"}));
    assert_eq!(fetched.messages[0].content, "Hello");
    assert_eq!(call.dynamic_variables, Presence::Absent);
}

#[test]
fn what_names_no_call_or_no_time_is_refused() {
    for body in [
        json!({}),
        json!({"conversation_id": "x"}),
        json!({"conversation_id": "", "created_at": 1}),
    ] {
        let Value::Object(body) = body else {
            panic!("an object")
        };
        assert!(call(body, &naming("elevenlabs"), None).is_err());
    }
    assert!(listed(json!(7), &naming("elevenlabs")).is_err());
}

#[test]
fn the_official_answers_are_read() {
    if let Some(bytes) = shared_fixture("elevenlabs_get_conversation.official.json") {
        let call = read(serde_json::from_slice(&bytes).unwrap()).conversation;
        assert!(!call.status.is_terminal(), "it is still processed");
        assert_eq!(call.created_at, Timestamp::from_secs(1_714_423_232));
    }
    if let Some(bytes) = shared_fixture("elevenlabs_list_conversations.official.json") {
        let mut page: Value = serde_json::from_slice(&bytes).unwrap();
        let row = listed(page["conversations"][0].take(), &naming("elevenlabs")).unwrap();
        assert_eq!(row.conversation.agent_name.as_deref(), Some("agent_name"));
        assert!(!row.is_over());
    }
}
