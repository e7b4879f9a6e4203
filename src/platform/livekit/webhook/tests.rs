use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::platform::tests::{shared_fixture, source};

const NOW: Timestamp = Timestamp::from_secs(1_760_446_965);
const ROOM: &str = "sip_+14155550123_7f3Kq9ZxP2";

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Livekit, None))
}

fn room() -> Value {
    json!({"sid": "RM_1", "name": ROOM, "creationTime": "1760446800",
        "creationTimeMs": "1760446800123", "turnPassword": "planted"})
}

#[track_caller]
fn event(body: &Value) -> CallEvent {
    match sender().classify(Delivery::kept(body.to_string().as_bytes()), NOW) {
        Classified::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn participant(name: &str, participant: &Value) -> RoomFact {
    let body = json!({"event": name, "room": room(), "participant": participant, "id": "EV_1"});
    match event(&body).kind {
        EventKind::Recorded(fact) => fact,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_over_the_body_is_taken() {
    let body = br#"{"event":"room_finished"}"#;
    let secret = Secret::new("s3cret").unwrap();
    let mut headers = HeaderMap::new();
    assert!(!sender().is_signed(&headers));
    let token = jwt::sign("APIkey", &secret, body, NOW);
    headers.insert("authorization", HeaderValue::from_str(&token).unwrap());
    let delivery = Delivery {
        headers: &headers,
        ..Delivery::kept(body)
    };
    assert!(sender().is_signed(&headers));
    assert_eq!(sender().verify(delivery, NOW), Ok(()));
    assert!(sender().explain(delivery, NOW).iter().all(|check| check.ok));
}

#[test]
fn a_finished_room_is_named_and_nothing_else_of_it_is_kept() {
    let event = event(
        &json!({"event": "room_finished", "room": room(), "id": "EV_1",
        "createdAt": "1760446964"}),
    );
    assert_eq!(event.kind, EventKind::RoomFinished);
    assert_eq!(event.event_id.as_str(), "EV_1");
    assert_eq!(event.occurred_at, Some(Timestamp::from_secs(1_760_446_964)));
    assert_eq!(
        event.room,
        Some(RoomRef {
            sid: Some("RM_1".to_owned()),
            name: ROOM.to_owned(),
            created_at: Some(Timestamp::from_millis(1_760_446_800_123)),
            conversation_id: None,
        })
    );
    assert!(!format!("{event:?}").contains("planted"));
}

#[test]
fn numbers_names_and_absent_fields_come_in_every_form() {
    let snake = event(
        &json!({"event": "room_finished", "created_at": 1_760_446_964,
        "room": {"sid": "RM_1", "name": ROOM, "creation_time": 1_760_446_800,
            "metadata": "{\"conversation_id\":\"conv_1\",\"x\":[]}"}}),
    );
    let room = snake.room.unwrap();
    assert_eq!(room.created_at, Some(Timestamp::from_secs(1_760_446_800)));
    assert_eq!(room.conversation_id.unwrap().as_str(), "conv_1");
    assert_eq!(snake.occurred_at, Some(Timestamp::from_secs(1_760_446_964)));
    assert_eq!(snake.event_id.as_str().len(), 64, "the body's hash");

    for metadata in ["", "text", "[]", "{}", "{\"conversation_id\":\"\"}"] {
        let bare = event(&json!({"event": "room_finished",
            "room": {"name": "r", "metadata": metadata}}));
        let room = bare.room.unwrap();
        assert_eq!(
            (room.sid, room.created_at, room.conversation_id),
            (None, None, None)
        );
        assert_eq!(bare.occurred_at, None);
    }
}

#[test]
fn a_participants_departure_tells_all_that_matters() {
    let fact = participant(
        "participant_left",
        &json!({"sid": "PA_1", "identity": "sip_+14155550123", "kind": "SIP",
            "joinedAt": "1760446802", "joinedAtMs": "1760446802417",
            "disconnectReason": "CLIENT_INITIATED", "metadata": "planted", "name": "planted",
            "attributes": {"sip.phoneNumber": "+14155550123",
                "sip.trunkPhoneNumber": "+18005550100", "sip.callStatusCode": "486",
                "sip.h.x-note": "planted"}}),
    );
    assert!(!format!("{fact:?}").contains("planted"));
    assert_eq!(
        fact,
        RoomFact::Participant {
            movement: Movement::Left,
            sid: Some("PA_1".to_owned()),
            identity: "sip_+14155550123".to_owned(),
            kind: ParticipantKind::Sip,
            joined_at: Some(Timestamp::from_millis(1_760_446_802_417)),
            reason: Some(DisconnectReason::ClientInitiated),
            sip_code: Some(486),
            external_number: Some("+14155550123".to_owned()),
            trunk_number: Some("+18005550100".to_owned()),
            agent: None,
        }
    );
}

#[test]
fn enums_may_be_numbers_names_unknown_or_absent() {
    for (kind, disconnect, expected_kind, expected_reason) in [
        (json!(3), json!(1), "SIP", "CLIENT_INITIATED"),
        (json!("4"), json!("16"), "AGENT", "AGENT_ERROR"),
        (json!("SIP"), json!("SIGNAL_CLOSE"), "SIP", "SIGNAL_CLOSE"),
        (json!("ROBOT"), json!("BORED"), "ROBOT", "BORED"),
        (json!(99), json!(99), "99", "99"),
        (json!(null), json!(null), "STANDARD", "UNKNOWN_REASON"),
    ] {
        let body = json!({"identity": "x", "kind": kind, "disconnectReason": disconnect});
        for name in ["participant_left", "participant_connection_aborted"] {
            let RoomFact::Participant { kind, reason, .. } = participant(name, &body) else {
                panic!("a participant")
            };
            assert_eq!(kind.as_str(), expected_kind);
            assert_eq!(reason.unwrap().as_str(), expected_reason);
        }
        let RoomFact::Participant { reason, .. } = participant("participant_joined", &body) else {
            panic!("a participant")
        };
        assert_eq!(reason, None);
    }
}

#[test]
fn an_agent_is_known_by_its_attributes_or_its_job() {
    for (attributes, expected) in [
        (
            json!({"agent_id": "agent_1", "lk.agent.name": "desk"}),
            Some("agent_1"),
        ),
        (json!({"agent.id": "agent_2"}), Some("agent_2")),
        (json!({"lk.agent.name": "desk"}), Some("desk")),
        (json!({"lk.agent.name": ""}), None),
    ] {
        let body = |kind: &str| {
            json!({"event": "participant_joined", "room": room(),
                "participant": {"identity": "agent-1", "kind": kind, "attributes": attributes}})
        };
        let agent = event(&body("AGENT")).agent_id;
        assert_eq!(agent.as_ref().map(AgentId::as_str), expected);
        // A caller can put what it likes into its own attributes.
        assert_eq!(event(&body("STANDARD")).agent_id, None);
    }
    let job = event(
        &json!({"event": "agent_job_started", "job": {"agentName": "desk",
        "room": {"sid": "RM_1", "name": ROOM}, "state": {"participantIdentity": "agent-1"}}}),
    );
    assert_eq!(job.agent_id.unwrap().as_str(), "desk");
    assert_eq!(job.room.unwrap().sid.as_deref(), Some("RM_1"));
}

#[test]
fn a_recording_starts_with_its_first_frame() {
    let body = |egress: Value| json!({"event": "egress_ended", "room": {"sid": "RM_1", "name": ROOM}, "egressInfo": egress});
    let file = |start: Value, end: &str| json!({"startedAt": start, "endedAt": end, "location": "https://storage.example.com/x"});
    let started = Some(Timestamp::from_millis(1_760_446_803_911));
    let end = "1760446940120000000";
    for (egress, expected) in [
        (
            json!({"fileResults": [file(json!("1760446803911223344"), end)]}),
            started,
        ),
        (
            json!({"file": file(json!(1_760_446_803_911_223_344_i64), end)}),
            started,
        ),
        (
            json!({"fileResults": [], "file": file(json!("1760446803911223344"), end)}),
            started,
        ),
        (json!({"file_results": [file(json!("0"), end)]}), None),
        (json!({"fileResults": [file(json!(end), end)]}), None),
    ] {
        let EventKind::Recorded(fact) = event(&body(egress)).kind else {
            panic!("a fact")
        };
        assert_eq!(
            fact,
            RoomFact::Recording {
                started_at: expected,
                location: Some("https://storage.example.com/x".to_owned()),
            }
        );
    }
    // The room may stand in the egress alone.
    let alone = event(
        &json!({"event": "egress_ended", "egressInfo": {"roomId": "RM_9",
        "roomName": "r", "fileResults": [file(json!("1"), end)]}}),
    );
    assert_eq!(alone.room.unwrap().sid.as_deref(), Some("RM_9"));
    // A stream, or a failed recording, must not hide a good one.
    let none = body(json!({"status": "EGRESS_FAILED"})).to_string();
    let ignored = sender().classify(Delivery::kept(none.as_bytes()), NOW);
    assert_eq!(
        ignored,
        Classified::Ignored("egress_ended without a file".to_owned())
    );
}

#[test]
fn other_events_are_named_and_ignored() {
    for name in [
        "room_started",
        "track_published",
        "egress_updated",
        "ingress_ended",
    ] {
        let body = json!({"event": name, "room": room()}).to_string();
        let ignored = sender().classify(Delivery::kept(body.as_bytes()), NOW);
        assert_eq!(ignored, Classified::Ignored(format!("event {name}")));
    }
}

#[test]
fn what_can_not_be_read_is_unreadable() {
    let bodies: [&[u8]; 7] = [
        b"",
        b"[]",
        b"{}",
        b"{\"event\":\"room_finished\"}",
        b"{\"event\":\"room_finished\",\"room\":{}}",
        b"{\"event\":\"room_finished\",\"room\":{\"name\":\"r\"}",
        b"{\"event\":\"room_finished\",\"room\":{\"name\":\"\xff\"}}",
    ];
    for body in bodies {
        let verdict = sender().classify(Delivery::kept(body), NOW);
        assert!(matches!(verdict, Classified::Unreadable(_)), "{verdict:?}");
    }
}

#[test]
fn the_shared_samples_are_read() {
    for (name, left) in [
        ("participant_joined", false),
        ("participant_left_sip_hangup", true),
        ("participant_left_web_tab_closed", true),
        ("participant_connection_aborted", true),
    ] {
        let Some(body) = shared_fixture(&format!("livekit_{name}.synth.json")) else {
            continue;
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        let EventKind::Recorded(RoomFact::Participant { movement, .. }) = event(&body).kind else {
            panic!("{name}");
        };
        assert_eq!(movement == Movement::Left, left);
    }
    if let Some(body) = shared_fixture("livekit_egress_ended.synth.json") {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let kind = event(&body).kind;
        assert!(matches!(
            kind,
            EventKind::Recorded(RoomFact::Recording { .. })
        ));
    }
    if let Some(body) = shared_fixture("livekit_room_started.official.json") {
        assert!(matches!(
            sender().classify(Delivery::kept(&body), NOW),
            Classified::Ignored(_)
        ));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        sender().classify(Delivery::kept(&body), NOW);
    }

    #[test]
    fn no_number_makes_it_panic(a: i64, b: f64, ms: i64) {
        let body = json!({"event": "participant_left", "createdAt": a,
            "room": {"name": "r", "creationTime": b, "creationTimeMs": ms},
            "participant": {"kind": a, "disconnectReason": ms, "joinedAtMs": b}});
        sender().classify(Delivery::kept(body.to_string().as_bytes()), NOW);
    }
}
