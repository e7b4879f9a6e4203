//! Deliveries whose signature failed, sealed, bounded and short-lived.

use sqlx::{FromRow, QueryBuilder};

use super::{Conn, Result, on};
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// Deliveries that one source may keep (product contract §5).
pub const MAX_ROWS: i64 = 1_000;

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
    if get(conn, &refused.id).await?.is_some() {
        return Ok(true);
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

/// A refused delivery as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The delivery.
    pub refused: Refused,
    /// When it came.
    pub received_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: String,
    source: String,
    reason: String,
    detail: String,
    headers: String,
    body: String,
    size: i64,
    received_at: i64,
}

impl From<Row> for Kept {
    fn from(row: Row) -> Self {
        Self {
            refused: Refused {
                id: row.id,
                source: row.source,
                reason: row.reason,
                detail: row.detail,
                headers: row.headers,
                body: row.body,
                size: row.size,
            },
            received_at: Timestamp::from_millis(row.received_at),
        }
    }
}

/// The delivery of an id.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Kept>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, source, reason, detail, headers, body, size, received_at \
             FROM quarantine WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(c)
        .await?
    });
    Ok(row.map(Kept::from))
}

/// Which deliveries are meant; nothing set means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only posted to this source.
    pub source: Option<String>,
    /// Only refused for this reason.
    pub reason: Option<String>,
}

/// A page of the deliveries, newest first, without what is sealed.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: &PageRequest) -> Result<Page<Kept>> {
    let (at, id) = page.before();
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT id, source, reason, detail, '' AS headers, '' AS body, size, received_at \
             FROM quarantine WHERE (received_at, id) < (",
        );
        query.push_bind(at).push(", ").push_bind(id).push(")");
        for (column, value) in [
            (" AND source = ", &filter.source),
            (" AND reason = ", &filter.reason),
        ] {
            if let Some(value) = value {
                query.push(column).push_bind(value);
            }
        }
        query.push(" ORDER BY received_at DESC, id DESC LIMIT ");
        query.push_bind(page.limit());
        query.build_query_as().fetch_all(c).await?
    });
    let rows = rows.into_iter().map(Kept::from).collect();
    Ok(Page::cut(rows, page.size, |kept: &Kept| Cursor {
        at: kept.received_at,
        id: kept.refused.id.clone(),
    }))
}

/// The deliveries of a source, the oldest first; at most `limit`.
pub async fn of_source(conn: &mut Conn<'_>, source: &str, limit: i64) -> Result<Vec<String>> {
    Ok(on!(conn, c => {
        sqlx::query_scalar(
            "SELECT id FROM quarantine WHERE source = $1 ORDER BY received_at, id LIMIT $2",
        )
        .bind(source)
        .bind(limit)
        .fetch_all(c)
        .await?
    }))
}

/// Why a delivery is still refused, by the secrets of now.
pub async fn refuse_again(conn: &mut Conn<'_>, id: &str, reason: &str, detail: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query("UPDATE quarantine SET reason = $2, detail = $3 WHERE id = $1")
            .bind(id)
            .bind(reason)
            .bind(detail)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Takes a delivery out; says whether it was there.
pub async fn remove(conn: &mut Conn<'_>, id: &str) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM quarantine WHERE id = $1")
            .bind(id)
            .execute(c)
            .await?
            .rows_affected()
            == 1
    }))
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
