use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::platform::tests::{shared_fixture, source};

const ID: &str = "conv_01k7h3v5e8f9x2m4q6s8t0w1y3";
const NOW: Timestamp = Timestamp::from_secs(1_776_447_131);

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Speechify, None))
}

fn classify(body: &[u8]) -> Classified {
    sender().classify(Delivery::kept(body), NOW)
}

#[track_caller]
fn event(body: &Value) -> CallEvent {
    match classify(body.to_string().as_bytes()) {
        Classified::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_signatures_are_taken() {
    let body = br#"{"event":"conversation.completed"}"#;
    let secret = Secret::new("s3cret").unwrap();
    let delivery = |pairs: &[(&'static str, String)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    };
    let (signature, time) = prefixed_hmac::sign(&secret, NOW.as_millis(), body);
    let legacy = delivery(&[
        ("x-speechify-signature", signature.clone()),
        ("x-speechify-timestamp", time),
    ]);
    let value = timestamped_hmac::sign(&secret, NOW.as_secs(), body);
    let present = delivery(&[("speechify-signature", value)]);
    for headers in [&present, &legacy] {
        let delivery = Delivery {
            headers,
            ..Delivery::kept(body)
        };
        assert!(sender().is_signed(headers));
        assert_eq!(sender().verify(delivery, NOW), Ok(()));
        assert!(sender().explain(delivery, NOW).iter().all(|check| check.ok));
    }
    let unsigned = HeaderMap::new();
    let delivery_of = |headers| Delivery {
        headers,
        ..Delivery::kept(body)
    };
    assert!(!sender().is_signed(&unsigned));
    assert_eq!(
        sender().verify(delivery_of(&unsigned), NOW),
        Err(Refusal::Missing(timestamped_hmac::SPEECHIFY.to_owned()))
    );
    // Where both are there, the present form decides.
    let mut both = legacy;
    both.insert("speechify-signature", HeaderValue::from_static("t=1,v0=00"));
    assert!(sender().verify(delivery_of(&both), NOW).is_err());
}

#[test]
fn the_present_form_is_read() {
    let body = json!({
        "event": "conversation.completed", "timestamp": 1_776_447_130_000_i64,
        "conversation": {"id": ID.to_uppercase().replace("CONV_", "conv_"), "agent_id": "agent_1",
            "caller_identity": "sip_+14155550123", "status": "completed", "ended_at": "2026-04-17T17:32:08Z"},
        "messages": [{"content": "never kept"}],
    });
    let event = event(&body);
    assert_eq!(event.kind, EventKind::Finished);
    assert_eq!(event.source, "acme");
    assert_eq!(
        event.conversation_id,
        Some(ConversationId::new(ID).unwrap())
    );
    assert_eq!(event.agent_id.as_ref().unwrap().as_str(), "agent_1");
    assert_eq!(event.caller_identity.as_deref(), Some("sip_+14155550123"));
    assert_eq!(event.occurred_at, "2026-04-17T17:32:08Z".parse().ok());
    assert_eq!(event.received_at, NOW);
    let hash = crate::secret::sha256_hex(body.to_string().as_bytes());
    assert_eq!(event.event_id.as_str(), hash);
}

#[test]
fn every_form_that_it_has_had_is_read() {
    for (body, occurred_at, event_id) in [
        (
            json!({"type": "conversation.ended", "id": "evt_9", "created_at": "2025-10-14T13:02:20Z",
                "data": {"conversation_id": ID}}),
            Some(1_760_446_940),
            Some("evt_9"),
        ),
        (
            json!({"type": "conversation.completed", "id": "evt_8", "data": {"object": {"id": ID}}}),
            None,
            Some("evt_8"),
        ),
        (
            json!({"event": "conversation.completed", "timestamp": "1760446940000",
                "data": {"object": "conversation", "conversation_id": ID}}),
            Some(1_760_446_940),
            None,
        ),
        (
            json!({"event": "conversation.completed", "timestamp": 1_760_446_940,
                "conversation_id": ID, "id": ID}),
            Some(1_760_446_940),
            None,
        ),
    ] {
        let event = event(&body);
        assert_eq!(
            event.conversation_id,
            Some(ConversationId::new(ID).unwrap())
        );
        assert_eq!(
            event.occurred_at,
            occurred_at.map(Timestamp::from_secs),
            "{body}"
        );
        match event_id {
            Some(id) => assert_eq!(event.event_id.as_str(), id),
            None => assert_eq!(event.event_id.as_str().len(), 64, "{body}"),
        }
    }
}

#[test]
fn other_kinds_are_named_and_ignored() {
    for (body, reason) in [
        (
            r#"{"event":"conversation.started","conversation":{}}"#,
            "event conversation.started",
        ),
        (r#"{"type":"agent\n\u001b[31m"}"#, "event agent___31m"),
    ] {
        let ignored = Classified::Ignored(reason.to_owned());
        assert_eq!(classify(body.as_bytes()), ignored);
    }
}

#[test]
fn what_can_not_be_read_is_unreadable_and_never_quoted() {
    let deep = format!("{{\"event\":{}", "[".repeat(100_000));
    let long = format!(
        r#"{{"event":"conversation.completed","conversation":{{"id":"{}"}}}}"#,
        "planted".repeat(100)
    );
    let bodies: [&[u8]; 12] = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"planted",
        br#"{"event":"conversation.completed""#,
        br#"{"event":"conversation.completed"}"#,
        br#"{"event":"conversation.completed","conversation":{"id":null}}"#,
        br#"{"event":"conversation.completed","conversation":{"id":"a\nplanted"}}"#,
        b"{\"event\":\"conversation.completed\",\"x\":\"\xff\"}",
        deep.as_bytes(),
        long.as_bytes(),
    ];
    for body in bodies {
        match classify(body) {
            Classified::Unreadable(why) => assert!(!why.contains("planted"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn depth_and_doubled_keys_beside_the_wanted_are_no_hindrance() {
    let body = format!(
        r#"{{"event":"x","event":"conversation.completed","deep":{}{},"conversation":{{"id":"{ID}"}}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert!(matches!(classify(body.as_bytes()), Classified::Event(_)));
}

#[test]
fn the_official_sample_is_read() {
    if let Some(body) = shared_fixture("speechify_conversation_completed.official.json") {
        let Classified::Event(event) = classify(&body) else {
            panic!("the official sample is an event");
        };
        assert_eq!(event.conversation_id.unwrap().as_str(), "conv_01HS...");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        classify(&body);
    }

    #[test]
    fn no_cut_makes_it_panic(at in 0usize..120) {
        let body = json!({"event": "conversation.completed", "timestamp": 1,
            "conversation": {"id": ID, "agent_id": "a"}}).to_string();
        classify(&body.as_bytes()[..at.min(body.len())]);
    }
}
