//! The audit log: who did what to what. Entries are only ever added.

use sqlx::FromRow;

use super::{Conn, Result, on};
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// One thing that somebody did. Names ids only, nothing that a caller said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id (`audit_…`).
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: the id of a token, or `system`.
    pub actor: String,
    /// What, as `token.create`.
    pub action: String,
    /// The id it was done to.
    pub target: String,
    /// More about it.
    pub detail: String,
}

/// Adds an entry. Belongs into the transaction of what it tells.
pub async fn add(conn: &mut Conn<'_>, entry: &Entry) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO audit (id, at, actor, action, target, detail) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&entry.id)
        .bind(entry.at.as_millis())
        .bind(&entry.actor)
        .bind(&entry.action)
        .bind(&entry.target)
        .bind(&entry.detail)
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: String,
    at: i64,
    actor: String,
    action: String,
    target: String,
    detail: String,
}

/// A page of the log, newest first.
pub async fn list(conn: &mut Conn<'_>, page: &PageRequest) -> Result<Page<Entry>> {
    let (at, id) = page.before();
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, at, actor, action, target, detail FROM audit \
             WHERE at < $1 OR (at = $1 AND id < $2) ORDER BY at DESC, id DESC LIMIT $3",
        )
        .bind(at)
        .bind(id)
        .bind(page.limit())
        .fetch_all(c)
        .await?
    });
    let entries = rows
        .into_iter()
        .map(|row| Entry {
            id: row.id,
            at: Timestamp::from_millis(row.at),
            actor: row.actor,
            action: row.action,
            target: row.target,
            detail: row.detail,
        })
        .collect();
    Ok(Page::cut(entries, page.size, |entry| Cursor {
        at: entry.at,
        id: entry.id.clone(),
    }))
}

/// Deletes entries from before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM audit WHERE id IN \
             (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
