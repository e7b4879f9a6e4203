//! The calls that platforms have listed, and which of them are still missing here: ids and times.

use sqlx::FromRow;

use super::{Conn, Error, Result, on, stored_key};
use crate::id::{ConversationId, ConversationKey};
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// A call as its platform listed it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The account that lists it.
    pub account: String,
    /// The call.
    pub key: ConversationKey,
    /// Whether the platform calls it over, and it has settled.
    pub is_over: bool,
    /// Whether it was finalized, erased or deleted.
    pub processed: bool,
    /// What the row said, hashed.
    pub fingerprint: String,
    /// When the platform made its record.
    pub created_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// When it was put into the queue last.
    pub queued_at: Option<Timestamp>,
    /// When the platform was asked last.
    pub seen_at: Timestamp,
}

/// Whether a call of ours is done with, whether or not the row says so yet: it is there, or an event
/// of it is done and left nothing, because the call was erased.
const DONE: &str = "(EXISTS (SELECT 1 FROM conversations settled \
     WHERE settled.owner = known_calls.owner AND settled.id = known_calls.conversation_id) \
     OR EXISTS (SELECT 1 FROM events done WHERE done.owner = known_calls.owner \
     AND done.conversation_id = known_calls.conversation_id AND done.kind <> 'recorded'))";

const COLUMNS: &str = "account, conversation_id, owner, is_over, processed, fingerprint, \
     created_at, ended_at, queued_at, seen_at";

#[derive(FromRow)]
struct Row {
    account: String,
    conversation_id: String,
    owner: String,
    is_over: bool,
    processed: bool,
    fingerprint: String,
    created_at: i64,
    ended_at: Option<i64>,
    queued_at: Option<i64>,
    seen_at: i64,
}

impl TryFrom<Row> for Known {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            account: row.account,
            key: stored_key(row.owner, &row.conversation_id)?,
            is_over: row.is_over,
            processed: row.processed,
            fingerprint: row.fingerprint,
            created_at: Timestamp::from_millis(row.created_at),
            ended_at: row.ended_at.map(Timestamp::from_millis),
            queued_at: row.queued_at.map(Timestamp::from_millis),
            seen_at: Timestamp::from_millis(row.seen_at),
        })
    }
}

/// The call as it is known, if it is.
pub async fn get(conn: &mut Conn<'_>, account: &str, id: &ConversationId) -> Result<Option<Known>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM known_calls WHERE account = $1 AND conversation_id = $2"
        )))
        .bind(account)
        .bind(id.as_str())
        .fetch_optional(c)
        .await?
    });
    row.map(Known::try_from).transpose()
}

/// Whether a call is done with: finalized, erased or deleted.
pub async fn is_done(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<bool> {
    let found: Option<i64> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT fetched_at FROM conversations WHERE owner = $1 AND id = $2 \
             UNION ALL SELECT done_at FROM events \
             WHERE owner = $1 AND conversation_id = $2 AND kind <> 'recorded' LIMIT 1",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_optional(c)
        .await?
    });
    Ok(found.is_some())
}

/// Writes down what the platform listed. What was processed once stays so.
pub async fn put(conn: &mut Conn<'_>, known: &Known) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO known_calls (account, conversation_id, owner, is_over, processed, \
             fingerprint, created_at, ended_at, queued_at, seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (account, conversation_id) DO UPDATE SET is_over = excluded.is_over, \
             processed = (known_calls.processed OR excluded.processed), \
             fingerprint = excluded.fingerprint, ended_at = excluded.ended_at, \
             queued_at = COALESCE(excluded.queued_at, known_calls.queued_at), \
             seen_at = excluded.seen_at",
        )
        .bind(&known.account)
        .bind(known.key.id.as_str())
        .bind(known.key.owner.as_str())
        .bind(known.is_over)
        .bind(known.processed)
        .bind(&known.fingerprint)
        .bind(known.created_at.as_millis())
        .bind(known.ended_at.map(Timestamp::as_millis))
        .bind(known.queued_at.map(Timestamp::as_millis))
        .bind(known.seen_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Forgets a call that its platform knows no more.
pub async fn forget(conn: &mut Conn<'_>, account: &str, id: &ConversationId) -> Result<()> {
    on!(conn, c => {
        sqlx::query("DELETE FROM known_calls WHERE account = $1 AND conversation_id = $2")
            .bind(account)
            .bind(id.as_str())
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Forgets the calls that were under way when they were seen last, before `seen_before`.
pub async fn forget_unseen(
    conn: &mut Conn<'_>,
    account: &str,
    seen_before: Timestamp,
) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM known_calls WHERE is_over = FALSE AND account = $1 AND seen_at < $2",
        )
        .bind(account)
        .bind(seen_before.as_millis())
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// The calls that were under way when they were seen last, before `seen_before`: those not asked for
/// the longest first; at most `limit`.
pub async fn unfinished(
    conn: &mut Conn<'_>,
    account: &str,
    seen_before: Timestamp,
    limit: i64,
) -> Result<Vec<Known>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM known_calls WHERE is_over = FALSE AND account = $1 \
             AND seen_at < $2 ORDER BY seen_at, conversation_id LIMIT $3"
        )))
        .bind(account)
        .bind(seen_before.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Known::try_from).collect()
}

/// Marks the calls that are done with by now; what they left may be deleted for its age.
pub async fn mark_processed(conn: &mut Conn<'_>, account: &str) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE known_calls SET processed = TRUE \
             WHERE processed = FALSE AND account = $1 AND {DONE}"
        )))
        .bind(account)
        .execute(c)
        .await?
        .rows_affected()
    }))
}

/// How much of an account is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Finished calls that the platform has listed.
    pub known: i64,
    /// Those of them that are neither finalized, erased nor deleted.
    pub missing: i64,
    /// The creation of the oldest of those.
    pub oldest_missing_at: Option<Timestamp>,
}

/// How much of an account is here, of the calls created at `since` or later.
pub async fn coverage(
    conn: &mut Conn<'_>,
    account: &str,
    since: Option<Timestamp>,
) -> Result<Coverage> {
    let known: i64 = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM known_calls \
             WHERE account = $1 AND created_at >= $2 AND is_over = TRUE",
        )
        .bind(account)
        .bind(since.map_or(i64::MIN, Timestamp::as_millis))
        .fetch_one(c)
        .await?
    });
    let (missing, oldest_missing_at) = gap(conn, account, since).await?;
    Ok(Coverage {
        known,
        missing,
        oldest_missing_at,
    })
}

/// How many calls of an account are missing, and the creation of the oldest. However many are known,
/// only those are read that nobody has seen processed yet.
pub async fn gap(
    conn: &mut Conn<'_>,
    account: &str,
    since: Option<Timestamp>,
) -> Result<(i64, Option<Timestamp>)> {
    let (missing, oldest): (i64, Option<i64>) = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT COUNT(*), MIN(created_at) FROM known_calls WHERE processed = FALSE \
             AND account = $1 AND created_at >= $2 AND is_over = TRUE AND NOT {DONE}"
        )))
        .bind(account)
        .bind(since.map_or(i64::MIN, Timestamp::as_millis))
        .fetch_one(c)
        .await?
    });
    Ok((missing, oldest.map(Timestamp::from_millis)))
}

/// A page of the missing calls of some accounts, newest first.
pub async fn missing(
    conn: &mut Conn<'_>,
    accounts: &[String],
    since: Option<Timestamp>,
    page: &PageRequest,
) -> Result<Page<Known>> {
    if accounts.is_empty() {
        return Ok(Page::cut(Vec::new(), page.size, cursor));
    }
    let (at, id) = page.before();
    let places: Vec<String> = (5..accounts.len() + 5).map(|n| format!("${n}")).collect();
    let text = format!(
        "SELECT {COLUMNS} FROM known_calls WHERE processed = FALSE AND is_over = TRUE \
         AND created_at >= $1 AND (created_at, conversation_id) < ($2, $3) \
         AND account IN ({}) AND NOT {DONE} \
         ORDER BY created_at DESC, conversation_id DESC LIMIT $4",
        places.join(", ")
    );
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(since.map_or(i64::MIN, Timestamp::as_millis))
            .bind(at)
            .bind(id)
            .bind(page.limit());
        for account in accounts {
            query = query.bind(account);
        }
        query.fetch_all(c).await?
    });
    let rows = rows
        .into_iter()
        .map(Known::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(rows, page.size, cursor))
}

fn cursor(known: &Known) -> Cursor {
    Cursor {
        at: known.created_at,
        id: known.key.id.to_string(),
    }
}

/// Deletes processed calls that were created before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM known_calls WHERE (account, conversation_id) IN \
             (SELECT account, conversation_id FROM known_calls \
             WHERE processed = TRUE AND created_at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
