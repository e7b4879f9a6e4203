//! What an erasure took away, whom it concerns, and how a text is known to name them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::memory::caller::CallerKey;
use crate::time::Timestamp;

/// How much an erasure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What an agent's memory holds about a caller.
    Memory,
    /// A caller's memory, calls, and whatever names them.
    Caller,
    /// One call.
    Conversation,
}

impl Scope {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Caller => "caller",
            Self::Conversation => "conversation",
        }
    }

    /// Reads what [`Scope::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Memory, Self::Caller, Self::Conversation]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// How many of each kind of record an erasure took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Conversations, with their messages and timelines.
    pub conversations: u64,
    /// Facts.
    pub memories: u64,
    /// Results in the feed.
    pub results: u64,
    /// Messages that waited in the database.
    pub outbox: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Deliveries with a wrong signature.
    pub quarantine: u64,
}

impl Counts {
    /// Adds another pass.
    pub fn add(&mut self, other: Self) {
        self.conversations += other.conversations;
        self.memories += other.memories;
        self.results += other.results;
        self.outbox += other.outbox;
        self.dead_letters += other.dead_letters;
        self.quarantine += other.quarantine;
    }
}

/// What is told of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id (`erasure_…`).
    pub id: String,
    /// How much it reaches.
    pub scope: Scope,
    /// What it took away.
    pub counts: Counts,
    /// Calls that ended before this are kept away.
    pub erased_before: Timestamp,
    /// Until when the broker or the database's log may still hold something.
    pub complete_after: Timestamp,
    /// When nothing was left; none before.
    pub completed_at: Option<Timestamp>,
}

/// Whom and what an erasure concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    /// The caller's key; none when it concerns calls only.
    pub caller: Option<String>,
    /// The agent; none for all of them.
    pub agent_id: Option<String>,
    /// The calls.
    pub calls: BTreeSet<String>,
}

impl Whom {
    /// What stands in every document that names it: the caller, or the call.
    pub fn part(&self) -> &str {
        let call = || self.calls.first().map_or("", String::as_str);
        self.caller.as_deref().unwrap_or_else(call)
    }
}

impl Whom {
    /// Whether a JSON document names one of the calls, or the caller (and the agent, if it is about
    /// one only).
    pub fn is_named_in(&self, document: &Value) -> bool {
        if any_text(document, &|text| self.calls.contains(text)) {
            return true;
        }
        let Some(caller) = &self.caller else {
            return false;
        };
        any_text(document, &|text| names(text, caller))
            && self
                .agent_id
                .as_ref()
                .is_none_or(|agent| any_text(document, &|text| text == agent))
    }
}

/// Whether a text is the caller's identity in any of its forms, or has the caller's number in it. An
/// identity that is no number must be the whole text: a false match would erase another's record.
pub fn names(text: &str, caller: &str) -> bool {
    if CallerKey::of("", text).is_some_and(|key| key.as_str() == caller) {
        return true;
    }
    let is_number = caller.strip_prefix('+').is_some_and(|digits| {
        digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    is_number
        && text.match_indices(caller).any(|(at, _)| {
            let behind = text.as_bytes().get(at + caller.len());
            !behind.is_some_and(u8::is_ascii_digit)
        })
}

fn any_text(value: &Value, wanted: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, wanted)),
        Value::Object(fields) => fields.values().any(|value| any_text(value, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_found_in_every_form_and_no_other_number() {
        let caller = "+14155550123";
        for text in [
            "+14155550123",
            "sip_+14155550123",
            "sip:+14155550123@pbx",
            "sip_+14155550123_kXyZ",
            "call from +14155550123.",
        ] {
            assert!(names(text, caller), "{text}");
        }
        for text in ["+141555501234", "14155550123", "+1415555012", ""] {
            assert!(!names(text, caller), "{text}");
        }
        // A name is no part of another one.
        assert!(names(" bob ", "bob"));
        assert!(!names("bobby", "bob") && !names("sip_bob_1", "bob"));
    }

    #[test]
    fn whoever_is_erased_with_one_agent_stays_with_the_others() {
        let mut whom = Whom {
            caller: Some("+14155550123".to_owned()),
            agent_id: None,
            calls: BTreeSet::from(["conv_1".to_owned()]),
        };
        let by_call = json!({"data": [{"id": "conv_1"}]});
        let by_caller = json!({"identity": "sip_+14155550123", "agent": "a"});
        assert!(whom.is_named_in(&by_call) && whom.is_named_in(&by_caller));
        whom.agent_id = Some("b".to_owned());
        assert!(whom.is_named_in(&by_call) && !whom.is_named_in(&by_caller));
        whom.agent_id = Some("a".to_owned());
        assert!(whom.is_named_in(&by_caller));
        assert!(!whom.is_named_in(&json!({"identity": "conv_2", "n": [1, null, true]})));
    }
}
