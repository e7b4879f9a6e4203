//! Memory as a pure function of the set of a caller's observations (`memory.md` §7.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ConversationId, MessageId, of_content};
use crate::memory::observation::{Observation, Op, Rank};
use crate::memory::slot::{Cardinality, Slot};
use crate::time::Timestamp;

mod line;

/// Where a statement was made. What one origin says is weighed together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A call.
    Call(ConversationId),
    /// A person's pin, by its id.
    Pin(String),
}

impl Origin {
    /// The id of the call or pin.
    pub fn id(&self) -> &str {
        match self {
            Self::Call(id) => id.as_str(),
            Self::Pin(id) => id,
        }
    }

    /// The call, if it is one.
    pub fn call(&self) -> Option<&ConversationId> {
        match self {
            Self::Call(id) => Some(id),
            Self::Pin(_) => None,
        }
    }
}

/// An observation with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The call or pin that made it.
    pub origin: Origin,
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
    /// Stable over re-runs: a hash of agent, caller, slot and object (`memory_…`). A value that
    /// replaces another has the same id and a later `valid_from`.
    pub id: String,
    /// Where it belongs.
    pub slot: Slot,
    /// Sets several facts of one slot apart.
    pub object_key: String,
    /// The normalised value.
    pub value: Value,
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
    /// The conversation that said it first; none of what a person pinned.
    pub source_conversation_id: Option<ConversationId>,
    /// Every sentence that supports it, sorted.
    pub evidence: Vec<Evidence>,
    /// Whose word it is, as `rules/1`.
    pub extractor: String,
}

impl Fact {
    /// Whether it holds now.
    pub fn is_current(&self) -> bool {
        self.valid_to.is_none()
    }

    /// Whether it held at a moment, in world time.
    pub fn held_at(&self, at: Timestamp) -> bool {
        self.valid_from <= at && self.valid_to.is_none_or(|end| at < end)
    }

    /// The same fact as if a call had not supported it; none when nothing else does.
    pub fn without(mut self, call: &ConversationId) -> Option<Self> {
        let cited = self.evidence.len();
        self.evidence.retain(|said| said.conversation_id != *call);
        if self.evidence.is_empty() && cited > 0 {
            return None;
        }
        if self.source_conversation_id.as_ref() == Some(call) {
            let next = self.evidence.first();
            self.source_conversation_id = next.map(|said| said.conversation_id.clone());
        }
        Some(self)
    }
}

/// Folds a caller's observations into facts, current and past, sorted by slot, object and time.
///
/// The result depends on the *set* alone: neither order nor repetition matters, and leaving out a
/// conversation gives what would be had it never been seen. Time decides between values, with two
/// exceptions: within one conversation a lower rank never overwrites a higher one, and no
/// extractor overwrites what a person pinned.
pub fn fold(agent_id: &str, caller: &str, seen: &[Seen]) -> Vec<Fact> {
    let mut lines: BTreeMap<(String, String), Vec<&Seen>> = BTreeMap::new();
    for one in distinct(seen) {
        let said = &one.observation;
        let key = (said.slot.as_str().to_owned(), object_key(said));
        lines.entry(key).or_default().push(one);
    }
    lines
        .into_iter()
        .flat_map(|((slot, object), mut line)| {
            line.sort_by(|a, b| order(a, b));
            let id = of_content("memory_", &[agent_id, caller, &slot, &object]);
            line::facts(&id, &object, &line)
        })
        .collect()
}

/// One of each observation; of several copies the one with the highest rank, so that it does not
/// matter which came first.
fn distinct(seen: &[Seen]) -> impl Iterator<Item = &Seen> {
    let mut by_id: BTreeMap<String, &Seen> = BTreeMap::new();
    for one in seen {
        let id = one.observation.id(one.origin.id());
        by_id
            .entry(id)
            .and_modify(|held| {
                if strength(one) > strength(held) {
                    *held = one;
                }
            })
            .or_insert(one);
    }
    by_id.into_values()
}

/// A total order among copies of one observation.
fn strength(one: &Seen) -> (Rank, String) {
    let rest = serde_json::to_string(&one.observation).unwrap_or_default();
    (one.rank, format!("{}\u{0}{rest}", one.extractor))
}

/// The order in which things were said. At the same instant a consent's grant comes before its
/// revocation, so that the revocation wins.
fn order(a: &Seen, b: &Seen) -> std::cmp::Ordering {
    let (x, y) = (&a.observation, &b.observation);
    let grant = |said: &Observation| !(said.slot.is_consent() && said.op == Op::Retract);
    (x.said_at, &a.origin)
        .cmp(&(y.said_at, &b.origin))
        .then_with(|| x.seq.cmp(&y.seq))
        .then_with(|| grant(x).cmp(&grant(y)))
        .then_with(|| x.id(a.origin.id()).cmp(&y.id(b.origin.id())))
}

/// What sets this fact apart from others of its slot.
pub(crate) fn object_key(said: &Observation) -> String {
    match said.slot.cardinality() {
        Cardinality::One => String::new(),
        Cardinality::Many if said.object_key.is_empty() => value_key(&said.value),
        Cardinality::PerObject | Cardinality::Many => said.object_key.clone(),
    }
}

/// Two values are the same when their keys are: case and space do not matter.
fn value_key(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.to_lowercase(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
