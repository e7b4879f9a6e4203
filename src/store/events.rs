//! The marks of events whose effects are done, and the facts that room events told.

use std::time::Duration;

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Error, Result, on};
use crate::conversation::Conversation;
use crate::event::{CallEvent, EventKind};
use crate::id::{ConversationKey, EventId, Owner};
use crate::room::{RoomFact, Told};
use crate::time::Timestamp;

/// Whether an event's effects are done already.
pub async fn is_done(conn: &mut Conn<'_>, source: &str, event_id: &EventId) -> Result<bool> {
    let found: Option<i64> = on!(conn, c => {
        sqlx::query_scalar("SELECT done_at FROM events WHERE source = $1 AND event_id = $2")
            .bind(source)
            .bind(event_id.as_str())
            .fetch_optional(c)
            .await?
    });
    Ok(found.is_some())
}

/// Marks an event as done; says whether it was not yet.
pub async fn mark_done(
    conn: &mut Conn<'_>,
    event: &CallEvent,
    key: Option<&ConversationKey>,
    now: Timestamp,
) -> Result<bool> {
    let kind = match event.kind {
        EventKind::Finished => "finished",
        EventKind::Analyzed => "analyzed",
        EventKind::RoomFinished => "room_finished",
        EventKind::Recorded(_) => "recorded",
        EventKind::Recheck => "recheck",
        EventKind::Reconciled => "reconciled",
    };
    Ok(on!(conn, c => {
        sqlx::query(
            "INSERT INTO events (source, event_id, kind, owner, conversation_id, occurred_at, \
             received_at, done_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (source, event_id) DO NOTHING",
        )
        .bind(&event.source)
        .bind(event.event_id.as_str())
        .bind(kind)
        .bind(key.map(|key| key.owner.as_str()))
        .bind(key.map(|key| key.id.as_str()))
        .bind(event.occurred_at.map(Timestamp::as_millis))
        .bind(event.received_at.as_millis())
        .bind(now.as_millis())
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// When the room of a conversation was closed, by the latest event that said so.
pub async fn room_closed_at(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
) -> Result<Option<Timestamp>> {
    let at: Option<i64> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT MAX(CASE WHEN occurred_at < received_at THEN occurred_at ELSE received_at END) \
             FROM events WHERE owner = $1 AND conversation_id = $2 AND kind = 'room_finished'",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_one(c)
        .await?
    });
    Ok(at.map(Timestamp::from_millis))
}

/// Deletes marks and facts older than `before`; at most `limit` of each.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    let marks = on!(conn, c => {
        sqlx::query(
            "DELETE FROM events WHERE (source, event_id) IN \
             (SELECT source, event_id FROM events WHERE done_at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    });
    let facts = on!(conn, c => {
        sqlx::query(
            "DELETE FROM room_facts WHERE (source, event_id) IN \
             (SELECT source, event_id FROM room_facts WHERE at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    });
    Ok(marks + facts)
}

/// The room that facts are told of.
#[derive(Clone, Copy, Debug)]
pub struct RoomKey<'a> {
    /// Who vouches for the conversation held in it.
    pub owner: &'a Owner,
    /// Its session id, which no two rooms share.
    pub sid: Option<&'a str>,
    /// Its name, which may be used again.
    pub name: &'a str,
}

/// Writes down what an event told of a room.
pub async fn add_fact(
    conn: &mut Conn<'_>,
    source: &str,
    room: RoomKey<'_>,
    told: &Told,
) -> Result<()> {
    let fact = to_json(&told.fact)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO room_facts (source, event_id, owner, room_sid, room_name, at, fact) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, event_id) DO NOTHING",
        )
        .bind(source)
        .bind(told.event_id.as_str())
        .bind(room.owner.as_str())
        .bind(room.sid.unwrap_or_default())
        .bind(room.name)
        .bind(told.at.as_millis())
        .bind(fact)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Deletes what was told of the room in which a conversation was held: who was in it, and when.
pub async fn delete_facts(conn: &mut Conn<'_>, owner: &Owner, call: &Conversation) -> Result<()> {
    const AROUND: Duration = Duration::from_hours(1);
    let Some(name) = call.room_name.value() else {
        return Ok(());
    };
    let sid = call.room_sid.value().map_or("", String::as_str);
    let until = call.ended_at.unwrap_or(call.created_at).plus(AROUND);
    on!(conn, c => {
        sqlx::query(
            "DELETE FROM room_facts WHERE owner = $1 AND ((room_sid <> '' AND room_sid = $2) \
             OR ($2 = '' AND room_name = $3 AND at >= $4 AND at <= $5))",
        )
        .bind(owner.as_str())
        .bind(sid)
        .bind(name)
        .bind(call.created_at.minus(AROUND).as_millis())
        .bind(until.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct FactRow {
    room_sid: String,
    event_id: String,
    at: i64,
    fact: String,
}

/// Everything that was told of a room, oldest first, each with the session that it was told of; at
/// most 1,000 facts. Without a session id the room is known by its name alone, and only facts from
/// `since` on can be of this call.
pub async fn facts(
    conn: &mut Conn<'_>,
    room: RoomKey<'_>,
    since: Timestamp,
) -> Result<Vec<(String, Told)>> {
    const BY_SID: &str = "SELECT room_sid, event_id, at, fact FROM room_facts \
         WHERE owner = $1 AND room_sid = $2 ORDER BY at, event_id LIMIT 1000";
    const BY_NAME: &str = "SELECT room_sid, event_id, at, fact FROM room_facts \
         WHERE owner = $1 AND room_name = $2 AND at >= $3 ORDER BY at, event_id LIMIT 1000";
    let rows: Vec<FactRow> = on!(conn, c => match room.sid {
        Some(sid) => {
            sqlx::query_as(BY_SID).bind(room.owner.as_str()).bind(sid).fetch_all(c).await?
        }
        None => {
            sqlx::query_as(BY_NAME)
                .bind(room.owner.as_str())
                .bind(room.name)
                .bind(since.as_millis())
                .fetch_all(c)
                .await?
        }
    });
    rows.into_iter()
        .map(|row| {
            let told = Told {
                event_id: EventId::new(&row.event_id).map_err(|_| Error::Corrupt("event id"))?,
                at: Timestamp::from_millis(row.at),
                fact: from_json::<RoomFact>(&row.fact)?,
            };
            Ok((row.room_sid, told))
        })
        .collect()
}
