//! Erasures: what was taken away, and what is still to be done.

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Error, Result, on};
use crate::erased::{Counts, Receipt, Scope};
use crate::time::Timestamp;

/// An erasure as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What is told of it.
    pub receipt: Receipt,
    /// Whom and what it concerns, sealed; gone when it is complete.
    pub whom: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    kind: String,
    counts: String,
    whom: Option<String>,
    created_at: i64,
    complete_after: i64,
    completed_at: Option<i64>,
}

impl TryFrom<Row> for Kept {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            receipt: Receipt {
                id: row.id,
                scope: Scope::parse(&row.kind).ok_or(Error::Corrupt("kind of erasure"))?,
                counts: from_json(&row.counts)?,
                erased_before: Timestamp::from_millis(row.created_at),
                complete_after: Timestamp::from_millis(row.complete_after),
                completed_at: row.completed_at.map(Timestamp::from_millis),
            },
            whom: row.whom,
        })
    }
}

/// Keeps an erasure, new or as far as it has come.
pub async fn keep(conn: &mut Conn<'_>, kept: &Kept) -> Result<()> {
    let receipt = &kept.receipt;
    let counts = to_json::<Counts>(&receipt.counts)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO erasures (id, kind, counts, whom, created_at, complete_after, \
             completed_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO UPDATE SET counts = excluded.counts, whom = excluded.whom, \
             complete_after = excluded.complete_after, completed_at = excluded.completed_at",
        )
        .bind(&receipt.id)
        .bind(receipt.scope.as_str())
        .bind(counts)
        .bind(&kept.whom)
        .bind(receipt.erased_before.as_millis())
        .bind(receipt.complete_after.as_millis())
        .bind(receipt.completed_at.map(Timestamp::as_millis))
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The erasure of an id.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Kept>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, kind, counts, whom, created_at, complete_after, completed_at \
             FROM erasures WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(c)
        .await?
    });
    row.map(Kept::try_from).transpose()
}

/// The erasures that are not complete and whose time has come, the oldest first; at most `limit`.
pub async fn due(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<Kept>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, kind, counts, whom, created_at, complete_after, completed_at \
             FROM erasures WHERE completed_at IS NULL AND complete_after <= $1 \
             ORDER BY complete_after LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Kept::try_from).collect()
}
