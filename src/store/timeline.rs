//! The chain of a call: received, confirmed, fetched, settled, remembered, delivered.

use sqlx::FromRow;

use super::{Conn, Result, on};
use crate::id::ConversationKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// One step of a call's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Makes a step that is written twice one step.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// What: `received`, `confirmed`, `attempt_failed`, `fetched`, `settled`, `remembered`, …
    pub step: String,
    /// Which attempt it was.
    pub attempt: i64,
    /// More about it; nothing that a caller said.
    pub detail: String,
}

/// A step's place in the chain: several links often fall into one millisecond.
fn place(step: &str) -> u8 {
    match step {
        "received" => 0,
        "confirmed" | "rechecked" => 1,
        "attempt_failed" | "waited" => 2,
        "fetched" => 3,
        "settled" => 4,
        "remembered" | "remember_skipped" | "remember_failed" => 5,
        "delivered" => 6,
        _ => 7,
    }
}

/// Writes a step down once: a second one of the same key changes nothing.
pub async fn add(conn: &mut Conn<'_>, key: &ConversationKey, step: &Step) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO timeline (owner, conversation_id, key, at, step, attempt, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (owner, conversation_id, key) DO NOTHING",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(format!("{}:{}", place(&step.step), step.key))
        .bind(step.at.as_millis())
        .bind(&step.step)
        .bind(step.attempt)
        .bind(&step.detail)
        .execute(c)
        .await?;
    });
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
             WHERE owner = $1 AND conversation_id = $2 AND (at > $3 OR (at = $3 AND key > $4)) \
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
    let page = Page::cut(rows, page.size, |row| Cursor {
        at: Timestamp::from_millis(row.at),
        id: row.key.clone(),
    });
    Ok(page.map(|row| Step {
        key: row
            .key
            .split_once(':')
            .map_or_else(String::new, |(_, key)| key.to_owned()),
        at: Timestamp::from_millis(row.at),
        step: row.step,
        attempt: row.attempt,
        detail: row.detail,
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
    Ok(())
}
