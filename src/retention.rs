//! What has grown old.

use std::time::Duration;

use crate::config::Retention;
use crate::flow::Flow;
use crate::remember::forget;
use crate::secret::SealKey;
use crate::store::extractions::{self, Outlived};
use crate::store::{
    Conn, Result, audit, bodies, conversations, dead_letters, deliveries, events, known_calls,
    memories, quarantine, reconcile, replays, results, sessions, timeline,
};
use crate::time::Timestamp;

/// Rows that one sweep deletes of one kind: a sweep never holds the writer for long.
const BATCH: i64 = 500;

/// Calls whose memory one sweep lets go: each folds its caller's memory anew.
const CALLS: i64 = 20;

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

/// Lets one batch of memory go that was first kept longer than `age` ago; says whether there may be
/// more. Consents never age, and what people pinned stays until they take it back.
pub async fn age_memory(flow: &Flow, age: Duration) -> Result<bool> {
    let now = flow.host.now();
    let before = now.minus(age);
    let old = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move { extractions::outlived(&mut conn, before, CALLS).await })
        })
        .await?;
    let more = !old.is_empty();
    for outlived in old {
        let seal = flow.seal.clone();
        flow.db
            .write(move |mut conn| {
                Box::pin(async move { let_go(&mut conn, &seal, &outlived, now).await })
            })
            .await?;
    }
    let pruned = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move { memories::log::prune(&mut conn, before, BATCH).await })
        })
        .await?;
    Ok(more || pruned > 0)
}

async fn let_go(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    outlived: &Outlived,
    now: Timestamp,
) -> Result<()> {
    let Outlived { key, subject } = outlived;
    conversations::hold(conn, key).await?;
    memories::hold_caller(conn, &subject.caller).await?;
    extractions::let_go(conn, key).await?;
    // Without its words, nothing that only this call said is told.
    let identity = conversations::get(conn, key).await?.map_or_else(
        || subject.caller.as_str().to_owned(),
        |record| record.conversation.caller_identity,
    );
    forget(conn, seal, subject, key, &identity, now).await
}
