//! What a CRM's endpoint subscribes to, and in which shape it wants it (product contract §9).

use serde::{Deserialize, Serialize};

pub mod limits;

/// The events that CRMs are told of.
pub const EVENT_TYPES: [&str; 5] = [
    "conversation.completed",
    "conversation.updated",
    MEMORY_CHANGED,
    MEMORY_ERASED,
    "consent.changed",
];

/// The event that tells what is held of a caller, and was not before.
pub const MEMORY_CHANGED: &str = "memory.changed";

/// The event that tells CRMs to erase their copies.
pub const MEMORY_ERASED: &str = "memory.erased";

/// The operational event: an endpoint was disabled without anybody asking. Only for those who name
/// it; `*` is every event of CRMs.
pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";

/// The event that `POST /v1/endpoints/{id}/test` sends, to that endpoint alone.
pub const ENDPOINT_TEST: &str = "endpoint.test";

/// All events of [`EVENT_TYPES`].
pub const EVERYTHING: &str = "*";

/// How much of a conversation an event carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// Ids, how it ended, and links: what was said is fetched, by whoever may.
    #[default]
    Thin,
    /// The conversation, its messages and memories.
    Full,
}

impl Payload {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Thin, Self::Full];

    /// The value on the wire, in settings and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thin => "thin",
            Self::Full => "full",
        }
    }

    /// Reads what [`Payload::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a templated request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// POST, as every other event.
    #[default]
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
}

impl Method {
    /// The word in the request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// What is sent in place of the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The body, in MiniJinja.
    pub body: String,
    /// Its media type.
    pub content_type: String,
    /// How it is sent.
    pub method: Method,
}

/// Which events an endpoint gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Their types; `*` is every one of [`EVENT_TYPES`].
    pub events: Vec<String>,
    /// The only agents whose events it gets; empty is all.
    pub agents: Vec<String>,
}

impl Subscription {
    /// Whether an event is meant. One that concerns no agent goes only to those that take all.
    pub fn wants(&self, kind: &str, agent_id: &str) -> bool {
        let named =
            |event: &String| event == kind || (event == EVERYTHING && EVENT_TYPES.contains(&kind));
        let agent = self.agents.is_empty() || self.agents.iter().any(|id| id == agent_id);
        agent && self.events.iter().any(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_names_types_and_agents() {
        let of = |events: &[&str], agents: &[&str]| Subscription {
            events: events.iter().map(ToString::to_string).collect(),
            agents: agents.iter().map(ToString::to_string).collect(),
        };
        let all = of(&["*"], &[]);
        assert!(all.wants("memory.erased", "a") && all.wants("conversation.updated", ""));
        assert!(
            !all.wants(ENDPOINT_DISABLED, ""),
            "that is for those who name it"
        );
        let some = of(&["conversation.completed", ENDPOINT_DISABLED], &["a"]);
        assert!(some.wants("conversation.completed", "a"));
        assert!(!some.wants("conversation.completed", "b"));
        assert!(!some.wants("memory.changed", "a"));
        assert!(!some.wants(ENDPOINT_DISABLED, ""));
    }
}
