//! What authentic events of sources without an API said, sealed: their calls are made of it.

use sqlx::FromRow;

use super::{Conn, Result, on};
use crate::event::{CallEvent, EventKind};
use crate::id::{ConversationKey, of_content};
use crate::time::Timestamp;

/// The payload of one event.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Payload {
    /// Its id (`body_…`), which follows from the event.
    pub id: String,
    /// The source that it came through.
    pub source: String,
    /// Whether it is a later analysis, or a corrected transcript.
    pub is_later: bool,
    /// When what it tells of happened, in Unix milliseconds.
    pub happened_at: i64,
    /// When it came, in Unix milliseconds.
    pub received_at: i64,
    /// The payload, sealed.
    pub body: String,
}

impl Payload {
    /// The payload of an event.
    pub fn of(event: &CallEvent, sealed: String) -> Self {
        Self {
            id: of_content("body_", &[&event.source, event.event_id.as_str()]),
            source: event.source.clone(),
            is_later: event.kind == EventKind::Analyzed,
            happened_at: event.happened_at().as_millis(),
            received_at: event.received_at.as_millis(),
            body: sealed,
        }
    }
}

/// Keeps a payload of a call. One that is kept already stays as it is.
pub async fn keep(conn: &mut Conn<'_>, key: &ConversationKey, payload: &Payload) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO bodies (id, source, owner, conversation_id, kind, happened_at, \
             received_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&payload.id)
        .bind(&payload.source)
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(if payload.is_later { "analyzed" } else { "finished" })
        .bind(payload.happened_at)
        .bind(payload.received_at)
        .bind(&payload.body)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The sealed payload of an id; none once it has expired, or was erased.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<String>> {
    Ok(on!(conn, c => {
        sqlx::query_scalar("SELECT body FROM bodies WHERE id = $1")
            .bind(id)
            .fetch_optional(c)
            .await?
    }))
}

/// Every payload of a call, those that decide first: later analyses before the end of the call,
/// and of one kind what happened last.
pub async fn of_call(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<Vec<Payload>> {
    Ok(on!(conn, c => {
        sqlx::query_as(
            "SELECT id, source, kind = 'analyzed' AS is_later, happened_at, received_at, body \
             FROM bodies WHERE owner = $1 AND conversation_id = $2 \
             ORDER BY kind, happened_at DESC, id DESC",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_all(c)
        .await?
    }))
}

/// Deletes every payload of a call.
pub async fn delete_of(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM bodies WHERE owner = $1 AND conversation_id = $2")
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .execute(c)
            .await?
            .rows_affected()
    }))
}

/// Deletes what came before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM bodies WHERE id IN \
             (SELECT id FROM bodies WHERE received_at < $1 ORDER BY received_at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
