//! Whose turn it is: the endpoints for which something is due, and what of it goes into the queue.

use std::time::Duration;

use sqlx::{FromRow, QueryBuilder};

use super::held::FIRST;
use super::{COLUMNS, Delivery, Row};
use crate::store::{Conn, Error, Result, lock, on};
use crate::time::Timestamp;

/// An endpoint for which something is due, and what decides how much of it goes at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The endpoint.
    pub endpoint_id: String,
    /// Deliveries at once, as its maker says.
    pub concurrency: u32,
    /// Deliveries a second at the most.
    pub rate: Option<u32>,
    /// Whether it has failed for a while, and taken nothing.
    pub is_down: bool,
    /// Whether it has failed lately, and is not down.
    pub fallible: bool,
    /// Whether its last answer took long.
    pub slow: bool,
    /// Its deliveries that are in the queue or on their way.
    pub busy: u32,
    /// How many endpoints are fallible.
    pub fallible_ones: u32,
    /// How many endpoints are slow.
    pub slow_ones: u32,
}

/// An endpoint that has taken nothing for so long, though it was tried, is down.
const DOWN: Duration = Duration::from_secs(1);

impl Turn {
    /// Whether it takes what it is sent, and soon.
    pub fn does_well(&self) -> bool {
        !(self.is_down || self.fallible || self.slow)
    }
}

#[derive(FromRow)]
struct TurnRow {
    id: String,
    concurrency: i64,
    rate: Option<i64>,
    is_down: bool,
    fallible: bool,
    slow: bool,
    busy: i64,
    fallible_ones: i64,
    slow_ones: i64,
}

impl TryFrom<TurnRow> for Turn {
    type Error = Error;

    fn try_from(row: TurnRow) -> Result<Self> {
        let number = |n: i64| u32::try_from(n).map_err(|_| Error::Corrupt("endpoint"));
        Ok(Self {
            endpoint_id: row.id,
            concurrency: number(row.concurrency)?,
            rate: row.rate.map(number).transpose()?,
            is_down: row.is_down,
            fallible: row.fallible,
            slow: row.slow,
            busy: number(row.busy)?,
            fallible_ones: number(row.fallible_ones)?,
            slow_ones: number(row.slow_ones)?,
        })
    }
}

/// Holds off everybody else who changes many deliveries at once, until the transaction ends: their rows
/// would be taken in two orders. Whoever also adds to the feed holds that first, by
/// [`results::hold`](crate::store::results::hold), as removing an endpoint does.
pub async fn hold(conn: &mut Conn<'_>) -> Result<()> {
    lock(conn, "many deliveries").await
}

/// The endpoints for which something is due; `among` these, or all.
pub async fn turns(
    conn: &mut Conn<'_>,
    among: Option<&[String]>,
    now: Timestamp,
) -> Result<Vec<Turn>> {
    let rows: Vec<TurnRow> = on!(conn, c => {
        let mut query = QueryBuilder::new("WITH standing AS (SELECT id, concurrency, rate, slow, \
             COALESCE(failing_since <= ");
        query
            .push_bind(now.minus(DOWN).as_millis())
            .push(
                ", FALSE) AS is_down, failures > 0 AND COALESCE(failing_since > ",
            )
            .push_bind(now.minus(DOWN).as_millis())
            .push(
                ", TRUE) AS fallible, ready_at FROM endpoints WHERE enabled) \
                 SELECT e.id, e.concurrency, e.rate, e.is_down, e.fallible, e.slow, \
                 (SELECT COUNT(*) FROM deliveries b WHERE b.endpoint_id = e.id \
                 AND b.status = 'queued') AS busy, \
                 (SELECT COUNT(*) FROM standing f WHERE f.fallible) AS fallible_ones, \
                 (SELECT COUNT(*) FROM standing s WHERE s.slow) AS slow_ones \
                 FROM standing e WHERE e.ready_at <= ",
            )
            .push_bind(now.as_millis())
            .push(
                " AND (SELECT d.due_at FROM deliveries d WHERE d.endpoint_id = e.id \
                 AND d.status = 'pending' ORDER BY d.due_at LIMIT 1) <= ",
            )
            .push_bind(now.as_millis());
        if let Some(ids) = among {
            query.push(" AND e.id IN (");
            let mut places = query.separated(", ");
            for id in ids {
                places.push_bind(id);
            }
            query.push(")");
        }
        query.push(" ORDER BY e.id");
        query.build_query_as().fetch_all(c).await?
    });
    rows.into_iter().map(Turn::try_from).collect()
}

/// Due deliveries of the endpoints whose turn it is, of each up to the number beside it: none of which
/// another must be through [`FIRST`].
pub async fn due(
    conn: &mut Conn<'_>,
    wanted: &[(&str, u32)],
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = QueryBuilder::new("");
        for (n, (endpoint_id, limit)) in wanted.iter().enumerate() {
            if n > 0 {
                query.push(" UNION ALL ");
            }
            query
                .push(format_args!(
                    "SELECT * FROM (SELECT {COLUMNS} FROM deliveries d WHERE endpoint_id = "
                ))
                .push_bind(*endpoint_id)
                .push(" AND status = 'pending' AND due_at <= ")
                .push_bind(now.as_millis())
                .push(format_args!(
                    " AND (conversation_id = '' OR NOT EXISTS (SELECT 1 FROM deliveries e \
                     WHERE {FIRST})) ORDER BY due_at, place LIMIT "
                ))
                .push_bind(i64::from(*limit))
                .push(format_args!(") AS due_{n}"));
        }
        query.build_query_as().fetch_all(c).await?
    });
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Marks pending deliveries as being in the queue, where their messages go in the same transaction;
/// gives the ids of those that were pending.
pub async fn queue(
    conn: &mut Conn<'_>,
    deliveries: &[Delivery],
    now: Timestamp,
) -> Result<Vec<String>> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(conn, c => {
        let mut query = QueryBuilder::new("UPDATE deliveries SET status = 'queued', updated_at = ");
        query.push_bind(now.as_millis()).push(" WHERE id IN (");
        let mut ids = query.separated(", ");
        for delivery in deliveries {
            ids.push_bind(&delivery.id);
        }
        // Wrapped, so that SQLite does not look through all that are pending for these.
        query.push(") AND COALESCE(status, '') = 'pending' RETURNING id");
        query.build_query_scalar().fetch_all(c).await?
    }))
}
