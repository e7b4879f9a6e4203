//! What has grown old, and what is to be forgotten.

use std::time::Duration;

use crate::config::Retention;
use crate::finalize::barrier_hash;
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::remember::forget;
use crate::store::barriers::{self, Kind};
use crate::store::{
    Conn, Result, audit, bodies, conversations, dead_letters, deliveries, events, known_calls,
    memories, quarantine, reconcile, replays, results, sessions, timeline,
};
use crate::time::Timestamp;

/// Rows that one sweep deletes of one kind: a sweep never holds the writer for long.
const BATCH: i64 = 500;

/// Conversations whose transcripts one sweep deletes: each may have thousands of messages.
const TRANSCRIPTS: i64 = 20;

/// Deletes one batch of what has outlived its time; says whether there may be more.
pub async fn sweep(flow: &Flow, retention: &Retention) -> Result<bool> {
    let now = flow.host.now();
    let before = |age: Duration| (!age.is_zero()).then(|| now.minus(age));
    let (events_before, letters_before) =
        (before(retention.events), before(retention.dead_letters));
    let quarantine_before = before(retention.quarantine);
    let conversations_before = before(retention.conversations);
    let messages_before = before(retention.messages);
    let audit_before = before(retention.audit);
    let deliveries_before = before(retention.deliveries);
    let deleted = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let mut deleted = 0;
                if let Some(before) = events_before {
                    deleted += events::prune(&mut conn, before, BATCH).await?;
                    deleted += results::prune(&mut conn, before, BATCH).await?;
                    deleted += known_calls::prune(&mut conn, before, BATCH).await?;
                    deleted += reconcile::prune(&mut conn, before, BATCH).await?;
                }
                // A letter's message may point to a payload: they are kept equally long.
                if let Some(before) = letters_before {
                    deleted += dead_letters::prune(&mut conn, before, BATCH).await?;
                    deleted += bodies::prune(&mut conn, before, BATCH).await?;
                    deleted += replays::prune(&mut conn, before, BATCH).await?;
                }
                if let Some(before) = deliveries_before {
                    deleted += deliveries::prune(&mut conn, before, BATCH).await?;
                }
                if let Some(before) = quarantine_before {
                    deleted += quarantine::prune(&mut conn, before, BATCH).await?;
                }
                if let Some(before) = messages_before {
                    deleted +=
                        conversations::prune_messages(&mut conn, before, TRANSCRIPTS).await?;
                }
                if let Some(before) = conversations_before {
                    for key in conversations::older(&mut conn, before, TRANSCRIPTS).await? {
                        conversations::hold(&mut conn, &key).await?;
                        conversations::delete(&mut conn, &key).await?;
                        timeline::delete(&mut conn, &key).await?;
                        bodies::delete_of(&mut conn, &key).await?;
                        deleted += 1;
                    }
                }
                deleted += sessions::prune(&mut conn, now, BATCH).await?;
                if let Some(before) = audit_before {
                    deleted += audit::prune(&mut conn, before, BATCH).await?;
                }
                Ok(deleted)
            })
        })
        .await?;
    Ok(deleted > 0)
}

/// What deleting a call took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Whether the call was there.
    pub found: bool,
    /// Letters of it that were deleted.
    pub dead_letters: u64,
    /// Results of it that were deleted.
    pub results: u64,
}

/// Deletes a call and all that came from it, and keeps it from coming back.
pub async fn delete_conversation(flow: &Flow, key: ConversationKey) -> Result<Deleted> {
    let hash = barrier_hash(&flow.seal, &key);
    let now = flow.host.now();
    let deleted = flow
        .db
        .write(move |mut conn| Box::pin(async move { delete(&mut conn, &key, &hash, now).await }))
        .await?;
    flow.queue.wake();
    Ok(deleted)
}

async fn delete(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    hash: &str,
    now: Timestamp,
) -> Result<Deleted> {
    conversations::hold(conn, key).await?;
    let record = conversations::get(conn, key).await?;
    let extraction = memories::extraction(conn, key).await?;
    let mut subjects: Vec<_> = extraction.iter().map(|e| e.subject.clone()).collect();
    memories::hold(conn, &mut subjects).await?;
    barriers::raise(conn, Kind::Conversation, hash, now).await?;
    if let Some(record) = &record {
        events::delete_facts(conn, &key.owner, &record.conversation).await?;
    }
    let found = conversations::delete(conn, key).await?;
    timeline::delete(conn, key).await?;
    deliveries::erase(conn, key, now).await?;
    bodies::delete_of(conn, key).await?;
    memories::remove_extraction(conn, key).await?;
    // Whichever call they came from: results that cite this one have its words.
    let agent_id = record
        .as_ref()
        .map_or("", |record| record.conversation.agent_id.as_str());
    let results = results::delete_citing(conn, key, agent_id).await?;
    let dead_letters = dead_letters::delete_of(conn, key.id.as_str()).await?;
    if let (Some(extraction), Some(record)) = (&extraction, &record) {
        let identity = &record.conversation.caller_identity;
        forget(conn, &extraction.subject, key, identity, now).await?;
    }
    Ok(Deleted {
        found,
        dead_letters,
        results,
    })
}
