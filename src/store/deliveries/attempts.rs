//! The attempts of deliveries: when, how long, and what the endpoint answered.

use std::collections::BTreeMap;

use sqlx::FromRow;

use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which one, from 1.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// What HTTP status the endpoint answered; none where nobody did.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: i64,
    /// Why it failed, as a stable code; empty where it did not.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// The first 8 KiB of the endpoint's answer.
    pub response: String,
}

#[derive(FromRow)]
struct Row {
    delivery_id: String,
    number: i64,
    at: i64,
    status: Option<i64>,
    latency_ms: i64,
    code: String,
    message: String,
    response: String,
}

/// Adds an attempt. A second one of the same number changes nothing.
pub async fn add_attempt(conn: &mut Conn<'_>, delivery_id: &str, attempt: &Attempt) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO delivery_attempts (delivery_id, number, at, status, latency_ms, code, \
             message, response) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (delivery_id, number) DO NOTHING",
        )
        .bind(delivery_id)
        .bind(i64::from(attempt.number))
        .bind(attempt.at.as_millis())
        .bind(attempt.status.map(i64::from))
        .bind(attempt.latency_ms)
        .bind(&attempt.code)
        .bind(&attempt.message)
        .bind(&attempt.response)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The attempts of some deliveries, by delivery, the first one first.
pub async fn attempts_of(
    conn: &mut Conn<'_>,
    delivery_ids: &[String],
) -> Result<BTreeMap<String, Vec<Attempt>>> {
    let mut attempts: BTreeMap<String, Vec<Attempt>> = BTreeMap::new();
    if delivery_ids.is_empty() {
        return Ok(attempts);
    }
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT delivery_id, number, at, status, latency_ms, code, message, response \
             FROM delivery_attempts WHERE delivery_id IN (",
        );
        let mut ids = query.separated(", ");
        for id in delivery_ids {
            ids.push_bind(id.clone());
        }
        query.push(") ORDER BY delivery_id, number");
        query.build_query_as().fetch_all(c).await?
    });
    for row in rows {
        attempts.entry(row.delivery_id).or_default().push(Attempt {
            number: u32::try_from(row.number).unwrap_or(u32::MAX),
            at: Timestamp::from_millis(row.at),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            latency_ms: row.latency_ms,
            code: row.code,
            message: row.message,
            response: row.response,
        });
    }
    Ok(attempts)
}
