//! A call as the simulated platform knows it: the field set of the first source document.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::conversation::{Status, Transport};
use crate::end_reason::EndReason;
use crate::id::{AgentId, ConversationId};
use crate::time::Timestamp;

/// The call.
#[derive(Clone, Debug)]
pub struct Record {
    /// `conv_…`.
    pub id: ConversationId,
    /// `agent_…`.
    pub agent_id: AgentId,
    /// The LiveKit room's name.
    pub room_name: String,
    /// The LiveKit room's session id.
    pub room_sid: String,
    /// How the caller reached the agent.
    pub transport: Transport,
    /// Where the call stands.
    pub status: Status,
    /// When it was initiated.
    pub created_at: Timestamp,
    /// When the first user joined.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Milliseconds from start to end.
    pub duration_ms: Option<i64>,
    /// Why it ended, where the platform says so.
    pub end_reason: Option<EndReason>,
    /// Who called; empty for anonymous callers.
    pub caller_identity: String,
    /// The number that placed the call.
    pub from_number: Option<String>,
    /// The number that received it.
    pub to_number: Option<String>,
    /// The messages, as the platform serves them.
    pub messages: Vec<Value>,
}

/// What goes wrong when this call is asked for, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// So many requests are answered 503.
    pub unavailable: u32,
    /// Then so many are answered 429.
    pub throttled: u32,
    /// `Retry-After` of both, in seconds; none is sent without it.
    pub retry_after_s: Option<u64>,
    /// So many reads still show the call under way.
    pub unfinished: u32,
}

impl Record {
    /// A row of the list: with the message count, without snapshot and variables.
    pub fn row(&self) -> Value {
        let mut row = self.fields();
        row.insert("message_count".to_owned(), json!(self.messages.len()));
        Value::Object(row)
    }

    /// The single read. `finished: false` shows the call as it was before its end.
    pub fn detail(&self, finished: bool) -> Value {
        let mut detail = self.fields();
        detail.insert("message_count".to_owned(), json!(0));
        detail.insert("agent_snapshot".to_owned(), self.agent_snapshot());
        if !matches!(
            self.transport,
            Transport::SipInbound | Transport::SipOutbound
        ) {
            detail.insert("dynamic_variables".to_owned(), json!({"plan": "premium"}));
        }
        if !finished {
            detail.insert("status".to_owned(), json!(Status::Active));
            for open in ["ended_at", "duration_ms", "cost_cents", "recording_url"] {
                detail.insert(open.to_owned(), Value::Null);
            }
            detail.insert("end_reason".to_owned(), Value::Null);
        }
        Value::Object(detail)
    }

    fn fields(&self) -> Map<String, Value> {
        let connected = self.started_at.is_some();
        let recording_started_at = self
            .started_at
            .map(|at| at.plus(std::time::Duration::from_millis(1_494)));
        let recording_url = connected.then(|| {
            format!(
                "https://storage.example.com/recordings/{}.ogg",
                self.id.as_str()
            )
        });
        let fields = json!({
            "id": self.id,
            "agent_id": self.agent_id,
            "room_name": self.room_name,
            "room_sid": self.room_sid,
            "status": self.status,
            "transport": self.transport,
            "created_at": self.created_at,
            "metadata": {"simulated": true},
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "duration_ms": self.duration_ms,
            "cost_cents": self.duration_ms.map(|ms| ms / 6_000),
            "recording_url": recording_url,
            "recording_started_at": recording_started_at,
            "end_reason": self.end_reason,
            "caller_identity": self.caller_identity,
            "from_number": self.from_number,
            "to_number": self.to_number,
            "ivr_menu_id": null,
            "ivr_path_taken": null,
            "ivr_surrender_reason": null,
        });
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    fn agent_snapshot(&self) -> Value {
        json!({
            "schema_version": 3,
            "captured_at": self.created_at,
            "name": "Front desk",
            "prompt": "You are the front desk of Acme. {{memory}}",
            "first_message": "Acme, good morning.",
            "language": "en",
            "llm_provider": "openai",
            "llm_model": "gpt-4.1-mini",
            "llm_base_url": null,
            "llm_extra_body": null,
            "voice_id": "george",
            "temperature": 0.4,
            "memory_enabled": true,
            "memory_retention_days": 90,
        })
    }
}
