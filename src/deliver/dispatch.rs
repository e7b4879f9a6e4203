//! Deliveries that are due, put into the queue: for each endpoint as many at once as it may have.
//!
//! No endpoint waits for another. Each has places of its own, one that fails has half as many after
//! each failure in a row, and those that are slow share some, so that the workers' places are never
//! all taken by endpoints that keep them long; and all are seen to at once, so that nobody's turn comes
//! later for the number of others.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::event::Message;
use crate::flow::Flow;
use crate::store::endpoints;
use crate::store::{Conn, Result, deliveries, outbox};
use crate::time::Timestamp;

/// How often is looked for what has become due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Endpoints that are seen to at once: their transactions share a commit of SQLite, or the connections
/// of PostgreSQL.
const AT_ONCE: usize = 16;

/// Deliveries at once to all endpoints that are slow: half of the places that one worker has.
const PLACES_SLOW: u32 = 64;

/// How long a delivery may be in the queue before its message counts as lost.
const STUCK: Duration = Duration::from_hours(1);

/// How often is looked for those.
const RELEASE_EVERY: Duration = Duration::from_mins(1);

/// Keeps looking until the host stops: when something is new, and every quarter of a second.
pub async fn keep_dispatching(flow: Arc<Flow>) {
    let mut news = flow.news.listen();
    let mut release_at = flow.host.now().plus(RELEASE_EVERY);
    loop {
        news.mark_unchanged();
        if let Err(error) = dispatch(&flow).await {
            tracing::warn!(error = %error, "Deliveries could not be queued");
        }
        let now = flow.host.now();
        if now >= release_at {
            release_at = now.plus(RELEASE_EVERY);
            if let Err(error) = release_stuck(&flow).await {
                tracing::warn!(error = %error, "Lost deliveries could not be released");
            }
        }
        tokio::select! {
            () = flow.host.stop.cancelled() => return,
            _ = news.changed() => {}
            () = flow.host.clock.sleep(LOOK_EVERY) => {}
        }
    }
}

/// Queues what is due now; says how many deliveries.
pub async fn dispatch(flow: &Flow) -> Result<usize> {
    let now = flow.host.now();
    let endpoints = flow
        .db
        .read(move |mut conn| Box::pin(async move { deliveries::waited_for(&mut conn, now).await }))
        .await?;
    let queued = stream::iter(endpoints)
        .map(|endpoint| {
            flow.db.write(move |mut conn| {
                Box::pin(async move { queue_due(&mut conn, &endpoint, now).await })
            })
        })
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, queued| Ok(sum + queued))
        .await?;
    if queued > 0 {
        flow.queue.wake();
    }
    Ok(queued)
}

async fn queue_due(conn: &mut Conn<'_>, endpoint_id: &str, now: Timestamp) -> Result<usize> {
    endpoints::hold(conn, endpoint_id).await?;
    let Some(endpoint) = endpoints::get(conn, endpoint_id).await? else {
        return Ok(0);
    };
    if !endpoint.enabled || endpoint.ready_at > now {
        return Ok(0);
    }
    let busy = deliveries::in_flight(conn, endpoint_id).await?;
    let slow = if endpoint.slow {
        Some(endpoints::slow(conn).await?)
    } else {
        None
    };
    let free = places(endpoint.concurrency, endpoint.failures, slow).saturating_sub(busy);
    let limit = endpoint.rate.map_or(free, |rate| free.min(burst(rate)));
    let due = deliveries::due(conn, endpoint_id, now, limit).await?;
    for delivery in &due {
        if deliveries::queue(conn, &delivery.id, now).await? {
            let message = Message::send(&delivery.id, delivery.attempts.saturating_add(1));
            outbox::put(conn, &message, now, now).await?;
        }
    }
    if let (Some(rate), Ok(sent @ 1..)) = (endpoint.rate, u32::try_from(due.len())) {
        let ready_at = now.plus(Duration::from_secs(sent.into()) / rate);
        endpoints::rest(conn, endpoint_id, ready_at).await?;
    }
    Ok(due.len())
}

/// How many deliveries an endpoint may have at once, after so many failures in a row; `slow` is how many
/// are slow where it is one of them. What fails now and then soon has all of them again, and what is dead
/// has one, by which is seen that it is back.
fn places(concurrency: u32, failures: u32, slow: Option<u32>) -> u32 {
    let share = slow.map_or(concurrency, |count| PLACES_SLOW / count.max(1));
    let left = concurrency.checked_shr(failures).unwrap_or(0);
    left.min(share).max(1)
}

/// What an endpoint with a rate is sent between two looks.
fn burst(rate: u32) -> u32 {
    (rate / 4).max(1)
}

async fn release_stuck(flow: &Flow) -> Result<()> {
    let now = flow.host.now();
    let released = flow
        .db
        .write(move |mut conn| {
            Box::pin(
                async move { deliveries::release_stuck(&mut conn, now.minus(STUCK), now).await },
            )
        })
        .await?;
    if released > 0 {
        tracing::warn!(
            released,
            "Deliveries whose messages were lost are due again"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_take_places_and_slow_ones_share_theirs() {
        let check = |concurrency, failures, slow, wanted| {
            assert_eq!(places(concurrency, failures, slow), wanted);
        };
        check(10, 0, None, 10);
        check(10, 1, None, 5);
        check(10, 2, None, 2);
        check(10, 3, None, 1);
        check(10, 16, None, 1);
        check(10, 40, None, 1);
        check(10, 0, Some(1), 10);
        check(10, 0, Some(16), 4);
        check(10, 2, Some(16), 2);
        check(10, 0, Some(500), 1);
        check(1, 0, Some(1), 1);
    }
}
