//! The outbox: the queue's door inside a transaction, and without RabbitMQ the queue itself.

use std::time::Duration;

use sqlx::{FromRow, QueryBuilder};

use super::conversations::{from_json, to_json};
use super::{Conn, Result, on};
use crate::event::{Message, Stage};
use crate::time::Timestamp;
use crate::trace;
use crate::verdict::Attempt;

/// Rows that one statement puts in: their values are fewer than the 32,766 that SQLite takes.
const ROWS_AT_ONCE: usize = 500;

/// A message that somebody has claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The message's id.
    pub id: String,
    /// Its body, still undecoded.
    pub body: String,
    /// Attempts that verdicts have spent.
    pub attempts: u32,
    /// How often it was taken since its last verdict: more than once means that a worker died.
    pub takes: u32,
    /// The attempts so far.
    pub history: Vec<Attempt>,
    /// When it was made durable.
    pub created_at: Timestamp,
}

/// How much waits at a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// All messages of the stage.
    pub messages: i64,
    /// When the oldest of them was made durable.
    pub oldest_at: Option<Timestamp>,
}

/// Puts a message in, due at `due_at`; says whether it was not there yet.
pub async fn put(
    conn: &mut Conn<'_>,
    message: &Message,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    Ok(put_all(conn, std::slice::from_ref(message), due_at, now).await? == 1)
}

/// Puts some messages in, due at `due_at`; says how many were not there yet.
pub async fn put_all(
    conn: &mut Conn<'_>,
    messages: &[Message],
    due_at: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let mut new = 0;
    for some in messages.chunks(ROWS_AT_ONCE) {
        new += on!(conn, c => {
            let mut query =
                QueryBuilder::new("INSERT INTO outbox (id, stage, body, due_at, created_at) ");
            query.push_values(some, |mut row, message| {
                row.push_bind(&message.id)
                    .push_bind(message.stage().as_str())
                    .push_bind(trace::carry(message.encode()))
                    .push_bind(due_at.as_millis())
                    .push_bind(now.as_millis());
            });
            query.push(" ON CONFLICT (id) DO NOTHING");
            query.build().execute(c).await?.rows_affected()
        });
    }
    Ok(new)
}

/// A message that has been tried before, on its way back into the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The message's id.
    pub id: String,
    /// Its stage.
    pub stage: Stage,
    /// Its body.
    pub body: String,
    /// Attempts that verdicts have spent.
    pub attempts: u32,
    /// The attempts so far.
    pub history: Vec<Attempt>,
    /// When it was made durable first.
    pub created_at: Timestamp,
}

/// Puts a message in, due at `due_at`. A row of the same message takes over what is new, and whoever
/// holds it loses it: their copy is the older one.
pub async fn put_again(conn: &mut Conn<'_>, waiting: &Waiting, due_at: Timestamp) -> Result<()> {
    let history = to_json(&waiting.history)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO outbox (id, stage, body, attempts, history, due_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO UPDATE SET attempts = excluded.attempts, \
             history = excluded.history, due_at = excluded.due_at, claimed_until = 0, \
             claim = NULL, takes = 0",
        )
        .bind(&waiting.id)
        .bind(waiting.stage.as_str())
        .bind(&waiting.body)
        .bind(i64::from(waiting.attempts))
        .bind(history)
        .bind(due_at.as_millis())
        .bind(waiting.created_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: String,
    body: String,
    attempts: i64,
    takes: i64,
    history: String,
    created_at: i64,
}

/// Claims up to `limit` due messages of a stage, the longest due first.
pub async fn claim(
    conn: &mut Conn<'_>,
    stage: Stage,
    claim: &str,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claimed>> {
    // The one statement that the two databases word differently: PostgreSQL's claimers must step
    // over each other's rows, SQLite's only writer has nobody to step over.
    const SQLITE: &str = "UPDATE outbox SET claimed_until = $1, claim = $2, takes = takes + 1 \
         WHERE id IN (SELECT id FROM outbox WHERE stage = $3 AND due_at <= $4 \
         AND claimed_until <= $4 ORDER BY due_at LIMIT $5) \
         RETURNING id, body, attempts, takes, history, created_at";
    const POSTGRES: &str = "UPDATE outbox SET claimed_until = $1, claim = $2, takes = takes + 1 \
         WHERE id IN (SELECT id FROM outbox WHERE stage = $3 AND due_at <= $4 \
         AND claimed_until <= $4 ORDER BY due_at LIMIT $5 FOR UPDATE SKIP LOCKED) \
         RETURNING id, body, attempts, takes, history, created_at";
    let text = match conn {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
    };
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(text)
            .bind(now.plus(lease).as_millis())
            .bind(claim)
            .bind(stage.as_str())
            .bind(now.as_millis())
            .bind(limit)
            .fetch_all(c)
            .await?
    });
    rows.into_iter()
        .map(|row| {
            Ok(Claimed {
                history: from_json(&row.history)?,
                id: row.id,
                body: row.body,
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
                takes: u32::try_from(row.takes).unwrap_or(u32::MAX),
                created_at: Timestamp::from_millis(row.created_at),
            })
        })
        .collect()
}

/// When the next message of a stage that nobody holds is due.
pub async fn next_due(conn: &mut Conn<'_>, stage: Stage) -> Result<Option<Timestamp>> {
    let due: Option<i64> = on!(conn, c => {
        // Below 1, not 0 itself: PostgreSQL takes that for many rows, and so stops at the first of them.
        sqlx::query_scalar(
            "SELECT due_at FROM outbox WHERE stage = $1 AND claimed_until < 1 ORDER BY due_at LIMIT 1",
        )
        .bind(stage.as_str())
        .fetch_optional(c)
        .await?
    });
    Ok(due.map(Timestamp::from_millis))
}

/// Takes a message out; says whether it was still this claim's.
pub async fn remove(conn: &mut Conn<'_>, id: &str, claim: &str) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM outbox WHERE id = $1 AND claim = $2")
            .bind(id)
            .bind(claim)
            .execute(c)
            .await?
            .rows_affected()
            == 1
    }))
}

/// Takes messages out, each as far as it is still the claim's beside it.
pub async fn remove_done(conn: &mut Conn<'_>, done: &[(String, String)]) -> Result<()> {
    for some in done.chunks(ROWS_AT_ONCE) {
        on!(conn, c => {
            // SQLite finds a row by one of its columns, and looks at every row for a pair of them.
            let mut query = QueryBuilder::new("DELETE FROM outbox WHERE id IN (");
            let mut ids = query.separated(", ");
            for (id, _) in some {
                ids.push_bind(id);
            }
            query.push(") AND (id, claim) IN (VALUES ");
            let mut pairs = query.separated(", ");
            for (id, claim) in some {
                pairs
                    .push("(")
                    .push_bind_unseparated(id)
                    .push_unseparated(", ")
                    .push_bind_unseparated(claim)
                    .push_unseparated(")");
            }
            query.push(")");
            query.build().execute(c).await?;
        });
    }
    Ok(())
}

/// Takes messages out, as far as they are still this claim's.
pub async fn remove_all(conn: &mut Conn<'_>, ids: &[String], claim: &str) -> Result<()> {
    for_all(conn, "DELETE FROM outbox", ids, claim).await
}

/// Lets messages go that were taken in vain, as far as they are still this claim's.
pub async fn free(conn: &mut Conn<'_>, ids: &[String], claim: &str) -> Result<()> {
    const FREE: &str = "UPDATE outbox SET claimed_until = 0, claim = NULL, takes = takes - 1";
    for_all(conn, FREE, ids, claim).await
}

async fn for_all(
    conn: &mut Conn<'_>,
    what: &'static str,
    ids: &[String],
    claim: &str,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (2..ids.len() + 2).map(|n| format!("${n}")).collect();
    let text = format!("{what} WHERE claim = $1 AND id IN ({})", places.join(", "));
    on!(conn, c => {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(claim);
        for id in ids {
            query = query.bind(id);
        }
        query.execute(c).await?;
    });
    Ok(())
}

/// Puts a message back, due at `due_at`; says whether it was still this claim's.
pub async fn put_back(
    conn: &mut Conn<'_>,
    id: &str,
    claim: &str,
    attempts: u32,
    history: &[Attempt],
    due_at: Timestamp,
) -> Result<bool> {
    let history = to_json(&history)?;
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE outbox SET claimed_until = 0, claim = NULL, takes = 0, attempts = $1, \
             history = $2, due_at = $3 WHERE id = $4 AND claim = $5",
        )
        .bind(i64::from(attempts))
        .bind(history)
        .bind(due_at.as_millis())
        .bind(id)
        .bind(claim)
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// Frees every claim. Only for a process that knows that it is alone.
pub async fn free_all(conn: &mut Conn<'_>) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query("UPDATE outbox SET claimed_until = 0, claim = NULL WHERE claimed_until > 0")
            .execute(c)
            .await?
            .rows_affected()
    }))
}

/// How much waits at a stage.
pub async fn depth(conn: &mut Conn<'_>, stage: Stage) -> Result<Depth> {
    let (messages, oldest): (i64, Option<i64>) = on!(conn, c => {
        sqlx::query_as("SELECT COUNT(*), MIN(created_at) FROM outbox WHERE stage = $1")
            .bind(stage.as_str())
            .fetch_one(c)
            .await?
    });
    Ok(Depth {
        messages,
        oldest_at: oldest.map(Timestamp::from_millis),
    })
}
