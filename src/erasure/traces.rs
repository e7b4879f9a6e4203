//! What names an erased caller or call outside the tables of calls and memory.

use serde_json::{Value, json};

use crate::erased::{Counts, Whom};
use crate::event::{Message, Work};
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::secret::SealKey;
use crate::store::erasures::Kept;
use crate::store::traces::{self, Place, Trace};
use crate::store::{Conn, Result, events};
use crate::time::Timestamp;

/// Records that are looked at in one transaction.
const BATCH: i64 = 200;

/// Deletes them; says how many of each kind.
pub(super) async fn erase(flow: &Flow, kept: &Kept, whom: &Whom) -> Result<Counts> {
    let mut counts = Counts::default();
    for place in Place::ALL {
        let deleted = erase_in(flow, place, kept.receipt.erased_before, whom).await?;
        match place {
            Place::Outbox => counts.outbox += deleted,
            Place::DeadLetters => counts.dead_letters += deleted,
            Place::Quarantine => counts.quarantine += deleted,
            Place::RoomFacts => {}
        }
    }
    Ok(counts)
}

async fn erase_in(flow: &Flow, place: Place, until: Timestamp, whom: &Whom) -> Result<u64> {
    let mut deleted = 0;
    let mut after = String::new();
    loop {
        let (part, behind) = (whom.part().to_owned(), after.clone());
        let found = flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { traces::read(&mut conn, place, &part, &behind, BATCH).await })
            })
            .await?;
        let Some(last) = found.last() else {
            return Ok(deleted);
        };
        after.clone_from(&last.id);
        let (named, seal) = (whom.clone(), flow.seal.clone());
        let found = flow
            .host
            .compute(move || {
                let mut found = found;
                found.retain(|trace| is_of(&named, &seal, trace, until));
                found
            })
            .await;
        let sources = std::sync::Arc::clone(&flow.sources);
        let seal = flow.seal.clone();
        deleted += flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let mut deleted = 0;
                    for trace in &found {
                        if place == Place::Outbox {
                            let owner = |source: &str| {
                                sources.get(source).map(|source| source.owner.clone())
                            };
                            remember_event(&mut conn, &seal, trace, owner, until).await?;
                        }
                        let gone = traces::delete(&mut conn, place, &trace.id).await?;
                        deleted += u64::from(gone);
                    }
                    Ok(deleted)
                })
            })
            .await?;
    }
}

/// Whether a record is of the calls that are erased, or names the caller from before the barrier: of
/// later calls nothing is taken.
fn is_of(whom: &Whom, seal: &SealKey, trace: &Trace, until: Timestamp) -> bool {
    let left_at = match Message::decode(&trace.body).map(|message| message.work) {
        Ok(Work::Finalize(event)) => event.happened_at(),
        Ok(Work::Remember(key) | Work::Deliver(key)) => {
            return whom.calls.contains(key.id.as_str());
        }
        // It names a delivery, whose event was emptied.
        Ok(Work::Send(_)) => return false,
        Err(_) => Timestamp::from_millis(trace.left_at),
    };
    left_at <= until && whom.is_named_in(&document(seal, trace))
}

/// The event of a message that is taken out is done: of its call no more is kept than that.
async fn remember_event(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    trace: &Trace,
    owner: impl Fn(&str) -> Option<crate::id::Owner>,
    now: Timestamp,
) -> Result<()> {
    let Ok(message) = Message::decode(&trace.body) else {
        return Ok(());
    };
    let Work::Finalize(event) = message.work else {
        return Ok(());
    };
    let key = owner(&event.source)
        .zip(event.conversation_id.clone())
        .map(|(owner, id)| ConversationKey { owner, id });
    events::mark_done(conn, &event, key.as_ref(), now).await?;
    match &key {
        Some(key) => super::bars::keep_away(conn, seal, key, now).await,
        None => Ok(()),
    }
}

/// All that a record says, as one document. A sealed body that is no JSON is one text.
fn document(seal: &SealKey, trace: &Trace) -> Value {
    let plain = seal.open(&trace.body);
    let bytes = plain.as_deref().unwrap_or(trace.body.as_bytes());
    let body = serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes)));
    json!([trace.caller_identity, trace.agent_id, body])
}
