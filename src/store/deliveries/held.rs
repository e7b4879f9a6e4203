//! What deliveries wait for that are not through: their time, their endpoint, or an earlier event.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::QueryBuilder;

use super::{Delivery, Status};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{Conn, Result, on};
use crate::time::Timestamp;

/// Of a delivery `d`, an `e` that must be through first: an earlier event of its kind, of the same
/// conversation, to the same endpoint. What tells of the conversation itself is one kind: its result comes
/// before its corrections, and does not wait for an endpoint that will not take memories.
pub(super) const FIRST: &str = "e.owner = d.owner AND e.conversation_id = d.conversation_id \
     AND e.endpoint_id = d.endpoint_id AND e.place < d.place \
     AND e.status IN ('pending', 'queued') AND (e.type = d.type \
     OR (e.type LIKE 'conversation.%' AND d.type LIKE 'conversation.%'))";

/// What is due is looked for several times a second: what has been for so long is not let through.
const OVERDUE: Duration = Duration::from_secs(5);

/// Why a delivery has no time at which it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its endpoint is off.
    Disabled,
    /// An earlier event of its call must be through first: the delivery of this id, if it is of the same
    /// agent, for whoever is bound to one does not see another's.
    Order(Option<String>),
    /// It is due, but its endpoint takes nothing, and is tried with one delivery at a time.
    Failing,
}

/// What a delivery waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more is sent.
    Nothing,
    /// Its time, which may have come.
    At(Timestamp),
    /// Something that has no time.
    Held(Held),
}

/// A delivery, and what is told beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The delivery.
    pub delivery: Delivery,
    /// What it waits for.
    pub next: Next,
    /// Its endpoint, unless that was removed.
    pub endpoint: Option<Endpoint>,
}

/// The same deliveries, with what each waits for at `now`.
pub async fn tell(
    conn: &mut Conn<'_>,
    deliveries: Vec<Delivery>,
    now: Timestamp,
) -> Result<Vec<Told>> {
    let ids = deliveries.iter().map(|one| one.endpoint_id.as_str());
    let endpoints = endpoints::of_ids(conn, &ids.collect()).await?;
    let mut first = firsts(conn, &deliveries).await?;
    Ok(deliveries
        .into_iter()
        .map(|delivery| {
            let its = |endpoint: &&Endpoint| endpoint.id == delivery.endpoint_id;
            let endpoint = endpoints.iter().find(its).cloned();
            let first = first.remove(&delivery.id);
            Told {
                next: next(&delivery, endpoint.as_ref(), first, now),
                delivery,
                endpoint,
            }
        })
        .collect())
}

fn next(
    delivery: &Delivery,
    endpoint: Option<&Endpoint>,
    first: Option<Held>,
    now: Timestamp,
) -> Next {
    let (Some(due_at), Some(endpoint)) = (delivery.due_at, endpoint) else {
        return Next::Nothing;
    };
    if delivery.status != Status::Pending {
        return Next::At(due_at);
    }
    if !endpoint.enabled {
        return Next::Held(Held::Disabled);
    }
    if let Some(first) = first {
        return Next::Held(first);
    }
    if endpoint.failing_since.is_some() && due_at.plus(OVERDUE) < now {
        return Next::Held(Held::Failing);
    }
    Next::At(due_at.max(endpoint.ready_at))
}

/// Of those that wait for another one, the one right before them, where it is of the same agent.
async fn firsts(conn: &mut Conn<'_>, deliveries: &[Delivery]) -> Result<BTreeMap<String, Held>> {
    let waiting = |one: &&Delivery| one.status == Status::Pending && one.key.is_some();
    let ids: Vec<&String> = deliveries
        .iter()
        .filter(waiting)
        .map(|one| &one.id)
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(String, Option<String>)> = on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT d.id, (SELECT CASE WHEN e.agent_id = d.agent_id THEN e.id ELSE '' END \
             FROM deliveries e WHERE ",
        );
        query
            .push(FIRST)
            .push(" ORDER BY e.place DESC LIMIT 1) AS behind FROM deliveries d WHERE d.id IN (");
        let mut wanted = query.separated(", ");
        for id in ids {
            wanted.push_bind(id.clone());
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await?
    });
    Ok(rows
        .into_iter()
        .filter_map(|(id, first)| Some((id, Held::Order(Some(first?).filter(|id| !id.is_empty())))))
        .collect())
}
