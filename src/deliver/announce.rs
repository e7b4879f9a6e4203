//! The feed, told to RabbitMQ: in its order, at least once, by one process at a time.
//!
//! A batch is published, then the place in the feed moves on. Who dies in between leaves the place
//! where it was, and the next one publishes the same events with the same ids.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::body::Facts;
use crate::endpoint::Payload;
use crate::flow::Flow;
use crate::page::{Cursor, PageRequest};
use crate::queue::rabbit::{Announcement, Results};
use crate::store::results::{self, Filter, ResultEvent};
use crate::store::{Conn, Result, announcer};
use crate::time::Timestamp;

/// How often is looked for what other processes have added.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long is waited after the database failed.
const REST: Duration = Duration::from_secs(1);

/// How long a process may hold the feed: longer than reading a batch and any confirm take.
const LEASE: Duration = Duration::from_secs(15);

/// Events published at once.
const BATCH: usize = 50;

/// RabbitMQ closes the channel over a message of more than 16 MiB. Of a call as long as that the ids
/// are told, as in the thin payload.
const MAX_BODY_BYTES: usize = 15 << 20;

/// Keeps announcing until the host stops: when something is new, and every quarter of a second. Ends
/// at once where there is no RabbitMQ.
pub async fn keep_announcing(flow: Arc<Flow>) {
    let Some(exchange) = flow.queue.results() else {
        return;
    };
    let mut news = flow.news.listen();
    while !flow.host.stop.is_cancelled() {
        news.mark_unchanged();
        let nap = match announce(&flow, &exchange).await {
            Ok(BATCH) => continue,
            Ok(_) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(error = %error, "Results could not be announced to RabbitMQ");
                flow.host.pause(REST).await;
                continue;
            }
        };
        tokio::select! {
            () = flow.host.stop.cancelled() => return,
            _ = news.changed() => {}
            () = flow.host.clock.sleep(nap) => {}
        }
    }
}

/// Announces the next batch, unless the broker is away or another process does it; says how many
/// events the broker has confirmed.
pub async fn announce(flow: &Flow, exchange: &Results) -> Result<usize> {
    if !exchange.is_ready() || !is_behind(flow).await? {
        return Ok(0);
    }
    let (lease, now) = (hex::encode(flow.host.dice.bytes::<8>()), flow.host.now());
    let mine = lease.clone();
    let claimed = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move { announcer::claim(&mut conn, &mine, now, LEASE).await })
        })
        .await?;
    let Some(from) = claimed else { return Ok(0) };
    let payload = flow.payload;
    let batch = flow
        .db
        .read(move |mut conn| Box::pin(async move { batch(&mut conn, from, payload).await }))
        .await?;
    let publishing = batch.into_iter().map(|(place, announcement)| async move {
        exchange.publish(announcement).await.then_some(place)
    });
    // What is behind one that was not confirmed is published again, after it.
    let confirmed: Vec<Timestamp> = join_all(publishing)
        .await
        .into_iter()
        .map_while(|place| place)
        .collect();
    let place = confirmed.last().copied().unwrap_or(from);
    flow.db
        .write(move |mut conn| {
            Box::pin(async move { announcer::release(&mut conn, &lease, place).await })
        })
        .await?;
    Ok(confirmed.len())
}

/// Whether anything waits: most looks find nothing, and nothing to do must not cost a commit.
async fn is_behind(flow: &Flow) -> Result<bool> {
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let place = announcer::place(&mut conn).await?;
                Ok(!after(&mut conn, place, 1).await?.is_empty())
            })
        })
        .await
}

/// The events behind a place. No two share a time, so that the next one begins a millisecond later.
async fn after(conn: &mut Conn<'_>, place: Timestamp, size: usize) -> Result<Vec<ResultEvent>> {
    let cursor = Cursor {
        at: place.plus(Duration::from_millis(1)),
        id: String::new(),
    };
    let page = PageRequest {
        size,
        after: Some(cursor),
    };
    Ok(results::list(conn, &Filter::default(), &page).await?.rows)
}

async fn batch(
    conn: &mut Conn<'_>,
    from: Timestamp,
    payload: Payload,
) -> Result<Vec<(Timestamp, Announcement)>> {
    let mut batch = Vec::new();
    for event in after(conn, from, BATCH).await? {
        let facts = Facts::of(conn, event, payload).await?;
        let mut body = facts.body().to_string();
        let event = facts.event;
        if body.len() > MAX_BODY_BYTES {
            body = Facts::thin(event.clone()).body().to_string();
        }
        let announcement = Announcement {
            id: event.id,
            kind: event.kind,
            agent_id: event.agent_id,
            body,
        };
        batch.push((event.created_at, announcement));
    }
    Ok(batch)
}
