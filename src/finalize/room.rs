//! What a room's facts say about the call that was held in it.

use std::collections::BTreeMap;

use serde_json::Map;

use crate::conversation::{Conversation, Presence, Status, Transport};
use crate::event::{CallEvent, RoomRef};
use crate::flow::{Flow, store_failed};
use crate::id::{AgentId, ConversationId, Owner};
use crate::platform::{Fetched, Source};
use crate::room::{RoomStory, Told, story};
use crate::store::events::{self, RoomKey};
use crate::store::{Conn, Result as StoreResult, lock};
use crate::time::Timestamp;
use crate::verdict::{Failure, Verdict};

/// Facts from so long before a call was created can still be of it, when the room has no session id.
const BEFORE_CREATION: std::time::Duration = std::time::Duration::from_mins(5);

/// The story of an event's room, told of the caller where it is known who that is.
pub(super) async fn story_of(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    caller_identity: &str,
) -> Result<RoomStory, Verdict> {
    let Some(room) = event.room.clone() else {
        return Ok(RoomStory::default());
    };
    let owner = source.owner.clone();
    let since = room
        .created_at
        .unwrap_or(Timestamp::from_secs(0))
        .minus(BEFORE_CREATION);
    let told = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let key = RoomKey {
                    owner: &owner,
                    sid: room.sid.as_deref(),
                    name: &room.name,
                };
                events::facts(&mut conn, key, since).await
            })
        })
        .await
        .map_err(|error| store_failed(&error))?;
    let told: Vec<Told> = told.into_iter().map(|(_, told)| told).collect();
    Ok(story(&told, caller_identity))
}

/// Holds everybody else off a room until the transaction ends: who writes a fact down must see the
/// call that is settled meanwhile, or be seen by it.
pub(super) async fn hold(conn: &mut Conn<'_>, owner: &Owner, name: &str) -> StoreResult<()> {
    lock(conn, &format!("room {} {name}", owner.as_str())).await
}

/// The facts of a conversation's room, read inside the transaction that settles it.
pub(super) async fn facts_of(
    conn: &mut Conn<'_>,
    source: &Source,
    call: &Conversation,
) -> StoreResult<Vec<Told>> {
    let Some(name) = call.room_name.value() else {
        return Ok(Vec::new());
    };
    let key = RoomKey {
        owner: &source.owner,
        sid: call
            .room_sid
            .value()
            .map(String::as_str)
            .filter(|sid| !sid.is_empty()),
        name,
    };
    let since = call.created_at.minus(BEFORE_CREATION);
    let told = events::facts(conn, key, since).await?;
    Ok(if key.sid.is_some() {
        told.into_iter().map(|(_, told)| told).collect()
    } else {
        of_one_session(told, call)
    })
}

/// The facts of the one session of a room in which a call was held, where only the room's name is
/// known and the name was used more than once: the session that began nearest to the call, and not
/// after its end.
fn of_one_session(told: Vec<(String, Told)>, call: &Conversation) -> Vec<Told> {
    let mut sessions: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for (sid, told) in told {
        sessions.entry(sid).or_default().push(told);
    }
    sessions
        .into_values()
        .filter_map(|facts| {
            let began = facts.iter().map(Told::began_at).min()?;
            let is_later = call.ended_at.is_some_and(|ended| began > ended);
            let distance = began
                .since(call.created_at)
                .max(call.created_at.since(began));
            (!is_later).then_some((distance, facts))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, facts)| facts)
        .unwrap_or_default()
}

/// Whether a conversation names the session of its room.
pub(super) fn is_named(call: &Conversation) -> bool {
    call.room_sid.value().is_some_and(|sid| !sid.is_empty())
}

/// Gives a conversation the room that its event names, where the platform names none.
///
/// Of two sessions of one name that could both be the call's, the one with the smaller id is taken:
/// whichever event came first, the outcome is the same.
pub(super) fn place_in(call: &mut Conversation, room: &RoomRef, named_by_platform: bool) {
    let opened_later = matches!(
        (room.created_at, call.ended_at),
        (Some(opened), Some(ended)) if opened > ended
    );
    if opened_later {
        return;
    }
    if call.room_name.value().is_none_or(String::is_empty) {
        call.room_name = Presence::Value(room.name.clone());
    }
    let same_room = call
        .room_name
        .value()
        .is_some_and(|name| *name == room.name);
    if let Some(sid) = room
        .sid
        .as_ref()
        .filter(|_| same_room && !named_by_platform)
        && (!is_named(call) || call.room_sid.value().is_some_and(|known| sid < known))
    {
        call.room_sid = Presence::Value(sid.clone());
    }
}

/// Fills in what the platform left open and the room's facts know.
pub(super) fn fill_in(call: &mut Conversation, story: &RoomStory) {
    call.started_at = call.started_at.or(story.started_at);
    call.recording_started_at = call.recording_started_at.or(story.recording_started_at);
    if call.recording_url.is_none() {
        call.recording_url.clone_from(&story.recording_url);
    }
    let (from, to) = if call.is_outbound() {
        (&story.trunk_number, &story.external_number)
    } else {
        (&story.external_number, &story.trunk_number)
    };
    if call.from_number.is_none() {
        call.from_number.clone_from(from);
    }
    if call.to_number.is_none() {
        call.to_number.clone_from(to);
    }
}

/// The conversation of a room that no API knows: made of its facts alone.
pub(super) async fn conversation_of(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
) -> Result<Fetched, Verdict> {
    let (Some(room), Some(id)) = (&event.room, room_id(event)) else {
        let why = Failure::poison(
            "no_room",
            "the event names no room, and the source has no API",
        );
        return Err(Verdict::Park { why });
    };
    let story = story_of(flow, source, event, "").await?;
    let made = ConversationId::given(&id)
        .ok()
        .and_then(|id| made_of(source, event, room, id, &story, None));
    made.ok_or_else(|| {
        let why = Failure::poison("no_room", "the event's room has no usable id");
        Verdict::Park { why }
    })
}

/// The call that a room's story tells. It ended when the caller left, else when the room was closed.
pub(super) fn made_of(
    source: &Source,
    event: &CallEvent,
    room: &RoomRef,
    id: ConversationId,
    story: &RoomStory,
    closed_at: Option<Timestamp>,
) -> Option<Fetched> {
    let agent_id = [
        story.agent.as_deref(),
        event.agent_id.as_ref().map(AgentId::as_str),
        source.agent.as_deref(),
        story.trunk_number.as_deref(),
        Some(source.name.as_str()),
    ]
    .into_iter()
    .flatten()
    .find_map(|name| AgentId::given(name).ok())?;
    let ended_at = story
        .left_at
        .or(closed_at)
        .unwrap_or_else(|| event.happened_at());
    let created_at = room.created_at.or(story.started_at).unwrap_or(ended_at);
    let conversation = Conversation {
        room_name: Presence::Value(room.name.clone()),
        room_sid: room.sid.clone().map_or(Presence::Absent, Presence::Value),
        status: Status::Completed,
        transport: if story.is_phone {
            Transport::Phone
        } else {
            Transport::Web
        },
        started_at: story.started_at,
        ended_at: Some(ended_at),
        duration_ms: story
            .started_at
            .and_then(|start| i64::try_from(ended_at.since(start).as_millis()).ok()),
        caller_identity: story.identity.clone().unwrap_or_default(),
        platform: "livekit".to_owned(),
        metadata: Map::new(),
        ..Conversation::blank(id, agent_id, created_at)
    };
    Some(Fetched {
        conversation,
        messages: Vec::new(),
        reason: None,
        seen: None,
    })
}

/// The id of a conversation that only its room knows: the session id (product contract §6).
pub(super) fn room_id(event: &CallEvent) -> Option<String> {
    event
        .room
        .as_ref()
        .map(|room| room.sid.clone().unwrap_or_else(|| room.name.clone()))
}
