//! Deliveries that are due, put into the queue: for each endpoint as many at once as it may have.
//!
//! No endpoint waits for another. Each has places of its own; those that are slow share some, those that
//! fail now and then share fewer, and one that fails for a while has a single one: neither the workers'
//! places nor the database's time are taken by what others need. Many are seen to at once, those that do
//! well first, so that nobody's turn comes later for the number of others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Message, Stage};
use crate::flow::Flow;
use crate::store::deliveries::{Delivery, Turn};
use crate::store::{Conn, Result, deliveries, endpoints, outbox};
use crate::time::Timestamp;

/// How often is looked for what has become due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often endpoints that do not do well are seen to, whatever is told: the ends of several attempts are
/// answered at once.
const OTHERS_EVERY: Duration = Duration::from_millis(25);

/// Endpoints that are seen to in one transaction: in a few statements, whose length grows with
/// them.
const AT_ONCE: usize = 32;

/// Deliveries at once to all endpoints that are slow: half of the places that one worker has.
const PLACES_SLOW: u32 = 64;

/// Deliveries at once to all endpoints that have failed lately. Few: with a backlog to work off, each
/// keeps the database as busy as it can, and what is new for others stands behind it.
const PLACES_FALLIBLE: u32 = 8;

/// How long a delivery may be in the queue before its message counts as lost.
const STUCK: Duration = Duration::from_hours(1);

/// How often is looked for those.
const RELEASE_EVERY: Duration = Duration::from_mins(1);

/// Keeps looking until the host stops: when something is new, and every quarter of a second.
pub async fn keep_dispatching(flow: Arc<Flow>) {
    let mut news = flow.news.listen();
    let mut release_at = flow.host.now().plus(RELEASE_EVERY);
    let mut others_at = flow.host.now();
    loop {
        news.mark_unchanged();
        let nap = look(&flow, &mut others_at).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "Deliveries could not be queued");
            LOOK_EVERY
        });
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
            () = flow.host.clock.sleep(nap) => {}
        }
    }
}

/// Queues what is due now: for those that do well at once, for the others from `others_at` on, which this
/// moves. Says when to look again, if nothing is told before.
async fn look(flow: &Flow, others_at: &mut Timestamp) -> Result<Duration> {
    let (well, others) = turns(flow).await?;
    queue_for(flow, &well).await?;
    let now = flow.host.now();
    let nap = others_at.since(now);
    if !nap.is_zero() {
        return Ok(nap);
    }
    *others_at = now.plus(OTHERS_EVERY);
    queue_for(flow, &others).await?;
    Ok(LOOK_EVERY)
}

/// Queues all that is due now; says how many deliveries.
pub async fn dispatch(flow: &Flow) -> Result<usize> {
    let (well, others) = turns(flow).await?;
    Ok(queue_for(flow, &well).await? + queue_for(flow, &others).await?)
}

/// The endpoints that may have something now: those that do well, and the others.
async fn turns(flow: &Flow) -> Result<(Vec<Turn>, Vec<Turn>)> {
    let now = flow.host.now();
    let turns = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { deliveries::turns(&mut conn, None, now).await })
        })
        .await?;
    let ready = turns.into_iter().filter(|turn| free(turn) > 0);
    Ok(ready.partition(Turn::does_well))
}

/// Queues what is due now for these endpoints; says how many deliveries.
async fn queue_for(flow: &Flow, turns: &[Turn]) -> Result<usize> {
    let mut queued = 0;
    for some in turns.chunks(AT_ONCE) {
        let ids: Vec<String> = some.iter().map(|turn| turn.endpoint_id.clone()).collect();
        let now = flow.host.now();
        queued += flow
            .db
            .write(move |mut conn| Box::pin(async move { queue_due(&mut conn, &ids, now).await }))
            .await?;
        if queued > 0 {
            flow.queue.wake_stage(Stage::Deliver);
        }
    }
    Ok(queued)
}

async fn queue_due(conn: &mut Conn<'_>, ids: &[String], now: Timestamp) -> Result<usize> {
    // Two that looked at the same time would give an endpoint twice what it may have.
    deliveries::hold(conn).await?;
    let turns = deliveries::turns(conn, Some(ids), now).await?;
    let wanted: Vec<(&str, u32)> = turns
        .iter()
        .map(|turn| (turn.endpoint_id.as_str(), free(turn)))
        .collect();
    let mut due = deliveries::due(conn, &wanted, now).await?;
    let mut rests = Vec::new();
    for turn in &turns {
        let its = due.iter().filter(|its| its.endpoint_id == turn.endpoint_id);
        if let (Some(rate), Ok(sent @ 1..)) = (turn.rate, u32::try_from(its.count())) {
            let ready_at = now.plus(Duration::from_secs(sent.into()) / rate);
            rests.push((&turn.endpoint_id, ready_at));
        }
    }
    let queued: HashSet<String> = deliveries::queue(conn, &due, now)
        .await?
        .into_iter()
        .collect();
    due.retain(|delivery| queued.contains(&delivery.id));
    let message = |its: &Delivery| Message::send(&its.id, its.attempts.saturating_add(1));
    let messages: Vec<Message> = due.iter().map(message).collect();
    outbox::put_all(conn, &messages, now, now).await?;
    // Deliveries before their endpoint: in this order everybody changes them.
    for (endpoint_id, ready_at) in rests {
        endpoints::rest(conn, endpoint_id, ready_at).await?;
    }
    Ok(messages.len())
}

/// How many deliveries more an endpoint may have now.
fn free(turn: &Turn) -> u32 {
    let free = places(turn).saturating_sub(turn.busy);
    turn.rate.map_or(free, |rate| free.min(burst(rate)))
}

/// How many deliveries an endpoint may have at once. What is down has one, by which is seen that it is
/// back.
fn places(turn: &Turn) -> u32 {
    let share = |applies: bool, places: u32, among: u32| {
        if applies {
            places / among.max(1)
        } else {
            turn.concurrency
        }
    };
    if turn.is_down {
        return 1;
    }
    let slow = share(turn.slow, PLACES_SLOW, turn.slow_ones);
    let fallible = share(turn.fallible, PLACES_FALLIBLE, turn.fallible_ones);
    turn.concurrency.min(slow).min(fallible).max(1)
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
    fn those_that_fail_or_are_slow_share_places_and_what_is_down_has_one() {
        let turn = Turn {
            endpoint_id: "ep_1".to_owned(),
            concurrency: 10,
            rate: None,
            is_down: false,
            fallible: false,
            slow: false,
            busy: 0,
            fallible_ones: 0,
            slow_ones: 0,
        };
        let slow = |slow_ones| Turn {
            slow: true,
            slow_ones,
            ..turn.clone()
        };
        let fallible = |fallible_ones, turn: Turn| Turn {
            fallible: true,
            fallible_ones,
            ..turn
        };
        let check = |turn: Turn, wanted| assert_eq!(places(&turn), wanted, "{turn:?}");
        check(turn.clone(), 10);
        check(slow(1), 10);
        check(slow(16), 4);
        check(slow(500), 1);
        check(fallible(1, turn.clone()), 8);
        check(fallible(3, turn.clone()), 2);
        check(fallible(500, turn.clone()), 1);
        check(fallible(2, slow(16)), 4);
        check(fallible(4, slow(16)), 2);
        // Counted before it was one itself.
        check(fallible(0, slow(0)), 8);
        let is_down = Turn {
            is_down: true,
            ..turn.clone()
        };
        check(is_down, 1);
        let narrow = Turn {
            concurrency: 1,
            ..slow(1)
        };
        check(narrow, 1);
    }
}
