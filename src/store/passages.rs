//! When each call passed each stage first: what the overview counts, and how long calls take.

use sqlx::{Database, Encode, QueryBuilder, Type};

use super::conversations::Record;
use super::{Conn, Result, on};
use crate::id::ConversationKey;
use crate::time::Timestamp;

/// A stage that calls pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passage {
    /// The platform's word that the call is over came in.
    Received,
    /// The call was settled.
    Finalized,
    /// It was remembered, or there was nothing to remember.
    Remembered,
    /// Its result has arrived at an endpoint.
    Delivered,
}

impl Passage {
    /// All of them, in the order in which a call passes them.
    pub const ALL: [Self; 4] = [
        Self::Received,
        Self::Finalized,
        Self::Remembered,
        Self::Delivered,
    ];

    /// The name in metrics and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Finalized => "finalized",
            Self::Remembered => "remembered",
            Self::Delivered => "delivered",
        }
    }

    /// What a step of the timeline says was passed. That something arrived is one for each event and each
    /// endpoint, and says by itself nothing of the call's result.
    pub fn of_step(step: &str) -> Option<Self> {
        match step {
            "received" => Some(Self::Received),
            "settled" => Some(Self::Finalized),
            "remembered" | "remember_skipped" | "remember_failed" => Some(Self::Remembered),
            _ => None,
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Received => "received_at",
            Self::Finalized => "finalized_at",
            Self::Remembered => "remembered_at",
            Self::Delivered => "delivered_at",
        }
    }
}

/// Writes down that a call passed a stage, and says whether that is news; the first time stands.
pub async fn mark(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    passage: Passage,
    at: Timestamp,
) -> Result<bool> {
    let column = passage.column();
    Ok(on!(conn, c => {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "INSERT INTO passages (owner, conversation_id, {column}) VALUES ($1, $2, $3) \
             ON CONFLICT (owner, conversation_id) DO UPDATE SET {column} = excluded.{column} \
             WHERE passages.{column} IS NULL OR passages.{column} > excluded.{column}"
        )))
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .bind(at.as_millis())
        .execute(c)
        .await?
        .rows_affected()
            == 1
    }))
}

/// When a call was over: as its platform says, else when its word came in.
pub async fn over_at(conn: &mut Conn<'_>, record: &Record) -> Result<Option<Timestamp>> {
    if let Some(at) = record.conversation.over_at() {
        return Ok(Some(at));
    }
    let key = record.key();
    let at: Option<Option<i64>> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT received_at FROM passages WHERE owner = $1 AND conversation_id = $2",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_optional(c)
        .await?
    });
    Ok(at.flatten().map(Timestamp::from_millis))
}

/// Deletes a call's passages.
pub(super) async fn delete(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<()> {
    on!(conn, c => {
        sqlx::query("DELETE FROM passages WHERE owner = $1 AND conversation_id = $2")
            .bind(key.owner.as_str())
            .bind(key.id.as_str())
            .execute(c)
            .await?;
    });
    Ok(())
}

/// How many calls passed a stage in each of `spans` equal spans of `span_ms` from `since` on.
pub async fn counts(
    conn: &mut Conn<'_>,
    passage: Passage,
    agents: &[String],
    since: Timestamp,
    span_ms: i64,
    spans: usize,
) -> Result<Vec<i64>> {
    let column = passage.column();
    let rows: Vec<(i64, i64)> = on!(conn, c => {
        let mut query = QueryBuilder::new("SELECT (p.");
        query.push(column).push(" - ").push_bind(since.as_millis());
        query.push(") / ").push_bind(span_ms).push(" AS span, COUNT(*) FROM passages p");
        of_agents(&mut query, agents);
        query.push(" WHERE p.").push(column).push(" >= ").push_bind(since.as_millis());
        query.push(" GROUP BY 1");
        query.build_query_as().fetch_all(c).await?
    });
    let mut counts = vec![0; spans];
    for (span, calls) in rows {
        // What passed since the reading began belongs to the last span.
        let place = usize::try_from(span)
            .unwrap_or(0)
            .min(spans.saturating_sub(1));
        if let Some(count) = counts.get_mut(place) {
            *count += calls;
        }
    }
    Ok(counts)
}

/// The same as [`over_at`].
const OVER_AT: &str = "COALESCE(held.ended_at, held.started_at + held.duration_ms, p.received_at)";

/// How long after their end the latest calls were delivered since `since`, in milliseconds; of at
/// most `limit` of them.
pub async fn latencies(
    conn: &mut Conn<'_>,
    agents: &[String],
    since: Timestamp,
    limit: i64,
) -> Result<Vec<i64>> {
    Ok(on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT p.delivered_at - ",
        );
        query.push(OVER_AT).push(
            " FROM passages p JOIN conversations held \
             ON held.owner = p.owner AND held.id = p.conversation_id",
        );
        if !agents.is_empty() {
            query.push(" AND held.agent_id IN (");
            any_of(&mut query, agents);
        }
        query.push(" WHERE p.delivered_at >= ").push_bind(since.as_millis());
        query.push(" AND ").push(OVER_AT).push(" IS NOT NULL ORDER BY p.delivered_at DESC LIMIT ");
        query.push_bind(limit);
        query.build_query_scalar().fetch_all(c).await?
    }))
}

fn of_agents<DB>(query: &mut QueryBuilder<DB>, agents: &[String])
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    if agents.is_empty() {
        return;
    }
    query.push(
        " JOIN conversations held ON held.owner = p.owner AND held.id = p.conversation_id \
         AND held.agent_id IN (",
    );
    any_of(query, agents);
}

fn any_of<DB>(query: &mut QueryBuilder<DB>, agents: &[String])
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    let mut list = query.separated(", ");
    for agent in agents {
        list.push_bind(agent.clone());
    }
    query.push(")");
}
