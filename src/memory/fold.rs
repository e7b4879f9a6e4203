//! Memory as a pure function of the set of a caller's observations (`memory.md` §7.5).

use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, MessageId};
use crate::memory::observation::{Observation, Rank};
use crate::memory::slot::Slot;
use crate::time::Timestamp;

/// An observation with the conversation that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who extracted it, as `rules/1`.
    pub extractor: String,
    /// How much that weighs.
    pub rank: Rank,
    /// The statement.
    pub observation: Observation,
}

/// Where a fact was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message.
    pub message_id: MessageId,
    /// The words.
    pub quote: String,
}

/// A fact that memory holds, or held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Stable over re-runs: a hash of agent, caller, slot and object (`memory_…`).
    pub id: String,
    /// Where it belongs.
    pub slot: Slot,
    /// Sets several facts of one slot apart.
    pub object_key: String,
    /// The normalised value.
    pub value: serde_json::Value,
    /// The fact as one sentence in the third person.
    pub fact: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Since when it holds, in world time.
    pub valid_from: Timestamp,
    /// Until when it held; none while it does.
    pub valid_to: Option<Timestamp>,
    /// When the thing promised or booked is due.
    pub due_at: Option<Timestamp>,
    /// The conversation that said it first.
    pub source_conversation_id: ConversationId,
    /// Everything that supports it, sorted.
    pub evidence: Vec<Evidence>,
    /// Whose word it is, as `rules/1`.
    pub extractor: String,
}

/// Folds a caller's observations into facts, current and past, in a fixed order.
pub fn fold(_agent_id: &str, _caller: &str, _seen: &[Seen]) -> Vec<Fact> {
    Vec::new()
}
