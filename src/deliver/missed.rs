//! Events that an endpoint did not get while it was disabled, or before it was made.

use crate::flow::Flow;
use crate::page::{Cursor, PageRequest};
use crate::store::results::{self, Filter, ResultEvent};
use crate::store::{Result, deliveries, endpoints};
use crate::time::Timestamp;

/// Events that one transaction looks at.
const BATCH: usize = 200;

/// Events that one request looks at.
const MOST: usize = 50_000;

/// What was found to be missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Deliveries that were made for it.
    pub deliveries: u64,
    /// Whether all of the time was looked at: otherwise, asking again goes on.
    pub complete: bool,
}

/// Makes the deliveries that an endpoint lacks of the events from `since` until `until`. What it has,
/// or waits for, is not made twice. None when there is no such endpoint.
pub async fn send_missed(
    flow: &Flow,
    endpoint_id: &str,
    since: Timestamp,
    until: Timestamp,
) -> Result<Option<Missed>> {
    let id = endpoint_id.to_owned();
    let endpoint = flow
        .db
        .read(move |mut conn| Box::pin(async move { endpoints::get(&mut conn, &id).await }))
        .await?;
    let Some(endpoint) = endpoint else {
        return Ok(None);
    };
    let filter = Filter {
        kind: None,
        agents: endpoint.subscription.agents.clone(),
    };
    let mut after = Some(Cursor {
        at: Timestamp::from_millis(since.as_millis().saturating_sub(1)),
        // Behind every id of the millisecond before.
        id: "\u{7f}".to_owned(),
    });
    let mut missed = Missed::default();
    let mut seen = 0;
    while let Some(cursor) = after.take() {
        let page = PageRequest {
            size: BATCH,
            after: Some(cursor),
        };
        let filter = filter.clone();
        let page = flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { results::list(&mut conn, &filter, &page).await })
            })
            .await?;
        seen += page.rows.len();
        let is_past = page
            .rows
            .last()
            .is_some_and(|event| event.created_at >= until);
        let mut wanted: Vec<ResultEvent> = page.rows;
        wanted.retain(|event| {
            event.created_at < until && endpoint.subscription.wants(&event.kind, &event.agent_id)
        });
        let (its, now) = ([endpoint.clone()], flow.host.now());
        missed.deliveries += flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let mut made = 0;
                    for event in &wanted {
                        let place = event.created_at;
                        made += deliveries::add(&mut conn, &its, event, place, now).await?;
                    }
                    Ok(made)
                })
            })
            .await?;
        after = page.next.filter(|_| !is_past);
        if after.is_none() {
            missed.complete = true;
        } else if seen >= MOST {
            break;
        }
    }
    flow.news.tell();
    Ok(Some(missed))
}
