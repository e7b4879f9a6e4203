//! Barriers: which calls an erasure keeps away, known by keyed hashes alone.

use crate::id::ConversationKey;
use crate::memory::caller::CallerKey;
use crate::secret::SealKey;
use crate::store::barriers::{self, Kind};
use crate::store::memories::Subject;
use crate::store::{Conn, Result};
use crate::time::Timestamp;

/// What is kept away of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bar {
    /// All of it: no more is kept than that its id was erased.
    Call,
    /// What it says about its caller.
    Memory,
}

/// Names a conversation without naming it; the first name is the one to keep.
pub(crate) fn of_conversation(seal: &SealKey, key: &ConversationKey) -> Vec<String> {
    let text = format!("{}\0{}", key.owner.as_str(), key.id);
    seal.keyed_hashes("conversation", &text)
}

/// Names a caller with one agent, or with all.
pub(super) fn of_caller(seal: &SealKey, agent_id: Option<&str>, caller: &CallerKey) -> Vec<String> {
    match agent_id {
        Some(agent_id) => {
            let text = format!("{agent_id}\0{}", caller.as_str());
            seal.keyed_hashes("caller with agent", &text)
        }
        None => seal.keyed_hashes("caller", caller.as_str()),
    }
}

/// Names an agent's memory of a caller.
pub(super) fn of_memory(seal: &SealKey, subject: &Subject) -> Vec<String> {
    let text = format!("{}\0{}", subject.agent_id, subject.caller.as_str());
    seal.keyed_hashes("memory", &text)
}

/// What erasures keep away of a call that ended at `ended_at`. Asked under the caller's lock, it
/// stays true until the transaction ends.
pub(crate) async fn on_call(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    subject: &Subject,
    ended_at: Timestamp,
) -> Result<Option<Bar>> {
    let Subject { agent_id, caller } = subject;
    let mut callers = of_caller(seal, None, caller);
    callers.extend(of_caller(seal, Some(agent_id), caller));
    if bars(conn, Kind::Caller, &callers, ended_at).await? {
        return Ok(Some(Bar::Call));
    }
    let memory = of_memory(seal, subject);
    let barred = bars(conn, Kind::Memory, &memory, ended_at).await?;
    Ok(barred.then_some(Bar::Memory))
}

/// Whether a caller was erased, with all agents, after this happened.
pub(crate) async fn on_caller(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    caller: &CallerKey,
    at: Timestamp,
) -> Result<bool> {
    bars(conn, Kind::Caller, &of_caller(seal, None, caller), at).await
}

async fn bars(
    conn: &mut Conn<'_>,
    kind: Kind,
    hashes: &[String],
    ended_at: Timestamp,
) -> Result<bool> {
    let until = barriers::get(conn, kind, hashes).await?;
    Ok(until.is_some_and(|until| ended_at <= until))
}

/// Keeps of a call that it was erased, and nothing else.
pub(crate) async fn keep_away(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    key: &ConversationKey,
    now: Timestamp,
) -> Result<()> {
    let hash = of_conversation(seal, key).swap_remove(0);
    barriers::raise(conn, Kind::Conversation, &hash, now).await
}
