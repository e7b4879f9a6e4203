//! The caller's leg, told in every order.

use super::*;

fn moved(movement: Movement, sid: &str, identity: &str, kind: &str, at: i64) -> RoomFact {
    RoomFact::Participant {
        movement,
        sid: Some(sid.to_owned()),
        identity: identity.to_owned(),
        kind: ParticipantKind::from(kind),
        joined_at: (movement == Movement::Joined).then_some(Timestamp::from_millis(at)),
        reason: None,
        sip_code: None,
        external_number: None,
        trunk_number: None,
        agent: None,
    }
}

fn told(id: &str, secs: i64, fact: RoomFact) -> Told {
    Told {
        event_id: EventId::new(id).unwrap(),
        at: Timestamp::from_secs(secs),
        fact,
    }
}

fn joined(id: &str, sid: &str, identity: &str, kind: &str, millis: i64) -> Told {
    told(
        id,
        millis / 1000,
        moved(Movement::Joined, sid, identity, kind, millis),
    )
}

fn left(id: &str, sid: &str, identity: &str, kind: &str, secs: i64, why: &str) -> Told {
    let mut fact = moved(Movement::Left, sid, identity, kind, 0);
    if let RoomFact::Participant { reason, .. } = &mut fact {
        *reason = Some(DisconnectReason::from(why));
    }
    told(id, secs, fact)
}

fn observed(facts: &[Told], caller: &str) -> Option<String> {
    let forwards = story(facts, caller);
    let mut backwards = facts.to_vec();
    backwards.reverse();
    backwards.extend(facts.iter().cloned());
    assert_eq!(
        story(&backwards, caller),
        forwards,
        "order and repetition must not matter"
    );
    forwards.sighting.map(|seen| seen.reason.to_string())
}

#[test]
fn a_phone_that_hangs_up_is_sure() {
    let facts = [
        joined("1", "PA_a", "agent", "AGENT", 1_000),
        joined("2", "PA_c", "sip_+14155550123", "SIP", 2_000),
        left(
            "3",
            "PA_c",
            "sip_+14155550123",
            "SIP",
            9,
            "CLIENT_INITIATED",
        ),
        left("4", "PA_a", "agent", "AGENT", 10, "CLIENT_INITIATED"),
    ];
    assert_eq!(
        observed(&facts, "sip_+14155550123").as_deref(),
        Some("caller_hangup")
    );
    assert!(story(&facts, "").sure);
    assert_eq!(story(&facts, "").started_at, Some(Timestamp::from_secs(2)));
}

#[test]
fn a_browser_that_leaves_is_seen_but_not_sure() {
    let facts = [left(
        "1",
        "PA_u",
        "user_1",
        "STANDARD",
        9,
        "CLIENT_INITIATED",
    )];
    assert_eq!(observed(&facts, "user_1").as_deref(), Some("caller_hangup"));
    assert!(!story(&facts, "user_1").sure);
    let closed = [left("1", "PA_u", "user_1", "STANDARD", 9, "SIGNAL_CLOSE")];
    assert_eq!(observed(&closed, "user_1"), None);
}

#[test]
fn the_last_departure_counts_and_none_after_a_re_join() {
    let hung_up = left("2", "PA_1", "user_1", "STANDARD", 9, "CLIENT_INITIATED");
    let first = joined("1", "PA_1", "user_1", "STANDARD", 2_000);
    let again = joined("3", "PA_2", "user_1", "STANDARD", 9_400);
    assert_eq!(
        observed(&[first.clone(), hung_up.clone(), again.clone()], "user_1"),
        None
    );
    let gone = left("4", "PA_2", "user_1", "STANDARD", 12, "SIGNAL_CLOSE");
    assert_eq!(observed(&[first, hung_up, again, gone], "user_1"), None);
}

#[test]
fn joined_and_left_within_a_second_is_no_re_join() {
    let facts = [
        joined("1", "PA_1", "user_1", "STANDARD", 9_200),
        left("2", "PA_1", "user_1", "STANDARD", 9, "CLIENT_INITIATED"),
    ];
    assert_eq!(observed(&facts, "user_1").as_deref(), Some("caller_hangup"));
}

#[test]
fn moving_node_is_no_departure() {
    let facts = [left("1", "PA_1", "user_1", "STANDARD", 9, "MIGRATION")];
    assert_eq!(observed(&facts, "user_1"), None);
    assert_eq!(story(&facts, "user_1").left_at, None);
}

#[test]
fn what_dialling_came_to() {
    for (why, code, reason) in [
        ("USER_UNAVAILABLE", None, "dial_no_answer"),
        ("USER_REJECTED", Some(486), "dial_busy"),
        ("USER_REJECTED", Some(603), "dial_rejected"),
        ("USER_REJECTED", None, "dial_rejected"),
        ("SIP_TRUNK_FAILURE", None, "dial_failed"),
        ("JOIN_FAILURE", None, "dial_failed"),
    ] {
        let mut aborted = left("1", "PA_1", "sip_+14155550199", "SIP", 9, why);
        if let RoomFact::Participant { sip_code, .. } = &mut aborted.fact {
            *sip_code = code;
        }
        assert_eq!(
            observed(&[aborted], "").as_deref(),
            Some(reason),
            "{why} {code:?}"
        );
    }
}

#[test]
fn the_agents_own_end_is_not_the_callers() {
    let facts = [
        joined("1", "PA_u", "user_1", "STANDARD", 1_000),
        left("2", "PA_a", "agent", "AGENT", 9, "CLIENT_INITIATED"),
        left("3", "PA_u", "user_1", "STANDARD", 9, "ROOM_DELETED"),
    ];
    assert_eq!(observed(&facts, ""), None);
}
