//! Who called which agent, how often, and every way in which they are named.

use sqlx::{FromRow, QueryBuilder};

use super::beginnings::Beginnings;
use super::{Conn, Error, Result, on, stored_key};
use crate::id::ConversationKey;
use crate::memory::caller::CallerKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::time::Timestamp;

mod called;
pub mod remembered;

pub(super) use called::{Called, note};

/// A caller with one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent.
    pub agent_id: String,
    /// Whom its memory is kept under.
    pub caller: CallerKey,
    /// The caller as the latest call names them.
    pub caller_identity: String,
    /// Calls that are kept.
    pub conversations: i64,
    /// Facts that hold now.
    pub memories: i64,
    /// When the latest call was held.
    pub last_call_at: Timestamp,
}

/// Which callers are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only with these agents; empty is all.
    pub agents: Vec<String>,
    /// Only whose key begins so.
    pub prefix: Option<String>,
    /// Only this caller.
    pub caller: Option<CallerKey>,
}

#[derive(FromRow)]
struct Row {
    agent_id: String,
    caller_key: String,
    caller_identity: String,
    conversations: i64,
    memories: i64,
    last_call_at: i64,
}

/// Sets the agent off from the caller in a cursor; neither has control characters.
const SEPARATOR: char = '\u{1f}';

/// A page of callers, whoever called last first.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Caller>> {
    let (at, id) = page.before();
    let (key, agent) = id.split_once(SEPARATOR).unwrap_or((&id, ""));
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT callers.agent_id, callers.caller_key, callers.last_call_at, \
             COALESCE((SELECT MAX(caller_identity) FROM conversations named \
             WHERE named.caller_key = callers.caller_key AND named.agent_id = callers.agent_id \
             AND named.happened_at = callers.last_call_at), callers.caller_key) \
             AS caller_identity, \
             (SELECT COUNT(*) FROM conversations held WHERE held.caller_key = callers.caller_key \
             AND held.agent_id = callers.agent_id) AS conversations, \
             (SELECT COUNT(*) FROM memories known WHERE known.caller_key = callers.caller_key \
             AND known.agent_id = callers.agent_id AND known.valid_to IS NULL) AS memories \
             FROM callers WHERE (last_call_at, caller_key, agent_id) < (",
        );
        query.push_bind(at).push(", ").push_bind(key.to_owned());
        query.push(", ").push_bind(agent.to_owned()).push(")");
        if let Some(caller) = &filter.caller {
            query.push(" AND caller_key = ").push_bind(caller.as_str().to_owned());
        }
        if let Some(prefix) = &filter.prefix {
            query.push(" AND ");
            begins(&mut query, prefix);
        }
        if !filter.agents.is_empty() {
            query.push(" AND agent_id IN (");
            let mut agents = query.separated(", ");
            for agent in &filter.agents {
                agents.push_bind(agent.clone());
            }
            query.push(")");
        }
        query.push(" ORDER BY last_call_at DESC, caller_key DESC, agent_id DESC LIMIT ");
        query.push_bind(page.limit());
        query.build_query_as().fetch_all(c).await?
    });
    let callers = rows
        .into_iter()
        .map(|row| {
            Ok(Caller {
                agent_id: row.agent_id,
                caller: CallerKey::stored(row.caller_key).ok_or(Error::Corrupt("caller key"))?,
                caller_identity: row.caller_identity,
                conversations: row.conversations,
                memories: row.memories,
                last_call_at: Timestamp::from_millis(row.last_call_at),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(callers, page.size, |caller| Cursor {
        at: caller.last_call_at,
        id: format!("{}{SEPARATOR}{}", caller.caller.as_str(), caller.agent_id),
    }))
}

fn begins<DB: Beginnings>(query: &mut QueryBuilder<DB>, prefix: &str) {
    DB::push_begins(query, "caller_key", prefix);
}

/// What is kept of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Kept {
    /// Agents that they called.
    pub agents: i64,
    /// Calls.
    pub calls: i64,
    /// Facts that hold now.
    pub facts: i64,
}

/// What is kept of a caller, with one agent or with all, however many those are.
pub async fn kept(conn: &mut Conn<'_>, caller: &CallerKey, agent_id: Option<&str>) -> Result<Kept> {
    Ok(on!(conn, c => {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM callers \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)) AS agents, \
             (SELECT COUNT(*) FROM conversations \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)) AS calls, \
             (SELECT COUNT(*) FROM memories WHERE caller_key = $1 \
             AND ($2 = '' OR agent_id = $2) AND valid_to IS NULL) AS facts",
        )
        .bind(caller.as_str())
        .bind(agent_id.unwrap_or_default())
        .fetch_one(c)
        .await?
    }))
}

/// Every way in which calls, facts and pins name a caller.
pub async fn identities(
    conn: &mut Conn<'_>,
    caller: &CallerKey,
    agent_id: Option<&str>,
) -> Result<Vec<String>> {
    let mut names: Vec<String> = on!(conn, c => {
        sqlx::query_scalar(
            "SELECT caller_identity FROM conversations \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2) \
             UNION SELECT caller_identity FROM memories \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2) \
             UNION SELECT caller_identity FROM memory_log \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2) \
             UNION SELECT caller_identity FROM pins \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2)",
        )
        .bind(caller.as_str())
        .bind(agent_id.unwrap_or_default())
        .fetch_all(c)
        .await?
    });
    if !names.iter().any(|name| name == caller.as_str()) {
        names.push(caller.as_str().to_owned());
    }
    Ok(names)
}

/// The agents that a caller called, or that hold something about them.
pub async fn agents(conn: &mut Conn<'_>, caller: &CallerKey) -> Result<Vec<String>> {
    Ok(on!(conn, c => {
        sqlx::query_scalar(
            "SELECT agent_id FROM conversations WHERE caller_key = $1 \
             UNION SELECT agent_id FROM memories WHERE caller_key = $1 \
             UNION SELECT agent_id FROM extractions WHERE caller_key = $1 \
             UNION SELECT agent_id FROM pins WHERE caller_key = $1 ORDER BY agent_id",
        )
        .bind(caller.as_str())
        .fetch_all(c)
        .await?
    }))
}

/// Calls of a caller that ended by `until`, in the order of their keys; at most `limit`.
pub async fn calls(
    conn: &mut Conn<'_>,
    caller: &CallerKey,
    agent_id: Option<&str>,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<ConversationKey>> {
    let rows: Vec<(String, String)> = on!(conn, c => {
        sqlx::query_as(
            "SELECT owner, id FROM conversations \
             WHERE caller_key = $1 AND ($2 = '' OR agent_id = $2) \
             AND COALESCE(ended_at, happened_at) <= $3 ORDER BY owner, id LIMIT $4",
        )
        .bind(caller.as_str())
        .bind(agent_id.unwrap_or_default())
        .bind(until.as_millis())
        .bind(limit)
        .fetch_all(c)
        .await?
    });
    rows.into_iter()
        .map(|(owner, id)| stored_key(owner, &id))
        .collect()
}
