//! A caller: the barrier and the memory at once, and then the calls.

use std::time::Duration;

use super::{bars, begin, call, seal_whom, told};
use crate::consent;
use crate::erased::{Counts, Scope, Whom};
use crate::flow::Flow;
use crate::memory::caller::CallerKey;
use crate::secret::SealKey;
use crate::store::barriers::{self, Kind};
use crate::store::erasures::{self, Kept};
use crate::store::memories::{self, Subject};
use crate::store::results::{self, Told};
use crate::store::{Conn, Result, audit, callers, conversations, deliveries};

/// Calls that one transaction erases at the most.
const BATCH: i64 = 50;

/// How long one transaction goes on erasing calls: receivers wait for the writer meanwhile.
const SPELL: Duration = Duration::from_millis(100);

/// Raises the barrier and deletes the memory behind it.
pub(super) async fn raise(
    flow: &Flow,
    scope: Scope,
    whom: Whom,
    caller: CallerKey,
    entry: audit::Entry,
) -> Result<Kept> {
    let mut kept = begin(flow, scope, &whom);
    results::catch_up(&flow.db).await?;
    let shared = flow.clone();
    let kept = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let conn = &mut conn;
                memories::hold_caller(conn, &caller).await?;
                audit::add(conn, &entry).await?;
                raise_barrier(conn, &shared.seal, scope, &whom, &caller, &kept).await?;
                let agent_id = whom.agent_id.as_deref();
                let agents = match agent_id {
                    Some(agent_id) => vec![agent_id.to_owned()],
                    None => callers::agents(conn, &caller).await?,
                };
                let identities = callers::identities(conn, &caller, agent_id).await?;
                for agent_id in &agents {
                    let subject = Subject {
                        agent_id: agent_id.clone(),
                        caller: caller.clone(),
                    };
                    consent::outlive(conn, &shared.seal, &subject).await?;
                    deliveries::empty_answers(conn, &subject).await?;
                }
                let now = kept.receipt.erased_before;
                let gone = match scope {
                    Scope::Caller => Told::OfAll,
                    Scope::Memory | Scope::Conversation => Told::OfMemory,
                };
                // The feed before its deliveries, which are emptied with it.
                results::hold(conn).await?;
                kept.receipt.counts = Counts {
                    memories: memories::delete(conn, &caller, agent_id).await?,
                    results: results::empty_of_caller(conn, agent_id, &caller, gone, now).await?,
                    ..Counts::default()
                };
                for agent_id in &agents {
                    let identity = identities.first().map_or(caller.as_str(), String::as_str);
                    let event = told(&shared, &kept.receipt, agent_id, identity, &caller);
                    results::add(conn, &event).await?;
                }
                erasures::keep(conn, &kept).await?;
                Ok(kept)
            })
        })
        .await?;
    flow.queue.wake();
    Ok(kept)
}

async fn raise_barrier(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    scope: Scope,
    whom: &Whom,
    caller: &CallerKey,
    kept: &Kept,
) -> Result<()> {
    let agent_id = whom.agent_id.as_deref();
    let (kind, mut hashes) = match (scope, agent_id) {
        (Scope::Memory, Some(agent_id)) => {
            let subject = Subject {
                agent_id: agent_id.to_owned(),
                caller: caller.clone(),
            };
            (Kind::Memory, bars::of_memory(seal, &subject))
        }
        _ => (Kind::Caller, bars::of_caller(seal, agent_id, caller)),
    };
    let until = kept.receipt.erased_before;
    barriers::raise(conn, kind, &hashes.swap_remove(0), until).await
}

/// Erases the caller's calls behind the barrier, batch by batch. What a batch has no time for comes
/// with the next.
pub(super) async fn erase_calls(flow: &Flow, kept: &mut Kept, whom: &mut Whom) -> Result<()> {
    let Some(caller) = whom.caller.clone().and_then(CallerKey::stored) else {
        return Ok(());
    };
    if kept.receipt.scope != Scope::Caller {
        return Ok(());
    }
    loop {
        let (wanted, agent_id) = (caller.clone(), whom.agent_id.clone());
        let until = kept.receipt.erased_before;
        let calls = flow
            .db
            .read(move |mut conn| {
                Box::pin(async move {
                    callers::calls(&mut conn, &wanted, agent_id.as_deref(), until, BATCH).await
                })
            })
            .await?;
        if calls.is_empty() {
            return Ok(());
        }
        whom.calls
            .extend(calls.iter().map(|key| key.id.to_string()));
        kept.whom = Some(seal_whom(flow, whom));
        let (mut next, shared) = (kept.clone(), flow.clone());
        *kept = flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    // All of them before the caller: the order that nobody takes crosswise.
                    for key in &calls {
                        conversations::hold(&mut conn, key).await?;
                    }
                    let began = shared.host.now();
                    for key in &calls {
                        let erased = call::erase(&mut conn, &shared.seal, key, until).await?;
                        next.receipt.counts.add(erased);
                        if shared.host.now().since(began) >= SPELL {
                            break;
                        }
                    }
                    erasures::keep(&mut conn, &next).await?;
                    Ok(next)
                })
            })
            .await?;
    }
}
