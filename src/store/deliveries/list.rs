//! Deliveries, searched and listed a page at a time.

use std::collections::BTreeMap;

use super::{Attempt, COLUMNS, Delivery, Row, Status, Told, attempts_of, get, tell};
use crate::id::ConversationKey;
use crate::page::{Cursor, Page, PageRequest};
use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// Which deliveries are wanted. Every field narrows them further.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these agents, which are all that the asker may see; empty is all.
    pub agents: Vec<String>,
    /// Only of these endpoints, which are all whose deliveries the asker may see; none is all.
    pub endpoints: Option<Vec<String>>,
    /// Only of this endpoint.
    pub endpoint_id: Option<String>,
    /// Only of this event.
    pub event_id: Option<String>,
    /// Only of this type.
    pub kind: Option<String>,
    /// Only with one of these; empty is any.
    pub statuses: Vec<Status>,
    /// Only of conversations with this id.
    pub conversation_id: Option<String>,
    /// Only of this conversation.
    pub key: Option<ConversationKey>,
    /// Only of this agent.
    pub agent_id: Option<String>,
    /// Only made then or later.
    pub since: Option<Timestamp>,
    /// Only made before.
    pub until: Option<Timestamp>,
}

/// A page of deliveries, newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Delivery>> {
    let (at, id) = page.before();
    let limit = page.limit();
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(format!(
            "SELECT {COLUMNS} FROM deliveries WHERE (created_at, id) < ("
        ));
        query.push_bind(at).push(", ").push_bind(id).push(")");
        let (owner, call) = filter
            .key
            .as_ref()
            .map(|key| (key.owner.as_str().to_owned(), key.id.to_string()))
            .unzip();
        for (column, wanted) in [
            (" AND endpoint_id = ", filter.endpoint_id.clone()),
            (" AND event_id = ", filter.event_id.clone()),
            (" AND type = ", filter.kind.clone()),
            (" AND conversation_id = ", filter.conversation_id.clone()),
            (" AND owner = ", owner),
            (" AND conversation_id = ", call),
            (" AND agent_id = ", filter.agent_id.clone()),
        ] {
            if let Some(wanted) = wanted {
                query.push(column).push_bind(wanted);
            }
        }
        for (bound, wanted) in [(" AND created_at >= ", filter.since), (" AND created_at < ", filter.until)] {
            if let Some(wanted) = wanted {
                query.push(bound).push_bind(wanted.as_millis());
            }
        }
        match filter.endpoints.as_deref() {
            None => {}
            // Most have one, and one is read off an index in its order.
            Some([one]) => {
                query.push(" AND endpoint_id = ").push_bind(one.clone());
            }
            Some(several) => {
                // Of none, nothing is wanted.
                query.push(" AND endpoint_id IN (''");
                for endpoint in several {
                    query.push(", ").push_bind(endpoint.clone());
                }
                query.push(")");
            }
        }
        if !filter.statuses.is_empty() {
            query.push(" AND status IN (");
            let mut statuses = query.separated(", ");
            for status in &filter.statuses {
                statuses.push_bind(status.as_str());
            }
            query.push(")");
        }
        if !filter.agents.is_empty() {
            query.push(" AND agent_id IN (");
            let mut agents = query.separated(", ");
            for agent in &filter.agents {
                agents.push_bind(agent.clone());
            }
            query.push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await?
    });
    let deliveries = rows
        .into_iter()
        .map(Delivery::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(deliveries, page.size, |delivery| Cursor {
        at: delivery.created_at,
        id: delivery.id.clone(),
    }))
}

/// The same page at `now`, with what each delivery waits for, and its attempts.
pub async fn with_attempts(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Page<(Told, Vec<Attempt>)>> {
    let Page { rows, next } = list(conn, filter, page).await?;
    let ids: Vec<String> = rows.iter().map(|delivery| delivery.id.clone()).collect();
    let mut attempts: BTreeMap<_, _> = attempts_of(conn, &ids).await?;
    let rows = tell(conn, rows, now).await?;
    Ok(Page { rows, next }.map(|told| {
        let its = attempts.remove(&told.delivery.id).unwrap_or_default();
        (told, its)
    }))
}

/// The delivery of an id at `now`, in the same way.
pub async fn one(
    conn: &mut Conn<'_>,
    id: &str,
    now: Timestamp,
) -> Result<Option<(Told, Vec<Attempt>)>> {
    let Some(delivery) = get(conn, id).await? else {
        return Ok(None);
    };
    let attempts = attempts_of(conn, std::slice::from_ref(&delivery.id)).await?;
    let told = tell(conn, vec![delivery], now).await?.pop();
    Ok(told.map(|told| (told, attempts.into_values().flatten().collect())))
}
