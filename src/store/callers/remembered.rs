//! Whom something is remembered of: one row an agent and caller.

use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};

use crate::page::{Cursor, Page, PageRequest};
use crate::store::beginnings::Beginnings;
use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// Sets the agent off from the caller in a cursor; neither has control characters.
const SEPARATOR: char = '\u{1f}';

/// Which callers are wanted; nothing set wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these agents; empty is all.
    pub agents: Vec<String>,
    /// Only of this agent.
    pub agent_id: Option<String>,
    /// Only whose key begins so, in any case. The key of a number is its E.164 form.
    pub prefix: Option<String>,
}

/// A caller of whom an agent remembers something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent.
    pub agent_id: String,
    /// What the caller's memory is kept under.
    pub caller_key: String,
    /// The caller as a platform names them.
    pub caller_identity: String,
    /// Facts that hold now.
    pub facts: i64,
    /// When the latest fact began to hold.
    pub last_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    agent_id: String,
    caller_key: String,
    caller_identity: String,
    facts: i64,
    last_at: i64,
}

/// A page of the callers, in the order of their keys, then of the agents.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Caller>> {
    let limit = page.limit();
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT agent_id, caller_key, MIN(caller_identity) AS caller_identity, \
             COUNT(CASE WHEN valid_to IS NULL THEN 1 END) AS facts, MAX(valid_from) AS last_at \
             FROM memories WHERE 1 = 1",
        );
        conditions(&mut query, filter, page.after.as_ref());
        query.push(
            " GROUP BY LOWER(caller_key), caller_key, agent_id \
             ORDER BY LOWER(caller_key), caller_key, agent_id LIMIT ",
        );
        query.push_bind(limit);
        query.build_query_as().fetch_all(c).await?
    });
    let callers = rows
        .into_iter()
        .map(|row| Caller {
            agent_id: row.agent_id,
            caller_key: row.caller_key,
            caller_identity: row.caller_identity,
            facts: row.facts,
            last_at: Timestamp::from_millis(row.last_at),
        })
        .collect();
    Ok(Page::cut(callers, page.size, |caller| Cursor {
        at: caller.last_at,
        id: format!("{}{SEPARATOR}{}", caller.caller_key, caller.agent_id),
    }))
}

fn conditions<DB>(query: &mut QueryBuilder<DB>, filter: &Filter, after: Option<&Cursor>)
where
    DB: Beginnings + Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    if let Some(agent_id) = &filter.agent_id {
        query.push(" AND agent_id = ").push_bind(agent_id.clone());
    }
    if !filter.agents.is_empty() {
        query.push(" AND agent_id IN (");
        let mut list = query.separated(", ");
        for agent in &filter.agents {
            list.push_bind(agent.clone());
        }
        query.push(")");
    }
    if let Some(prefix) = &filter.prefix {
        query.push(" AND ");
        DB::push_begins(query, "caller_key", prefix);
    }
    if let Some((caller, agent)) = after.and_then(|cursor| cursor.id.split_once(SEPARATOR)) {
        query.push(" AND (LOWER(caller_key), caller_key, agent_id) > (LOWER(");
        query.push_bind(caller.to_owned()).push("), ");
        query.push_bind(caller.to_owned()).push(", ");
        query.push_bind(agent.to_owned()).push(")");
    }
}
