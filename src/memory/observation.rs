//! One grounded statement that one conversation makes about its caller.

use serde::{Deserialize, Serialize};

use crate::id::{MessageId, of_content};
use crate::memory::slot::Slot;
use crate::time::Timestamp;

/// What the statement does to the value it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It holds.
    Assert,
    /// It no longer holds, or never did.
    Retract,
    /// It was read back and agreed to.
    Confirm,
}

/// How much an extractor's word weighs: a lower rank never overwrites a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// The built-in rules.
    Rules,
    /// A language model.
    Llm,
    /// A person's pin.
    Human,
}

/// One grounded statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Where in the closed set of slots it belongs.
    pub slot: Slot,
    /// Sets several facts of one slot apart: empty for single-valued slots.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object_key: String,
    /// The normalised value: a string, or for an appointment `{"date","time","title"}`.
    pub value: serde_json::Value,
    /// What it does to that value.
    pub op: Op,
    /// The messages that say so; never empty. The first is the one that the quote stands in.
    pub message_ids: Vec<MessageId>,
    /// The words themselves, as they stand in a cited message.
    pub quote: String,
    /// How sure the extractor is, 0 to 1, to two decimals.
    pub confidence: f64,
    /// When it was said.
    pub said_at: Timestamp,
    /// Its place among the conversation's observations.
    #[serde(default)]
    pub seq: i64,
    /// When the thing promised or booked is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

impl Observation {
    /// The id: a hash of content and origin (a conversation's id, or a pin's), so that a second
    /// extraction of the same call makes the same ids (`memory.md` §7.2).
    pub fn id(&self, origin: &str) -> String {
        let value = self.value.to_string();
        let first = self.message_ids.first().map_or("", MessageId::as_str);
        of_content(
            "obs_",
            &[
                origin,
                self.slot.as_str(),
                &self.object_key,
                &value,
                match self.op {
                    Op::Assert => "assert",
                    Op::Retract => "retract",
                    Op::Confirm => "confirm",
                },
                first,
            ],
        )
    }
}
