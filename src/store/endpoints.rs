//! CRMs' endpoints: where results are sent, what of them, and how the endpoint is doing.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Error, Result, on};
use crate::endpoint::{Payload, Subscription, Template};
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

/// An endpoint. What is secret in it is sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its id (`ep_…`).
    pub id: String,
    /// Where it is.
    pub url: String,
    /// What it is for, in its maker's words.
    pub description: String,
    /// Which events it gets.
    pub subscription: Subscription,
    /// In which shape.
    pub payload: Payload,
    /// What is sent in place of that.
    pub template: Option<Template>,
    /// Its own headers: a sealed JSON object.
    pub headers: String,
    /// The secret that signs, sealed.
    pub secret: String,
    /// The secret before it, sealed, and until when it signs too.
    pub previous: Option<(String, Timestamp)>,
    /// Deliveries a second at the most.
    pub rate: Option<u32>,
    /// Deliveries at once.
    pub concurrency: u32,
    /// Whether it is sent anything.
    pub enabled: bool,
    /// Since when it is not, and why: `by_hand`, `gone` or `failing`.
    pub disabled: Option<(Timestamp, String)>,
    /// Since when nothing has succeeded.
    pub failing_since: Option<Timestamp>,
    /// How many successes are still wanted since an attempt has failed.
    pub unproved: u32,
    /// Whether its last answer took long.
    pub slow: bool,
    /// It is sent nothing before: its rate, or its `Retry-After`.
    pub ready_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its maker changed it last.
    pub updated_at: Timestamp,
}

const COLUMNS: &str = "id, url, description, events, agents, payload, template, headers, secret, \
     previous_secret, previous_until, rate, concurrency, enabled, disabled_at, disabled_reason, \
     failing_since, failures, slow, ready_at, created_at, updated_at";

#[derive(FromRow)]
struct Row {
    id: String,
    url: String,
    description: String,
    events: String,
    agents: String,
    payload: String,
    template: Option<String>,
    headers: String,
    secret: String,
    previous_secret: Option<String>,
    previous_until: Option<i64>,
    rate: Option<i64>,
    concurrency: i64,
    enabled: bool,
    disabled_at: Option<i64>,
    disabled_reason: Option<String>,
    failing_since: Option<i64>,
    failures: i64,
    slow: bool,
    ready_at: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Endpoint {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let lines = |text: String| text.lines().map(str::to_owned).collect();
        let number = |n: i64| u32::try_from(n).map_err(|_| Error::Corrupt("endpoint"));
        let at = Timestamp::from_millis;
        Ok(Self {
            id: row.id,
            url: row.url,
            description: row.description,
            subscription: Subscription {
                events: lines(row.events),
                agents: lines(row.agents),
            },
            payload: Payload::parse(&row.payload).ok_or(Error::Corrupt("endpoint"))?,
            template: row.template.as_deref().map(from_json).transpose()?,
            headers: row.headers,
            secret: row.secret,
            previous: row.previous_secret.zip(row.previous_until.map(at)),
            rate: row.rate.map(number).transpose()?,
            concurrency: number(row.concurrency)?,
            enabled: row.enabled,
            disabled: row.disabled_at.map(at).zip(row.disabled_reason),
            failing_since: row.failing_since.map(at),
            // An older release counted failures in a row here: none is the same.
            unproved: number(row.failures)?,
            slow: row.slow,
            ready_at: at(row.ready_at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// Holds everybody else off an endpoint until the transaction ends.
pub async fn hold(conn: &mut Conn<'_>, id: &str) -> Result<()> {
    super::lock(conn, &format!("endpoint {id}")).await
}

/// Keeps an endpoint, new or changed. Changing one takes [`hold`] before reading it; how it does is
/// not changed by this, for [`tell_health`], [`rest`] and [`heal`] tell that without holding it.
pub async fn save(conn: &mut Conn<'_>, endpoint: &Endpoint) -> Result<()> {
    let template = endpoint.template.as_ref().map(to_json).transpose()?;
    let (previous, previous_until) = endpoint.previous.clone().unzip();
    let (disabled_at, disabled_reason) = endpoint.disabled.clone().unzip();
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO endpoints (id, url, description, events, agents, payload, template, \
             headers, secret, previous_secret, previous_until, rate, concurrency, enabled, \
             disabled_at, disabled_reason, failing_since, failures, slow, ready_at, created_at, \
             updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19, $20, $21, $22) \
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, \
             description = excluded.description, events = excluded.events, \
             agents = excluded.agents, payload = excluded.payload, template = excluded.template, \
             headers = excluded.headers, secret = excluded.secret, \
             previous_secret = excluded.previous_secret, \
             previous_until = excluded.previous_until, rate = excluded.rate, \
             concurrency = excluded.concurrency, enabled = excluded.enabled, \
             disabled_at = excluded.disabled_at, disabled_reason = excluded.disabled_reason, \
             updated_at = excluded.updated_at",
        )
        .bind(&endpoint.id)
        .bind(&endpoint.url)
        .bind(&endpoint.description)
        .bind(endpoint.subscription.events.join("\n"))
        .bind(endpoint.subscription.agents.join("\n"))
        .bind(endpoint.payload.as_str())
        .bind(template)
        .bind(&endpoint.headers)
        .bind(&endpoint.secret)
        .bind(previous)
        .bind(previous_until.map(Timestamp::as_millis))
        .bind(endpoint.rate.map(i64::from))
        .bind(i64::from(endpoint.concurrency))
        .bind(endpoint.enabled)
        .bind(disabled_at.map(Timestamp::as_millis))
        .bind(disabled_reason)
        .bind(endpoint.failing_since.map(Timestamp::as_millis))
        .bind(i64::from(endpoint.unproved))
        .bind(endpoint.slow)
        .bind(endpoint.ready_at.as_millis())
        .bind(endpoint.created_at.as_millis())
        .bind(endpoint.updated_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The endpoint of an id.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Endpoint>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM endpoints WHERE id = $1")))
            .bind(id)
            .fetch_optional(c)
            .await?
    });
    row.map(Endpoint::try_from).transpose()
}

/// The endpoints of some ids.
pub async fn of_ids(conn: &mut Conn<'_>, ids: &BTreeSet<&str>) -> Result<Vec<Endpoint>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on!(conn, c => {
        let mut query =
            sqlx::QueryBuilder::new(format!("SELECT {COLUMNS} FROM endpoints WHERE id IN ("));
        let mut wanted = query.separated(", ");
        for id in ids {
            wanted.push_bind((*id).to_owned());
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await?
    });
    rows.into_iter().map(Endpoint::try_from).collect()
}

/// A page of the endpoints, newest first. `agents`: only those that get the events of some of these
/// and of no others; empty is all.
pub async fn list(
    conn: &mut Conn<'_>,
    agents: &[String],
    page: &PageRequest,
) -> Result<Page<Endpoint>> {
    let (at, id) = page.before();
    // Installations have tens of endpoints; whom a token may see is told by lines of a text.
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM endpoints WHERE created_at < $1 OR (created_at = $1 AND id < $2) \
             ORDER BY created_at DESC, id DESC"
        )))
        .bind(at)
        .bind(id)
        .fetch_all(c)
        .await?
    });
    let mut endpoints = rows
        .into_iter()
        .map(Endpoint::try_from)
        .collect::<Result<Vec<_>>>()?;
    endpoints.retain(|endpoint| is_of(endpoint, agents));
    endpoints.truncate(page.size.saturating_add(1));
    Ok(Page::cut(endpoints, page.size, |endpoint| Cursor {
        at: endpoint.created_at,
        id: endpoint.id.clone(),
    }))
}

/// Whether whoever may see only `agents` may see the endpoint; empty is all.
pub fn is_of(endpoint: &Endpoint, agents: &[String]) -> bool {
    let its = &endpoint.subscription.agents;
    agents.is_empty() || (!its.is_empty() && its.iter().all(|agent| agents.contains(agent)))
}

/// Every endpoint that is sent something.
pub async fn enabled(conn: &mut Conn<'_>) -> Result<Vec<Endpoint>> {
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM endpoints WHERE enabled ORDER BY id"
        )))
        .fetch_all(c)
        .await?
    });
    rows.into_iter().map(Endpoint::try_from).collect()
}

/// How an attempt found an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it took what it was sent.
    pub succeeded: bool,
    /// Whether its answer took long.
    pub slow: bool,
}

/// After a failure, so many successes in a row make an endpoint one that does not fail.
pub const PROOF: u32 = 16;

/// Tells how an attempt that ended at `now` has found an endpoint. Of two that fail at once, the first
/// one says since when.
pub async fn tell_health(
    conn: &mut Conn<'_>,
    id: &str,
    health: Health,
    now: Timestamp,
) -> Result<()> {
    let Health { succeeded, slow } = health;
    on!(conn, c => {
        sqlx::query(
            "UPDATE endpoints SET slow = $2, \
             failing_since = CASE WHEN $3 THEN NULL ELSE COALESCE(failing_since, $4) END, \
             failures = CASE WHEN NOT $3 THEN $5 WHEN failures > 0 THEN failures - 1 \
             ELSE 0 END WHERE id = $1",
        )
        .bind(id)
        .bind(slow)
        .bind(succeeded)
        .bind(now.as_millis())
        .bind(i64::from(PROOF))
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Forgets how an endpoint did, so that all that waits goes to it at once.
pub async fn heal(conn: &mut Conn<'_>, id: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE endpoints SET failing_since = NULL, failures = 0, ready_at = 0 WHERE id = $1",
        )
        .bind(id)
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Holds an endpoint's deliveries back until `at`.
pub async fn rest(conn: &mut Conn<'_>, id: &str, at: Timestamp) -> Result<()> {
    on!(conn, c => {
        sqlx::query("UPDATE endpoints SET ready_at = $2 WHERE id = $1 AND ready_at < $2")
            .bind(id)
            .bind(at.as_millis())
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Takes an endpoint out; says whether it was there.
pub async fn remove(conn: &mut Conn<'_>, id: &str) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query("DELETE FROM endpoints WHERE id = $1").bind(id).execute(c).await?.rows_affected()
            == 1
    }))
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Off {
    /// Somebody wanted it so.
    ByHand,
    /// It answered 410.
    Gone,
    /// It failed for days.
    Failing,
}

impl Off {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ByHand, Self::Gone, Self::Failing];

    /// The value in the database, and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by_hand",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// How the endpoints stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Endpoints that are enabled.
    pub enabled: i64,
    /// Those of them that have not taken anything since they failed.
    pub failing: i64,
    /// Endpoints that are disabled, by [`Off::ALL`].
    pub off: [i64; Off::ALL.len()],
}

/// Counts how the endpoints stand.
pub async fn standing(conn: &mut Conn<'_>) -> Result<Standing> {
    let rows: Vec<(bool, String, i64, i64)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT enabled, COALESCE(disabled_reason, ''), COUNT(*), COUNT(failing_since) \
             FROM endpoints GROUP BY enabled, COALESCE(disabled_reason, '')",
        )
        .fetch_all(c)
        .await?
    });
    let mut standing = Standing::default();
    for (enabled, reason, count, failing) in rows {
        if enabled {
            standing.enabled += count;
            standing.failing += failing;
        } else if let Some(place) = Off::ALL.iter().position(|off| off.as_str() == reason) {
            standing.off[place] += count;
        }
    }
    Ok(standing)
}
