//! The canonical call and its messages: the field set of the first source document
//! (Speechify's "Get Conversation"), widened by what other platforms know.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::end_reason::{EndReason, EndReasonSource};
use crate::id::{AgentId, ConversationId, MessageId};
use crate::time::Timestamp;

/// Declares an enum whose unknown values survive a round trip as they came.
macro_rules! open_enum {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value that this version does not know, as it came.
            Other(String),
        }

        impl $name {
            /// Every value that this version knows.
            pub const KNOWN: &'static [&'static str] = &[$($text,)*];

            /// The value on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(deserializer)?.as_str()))
            }
        }
    };
}
pub(crate) use open_enum;

open_enum! {
    /// Where the call stands. `completed` and `failed` are terminal.
    pub enum Status {
        /// Created; nobody has joined.
        Pending = "pending",
        /// Under way.
        Active = "active",
        /// Over, after a connection.
        Completed = "completed",
        /// Over, without one or by a fault.
        Failed = "failed",
    }
}

impl Status {
    /// Whether the call is over.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

open_enum! {
    /// How the caller reached the agent.
    pub enum Transport {
        /// A browser or SDK.
        Web = "web",
        /// A phone line, direction unknown.
        Phone = "phone",
        /// `WhatsApp`.
        Whatsapp = "whatsapp",
        /// The caller dialled in over SIP.
        SipInbound = "sip_inbound",
        /// We dialled out over SIP.
        SipOutbound = "sip_outbound",
    }
}

open_enum! {
    /// Who speaks in a message.
    pub enum Role {
        /// The caller.
        User = "user",
        /// The voice agent.
        Assistant = "assistant",
        /// Instructions, not speech.
        System = "system",
        /// A tool call and its result.
        Tool = "tool",
        /// A person who took over from the agent.
        Operator = "operator",
    }
}

impl Role {
    /// Who speaks, in the words that platforms have for the two sides of a call. Whoever is new is
    /// taken for nobody: not for the caller, above all.
    pub fn of(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "user" | "caller" | "customer" | "human" => Self::User,
            "agent" | "assistant" | "ai" | "bot" | "robot" => Self::Assistant,
            "system" => Self::System,
            "operator" | "transfer_target" => Self::Operator,
            "tool" => Self::Tool,
            _ => Self::Other(word.to_owned()),
        }
    }
}

open_enum! {
    /// Whether the call reached its goal.
    pub enum CallSuccess {
        /// It did.
        Success = "success",
        /// It did not.
        Failure = "failure",
        /// Nobody can tell.
        Unknown = "unknown",
    }
}

open_enum! {
    /// Why the navigator of phone menus gave up (first source document, `ivr_surrender_reason`).
    pub enum IvrSurrenderReason {
        /// The goal extractor returned nothing.
        NoGoal = "no_goal",
        /// No menu is cached for the root prompt.
        NoCachedMenu = "no_cached_menu",
        /// A menu is cached, with too little confidence.
        BelowThreshold = "below_threshold",
        /// The prompt heard differs from the cached one.
        FingerprintMismatch = "fingerprint_mismatch",
        /// Several options match the goal, or none.
        GoalAmbiguous = "goal_ambiguous",
        /// No sub-menu is cached.
        ChildCacheMiss = "child_cache_miss",
        /// The key press could not be delivered.
        DtmfSendFailure = "dtmf_send_failure",
        /// The matched option names no key.
        MatchedOptionMissingDtmf = "matched_option_missing_dtmf",
        /// Switched off.
        Disabled = "disabled",
        /// The same prompt came back after the one retry.
        RepeatedPromptMaxRetries = "repeated_prompt_max_retries",
    }
}

/// A field that a platform may leave out, say is null, or fill: three different things (§14).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Presence<T> {
    /// The platform left the field out.
    #[default]
    Absent,
    /// The platform said null.
    Null,
    /// The platform said this.
    Value(T),
}

impl<T> Presence<T> {
    /// Whether the platform left the field out.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The same presence of another type.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Presence<U> {
        match self {
            Self::Absent => Presence::Absent,
            Self::Null => Presence::Null,
            Self::Value(value) => Presence::Value(change(value)),
        }
    }
}

impl<T: Serialize> Serialize for Presence<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Presence<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// A call, normalised. What a field means is said in the first source document; times are UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The platform's id.
    pub id: ConversationId,
    /// The agent that held the call.
    pub agent_id: AgentId,
    /// The agent's name, where the platform says it.
    pub agent_name: Option<String>,
    /// The LiveKit room's name.
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub room_name: Presence<String>,
    /// The LiveKit room's session id.
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub room_sid: Presence<String>,
    /// Where the call stands.
    pub status: Status,
    /// How the caller reached the agent.
    pub transport: Transport,
    /// When the platform made the record: the call's initiation, connected or not.
    pub created_at: Timestamp,
    /// What the platform's customer attached. Sensitive.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// How many messages there are; 0 on a single read, as the first source document says.
    #[serde(default)]
    pub message_count: i64,
    /// When the first user joined; null when nobody did.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Milliseconds from start to end.
    pub duration_ms: Option<i64>,
    /// What the platform charged, in US cents.
    pub cost_cents: Option<i64>,
    /// Where the recording lies. Sensitive.
    pub recording_url: Option<String>,
    /// When the recording's first frame was captured: the anchor for seeking.
    pub recording_started_at: Option<Timestamp>,
    /// Why the call ended, settled (see `end_reason`).
    pub end_reason: Option<EndReason>,
    /// How that is known.
    pub end_reason_source: Option<EndReasonSource>,
    /// The platform's own word for it, where it has one.
    pub end_reason_raw: Option<String>,
    /// Who called, as the platform names them; empty for anonymous callers.
    #[serde(default)]
    pub caller_identity: String,
    /// The number that placed the call, in E.164.
    pub from_number: Option<String>,
    /// The number that received it, in E.164.
    pub to_number: Option<String>,
    /// The agent's configuration at call time. Single reads only. Sensitive.
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub agent_snapshot: Presence<Value>,
    /// The customer's variables of this call, without `system__*`. Single reads only. Sensitive.
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub dynamic_variables: Presence<Map<String, Value>>,
    /// The cached phone menu that was consulted.
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub ivr_menu_id: Presence<String>,
    /// The presses made in it: empty is "engaged, pressed nothing", null "never engaged".
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub ivr_path_taken: Presence<Vec<Map<String, Value>>>,
    /// Why the navigator gave up.
    #[serde(default, skip_serializing_if = "Presence::is_absent")]
    pub ivr_surrender_reason: Presence<IvrSurrenderReason>,
    /// What the call was about. Sensitive.
    pub summary: Option<String>,
    /// Whether it reached its goal.
    pub call_successful: Option<CallSuccess>,
    /// How often the caller spoke.
    pub user_turn_count: Option<i64>,
    /// The platform whose record this is.
    #[serde(default)]
    pub platform: String,
    /// The source that it came through first.
    #[serde(default)]
    pub source: String,
    /// What the platform said beyond this model. Sensitive.
    #[serde(default)]
    pub platform_fields: Map<String, Value>,
}

impl Conversation {
    /// A record with nothing in it but who and when, for mappings to fill.
    pub fn blank(id: ConversationId, agent_id: AgentId, created_at: Timestamp) -> Self {
        Self {
            id,
            agent_id,
            agent_name: None,
            room_name: Presence::Absent,
            room_sid: Presence::Absent,
            status: Status::Pending,
            transport: Transport::Web,
            created_at,
            metadata: Map::new(),
            message_count: 0,
            started_at: None,
            ended_at: None,
            duration_ms: None,
            cost_cents: None,
            recording_url: None,
            recording_started_at: None,
            end_reason: None,
            end_reason_source: None,
            end_reason_raw: None,
            caller_identity: String::new(),
            from_number: None,
            to_number: None,
            agent_snapshot: Presence::Absent,
            dynamic_variables: Presence::Absent,
            ivr_menu_id: Presence::Absent,
            ivr_path_taken: Presence::Absent,
            ivr_surrender_reason: Presence::Absent,
            summary: None,
            call_successful: None,
            user_turn_count: None,
            platform: String::new(),
            source: String::new(),
            platform_fields: Map::new(),
        }
    }

    /// When it was over, as far as its platform says: the end, or the beginning and how long it took.
    pub fn over_at(&self) -> Option<Timestamp> {
        let took = |began: Timestamp| {
            let millis = u64::try_from(self.duration_ms?).ok()?;
            Some(began.plus(std::time::Duration::from_millis(millis)))
        };
        self.ended_at.or_else(|| took(self.started_at?))
    }

    /// The anchor for a caller's "tomorrow": when the call began, as well as it is known.
    pub fn happened_at(&self) -> Timestamp {
        self.started_at.unwrap_or(self.created_at)
    }

    /// Whether we placed this call.
    pub fn is_outbound(&self) -> bool {
        self.transport == Transport::SipOutbound
    }
}

/// One message of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The platform's id, unique within the conversation.
    pub id: MessageId,
    /// Who speaks.
    pub role: Role,
    /// What was said, redacted before it is stored.
    #[serde(default)]
    pub content: String,
    /// The tool called, in messages of role `tool`.
    #[serde(default)]
    pub tool_name: Option<String>,
    /// What it was called with.
    #[serde(default)]
    pub tool_args: Option<Value>,
    /// What it answered.
    #[serde(default)]
    pub tool_result: Option<Value>,
    /// When it began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

impl fmt::Display for Presence<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.value().map_or("", String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_survives_a_round_trip() {
        for text in ["completed", "on_hold", ""] {
            let status: Status = serde_json::from_value(Value::from(text)).unwrap();
            assert_eq!(serde_json::to_value(&status).unwrap(), Value::from(text));
        }
        assert_eq!(Status::from("on_hold"), Status::Other("on_hold".to_owned()));
        assert_eq!(Status::KNOWN.len(), 4);
    }

    #[test]
    fn absent_null_and_empty_are_three_things() {
        let id = ConversationId::new("c").unwrap();
        let agent = AgentId::new("a").unwrap();
        let blank = Conversation::blank(id, agent, Timestamp::from_secs(0));
        for presence in [Presence::Absent, Presence::Null, Presence::Value(vec![])] {
            let call = Conversation {
                ivr_path_taken: presence.clone(),
                ..blank.clone()
            };
            let json = serde_json::to_value(&call).unwrap();
            assert_eq!(json.get("ivr_path_taken").is_none(), presence.is_absent());
            let back: Conversation = serde_json::from_value(json).unwrap();
            assert_eq!(back.ivr_path_taken, presence);
        }
    }
}
