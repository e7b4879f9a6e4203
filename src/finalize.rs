//! Event to settled conversation: wait for the grace, fetch, settle why it ended, write it down.
//!
//! Every effect is in one transaction with the mark that the event is done, so that redelivery,
//! reordering and two workers at once end in the same state.

use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument as _;

use crate::conversation::{IvrSurrenderReason, Presence};
use crate::erasure::bars;
use crate::event::{CallEvent, EventKind};
use crate::flow::{Flow, store_failed, unknown_source};
use crate::id::{ConversationId, ConversationKey};
use crate::memory::redact::{Redaction, redact_reason};
use crate::platform::{FetchError, Fetched, Source};
use crate::queue::Delivery;
use crate::retry;
use crate::store::{barriers, events};
use crate::time::Timestamp;
use crate::verdict::{Failure, Verdict};

mod commit;
mod foresee;
mod record;
mod resolve;
mod room;
mod told;

pub(crate) use foresee::{Foreseen, Settlement, foresee};

/// The longest that one fetch, with all its pages, may take.
const FETCH_PATIENCE: Duration = Duration::from_mins(1);

/// A history of this length may have lost its oldest entries.
const FULL_HISTORY: usize = 50;

/// Settles the call of an event.
pub async fn finalize(flow: &Flow, event: &CallEvent, delivery: &Delivery) -> Verdict {
    match attempt(flow, event, delivery).await {
        Ok(()) => Verdict::Done,
        Err(verdict) => verdict,
    }
}

async fn attempt(flow: &Flow, event: &CallEvent, delivery: &Delivery) -> Result<(), Verdict> {
    let Some(source) = flow.sources.get(&event.source) else {
        return Err(unknown_source(&event.source));
    };
    if is_done(flow, event).await? {
        metrics::counter!("aftercall_duplicates_absorbed_total").increment(1);
        return Ok(());
    }
    if let EventKind::Recorded(fact) = &event.kind {
        return record::record(flow, source, event, fact).await;
    }
    let due_at = due_at(flow, source, event).await?;
    let now = flow.host.now();
    if now < due_at {
        return Err(in_grace(due_at.since(now)));
    }
    let id = resolve::conversation_of(flow, source, event, delivery).await?;
    let key = ConversationKey {
        owner: source.owner.clone(),
        id,
    };
    if is_barred(flow, &key).await? {
        return mark_erased(flow, event, key).await;
    }
    let fetched_at = flow.host.now();
    let fetched = fetch(flow, source, event, &key.id, delivery.attempt).await?;
    if !fetched.conversation.status.is_terminal() {
        let elapsed = waited(flow, delivery, due_at, "not_over");
        return Err(not_over(flow, elapsed));
    }
    keep_grace(flow, source, event, &fetched).await?;
    let fetched = flow.host.compute(move || redact_all(fetched)).await;
    commit::commit(flow, source, event, delivery, &key, fetched, fetched_at).await
}

/// Takes what must never be kept out of everything that is free text.
fn redact_all(mut fetched: Fetched) -> Fetched {
    let mut redaction = Redaction::default();
    redaction.messages(&mut fetched.messages);
    fetched.reason = fetched.reason.map(redact_reason);
    let call = &mut fetched.conversation;
    for text in [&mut call.summary, &mut call.agent_name] {
        *text = text.take().map(|text| redaction.text(&text));
    }
    let surrender = std::mem::take(&mut call.ivr_surrender_reason);
    call.ivr_surrender_reason =
        surrender.map(|reason| IvrSurrenderReason::from(&*redaction.text(reason.as_str())));
    if let Presence::Value(snapshot) = &mut call.agent_snapshot {
        redaction.json(snapshot);
    }
    if let Presence::Value(variables) = &mut call.dynamic_variables {
        redaction.fields(variables);
    }
    if let Presence::Value(presses) = &mut call.ivr_path_taken {
        for press in presses {
            redaction.fields(press);
        }
    }
    redaction.fields(&mut call.metadata);
    redaction.fields(&mut call.platform_fields);
    fetched
}

async fn is_done(flow: &Flow, event: &CallEvent) -> Result<bool, Verdict> {
    let (source, event_id) = (event.source.clone(), event.event_id.clone());
    flow.db
        .read(|mut conn| {
            Box::pin(async move { events::is_done(&mut conn, &source, &event_id).await })
        })
        .await
        .map_err(|error| store_failed(&error))
}

/// When the event may be acted on: after the grace, unless the caller's phone was seen hanging up.
async fn due_at(flow: &Flow, source: &Source, event: &CallEvent) -> Result<Timestamp, Verdict> {
    let after_grace = event.happened_at().plus(flow.finalize.grace);
    Ok(match event.kind {
        EventKind::Recheck | EventKind::Recorded(_) => event.happened_at(),
        EventKind::Finished | EventKind::Analyzed | EventKind::Reconciled => after_grace,
        EventKind::RoomFinished => {
            if room::story_of(flow, source, event, "").await?.sure {
                event.happened_at()
            } else {
                after_grace
            }
        }
    })
}

/// A phone that hung up lets its room's end skip the grace, but only the caller's own: whose leg
/// that is may be known only now, and who was called or transferred to has phones too.
async fn keep_grace(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    fetched: &Fetched,
) -> Result<(), Verdict> {
    let after_grace = event.happened_at().plus(flow.finalize.grace);
    let now = flow.host.now();
    if event.kind != EventKind::RoomFinished || now >= after_grace {
        return Ok(());
    }
    let caller = &fetched.conversation.caller_identity;
    if room::story_of(flow, source, event, caller).await?.sure {
        return Ok(());
    }
    Err(in_grace(after_grace.since(now)))
}

fn in_grace(after: Duration) -> Verdict {
    let why = Failure::platform(
        "grace",
        "the platform has its time to say why the call ended",
    );
    Verdict::Wait { after, why }
}

async fn is_barred(flow: &Flow, key: &ConversationKey) -> Result<bool, Verdict> {
    let hashes = bars::of_conversation(&flow.seal, key);
    let barred = flow
        .db
        .read(|mut conn| {
            Box::pin(async move {
                barriers::get(&mut conn, barriers::Kind::Conversation, &hashes).await
            })
        })
        .await
        .map_err(|error| store_failed(&error))?;
    Ok(barred.is_some())
}

/// A deleted call's event is done, and nothing else of it is kept.
async fn mark_erased(flow: &Flow, event: &CallEvent, key: ConversationKey) -> Result<(), Verdict> {
    let (event, now) = (event.clone(), flow.host.now());
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                events::mark_done(&mut conn, &event, Some(&key), now).await?;
                Ok(())
            })
        })
        .await
        .map_err(|error| store_failed(&error))
}

async fn fetch(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    id: &ConversationId,
    attempt: u32,
) -> Result<Fetched, Verdict> {
    let Some(api) = &source.api else {
        if event.room.is_some() {
            return room::conversation_of(flow, source, event).await;
        }
        return told::conversation_of(flow, source, event, id).await;
    };
    let admitted = flow.sources.admit(&source.name, &flow.host)?;
    let span = tracing::info_span!("platform.fetch", platform = api.platform());
    let answer = match timeout(FETCH_PATIENCE, api.fetch(id).instrument(span)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::Unavailable("no answer in time".to_owned())),
    };
    match answer {
        Ok(fetched) => {
            admitted.with(crate::circuit::Circuit::shown);
            Ok(fetched)
        }
        Err(error) => Err(fetch_failed(flow, &admitted, &error, attempt)),
    }
}

/// What becomes of an event whose conversation could not be fetched (product contract §6, "The
/// platform's API fails").
pub(crate) fn fetch_failed(
    flow: &Flow,
    admitted: &crate::flow::Admitted,
    error: &FetchError,
    attempt: u32,
) -> Verdict {
    let now = flow.host.now();
    let why = Failure::platform(error.code(), error);
    match error {
        FetchError::Refused { .. } => Verdict::Wait {
            after: admitted.with(|circuit| circuit.refused(now)),
            why,
        },
        FetchError::Unscoped { scope } => Verdict::Wait {
            after: admitted.with(|circuit| circuit.unscoped(scope, now)),
            why,
        },
        FetchError::SlowDown { after, .. } => Verdict::Wait {
            after: admitted.with(|circuit| circuit.slowed(*after, now)),
            why,
        },
        FetchError::NotFound | FetchError::Unavailable(_) | FetchError::Malformed(_) => {
            // Who says that a call is unknown, or says it badly, has taken our token.
            if !matches!(error, FetchError::Unavailable(_)) {
                admitted.with(crate::circuit::Circuit::answered);
            }
            try_again(flow, why, attempt)
        }
    }
}

/// The next of the attempts that a failing platform is given, or giving up.
fn try_again(flow: &Flow, why: Failure, attempt: u32) -> Verdict {
    match retry::FINALIZE.after(attempt, flow.host.dice.fraction()) {
        Some(after) => Verdict::Retry { after, why },
        None => Verdict::Park { why },
    }
}

/// How long a message has waited for the same reason. An event that comes late, or that waited out
/// our own absence, has its full time from the first question on.
fn waited(flow: &Flow, delivery: &Delivery, due_at: Timestamp, code: &str) -> Duration {
    let now = flow.host.now();
    let first = delivery.history.iter().find(|wait| wait.code == code);
    // A long history has lost its beginning.
    let asked_at = match first {
        Some(first) if delivery.history.len() < FULL_HISTORY => first.at,
        Some(_) => delivery.enqueued_at,
        None => now,
    };
    now.since(asked_at.max(due_at))
}

/// The platform does not yet call the call over: it is asked again, and not for ever.
fn not_over(flow: &Flow, elapsed: Duration) -> Verdict {
    let why = Failure::platform(
        "not_over",
        "the platform does not say that the call is over",
    );
    match retry::not_over(elapsed, flow.finalize.max_wait) {
        Some(next) => Verdict::Wait {
            after: next.saturating_sub(elapsed),
            why,
        },
        None => Verdict::Park { why },
    }
}

#[cfg(test)]
mod tests;
