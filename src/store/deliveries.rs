//! Deliveries: one row for every event that an endpoint is to get, from the transaction that made the
//! event until the endpoint has it.
//!
//! A row waits here (`pending`), enters the queue when it is due (`queued`), and comes back with the
//! outcome of the attempt. Of one conversation, an endpoint is sent one event after the other.

use std::time::Duration;

use sqlx::FromRow;

use super::endpoints::{self, Endpoint};
use super::results::ResultEvent;
use super::{Conn, Error, Result, on};
use crate::id::{ConversationKey, dated};
use crate::time::Timestamp;

mod attempts;
mod fate;
mod held;
pub mod list;
mod outcome;
mod turns;

pub use attempts::{Attempt, add_attempt, attempts_of};
pub use fate::{
    cancel, cancel_of_endpoint, empty_answers, erase, erase_of_events, postpone, prune,
    release_stuck, retry, retry_failed,
};
pub use held::{Held, Next, Told, tell};
pub use outcome::{give_up, keep_letter, tell_timeline};
pub use turns::{Turn, due, hold, queue, turns};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for its time, or for its endpoint to be enabled.
    Pending,
    /// It is in the queue, or on its way.
    Queued,
    /// The endpoint has it.
    Delivered,
    /// It was given up.
    Failed,
    /// Its endpoint was removed, or its event erased.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Queued,
        Self::Delivered,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The value in the database, and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`Status::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id (`dlv_…`), which follows from endpoint and event, and begins with the event's time.
    pub id: String,
    /// Who gets it.
    pub endpoint_id: String,
    /// What they get; the `webhook-id` of every attempt.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// Whose agent it concerns; empty for none.
    pub agent_id: String,
    /// The conversation it came from, where there is one.
    pub key: Option<ConversationKey>,
    /// Where it stands.
    pub status: Status,
    /// Attempts so far.
    pub attempts: u32,
    /// Attempts since the schedule began.
    pub spent: u32,
    /// When the next attempt is due; none when there is none.
    pub due_at: Option<Timestamp>,
    /// When the endpoint took it.
    pub delivered_at: Option<Timestamp>,
    /// When it was made, with its event.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

/// Rows that one statement puts in: their values are fewer than the 32,766 that SQLite takes.
const ROWS_AT_ONCE: usize = 500;

const COLUMNS: &str = "id, endpoint_id, event_id, type, agent_id, owner, conversation_id, status, \
     attempts, spent, due_at, delivered_at, created_at, updated_at";

#[derive(FromRow)]
struct Row {
    id: String,
    endpoint_id: String,
    event_id: String,
    #[sqlx(rename = "type")]
    kind: String,
    agent_id: String,
    owner: String,
    conversation_id: String,
    status: String,
    attempts: i64,
    spent: i64,
    due_at: Option<i64>,
    delivered_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Delivery {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let at = Timestamp::from_millis;
        Ok(Self {
            id: row.id,
            endpoint_id: row.endpoint_id,
            event_id: row.event_id,
            kind: row.kind,
            agent_id: row.agent_id,
            key: super::results::named_key(row.owner, &row.conversation_id)?,
            status: Status::parse(&row.status).ok_or(Error::Corrupt("delivery"))?,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            spent: u32::try_from(row.spent).unwrap_or(u32::MAX),
            due_at: row.due_at.map(at),
            delivered_at: row.delivered_at.map(at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// The id of the delivery of an event to an endpoint, where the event has this place in the feed.
pub fn id_of(endpoint_id: &str, event_id: &str, place: Timestamp) -> String {
    dated("dlv_", place, &[endpoint_id, event_id])
}

/// Makes a delivery for every endpoint that subscribed to an event; says how many are new. Belongs
/// into the transaction that made the event, whose place in the feed is `place`.
pub async fn fan_out(conn: &mut Conn<'_>, event: &ResultEvent, place: Timestamp) -> Result<u64> {
    let wants = |endpoint: &Endpoint| endpoint.subscription.wants(&event.kind, &event.agent_id);
    let mut endpoints = endpoints::enabled(conn).await?;
    endpoints.retain(wants);
    let mut made = 0;
    for some in endpoints.chunks(ROWS_AT_ONCE) {
        made += add(conn, some, event, place, event.created_at).await?;
    }
    Ok(made)
}

/// Makes the deliveries of an event to some endpoints, up to [`ROWS_AT_ONCE`], due at once; says how
/// many are new.
pub async fn add(
    conn: &mut Conn<'_>,
    endpoints: &[Endpoint],
    event: &ResultEvent,
    place: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    if endpoints.is_empty() {
        return Ok(0);
    }
    let key = event.key.as_ref();
    let owner = key.map_or("", |key| key.owner.as_str());
    let conversation_id = key.map_or("", |key| key.id.as_str());
    Ok(on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO deliveries (id, endpoint_id, event_id, type, agent_id, owner, \
             conversation_id, place, status, due_at, created_at, updated_at) ",
        );
        query.push_values(endpoints, |mut row, endpoint| {
            row.push_bind(id_of(&endpoint.id, &event.id, place))
                .push_bind(&endpoint.id)
                .push_bind(&event.id)
                .push_bind(&event.kind)
                .push_bind(&event.agent_id)
                .push_bind(owner)
                .push_bind(conversation_id)
                .push_bind(place.as_millis())
                .push_bind(Status::Pending.as_str())
                .push_bind(now.as_millis())
                .push_bind(now.as_millis())
                .push_bind(now.as_millis());
        });
        // Of the same id, or of an earlier release's for the same event and endpoint.
        query.push(" ON CONFLICT DO NOTHING");
        query.build().execute(c).await?.rows_affected()
    }))
}

/// The delivery of an id.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Delivery>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM deliveries WHERE id = $1")))
            .bind(id)
            .fetch_optional(c)
            .await?
    });
    row.map(Delivery::try_from).transpose()
}

/// What became of a delivery with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The endpoint has it.
    Delivered,
    /// Another attempt after a while.
    Again(Duration),
    /// Given up.
    Failed,
    /// There was nothing to send.
    Skipped,
}

/// Writes down that attempt `number` has been made, and what follows; says whether it was still to
/// be made: a message that is taken twice must not count twice.
pub async fn settle(
    conn: &mut Conn<'_>,
    id: &str,
    number: u32,
    after: After,
    now: Timestamp,
) -> Result<bool> {
    let (status, due_at, delivered_at) = match after {
        After::Delivered => (Status::Delivered, None, Some(now)),
        After::Again(wait) => (Status::Pending, Some(now.plus(wait)), None),
        After::Failed => (Status::Failed, None, None),
        After::Skipped => (Status::Cancelled, None, None),
    };
    Ok(on!(conn, c => {
        sqlx::query(
            "UPDATE deliveries SET status = $1, due_at = $2, delivered_at = $3, \
             attempts = attempts + 1, spent = spent + 1, updated_at = $4 \
             WHERE id = $5 AND attempts = $6 AND status <> 'cancelled'",
        )
        .bind(status.as_str())
        .bind(due_at.map(Timestamp::as_millis))
        .bind(delivered_at.map(Timestamp::as_millis))
        .bind(now.as_millis())
        .bind(id)
        .bind(i64::from(number) - 1)
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// What CRMs have not got yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that wait, or are on their way, to endpoints that are enabled.
    pub waiting: i64,
    /// When the oldest of those was made.
    pub oldest_at: Option<Timestamp>,
    /// Deliveries that wait until somebody enables their endpoint.
    pub held: i64,
}

/// Counts what CRMs have not got yet: endpoint by endpoint, off the index of its turns.
pub async fn backlog(conn: &mut Conn<'_>) -> Result<Backlog> {
    let counts: Vec<(bool, i64)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT e.enabled, CAST(SUM((SELECT COUNT(*) FROM deliveries d \
             WHERE d.endpoint_id = e.id AND d.status IN ('pending', 'queued'))) AS BIGINT) \
             FROM endpoints e GROUP BY e.enabled",
        )
        .fetch_all(c)
        .await?
    });
    let mut backlog = Backlog::default();
    for (enabled, count) in counts {
        if enabled {
            backlog.waiting = count;
        } else {
            backlog.held = count;
        }
    }
    if backlog.waiting > 0 {
        backlog.oldest_at = oldest(conn).await?;
    }
    Ok(backlog)
}

/// When the oldest delivery that waits, or is on its way, to an endpoint that is enabled was made. The
/// oldest come first off an index, and one is looked at after the other until it is of such an endpoint.
async fn oldest(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    let mut oldest: Option<i64> = None;
    for status in [Status::Pending, Status::Queued] {
        let found: Option<i64> = on!(conn, c => {
            sqlx::query_scalar(
                "SELECT d.created_at FROM deliveries d CROSS JOIN endpoints e \
                 WHERE d.status = $1 AND e.id = d.endpoint_id AND e.enabled = TRUE \
                 ORDER BY d.created_at LIMIT 1",
            )
            .bind(status.as_str())
            .fetch_optional(c)
            .await?
        });
        oldest = oldest.into_iter().chain(found).min();
    }
    Ok(oldest.map(Timestamp::from_millis))
}
