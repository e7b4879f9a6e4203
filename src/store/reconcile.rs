//! Who lists which account, and how far the listings are.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Error, Result, on};
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// What is known of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When the last complete listing began: what was over by then has been seen.
    pub covered_until: Option<Timestamp>,
    /// When it was complete.
    pub checked_at: Option<Timestamp>,
    /// What keeps it, or rows of it, from being read now.
    pub error: Option<String>,
}

/// Where a listing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has not begun.
    Waiting,
    /// It has, and has not come to its end.
    Running,
    /// It has.
    Completed,
    /// It was given up.
    Failed,
}

impl Status {
    const ALL: [Self; 4] = [Self::Waiting, Self::Running, Self::Completed, Self::Failed];

    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(Error::Corrupt("status"))
    }
}

/// The listing of one account, page by page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// `recon_…`; the same for all accounts of what somebody asked for at once.
    pub id: String,
    /// The account.
    pub account: String,
    /// Whether it is the account's own, which begins anew again and again.
    pub scheduled: bool,
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// Where it stands.
    pub status: Status,
    /// Only calls created then or later.
    pub since: Timestamp,
    /// Only calls created before.
    pub until: Option<Timestamp>,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// The creation of the last row that was listed.
    pub reached_at: Option<Timestamp>,
    /// Rows of the time asked for.
    pub listed: i64,
    /// Those of them that are over and unknown here.
    pub unknown: i64,
    /// Those that differ from what is known.
    pub changed: i64,
    /// Those that were put into the queue.
    pub queued: i64,
    /// The first conversations that were, or would be, put into it.
    pub examples: Vec<String>,
    /// Rows that could not be read, and were passed over.
    pub left_out: i64,
    /// Why the last of them.
    pub left_out_why: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// What the last failure was.
    pub error: Option<String>,
    /// When its next page may be asked for.
    pub due_at: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first page was asked for.
    pub begun_at: Option<Timestamp>,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

impl Listing {
    /// A listing that has not begun.
    pub fn new(id: String, account: String, since: Timestamp, now: Timestamp) -> Self {
        Self {
            id,
            account,
            scheduled: false,
            dry_run: false,
            status: Status::Waiting,
            since,
            until: None,
            cursor: None,
            reached_at: None,
            listed: 0,
            unknown: 0,
            changed: 0,
            queued: 0,
            examples: Vec::new(),
            left_out: 0,
            left_out_why: None,
            failures: 0,
            error: None,
            due_at: now,
            created_at: now,
            begun_at: None,
            finished_at: None,
        }
    }
}

const COLUMNS: &str = "id, account, scheduled, dry_run, status, since, until, cursor, reached_at, \
     listed, unknown, changed, queued, examples, left_out, left_out_why, failures, error, due_at, \
     created_at, begun_at, finished_at";

#[derive(FromRow)]
struct Row {
    id: String,
    account: String,
    scheduled: bool,
    dry_run: bool,
    status: String,
    since: i64,
    until: Option<i64>,
    cursor: Option<String>,
    reached_at: Option<i64>,
    listed: i64,
    unknown: i64,
    changed: i64,
    queued: i64,
    examples: String,
    left_out: i64,
    left_out_why: Option<String>,
    failures: i64,
    error: Option<String>,
    due_at: i64,
    created_at: i64,
    begun_at: Option<i64>,
    finished_at: Option<i64>,
}

impl TryFrom<Row> for Listing {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            status: Status::parse(&row.status)?,
            examples: from_json(&row.examples)?,
            id: row.id,
            account: row.account,
            scheduled: row.scheduled,
            dry_run: row.dry_run,
            since: Timestamp::from_millis(row.since),
            until: row.until.map(Timestamp::from_millis),
            cursor: row.cursor,
            reached_at: row.reached_at.map(Timestamp::from_millis),
            listed: row.listed,
            unknown: row.unknown,
            changed: row.changed,
            queued: row.queued,
            left_out: row.left_out,
            left_out_why: row.left_out_why,
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            error: row.error,
            due_at: Timestamp::from_millis(row.due_at),
            created_at: Timestamp::from_millis(row.created_at),
            begun_at: row.begun_at.map(Timestamp::from_millis),
            finished_at: row.finished_at.map(Timestamp::from_millis),
        })
    }
}

/// Enters an account, and makes its own listing, `id`, due: a process has started.
pub async fn enter(conn: &mut Conn<'_>, account: &str, id: &str, now: Timestamp) -> Result<()> {
    on!(conn, c => {
        sqlx::query("INSERT INTO accounts (name) VALUES ($1) ON CONFLICT (name) DO NOTHING")
            .bind(account)
            .execute(c)
            .await?;
    });
    let mut listing = Listing::new(id.to_owned(), account.to_owned(), now, now);
    listing.scheduled = true;
    add(conn, &listing).await?;
    on!(conn, c => {
        sqlx::query(
            "UPDATE reconciliations SET due_at = $1 WHERE id = $2 AND account = $3 AND due_at > $1",
        )
        .bind(now.as_millis())
        .bind(id)
        .bind(account)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Takes an account, or keeps it, for `time`; says whether it is `lease`'s now.
pub async fn lease(
    conn: &mut Conn<'_>,
    account: &str,
    lease: &str,
    now: Timestamp,
    time: Duration,
) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE accounts SET lease = $1, leased_until = $2 \
             WHERE name = $3 AND (lease = $1 OR leased_until <= $4)",
        )
        .bind(lease)
        .bind(now.plus(time).as_millis())
        .bind(account)
        .bind(now.as_millis())
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// Lets an account go, if it is still `lease`'s.
pub async fn release(conn: &mut Conn<'_>, account: &str, lease: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query("UPDATE accounts SET leased_until = 0 WHERE name = $1 AND lease = $2")
            .bind(account)
            .bind(lease)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// What is known of an account.
pub async fn standing(conn: &mut Conn<'_>, account: &str) -> Result<Standing> {
    let row: Option<(Option<i64>, Option<i64>, Option<String>)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT covered_until, checked_at, (SELECT error FROM reconciliations \
             WHERE account = accounts.name AND scheduled = TRUE LIMIT 1) \
             FROM accounts WHERE name = $1",
        )
        .bind(account)
        .fetch_optional(c)
        .await?
    });
    let (covered_until, checked_at, error) = row.unwrap_or_default();
    Ok(Standing {
        covered_until: covered_until.map(Timestamp::from_millis),
        checked_at: checked_at.map(Timestamp::from_millis),
        error,
    })
}

/// Those of some accounts whose lists were never read to their end.
pub async fn not_compared(conn: &mut Conn<'_>, accounts: &[String]) -> Result<Vec<String>> {
    let compared: Vec<String> = on!(conn, c => {
        sqlx::query_scalar("SELECT name FROM accounts WHERE checked_at IS NOT NULL")
            .fetch_all(c)
            .await?
    });
    let never = accounts.iter().filter(|name| !compared.contains(name));
    Ok(never.cloned().collect())
}

/// What keeps the lists of accounts from being read now, by account.
pub async fn errors(conn: &mut Conn<'_>) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT a.name, r.error FROM accounts a JOIN reconciliations r \
             ON r.account = a.name AND r.scheduled = TRUE WHERE r.error IS NOT NULL",
        )
        .fetch_all(c)
        .await?
    });
    Ok(rows.into_iter().collect())
}

/// An account's own listing is complete.
pub async fn cover(
    conn: &mut Conn<'_>,
    account: &str,
    begun_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        sqlx::query("UPDATE accounts SET covered_until = $1, checked_at = $2 WHERE name = $3")
            .bind(begun_at.as_millis())
            .bind(now.as_millis())
            .bind(account)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Adds a listing, unless it is there.
pub async fn add(conn: &mut Conn<'_>, listing: &Listing) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO reconciliations (id, account, scheduled, dry_run, status, since, until, \
             due_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (id, account) DO NOTHING",
        )
        .bind(&listing.id)
        .bind(&listing.account)
        .bind(listing.scheduled)
        .bind(listing.dry_run)
        .bind(listing.status.as_str())
        .bind(listing.since.as_millis())
        .bind(listing.until.map(Timestamp::as_millis))
        .bind(listing.due_at.as_millis())
        .bind(listing.created_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Writes down how far a listing is.
pub async fn save(conn: &mut Conn<'_>, listing: &Listing) -> Result<()> {
    let examples = to_json(&listing.examples)?;
    on!(conn, c => {
        sqlx::query(
            "UPDATE reconciliations SET status = $1, since = $2, cursor = $3, reached_at = $4, \
             listed = $5, unknown = $6, changed = $7, queued = $8, examples = $9, left_out = $10, \
             left_out_why = $11, failures = $12, error = $13, due_at = $14, begun_at = $15, \
             finished_at = $16 WHERE id = $17 AND account = $18",
        )
        .bind(listing.status.as_str())
        .bind(listing.since.as_millis())
        .bind(&listing.cursor)
        .bind(listing.reached_at.map(Timestamp::as_millis))
        .bind(listing.listed)
        .bind(listing.unknown)
        .bind(listing.changed)
        .bind(listing.queued)
        .bind(examples)
        .bind(listing.left_out)
        .bind(&listing.left_out_why)
        .bind(i64::from(listing.failures))
        .bind(&listing.error)
        .bind(listing.due_at.as_millis())
        .bind(listing.begun_at.map(Timestamp::as_millis))
        .bind(listing.finished_at.map(Timestamp::as_millis))
        .bind(&listing.id)
        .bind(&listing.account)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The account's listing whose turn it is: what somebody asked for goes before its own.
pub async fn due(conn: &mut Conn<'_>, account: &str, now: Timestamp) -> Result<Option<Listing>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM reconciliations WHERE account = $1 AND due_at <= $2 \
             AND (scheduled = TRUE OR status IN ('waiting', 'running')) \
             ORDER BY scheduled, created_at, id LIMIT 1"
        )))
        .bind(account)
        .bind(now.as_millis())
        .fetch_optional(c)
        .await?
    });
    row.map(Listing::try_from).transpose()
}

/// The listings of an id, one an account.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Vec<Listing>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM reconciliations WHERE id = $1 ORDER BY account"
        )))
        .bind(id)
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Listing::try_from).collect()
}

/// A page of listings, those that were asked for last first: each with all its accounts.
pub async fn list(conn: &mut Conn<'_>, page: &PageRequest) -> Result<Page<Vec<Listing>>> {
    let (at, id) = page.before();
    let ids: Vec<(String, i64)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, MAX(created_at) FROM reconciliations \
             WHERE created_at < $1 OR (created_at = $1 AND id < $2) \
             GROUP BY id ORDER BY MAX(created_at) DESC, id DESC LIMIT $3",
        )
        .bind(at)
        .bind(id)
        .bind(page.limit())
        .fetch_all(c)
        .await?
    });
    let page = Page::cut(ids, page.size, |(id, at)| Cursor {
        at: Timestamp::from_millis(*at),
        id: id.clone(),
    });
    let mut rows = Vec::with_capacity(page.rows.len());
    for (id, _) in page.rows {
        rows.push(get(conn, &id).await?);
    }
    Ok(Page {
        rows,
        next: page.next,
    })
}

/// Deletes listings that came to their end before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(conn, c => {
        sqlx::query(
            "DELETE FROM reconciliations WHERE (id, account) IN \
             (SELECT id, account FROM reconciliations \
             WHERE scheduled = FALSE AND finished_at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(c)
        .await?
        .rows_affected()
    }))
}
