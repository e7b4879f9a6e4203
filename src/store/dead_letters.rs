//! Dead letters: what a stage gave up on, kept with its cause.

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Result, on};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Failure};

/// A letter to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Its id (`dl_…`), which follows from the message: a second letter for it is the same letter.
    pub id: String,
    /// The stage that gave up; `receive` for a body that could not be read.
    pub stage: String,
    /// The source.
    pub source: Option<String>,
    /// Its platform.
    pub platform: Option<String>,
    /// The event.
    pub event_id: Option<String>,
    /// The conversation.
    pub conversation_id: Option<String>,
    /// Its agent.
    pub agent_id: Option<String>,
    /// Who called.
    pub caller_identity: Option<String>,
    /// The cause.
    pub cause: Failure,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// The message, or a sealed raw body.
    pub body: String,
    /// The message's id.
    pub message_id: String,
}

/// Keeps a letter. A letter for the same message is brought up to date, and is `dead` again.
pub async fn keep(conn: &mut Conn<'_>, letter: &Letter, now: Timestamp) -> Result<()> {
    let attempts = to_json(&letter.attempts)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO dead_letters (id, state, stage, source, platform, event_id, \
             conversation_id, agent_id, caller_identity, code, message, fingerprint, fault, \
             attempts, body, message_id, first_at, last_at) \
             VALUES ($1, 'dead', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $16) \
             ON CONFLICT (message_id) DO UPDATE SET state = 'dead', code = excluded.code, \
             message = excluded.message, fingerprint = excluded.fingerprint, \
             fault = excluded.fault, attempts = excluded.attempts, body = excluded.body, \
             last_at = excluded.last_at",
        )
        .bind(&letter.id)
        .bind(&letter.stage)
        .bind(&letter.source)
        .bind(&letter.platform)
        .bind(&letter.event_id)
        .bind(&letter.conversation_id)
        .bind(&letter.agent_id)
        .bind(&letter.caller_identity)
        .bind(&letter.cause.code)
        .bind(&letter.cause.message)
        .bind(letter.cause.fingerprint(&letter.stage))
        .bind(letter.cause.fault.as_str())
        .bind(attempts)
        .bind(&letter.body)
        .bind(&letter.message_id)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// A kept letter, as far as this version lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// `dead`, `replaying`, `resolved` or `discarded`.
    pub state: String,
    /// The stage that gave up.
    pub stage: String,
    /// The stable code of the cause.
    pub code: String,
    /// The cause, for people.
    pub message: String,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// The message, or a sealed raw body.
    pub body: String,
}

#[derive(FromRow)]
struct Row {
    id: String,
    state: String,
    stage: String,
    code: String,
    message: String,
    attempts: String,
    body: String,
}

/// The letter of an id.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Kept>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, state, stage, code, message, attempts, body FROM dead_letters \
             WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(c)
        .await?
    });
    row.map(|row| {
        Ok(Kept {
            attempts: from_json(&row.attempts)?,
            id: row.id,
            state: row.state,
            stage: row.stage,
            code: row.code,
            message: row.message,
            body: row.body,
        })
    })
    .transpose()
}

/// Resolves the letter of a message that has now succeeded, if there is one.
pub async fn resolve(conn: &mut Conn<'_>, message_id: &str, now: Timestamp) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE dead_letters SET state = 'resolved', last_at = $1 \
             WHERE message_id = $2 AND state IN ('dead', 'replaying')",
        )
        .bind(now.as_millis())
        .bind(message_id)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// How many letters are dead.
pub async fn count_dead(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(on!(conn, c => {
        sqlx::query_scalar("SELECT COUNT(*) FROM dead_letters WHERE state = 'dead'")
            .fetch_one(c)
            .await?
    }))
}

/// Deletes letters that nothing has happened to since `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM dead_letters WHERE id IN \
             (SELECT id FROM dead_letters WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// Deletes the letters of a conversation, and with them their bodies.
pub async fn delete_of(conn: &mut Conn<'_>, conversation_id: &str) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM dead_letters WHERE conversation_id = $1")
            .bind(conversation_id)
            .execute(c)
            .await?
            .rows_affected()
    }))
}
