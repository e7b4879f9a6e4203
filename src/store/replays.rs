//! Replay jobs: what somebody asked for, how far it is, and which process drives it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::dead_letters::State;
use super::{Conn, Error, Result, on};
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

pub mod causes;
pub mod letters;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Letters are sent.
    Running,
    /// Somebody holds it.
    Paused,
    /// It has stopped by itself: too many letters failed again.
    Stopped,
    /// Somebody has ended it.
    Cancelled,
    /// Every letter has its verdict, or the canary that was all that was asked for.
    Completed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Paused,
        Self::Stopped,
        Self::Cancelled,
        Self::Completed,
    ];

    /// The value on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }

    /// Reads what [`Status::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether no letter of it will ever be sent again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed)
    }
}

/// How a job goes about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Letters a second.
    pub rate: f64,
    /// Letters that are sent first, and whose verdicts are awaited.
    pub canary: u32,
    /// Whether the canary is all.
    pub canary_only: bool,
    /// The share of failures, of the canary or of the last fifty, above which it stops by itself.
    pub stop_at_failure_rate: f64,
    /// What the letters were when they were asked for: one that has become another is left alone.
    pub state: State,
}

/// A job, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id (`replay_…`).
    pub id: String,
    /// How it stands.
    pub status: Status,
    /// Why it stopped by itself; empty otherwise.
    pub reason: String,
    /// Which letters were asked for, as JSON without who called.
    pub filter: String,
    /// The only agents whose letters it may touch; empty is all.
    pub agents: Vec<String>,
    /// How it goes about it.
    pub plan: Plan,
    /// Letters of the filter.
    pub total: i64,
    /// Letters that were sent.
    pub sent: i64,
    /// Letters that are resolved.
    pub succeeded: i64,
    /// Letters that are dead again.
    pub failed: i64,
    /// Letters that were gone, or that somebody discarded meanwhile.
    pub passed_over: i64,
    /// Letters of the canary that are still to be sent.
    pub canary_left: i64,
    /// Whether the canary is not judged yet.
    pub in_canary: bool,
    /// Verdicts before this one were forgiven by a resume.
    pub judged_from: i64,
    /// Who made it: the id of a token.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something about it changed last.
    pub updated_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

impl Job {
    /// Letters with a final verdict.
    pub fn done(&self) -> i64 {
        self.succeeded + self.failed + self.passed_over
    }

    /// Letters that are on their way.
    pub fn in_flight(&self) -> i64 {
        (self.sent - self.done()).max(0)
    }
}

const COLUMNS: &str = "id, status, reason, filter, agents, plan, total, sent, succeeded, failed, \
     passed_over, canary_left, in_canary, judged_from, created_by, created_at, updated_at, \
     finished_at";

#[derive(FromRow)]
struct Row {
    id: String,
    status: String,
    reason: String,
    filter: String,
    agents: String,
    plan: String,
    total: i64,
    sent: i64,
    succeeded: i64,
    failed: i64,
    passed_over: i64,
    canary_left: i64,
    in_canary: bool,
    judged_from: i64,
    created_by: String,
    created_at: i64,
    updated_at: i64,
    finished_at: Option<i64>,
}

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            status: Status::parse(&row.status).ok_or(Error::Corrupt("status of a replay"))?,
            plan: from_json(&row.plan)?,
            agents: row.agents.lines().map(str::to_owned).collect(),
            id: row.id,
            reason: row.reason,
            filter: row.filter,
            total: row.total,
            sent: row.sent,
            succeeded: row.succeeded,
            failed: row.failed,
            passed_over: row.passed_over,
            canary_left: row.canary_left,
            in_canary: row.in_canary,
            judged_from: row.judged_from,
            created_by: row.created_by,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            finished_at: row.finished_at.map(Timestamp::from_millis),
        })
    }
}

/// Adds a job that nobody sees until its letters are gathered ([`save`] with `gathered`).
pub async fn add(conn: &mut Conn<'_>, job: &Job) -> Result<()> {
    let plan = to_json(&job.plan)?;
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO replays (id, status, filter, agents, plan, created_by, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(&job.id)
        .bind(job.status.as_str())
        .bind(&job.filter)
        .bind(job.agents.join("\n"))
        .bind(plan)
        .bind(&job.created_by)
        .bind(job.created_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Writes back how far a job is. `watched` says whether somebody must drive it on.
pub async fn save(conn: &mut Conn<'_>, job: &Job, watched: bool) -> Result<()> {
    let plan = to_json(&job.plan)?;
    on!(conn, c => {
        sqlx::query(
            "UPDATE replays SET status = $1, reason = $2, total = $3, sent = $4, succeeded = $5, \
             failed = $6, passed_over = $7, canary_left = $8, in_canary = $9, judged_from = $10, \
             updated_at = $11, finished_at = $12, watched = $13, plan = $14, gathered = TRUE \
             WHERE id = $15",
        )
        .bind(job.status.as_str())
        .bind(&job.reason)
        .bind(job.total)
        .bind(job.sent)
        .bind(job.succeeded)
        .bind(job.failed)
        .bind(job.passed_over)
        .bind(job.canary_left)
        .bind(job.in_canary)
        .bind(job.judged_from)
        .bind(job.updated_at.as_millis())
        .bind(job.finished_at.map(Timestamp::as_millis))
        .bind(watched)
        .bind(plan)
        .bind(&job.id)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The job of an id.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Job>> {
    let text = format!("SELECT {COLUMNS} FROM replays WHERE id = $1 AND gathered = TRUE");
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(c).await?
    });
    row.map(Job::try_from).transpose()
}

/// A page of the jobs, newest first; with `agents`, only of those that are bound to just these.
pub async fn list(
    conn: &mut Conn<'_>,
    agents: &[String],
    status: Option<Status>,
    page: &PageRequest,
) -> Result<Page<Job>> {
    let (at, id) = page.before();
    let text = format!(
        "SELECT {COLUMNS} FROM replays WHERE (created_at, id) < ($1, $2) AND gathered = TRUE \
         AND ($3 = '' OR agents = $3) AND ($4 = '' OR status = $4) \
         ORDER BY created_at DESC, id DESC LIMIT $5"
    );
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(at)
            .bind(id)
            .bind(agents.join("\n"))
            .bind(status.map_or("", Status::as_str))
            .bind(page.limit())
            .fetch_all(c)
            .await?
    });
    let jobs = rows
        .into_iter()
        .map(Job::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(jobs, page.size, |job| Cursor {
        at: job.created_at,
        id: job.id.clone(),
    }))
}

/// Takes a job for this process, unless another drives it or its letters are not on their way.
pub async fn claim(
    conn: &mut Conn<'_>,
    lease: &str,
    now: Timestamp,
    time: Duration,
) -> Result<Option<String>> {
    const SQLITE: &str = "UPDATE replays SET lease = $1, leased_until = $2 WHERE id = \
         (SELECT id FROM replays WHERE watched = TRUE AND leased_until <= $3 \
         ORDER BY leased_until, id LIMIT 1) RETURNING id";
    const POSTGRES: &str = "UPDATE replays SET lease = $1, leased_until = $2 WHERE id = \
         (SELECT id FROM replays WHERE watched = TRUE AND leased_until <= $3 \
         ORDER BY leased_until, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id";
    let text = match conn {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
    };
    Ok(on!(conn, c => {
        sqlx::query_scalar(text)
            .bind(lease)
            .bind(now.plus(time).as_millis())
            .bind(now.as_millis())
            .fetch_optional(c)
            .await?
    }))
}

/// Whether any job waits for a process to drive it.
pub async fn any_to_claim(conn: &mut Conn<'_>, now: Timestamp) -> Result<bool> {
    let found: Option<i32> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT 1 FROM replays WHERE watched = TRUE AND leased_until <= $1 LIMIT 1",
        )
        .bind(now.as_millis())
        .fetch_optional(c)
        .await?
    });
    Ok(found.is_some())
}

/// Keeps a job for its driver; says whether it still is the driver's. Holds the row until the
/// transaction ends, so that nobody pauses the job in between.
pub async fn renew(conn: &mut Conn<'_>, id: &str, lease: &str, until: Timestamp) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query("UPDATE replays SET leased_until = $1 WHERE id = $2 AND lease = $3")
            .bind(until.as_millis())
            .bind(id)
            .bind(lease)
            .execute(c)
            .await?
            .rows_affected()
            == 1
    }))
}

/// Holds a job's row until the transaction ends, so that its driver does not change it in between.
pub async fn hold(conn: &mut Conn<'_>, id: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query("UPDATE replays SET updated_at = updated_at WHERE id = $1")
            .bind(id)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Lets a job go, so that another process may drive it on at once.
pub async fn release(conn: &mut Conn<'_>, id: &str, lease: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE replays SET lease = NULL, leased_until = 0 WHERE id = $1 AND lease = $2",
        )
        .bind(id)
        .bind(lease)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Lets every job go. Only for a process that knows that it is alone.
pub async fn release_all(conn: &mut Conn<'_>) -> Result<()> {
    on!(conn, c => {
        sqlx::query("UPDATE replays SET lease = NULL, leased_until = 0 WHERE leased_until > 0")
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Deletes what is left of jobs that were over before `before`, or that were never gathered whole;
/// at most `limit` rows of one of them.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    let old: Option<String> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT id FROM replays WHERE updated_at < $1 AND watched = FALSE \
             AND (gathered = FALSE OR finished_at IS NOT NULL OR status = 'stopped' \
             OR status = 'paused') ORDER BY created_at LIMIT 1",
        )
        .bind(before.as_millis())
        .fetch_optional(c)
        .await?
    });
    let Some(id) = old else { return Ok(0) };
    let deleted = letters::prune(conn, &id, limit).await?;
    if deleted > 0 {
        return Ok(deleted);
    }
    causes::delete(conn, &id).await?;
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM replays WHERE id = $1").bind(id).execute(c).await?.rows_affected()
    }))
}
