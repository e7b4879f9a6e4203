//! Erasure: a call, an agent's memory of a caller, or a caller everywhere; with barriers against
//! their return, and a receipt.
//!
//! The barrier and the memory go in one transaction under the caller's lock: whoever writes for the
//! caller does so before it, and is erased, or after it, and sees the barrier. Calls follow in
//! batches. What a broker still holds is dropped when it is taken, and what a worker in flight left
//! meanwhile is looked for once more before the receipt is complete: after the broker's longest delay,
//! and not before its queues were seen empty. A process that dies in between leaves an open receipt,
//! with which any other goes on.

use std::time::Duration;

use serde_json::Value;

use crate::endpoint::MEMORY_ERASED;
use crate::erased::{Counts, Receipt, Scope, Whom};
use crate::flow::Flow;
use crate::id::{ConversationKey, fresh};
use crate::memory::caller::CallerKey;
use crate::secret::SealKey;
use crate::store::erasures::{self, Kept};
use crate::store::results::{self, ResultEvent};
use crate::store::{Result, audit};
use crate::time::Timestamp;

pub(crate) mod bars;
mod call;
mod caller;
mod traces;

pub(crate) use call::erase as erase_call_rows;

/// How long an erasure is given before others take it for abandoned.
const UNDER_WAY: Duration = Duration::from_mins(1);

/// Open erasures that are gone on with at once.
const BATCH: i64 = 20;

/// Erases a call and all that came from it, and keeps it from coming back.
pub async fn erase_conversation(
    flow: &Flow,
    key: ConversationKey,
    entry: audit::Entry,
) -> Result<Receipt> {
    let whom = Whom {
        calls: [key.id.to_string()].into(),
        ..Whom::default()
    };
    let mut kept = begin(flow, Scope::Conversation, &whom);
    results::catch_up(&flow.db).await?;
    let seal = flow.seal.clone();
    let mut first = kept.clone();
    kept.receipt.counts = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let now = first.receipt.erased_before;
                audit::add(&mut conn, &entry).await?;
                first.receipt.counts = call::erase(&mut conn, &seal, &key, now).await?;
                erasures::keep(&mut conn, &first).await?;
                Ok(first.receipt.counts)
            })
        })
        .await?;
    flow.queue.wake();
    complete(flow, kept).await
}

/// Forgets what an agent's memory holds, held and said about a caller. The calls stay.
pub async fn forget_memory(
    flow: &Flow,
    agent_id: &str,
    caller: CallerKey,
    entry: audit::Entry,
) -> Result<Receipt> {
    let whom = Whom {
        caller: Some(caller.as_str().to_owned()),
        agent_id: Some(agent_id.to_owned()),
        ..Whom::default()
    };
    let kept = caller::raise(flow, Scope::Memory, whom, caller, entry).await?;
    complete(flow, kept).await
}

/// Erases a caller, with one agent or all: memory, calls, and whatever names them.
pub async fn erase_caller(
    flow: &Flow,
    agent_id: Option<String>,
    caller: CallerKey,
    entry: audit::Entry,
) -> Result<Receipt> {
    let whom = Whom {
        caller: Some(caller.as_str().to_owned()),
        agent_id,
        ..Whom::default()
    };
    let kept = caller::raise(flow, Scope::Caller, whom, caller, entry).await?;
    complete(flow, kept).await
}

/// What the audit log calls a caller: it outlives their erasure, and so must not name them.
pub fn named_in_audit(seal: &SealKey, caller: &CallerKey) -> String {
    let named = seal.keyed_hash("audit", caller.as_str());
    format!("caller_{}", &named[..16])
}

/// Goes on with erasures that are not complete and whose time has come; says how many.
pub async fn go_on(flow: &Flow) -> Result<usize> {
    let now = flow.host.now();
    let due = flow
        .db
        .read(move |mut conn| Box::pin(async move { erasures::due(&mut conn, now, BATCH).await }))
        .await?;
    let found = due.len();
    if found > 0 {
        results::catch_up(&flow.db).await?;
    }
    for kept in due {
        complete(flow, kept).await?;
    }
    Ok(found)
}

/// A new erasure, before anything is done.
fn begin(flow: &Flow, scope: Scope, whom: &Whom) -> Kept {
    let now = flow.host.now();
    let wait = flow.queue.longest_wait().max(UNDER_WAY);
    Kept {
        receipt: Receipt {
            id: fresh("erasure_", now, flow.host.dice.bytes()),
            scope,
            counts: Counts::default(),
            erased_before: now,
            complete_after: now.plus(wait),
            completed_at: None,
        },
        whom: Some(seal_whom(flow, whom)),
    }
}

/// Erases what is left, and completes the receipt if nothing can be anywhere any more.
async fn complete(flow: &Flow, mut kept: Kept) -> Result<Receipt> {
    let whom = kept
        .whom
        .as_deref()
        .and_then(|sealed| open(&flow.seal, sealed));
    if let Some(mut whom) = whom {
        caller::erase_calls(flow, &mut kept, &mut whom).await?;
        if kept.receipt.scope != Scope::Memory {
            kept.receipt
                .counts
                .add(traces::erase(flow, &kept, &whom).await?);
        }
    }
    let scrubbed = flow.db.scrub().await?;
    let now = flow.host.now();
    if scrubbed && is_out_of_broker(flow, &kept.receipt, now).await {
        kept.receipt.completed_at = Some(now);
        kept.whom = None;
    }
    let last = kept.clone();
    flow.db
        .write(move |mut conn| Box::pin(async move { erasures::keep(&mut conn, &last).await }))
        .await?;
    Ok(kept.receipt)
}

/// Whether the broker holds no copy any more: every delay is over, and what came out of it was
/// taken. A broker that does not answer may hold anything.
async fn is_out_of_broker(flow: &Flow, receipt: &Receipt, now: Timestamp) -> bool {
    // What waits there names a call, and nothing that memory held.
    if receipt.scope == Scope::Memory || flow.queue.longest_wait().is_zero() {
        return true;
    }
    now >= receipt.complete_after && flow.queue.is_taken().await.unwrap_or(false)
}

fn seal_whom(flow: &Flow, whom: &Whom) -> String {
    #[expect(clippy::expect_used, reason = "texts in a struct are always JSON")]
    let plain = serde_json::to_vec(whom).expect("whom an erasure concerns is plain data");
    flow.seal.seal(&plain, flow.host.dice.bytes())
}

fn open(seal: &SealKey, sealed: &str) -> Option<Whom> {
    serde_json::from_slice(&seal.open(sealed).ok()?).ok()
}

/// Shows whom a `memory.erased` event is about: at rest the name of an erased caller is sealed.
pub fn reveal(seal: &SealKey, event: &mut ResultEvent) {
    if let Some(identity) = event.data.get_mut("caller_identity")
        && let Some(sealed) = identity.get("sealed").and_then(Value::as_str)
    {
        let plain = seal.open(sealed).ok();
        *identity = plain
            .and_then(|plain| String::from_utf8(plain).ok())
            .map_or(Value::Null, Value::String);
    }
}

/// The event that tells CRMs to erase their copies.
fn told(
    flow: &Flow,
    receipt: &Receipt,
    agent_id: &str,
    identity: &str,
    caller: &CallerKey,
) -> ResultEvent {
    let identity = match receipt.scope {
        Scope::Caller => {
            let sealed = flow.seal.seal(identity.as_bytes(), flow.host.dice.bytes());
            serde_json::json!({ "sealed": sealed })
        }
        Scope::Memory | Scope::Conversation => Value::from(identity),
    };
    let named = flow.seal.keyed_hash("told", caller.as_str());
    ResultEvent {
        id: crate::id::of_content("evt_", &[MEMORY_ERASED, &receipt.id, agent_id, &named]),
        kind: MEMORY_ERASED.to_owned(),
        agent_id: agent_id.to_owned(),
        key: None,
        data: serde_json::json!({
            "agent_id": agent_id,
            "caller_identity": identity,
            "scope": receipt.scope.as_str(),
            "erased_before": receipt.erased_before,
        }),
        created_at: receipt.erased_before,
    }
}

/// When a call was over, as well as it is known: what barriers are compared with.
pub(crate) fn ended_at(call: &crate::conversation::Conversation) -> Timestamp {
    call.ended_at.unwrap_or_else(|| call.happened_at())
}
