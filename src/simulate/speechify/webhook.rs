//! The body of Speechify's `conversation.completed` (`platforms.md` §4.4).

use serde_json::{Value, json};

use crate::simulate::record::Record;
use crate::time::Timestamp;

/// The event's name, as it stands in the body and in the `Speechify-Event` header.
pub const COMPLETED: &str = "conversation.completed";

/// The body sent at `now` for a finished call, with its transcript.
pub fn completed(call: &Record, now: Timestamp) -> Value {
    json!({
        "event": COMPLETED,
        "timestamp": now.as_millis(),
        "conversation": {
            "id": call.id,
            "agent_id": call.agent_id,
            "status": call.status,
            "duration_ms": call.duration_ms,
            "started_at": call.started_at,
            "ended_at": call.ended_at,
            "metadata": {"simulated": true},
        },
        "messages": call.messages,
        "evaluations": [],
    })
}
