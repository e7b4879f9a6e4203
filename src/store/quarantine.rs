//! Deliveries whose signature failed, sealed, bounded and short-lived.

use super::{Conn, Result, on};
use crate::time::Timestamp;

/// Deliveries that one source may keep (product contract §5).
const MAX_ROWS: i64 = 1_000;

/// Bytes that one source may keep (product contract §5).
const MAX_BYTES: i64 = 64 * 1024 * 1024;

/// A refused delivery to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its id (`qr_…`): a hash, so that a sender's retries are one row.
    pub id: String,
    /// The source that it was posted to.
    pub source: String,
    /// Why it was refused, as a stable code.
    pub reason: String,
    /// Why, for people.
    pub detail: String,
    /// The headers, sealed.
    pub headers: String,
    /// The raw body, sealed.
    pub body: String,
    /// The raw body's size in bytes.
    pub size: i64,
}

/// Keeps a refused delivery. When its source's share is full, the oldest of the same reason makes
/// room; where there is none, this one is not kept. Says whether it was kept.
pub async fn keep(conn: &mut Conn<'_>, refused: &Refused, now: Timestamp) -> Result<bool> {
    if refused.size > MAX_BYTES {
        return Ok(false);
    }
    while !has_room(conn, refused).await? {
        let made = on!(conn, c => {
            sqlx::query(
                "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine \
                 WHERE source = $1 AND reason = $2 ORDER BY received_at, id LIMIT 1)",
            )
            .bind(&refused.source)
            .bind(&refused.reason)
            .execute(c)
            .await?
            .rows_affected()
        });
        if made == 0 {
            return Ok(false);
        }
    }
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO quarantine (id, source, reason, detail, headers, body, size, received_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&refused.id)
        .bind(&refused.source)
        .bind(&refused.reason)
        .bind(&refused.detail)
        .bind(&refused.headers)
        .bind(&refused.body)
        .bind(refused.size)
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    Ok(true)
}

async fn has_room(conn: &mut Conn<'_>, refused: &Refused) -> Result<bool> {
    let (rows, bytes): (i64, i64) = on!(conn, c => {
        sqlx::query_as(
            "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM quarantine \
             WHERE source = $1",
        )
        .bind(&refused.source)
        .fetch_one(c)
        .await?
    });
    Ok(rows < MAX_ROWS && bytes + refused.size <= MAX_BYTES)
}

/// How many deliveries are kept.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(on!(conn, c => {
        sqlx::query_scalar("SELECT COUNT(*) FROM quarantine").fetch_one(c).await?
    }))
}

/// Deletes what was kept before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM quarantine WHERE id IN \
             (SELECT id FROM quarantine WHERE received_at < $1 ORDER BY received_at LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
