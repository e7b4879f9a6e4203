//! Take, bound, run with a time-out, settle by verdict, stop: the loop that every stage shares.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::config::Retention;
use crate::event::{Message, Stage, Work};
use crate::flow::Flow;
use crate::queue::{Delivery, LEASE};
use crate::retry;
use crate::store::{self, conversations, outbox, results};
use crate::verdict::{Failure, Verdict};
use crate::{deliver, erasure, finalize, remember, replay, retention, trace};

/// The longest that a stage may take: its lease is longer, so that no two work on one message.
const STAGE_PATIENCE: Duration = Duration::from_secs(75);

/// How long a loop rests after the queue or the database failed.
const REST: Duration = Duration::from_secs(1);

/// How often calls that are due for another look are put into the queue.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often old records are swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// Messages of a stage that are worked on at once.
pub fn places(stage: Stage) -> u16 {
    match stage {
        // Mostly waiting for platforms.
        Stage::Finalize => 64,
        Stage::Remember => 8,
        // Mostly waiting for endpoints, of which none has more than its own few places.
        Stage::Deliver => 128,
    }
}

/// How often erasures that are not complete are gone on with.
const ERASE_EVERY: Duration = Duration::from_secs(1);

/// Starts the loops. `memory` is how long facts are kept; zero keeps them. They end when the host should stop; what is in flight is finished.
pub fn start(flow: &Arc<Flow>, retention: Retention, memory: Duration) {
    for stage in Stage::ALL {
        flow.host.spawn(work(Arc::clone(flow), stage));
    }
    replay::start(flow);
    flow.host.spawn(look_again(Arc::clone(flow)));
    flow.host.spawn(deliver::keep_dispatching(Arc::clone(flow)));
    flow.host.spawn(deliver::keep_announcing(Arc::clone(flow)));
    flow.host.spawn(sweep(Arc::clone(flow), retention));
    flow.host.spawn(age(Arc::clone(flow), memory));
    flow.host.spawn(remember::read::run(Arc::clone(flow)));
    flow.host.spawn(go_on_erasing(Arc::clone(flow)));
}

async fn work(flow: Arc<Flow>, stage: Stage) {
    let places = Arc::new(Semaphore::new(places(stage).into()));
    while !flow.host.stop.is_cancelled() {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let free = places.available_permits() + 1;
        let taken = match flow.queue.take(stage, free).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(stage = stage.as_str(), error = %error, "The queue can't be reached");
                flow.host.pause(REST).await;
                continue;
            }
        };
        drop(place);
        for delivery in taken {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let flow = Arc::clone(&flow);
            flow.host.clone().spawn(async move {
                run(&flow, delivery).await;
                drop(place);
            });
        }
    }
}

/// Runs one message to its verdict, and carries the verdict out.
pub async fn run(flow: &Flow, delivery: Delivery) {
    let stage = delivery.message.stage();
    let span = tracing::info_span!(
        "job.run",
        stage = stage.as_str(),
        attempt = delivery.attempt
    );
    trace::go_on(&span, delivery.trace.as_deref());
    let verdict = judge(flow, &delivery).instrument(span).await;
    let (outcome, code) = match &verdict {
        Verdict::Done => ("done", ""),
        Verdict::Retry { why, .. } => ("retry", why.code.as_str()),
        Verdict::Wait { why, .. } => ("wait", why.code.as_str()),
        Verdict::Defer { .. } => ("defer", ""),
        Verdict::Park { why } => ("park", why.code.as_str()),
    };
    tracing::debug!(
        stage = stage.as_str(),
        attempt = delivery.attempt,
        outcome,
        code,
        "Worked"
    );
    if outcome == "park" {
        tracing::error!(
            stage = stage.as_str(),
            code,
            dead_letter = delivery.message.letter_id(),
            "A message was given up: it is a dead letter"
        );
    }
    metrics::counter!("aftercall_verdicts_total", "stage" => stage.as_str(), "verdict" => outcome)
        .increment(1);
    if let Err(error) = flow.queue.settle(delivery, verdict).await {
        // The lease will end, and the message is taken again: every effect is idempotent.
        tracing::warn!(stage = stage.as_str(), error = %error, "A verdict could not be carried out");
    }
}

async fn judge(flow: &Flow, delivery: &Delivery) -> Verdict {
    debug_assert!(STAGE_PATIENCE < LEASE);
    let staged = async {
        match &delivery.message.work {
            Work::Finalize(event) => finalize::finalize(flow, event, delivery).await,
            Work::Remember(key) => remember::remember(flow, key, delivery).await,
            Work::Deliver(key) => deliver::deliver(flow, key, delivery).await,
            Work::Send(sending) => deliver::send(flow, sending).await,
        }
    };
    match timeout(STAGE_PATIENCE, AssertUnwindSafe(staged).catch_unwind()).await {
        Ok(Ok(verdict)) => verdict,
        // The panic's text could carry what a caller said: it is not repeated.
        Ok(Err(_)) => again(
            flow,
            delivery,
            Failure::ours("panicked", "the stage panicked"),
        ),
        Err(_) => again(
            flow,
            delivery,
            Failure::ours("timed_out", "the stage took too long"),
        ),
    }
}

fn again(flow: &Flow, delivery: &Delivery, why: Failure) -> Verdict {
    match retry::REMEMBER.after(delivery.attempt, flow.host.dice.fraction()) {
        Some(after) => Verdict::Retry { after, why },
        None => Verdict::Park { why },
    }
}

/// Puts calls that are due for another look into the queue (product contract §6, "Second look").
async fn look_again(flow: Arc<Flow>) {
    while flow.host.pause(LOOK_EVERY).await {
        match queue_looks(&flow).await {
            Ok(0) => {}
            Ok(_) => flow.queue.wake(),
            Err(error) => tracing::warn!(error = %error, "Second looks could not be queued"),
        }
    }
}

async fn queue_looks(flow: &Flow) -> store::Result<usize> {
    const BATCH: i64 = 200;
    let now = flow.host.now();
    // Most seconds have nothing due, and nothing to do must not cost a commit.
    let due = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { conversations::due_rechecks(&mut conn, now, 1).await })
        })
        .await?;
    if due.is_empty() {
        return Ok(0);
    }
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                let due = conversations::due_rechecks(&mut conn, now, BATCH).await?;
                let queued = due.len();
                for record in due {
                    let number = u32::try_from(record.rechecks).unwrap_or(u32::MAX);
                    let source = record.conversation.source.clone();
                    let look = Message::recheck(&record.key(), &source, number, now);
                    outbox::put(&mut conn, &look, now, now).await?;
                    conversations::look_is_queued(&mut conn, &record).await?;
                }
                Ok(queued)
            })
        })
        .await
}

/// Sweeps at once and then again and again: a process that never lives long sweeps all the same.
async fn sweep(flow: Arc<Flow>, retention: Retention) {
    loop {
        while !flow.host.stop.is_cancelled() {
            match retention::sweep(&flow, &retention).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "Old records could not be swept out");
                    break;
                }
            }
        }
        if !flow.host.pause(often(retention.shortest())).await {
            return;
        }
    }
}

/// How often to look for what has outlived its time: often enough that a short time is kept, too.
fn often(kept: Duration) -> Duration {
    (kept / 4).clamp(Duration::from_secs(1), SWEEP_EVERY)
}

/// Lets memory go that has outlived its time, at once and then again and again.
async fn age(flow: Arc<Flow>, memory: Duration) {
    if memory.is_zero() {
        return;
    }
    loop {
        while !flow.host.stop.is_cancelled() {
            match retention::age_memory(&flow, memory).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "Old memory could not be let go");
                    break;
                }
            }
        }
        if !flow.host.pause(often(memory)).await {
            return;
        }
    }
}

async fn go_on_erasing(flow: Arc<Flow>) {
    // Every erasure needs it done, and the first one after an upgrade need not wait for it.
    if let Err(error) = results::catch_up(&flow.db).await {
        tracing::warn!(error = %error, "Results of an earlier version could not be gone through");
    }
    while flow.host.pause(ERASE_EVERY).await {
        if let Err(error) = erasure::go_on(&flow).await {
            tracing::warn!(error = %error, "An erasure could not be completed");
        }
    }
}
