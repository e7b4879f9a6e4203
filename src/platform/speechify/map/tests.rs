use serde_json::{Value, json};

use super::*;
use crate::conversation::Presence;
use crate::platform::tests::shared_fixture;
use crate::time::Timestamp;

const ID: &str = "conv_01k7h3v5e8f9x2m4q6s8t0w1y3";

fn naming(agent: Option<&str>) -> Naming {
    Naming {
        platform: "speechify",
        source: "acme".to_owned(),
        agent: agent.map(str::to_owned),
    }
}

fn fetched(body: &Value) -> Fetched {
    let Value::Object(body) = body.clone() else {
        panic!("an object")
    };
    let (conversation, reason) = conversation(body, &naming(None), None).unwrap();
    Fetched {
        conversation,
        messages: Vec::new(),
        reason,
        seen: None,
    }
}

fn full() -> Value {
    json!({
        "id": ID, "agent_id": "agent_1", "room_name": "sip_+14155550123_7f3Kq9ZxP2",
        "status": "completed", "transport": "sip_inbound",
        "created_at": "2025-10-14T13:00:00Z", "metadata": {"crm_id": "lead_991"},
        "message_count": 0, "room_sid": "RM_1", "started_at": "2025-10-14T13:00:02.417Z",
        "ended_at": "2025-10-14T13:02:20Z", "duration_ms": "137583", "cost_cents": 21.0,
        "recording_url": "https://storage.example.com/x.ogg",
        "recording_started_at": "2025-10-14T13:00:03.911Z", "end_reason": "agent_ended",
        "caller_identity": "sip_+14155550123", "from_number": "+14155550123",
        "to_number": "+18005550100", "agent_snapshot": {"name": "Front desk"},
        "dynamic_variables": {"plan": "gold", "system__time": "x"}, "ivr_menu_id": "menu_1",
        "ivr_path_taken": [{"dtmf": "1"}], "ivr_surrender_reason": "no_goal",
        "evaluation_score": 0.5, "nothing": null,
    })
}

#[test]
fn every_field_of_the_first_source_document_has_its_place() {
    let Fetched {
        conversation: call,
        reason,
        ..
    } = fetched(&full());
    let reason = reason.unwrap();
    assert_eq!(
        (reason.reason, &*reason.raw),
        (Some(EndReason::AgentEnded), "agent_ended")
    );
    assert_eq!(
        (call.end_reason.as_ref(), call.end_reason_raw.as_ref()),
        (None, None)
    );
    assert_eq!(call.platform, "speechify");
    assert_eq!(call.agent_name.as_deref(), Some("Front desk"));
    assert_eq!(call.duration_ms, Some(137_583));
    assert_eq!(call.cost_cents, Some(21));
    assert_eq!(
        Value::from(call.platform_fields.clone()),
        json!({"evaluation_score": 0.5})
    );
    assert_eq!(
        call.dynamic_variables,
        Presence::Value(serde_json::from_value(json!({"plan": "gold"})).unwrap())
    );
    // The rest reads back as it came.
    let back = serde_json::to_value(&call).unwrap();
    for (key, value) in full().as_object().unwrap() {
        let rewritten = [
            "created_at",
            "started_at",
            "ended_at",
            "duration_ms",
            "cost_cents",
            "end_reason",
            "dynamic_variables",
            "evaluation_score",
            "nothing",
        ];
        if !rewritten.contains(&key.as_str()) {
            assert_eq!(&back[key], value, "{key}");
        }
    }
    assert_eq!(back["started_at"], json!("2025-10-14T13:00:02.417Z"));
}

#[test]
fn absent_null_and_empty_stay_apart() {
    let mut body = full();
    for (value, expected) in [
        (Some(json!([])), Presence::Value(Vec::new())),
        (Some(Value::Null), Presence::Null),
        (None, Presence::Absent),
    ] {
        match value {
            Some(value) => body["ivr_path_taken"] = value,
            None => drop(body.as_object_mut().unwrap().remove("ivr_path_taken")),
        }
        assert_eq!(fetched(&body).conversation.ivr_path_taken, expected);
    }
    body["room_name"] = Value::Null;
    assert_eq!(fetched(&body).conversation.room_name, Presence::Null);
}

#[test]
fn unknown_words_are_kept_and_silence_is_no_reason() {
    let mut body = full();
    body["end_reason"] = json!("abducted");
    body["status"] = json!("on_hold");
    body["transport"] = json!("pigeon");
    let read = fetched(&body);
    let reason = read.reason.unwrap().reason;
    assert_eq!(reason, Some(EndReason::Other("abducted".to_owned())));
    assert_eq!(
        read.conversation.status,
        Status::Other("on_hold".to_owned())
    );
    assert_eq!(
        read.conversation.transport,
        Transport::Other("pigeon".to_owned())
    );
    for silence in [Value::Null, json!("")] {
        body["end_reason"] = silence;
        assert_eq!(fetched(&body).reason, None);
    }
}

#[test]
fn what_can_not_be_read_is_kept_as_it_came() {
    let mut body = full();
    body["started_at"] = json!("soon");
    body["ended_at"] = json!("2025-10-14T13:02:20");
    body["created_at"] = json!(1_760_446_800);
    body["duration_ms"] = json!({"ms": 5});
    body["call_successful"] = json!(true);
    let call = fetched(&body).conversation;
    assert_eq!(call.started_at, None);
    assert_eq!(call.platform_fields["started_at"], json!("soon"));
    assert_eq!(call.platform_fields["duration_ms"], json!({"ms": 5}));
    assert_eq!(call.ended_at, "2025-10-14T13:02:20Z".parse().ok());
    assert_eq!(call.created_at, Timestamp::from_secs(1_760_446_800));
    assert_eq!(call.call_successful, Some(CallSuccess::Success));
}

#[test]
fn the_agent_is_never_empty() {
    for (said, agent, transport, expected) in [
        ("agent_1", Some("desk"), "sip_inbound", "agent_1"),
        ("", Some("desk"), "sip_inbound", "desk"),
        ("", None, "sip_inbound", "+18005550100"),
        ("", None, "sip_outbound", "+14155550123"),
        ("", None, "web", "acme"),
    ] {
        let mut body = full();
        body["agent_id"] = json!(said);
        body["transport"] = json!(transport);
        let Value::Object(body) = body else { panic!() };
        let (call, _) = conversation(body, &naming(agent), None).unwrap();
        assert_eq!(call.agent_id.as_str(), expected);
    }
}

#[test]
fn messages_take_any_form() {
    let conversation = ConversationId::new(ID).unwrap();
    let rows = || {
        vec![
            json!({"id": "msg_1", "role": "tool", "content": "", "tool_name": "book",
                "tool_args": {"day": "tuesday"}, "tool_result": null,
                "started_at": "2025-10-14T13:00:30Z", "ended_at": null}),
            json!({"role": "user", "content": "yes"}),
            json!({"role": "user", "content": "yes"}),
            json!({"content": ["parts"]}),
            json!({"role": "user", "content": "a\u{0}b"}),
        ]
    };
    let messages = messages(&conversation, rows()).unwrap();
    assert_eq!(messages.len(), 5);
    assert_eq!(messages[4].content, "a\u{fffd}b");
    assert_eq!(messages[0].role, Role::Tool);
    assert_eq!(messages[0].tool_args, Some(json!({"day": "tuesday"})));
    assert_eq!(messages[0].tool_result, None);
    assert_ne!(
        messages[1].id, messages[2].id,
        "two that say the same are two"
    );
    assert_eq!(messages[3].content, r#"["parts"]"#);
    assert_eq!(messages[3].role, Role::Other("unknown".to_owned()));
    assert_eq!(messages, super::messages(&conversation, rows()).unwrap());
}

#[test]
fn the_shared_samples_are_read() {
    if let Some(body) = shared_fixture("speechify_get_conversation_unstamped.synth.json") {
        let read = fetched(&serde_json::from_slice(&body).unwrap());
        assert_eq!(read.reason, None);
        assert!(read.conversation.platform_fields.is_empty());
    }
    if let Some(body) = shared_fixture("speechify_list_messages.synth.json") {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let rows = body["messages"].as_array().unwrap().clone();
        let conversation = ConversationId::new(ID).unwrap();
        assert_eq!(messages(&conversation, rows).unwrap().len(), 3);
    }
}
