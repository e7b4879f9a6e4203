use super::*;
use crate::conversation::{Conversation, Presence};
use crate::id::AgentId;
use crate::time::Timestamp;

const OPENED: Timestamp = Timestamp::from_millis(1_760_446_800_123);
const NAME: &str = "sip_+14155550123_7f3Kq9ZxP2";
const CALLER: &str = "sip_+14155550123";

/// A row of the list, created so many seconds after the room.
fn row(id: &str, caller: &str, after: i64) -> Listed {
    let created_at = Timestamp::from_millis(OPENED.as_millis() + after * 1000);
    let mut conversation = Conversation::blank(
        ConversationId::new(id).unwrap(),
        AgentId::new("agent").unwrap(),
        created_at,
    );
    caller.clone_into(&mut conversation.caller_identity);
    Listed {
        conversation,
        reason: None,
    }
}

fn in_room(mut row: Listed, name: &str, sid: Option<&str>) -> Listed {
    row.conversation.room_name = Presence::Value(name.to_owned());
    row.conversation.room_sid = sid.map_or(Presence::Null, |sid| Presence::Value(sid.to_owned()));
    row
}

fn room(name: &str) -> RoomRef {
    RoomRef {
        sid: Some("RM_1".to_owned()),
        name: name.to_owned(),
        created_at: Some(OPENED),
        conversation_id: None,
    }
}

fn one(id: &str) -> Choice {
    Choice::One(ConversationId::new(id).unwrap())
}

#[test]
fn the_caller_stands_before_the_random_end() {
    for (name, expected) in [
        (NAME, vec!["sip_+14155550123", "+14155550123"]),
        (
            "sip__+14155550123_7f3Kq9ZxP2",
            vec!["sip_+14155550123", "+14155550123"],
        ),
        (
            "acme_inbound_+14155550123_x",
            vec!["sip_+14155550123", "+14155550123"],
        ),
        (
            "+14155550123_7f3Kq9ZxP2",
            vec!["sip_+14155550123", "+14155550123"],
        ),
        (
            "call_4155550123_7f3Kq9ZxP2",
            vec!["sip_4155550123", "4155550123"],
        ),
        (
            "sip_anonymous_7f3Kq9ZxP2",
            vec!["sip_anonymous", "anonymous"],
        ),
        (
            "sip_2f183a4e64493af3_x",
            vec!["sip_2f183a4e64493af3", "2f183a4e64493af3"],
        ),
        ("sip_+14155550123", vec![]),
        ("conv_01k7h3v5e8f9x2m4q6s8t0w1y3", vec![]),
        ("Demo Room", vec![]),
        ("___", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(callers(name), expected, "{name}");
    }
}

#[test]
fn the_callers_one_call_at_that_time_is_meant() {
    let rows = [
        row("earlier", CALLER, -3600),
        row("meant", CALLER, 0),
        row("other", "sip_+14155550199", 0),
        row("later", CALLER, 7200),
    ];
    assert_eq!(choose(&rows, &room(NAME)), one("meant"));
    assert_eq!(choose(&rows[..1], &room(NAME)), Choice::None);
    assert_eq!(choose(&[], &room(NAME)), Choice::None);
}

#[test]
fn the_window_is_two_minutes_either_way() {
    for (after, expected) in [
        (120, one("a")),
        (-120, one("a")),
        (121, Choice::None),
        (-121, Choice::None),
    ] {
        let rows = [row("a", CALLER, after)];
        assert_eq!(choose(&rows, &room(NAME)), expected, "{after} s");
    }
}

#[test]
fn two_that_fit_about_as_well_are_never_guessed() {
    let quick_redial = [row("first", CALLER, 0), row("second", CALLER, 40)];
    assert_eq!(choose(&quick_redial, &room(NAME)), one("first"));
    for after in [0, 5, -9] {
        let rows = [row("first", CALLER, 0), row("second", CALLER, after)];
        assert_eq!(choose(&rows, &room(NAME)), Choice::Ambiguous, "{after} s");
    }
    // The same row on two pages of the list is one.
    let twice = [row("first", CALLER, 0), row("first", CALLER, 0)];
    assert_eq!(choose(&twice, &room(NAME)), one("first"));
    let undated = RoomRef {
        created_at: None,
        ..room(NAME)
    };
    assert_eq!(choose(&[row("a", CALLER, 0)], &undated), Choice::Ambiguous);
}

#[test]
fn a_rows_own_room_settles_it() {
    let rows = [
        in_room(row("by sid", "x", 9000), "renamed", Some("RM_1")),
        in_room(row("by name", CALLER, 0), NAME, None),
    ];
    assert_eq!(choose(&rows, &room(NAME)), one("by sid"));
    assert_eq!(choose(&rows[1..], &room(NAME)), one("by name"));
    let another_session = [in_room(row("a", CALLER, 0), NAME, Some("RM_2"))];
    assert_eq!(choose(&another_session, &room(NAME)), Choice::None);
    let another_room = [in_room(row("a", CALLER, 0), "other", None)];
    assert_eq!(choose(&another_room, &room(NAME)), Choice::None);
}

#[test]
fn a_room_that_is_used_again_is_told_by_its_time() {
    let rows = [
        in_room(row("yesterday", "x", -86_400), "lobby", None),
        in_room(row("today", "x", 1), "lobby", None),
    ];
    assert_eq!(choose(&rows, &room("lobby")), one("today"));
    // Today's call is not listed yet: yesterday's is not taken for it.
    assert_eq!(choose(&rows[..1], &room("lobby")), Choice::None);
    let undated = RoomRef {
        created_at: None,
        ..room("lobby")
    };
    assert_eq!(choose(&rows, &undated), Choice::Ambiguous);
    assert_eq!(choose(&rows[..1], &undated), one("yesterday"));
}
