//! Dead letters: what a stage gave up on, kept with its cause.

use sqlx::{FromRow, QueryBuilder};

use self::row::Row;
use super::conversations::{from_json, to_json};
use super::{Conn, Result, lock, on};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Failure};

pub mod list;
mod row;

pub use self::row::{Kept, State};

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

/// Attempts that a letter remembers: the first and the latest of them.
const MAX_ATTEMPTS: usize = 200;

/// Keeps a letter. A letter for the same message is brought up to date, and is `dead` again; its
/// earlier attempts stay. What the letter leaves open and its conversation knows is filled in.
pub async fn keep(conn: &mut Conn<'_>, letter: &Letter, now: Timestamp) -> Result<()> {
    lock(conn, &format!("dead letter {}", letter.message_id)).await?;
    let attempts = to_json(&all_attempts(conn, letter).await?)?;
    let known = known_of(conn, letter).await?;
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
             source = COALESCE(excluded.source, dead_letters.source), \
             platform = COALESCE(excluded.platform, dead_letters.platform), \
             agent_id = COALESCE(excluded.agent_id, dead_letters.agent_id), \
             caller_identity = COALESCE(excluded.caller_identity, dead_letters.caller_identity), \
             last_at = excluded.last_at",
        )
        .bind(&letter.id)
        .bind(&letter.stage)
        .bind(letter.source.as_ref().or(known.source.as_ref()))
        .bind(letter.platform.as_ref().or(known.platform.as_ref()))
        .bind(&letter.event_id)
        .bind(&letter.conversation_id)
        .bind(letter.agent_id.as_ref().or(known.agent_id.as_ref()))
        .bind(letter.caller_identity.as_ref().or(known.caller_identity.as_ref()))
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

/// The attempts that are kept already, and behind them those that are new. A queue may bring a
/// message's whole history along, or only that of its last run: either is counted once.
async fn all_attempts(conn: &mut Conn<'_>, letter: &Letter) -> Result<Vec<Attempt>> {
    let before: Option<String> = on!(conn, c => {
        sqlx::query_scalar("SELECT attempts FROM dead_letters WHERE message_id = $1")
            .bind(&letter.message_id)
            .fetch_optional(c)
            .await?
    });
    let mut all: Vec<Attempt> = match before {
        Some(before) => from_json(&before)?,
        None => Vec::new(),
    };
    if letter.attempts.starts_with(&all) {
        all.clone_from(&letter.attempts);
    } else {
        let new = letter.attempts.iter().filter(|one| !all.contains(one));
        let new: Vec<_> = new.cloned().collect();
        all.extend(new);
    }
    if all.len() > MAX_ATTEMPTS {
        all.drain(1..=all.len() - MAX_ATTEMPTS);
    }
    Ok(all)
}

/// What the store knows of a letter's call.
#[derive(Default, FromRow)]
struct Known {
    source: Option<String>,
    platform: Option<String>,
    agent_id: Option<String>,
    caller_identity: Option<String>,
}

/// Of two calls with the same id neither is known to be the one.
async fn known_of(conn: &mut Conn<'_>, letter: &Letter) -> Result<Known> {
    let Some(id) = &letter.conversation_id else {
        return Ok(Known::default());
    };
    let mut rows: Vec<Known> = on!(conn, c => {
        sqlx::query_as(
            "SELECT source, platform, agent_id, caller_identity FROM conversations \
             WHERE id = $1 LIMIT 2",
        )
        .bind(id)
        .fetch_all(c)
        .await?
    });
    Ok(match (rows.pop(), rows.pop()) {
        (Some(known), None) => known,
        _ => Known::default(),
    })
}

/// The letter of an id, with its body.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Kept>> {
    let text = "SELECT id, state, stage, source, platform, event_id, conversation_id, agent_id, \
         caller_identity, code, message, fingerprint, fault, attempts, body, message_id, \
         first_at, last_at FROM dead_letters WHERE id = $1";
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(text).bind(id).fetch_optional(c).await?
    });
    row.map(Kept::try_from).transpose()
}

/// Marks a letter as being replayed, unless it has become something else than what was read of it;
/// says whether it could be. The message goes back into the queue in the same transaction.
pub async fn begin_replay(
    conn: &mut Conn<'_>,
    id: &str,
    was: State,
    now: Timestamp,
) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE dead_letters SET state = 'replaying', last_at = $1 \
             WHERE id = $2 AND state = $3 AND state <> 'resolved'",
        )
        .bind(now.as_millis())
        .bind(id)
        .bind(was.as_str())
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// Discards a dead letter; says whether it was dead.
pub async fn discard(conn: &mut Conn<'_>, id: &str, now: Timestamp) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE dead_letters SET state = 'discarded', last_at = $1 \
             WHERE id = $2 AND state = 'dead'",
        )
        .bind(now.as_millis())
        .bind(id)
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// Resolves the letter of a message that has now succeeded, if there is one.
pub async fn resolve(conn: &mut Conn<'_>, message_id: &str, now: Timestamp) -> Result<()> {
    resolve_all(conn, [message_id], now).await
}

/// Resolves the letters of messages that have now succeeded, as far as there are any.
pub async fn resolve_all<'a>(
    conn: &mut Conn<'_>,
    message_ids: impl IntoIterator<Item = &'a str>,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        let mut query =
            QueryBuilder::new("UPDATE dead_letters SET state = 'resolved', last_at = ");
        query
            .push_bind(now.as_millis())
            .push(" WHERE message_id IN (");
        let mut ids = query.separated(", ");
        for id in message_ids {
            ids.push_bind(id.to_owned());
        }
        // Wrapped, so that SQLite does not look through all letters for these.
        query.push(") AND COALESCE(state, '') IN ('dead', 'replaying')");
        query.build().execute(c).await?;
    });
    Ok(())
}

/// The dead letters of a call whose platform did not tell it: their ids and sources.
pub async fn untold(conn: &mut Conn<'_>, conversation_id: &str) -> Result<Vec<(String, String)>> {
    Ok(on!(conn, c => {
        sqlx::query_as(
            "SELECT message_id, COALESCE(source, '') FROM dead_letters \
             WHERE conversation_id = $1 AND stage = 'finalize' AND fault = 'platform' \
             AND state = 'dead'",
        )
        .bind(conversation_id)
        .fetch_all(c)
        .await?
    }))
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
