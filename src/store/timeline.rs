//! The chain of a call: received, confirmed, fetched, settled, remembered, delivered.

use sqlx::FromRow;

use super::passages::{self, Passage};
use super::{Conn, Result, on};
use crate::id::ConversationKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// One step of a call's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Makes a step that is written twice one step. Stored behind its place in the chain.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// What: `received`, `confirmed`, `attempt_failed`, `fetched`, `settled`, `remembered`, …
    pub step: String,
    /// Which attempt it was; 0 of a result that is in the feed alone, for nobody was to be sent it.
    pub attempt: i64,
    /// More about it; nothing that a caller said.
    pub detail: String,
}

/// As `1 message` or `2 messages`, for the detail of a step.
pub fn counted(number: impl TryInto<u64>, what: &str) -> String {
    match number.try_into().unwrap_or(0) {
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}

/// The chain's own order, for steps of the same millisecond.
const CHAIN: [&str; 11] = [
    "received",
    "confirmed",
    "waited",
    "attempt_failed",
    "rechecked",
    "fetched",
    "settled",
    "remember",
    "announced",
    "delivered",
    "delivery_failed",
];

/// Writes a step down once: a second one of the same key changes nothing.
pub async fn add(conn: &mut Conn<'_>, key: &ConversationKey, step: &Step) -> Result<()> {
    let place = CHAIN.iter().position(|name| step.step.starts_with(name));
    let step_key = format!("{}:{}", place.unwrap_or(CHAIN.len()), step.key);
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO timeline (owner, conversation_id, key, at, step, attempt, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (owner, conversation_id, key) DO NOTHING",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(step_key)
        .bind(step.at.as_millis())
        .bind(&step.step)
        .bind(step.attempt)
        .bind(&step.detail)
        .execute(c)
        .await?;
    });
    if let Some(passage) = Passage::of_step(&step.step) {
        passages::mark(conn, key, passage, step.at).await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    key: String,
    at: i64,
    step: String,
    attempt: i64,
    detail: String,
}

/// A page of a call's steps, oldest first.
pub async fn list(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    page: &PageRequest,
) -> Result<Page<Step>> {
    let (at, id) = page.after.as_ref().map_or((i64::MIN, ""), |cursor| {
        (cursor.at.as_millis(), cursor.id.as_str())
    });
    let limit = i64::try_from(page.size)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT key, at, step, attempt, detail FROM timeline \
             WHERE owner = $1 AND conversation_id = $2 AND (at, key) > ($3, $4) \
             ORDER BY at, key LIMIT $5",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    let steps = rows
        .into_iter()
        .map(|row| Step {
            key: row.key,
            at: Timestamp::from_millis(row.at),
            step: row.step,
            attempt: row.attempt,
            detail: row.detail,
        })
        .collect();
    Ok(Page::cut(steps, page.size, |step| Cursor {
        at: step.at,
        id: step.key.clone(),
    }))
}

/// Deletes a call's steps.
pub async fn delete(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<()> {
    on!(conn, c => {
        sqlx::query("DELETE FROM timeline WHERE owner = $1 AND conversation_id = $2")
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .execute(c)
            .await?;
    });
    passages::delete(conn, key).await
}
