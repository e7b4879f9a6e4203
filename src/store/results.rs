//! The feed of results: what `GET /v1/events` reads and CRMs are sent.

use serde_json::Value;
use sqlx::FromRow;

use super::conversations::{from_json, to_json};
use super::{Conn, Result, deliveries, on, stored_key};
use crate::id::ConversationKey;
use crate::memory::caller::CallerKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

mod named;

use named::Named;
pub use named::catch_up;

/// Results that one statement names.
const AT_ONCE: usize = 500;

/// A result, as CRMs get it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultEvent {
    /// Stable (`evt_…`): a hash of what it tells.
    pub id: String,
    /// As `conversation.completed`.
    pub kind: String,
    /// Whose agent it concerns; empty for none.
    pub agent_id: String,
    /// The conversation that it came from, where there is one.
    pub key: Option<ConversationKey>,
    /// `data` of the event.
    pub data: Value,
    /// When it was committed.
    pub created_at: Timestamp,
}

/// What became of a result that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Whether it was not there yet.
    pub new: bool,
    /// Endpoints that will be sent it, made to wait for it in the same transaction.
    pub deliveries: u64,
}

/// Holds everybody else off the feed until the transaction ends: its places are given one by one, and an
/// event goes to the endpoints that there are then.
pub async fn hold(conn: &mut Conn<'_>) -> Result<()> {
    super::lock(conn, "results").await
}

/// Adds a result, and a delivery of it for every endpoint that subscribed. A second one of the same
/// id changes nothing.
///
/// Writers queue for the end of the feed, and no two results share a time: the feed is read in the
/// order of time, and a reader that has passed a place would never see what is committed before it.
pub async fn add(conn: &mut Conn<'_>, event: &ResultEvent) -> Result<Added> {
    let body = to_json(&event.data)?;
    let named = Named::of(&event.data);
    hold(conn).await?;
    let (owner, conversation_id) = event
        .key
        .as_ref()
        .map_or(("", ""), |key| (key.owner.as_str(), key.id.as_str()));
    let place: Option<i64> = on!(conn, c => {
        sqlx::query_scalar(
            "INSERT INTO results (id, type, agent_id, owner, conversation_id, body, caller_key, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $8, \
             (SELECT CASE WHEN COALESCE(MAX(created_at), 0) >= $7 THEN MAX(created_at) + 1 \
             ELSE $7 END FROM results)) ON CONFLICT (id) DO NOTHING RETURNING created_at",
        )
        .bind(&event.id)
        .bind(&event.kind)
        .bind(&event.agent_id)
        .bind(owner)
        .bind(conversation_id)
        .bind(body)
        .bind(event.created_at.as_millis())
        .bind(named.caller_key())
        .fetch_optional(c)
        .await?
    });
    let Some(place) = place.map(Timestamp::from_millis) else {
        return Ok(Added {
            new: false,
            deliveries: 0,
        });
    };
    named.cite(conn, &event.id, conversation_id).await?;
    Ok(Added {
        new: true,
        deliveries: deliveries::fan_out(conn, event, place).await?,
    })
}

/// The conversation of a stored row; its columns are empty where there is none.
pub(super) fn named_key(owner: String, id: &str) -> Result<Option<ConversationKey>> {
    (!id.is_empty()).then(|| stored_key(owner, id)).transpose()
}

#[derive(FromRow)]
struct Row {
    id: String,
    #[sqlx(rename = "type")]
    kind: String,
    agent_id: String,
    owner: String,
    conversation_id: String,
    body: String,
    created_at: i64,
}

/// Which results are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this type.
    pub kind: Option<String>,
    /// Only of these agents; empty is all.
    pub agents: Vec<String>,
}

/// A page of the feed, oldest first.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<ResultEvent>> {
    let (at, id) = page.after.as_ref().map_or((i64::MIN, ""), |cursor| {
        (cursor.at.as_millis(), cursor.id.as_str())
    });
    let limit = i64::try_from(page.size)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT id, type, agent_id, owner, conversation_id, body, created_at FROM results \
             WHERE body <> '' AND (created_at, id) > (",
        );
        query.push_bind(at).push(", ").push_bind(id.to_owned()).push(")");
        if let Some(kind) = &filter.kind {
            query.push(" AND type = ").push_bind(kind.clone());
        }
        if !filter.agents.is_empty() {
            query.push(" AND agent_id IN (");
            let mut agents = query.separated(", ");
            for agent in &filter.agents {
                agents.push_bind(agent.clone());
            }
            query.push(")");
        }
        query.push(" ORDER BY created_at, id LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await?
    });
    let events = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(events, page.size, |event| Cursor {
        at: event.created_at,
        id: event.id.clone(),
    }))
}

/// The result of an id; none once it was emptied by an erasure.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<ResultEvent>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(
            "SELECT id, type, agent_id, owner, conversation_id, body, created_at FROM results \
             WHERE id = $1 AND body <> ''",
        )
        .bind(id)
        .fetch_optional(c)
        .await?
    });
    row.map(read).transpose()
}

/// Where an event stands in the feed, so that a reader can go on behind it.
pub async fn place(conn: &mut Conn<'_>, id: &str) -> Result<Option<Cursor>> {
    let at: Option<i64> = on!(conn, c => {
        sqlx::query_scalar("SELECT created_at FROM results WHERE id = $1")
            .bind(id)
            .fetch_optional(c)
            .await?
    });
    Ok(at.map(|at| Cursor {
        at: Timestamp::from_millis(at),
        id: id.to_owned(),
    }))
}

fn read(row: Row) -> Result<ResultEvent> {
    Ok(ResultEvent {
        data: from_json(&row.body)?,
        key: named_key(row.owner, &row.conversation_id)?,
        id: row.id,
        kind: row.kind,
        agent_id: row.agent_id,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

/// Empties the results of a conversation, and those of memory that cite it. Their places stay: who
/// has read the feed up to one of them goes on behind it.
pub async fn empty_citing(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    now: Timestamp,
) -> Result<u64> {
    let ids: Vec<String> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT id FROM results WHERE owner = $1 AND conversation_id = $2 AND body <> '' \
             UNION SELECT r.id FROM result_citations c JOIN results r ON r.id = c.result_id \
             WHERE c.conversation_id = $2 AND r.body <> ''",
        )
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .fetch_all(c)
        .await?
    });
    empty(conn, &ids, now).await
}

/// What of a caller's results is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What was told of memory and consents.
    OfMemory,
    /// That, and what was told of calls that are kept no longer; with the others it goes by
    /// [`empty_citing`].
    OfAll,
}

/// Empties what was told of a caller, with every agent unless one is given.
pub async fn empty_of_caller(
    conn: &mut Conn<'_>,
    agent_id: Option<&str>,
    caller: &CallerKey,
    told: Told,
    now: Timestamp,
) -> Result<u64> {
    let ids: Vec<String> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT id FROM results r WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2) \
             AND (type IN ('memory.changed', 'consent.changed', 'memory.erased') \
             OR ($3 AND NOT EXISTS (SELECT 1 FROM conversations c \
             WHERE c.owner = r.owner AND c.id = r.conversation_id)))",
        )
        .bind(caller.as_str())
        .bind(agent_id.unwrap_or_default())
        .bind(told == Told::OfAll)
        .fetch_all(c)
        .await?
    });
    empty(conn, &ids, now).await
}

/// Empties results, and what endpoints answered to them; says how many.
async fn empty(conn: &mut Conn<'_>, ids: &[String], now: Timestamp) -> Result<u64> {
    let mut emptied = 0;
    for ids in ids.chunks(AT_ONCE) {
        emptied += on_each(
            conn,
            "UPDATE results SET body = '', caller_key = '' WHERE id IN (",
            ids,
        )
        .await?;
        on_each(
            conn,
            "DELETE FROM result_citations WHERE result_id IN (",
            ids,
        )
        .await?;
        deliveries::erase_of_events(conn, ids, now).await?;
    }
    Ok(emptied)
}

async fn on_each(conn: &mut Conn<'_>, text: &'static str, ids: &[String]) -> Result<u64> {
    Ok(on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(text);
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id.clone());
        }
        query.push(")");
        query.build().execute(c).await?.rows_affected()
    }))
}

/// Deletes results from before `before`; at most `limit`.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    let gone: Vec<String> = on!(conn, c => {
        sqlx::query_scalar(
            "DELETE FROM results WHERE id IN (SELECT id FROM results WHERE created_at < $1 \
             ORDER BY created_at LIMIT $2) RETURNING id",
        )
        .bind(before.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    if !gone.is_empty() {
        on_each(
            conn,
            "DELETE FROM result_citations WHERE result_id IN (",
            &gone,
        )
        .await?;
    }
    Ok(gone.len() as u64)
}
