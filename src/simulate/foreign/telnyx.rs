//! Telnyx's Call Control as it is seen from outside (`platforms.md` §5).

use serde_json::{Value, json};

use super::{TELNYX_SEED, is_outbound, word};
use crate::id::of_content;
use crate::signature::ed25519;
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "telnyx";

const CAUSES: [(&str, &str); 4] = [
    ("dial_busy", "user_busy"),
    ("dial_no_answer", "no_answer"),
    ("dial_rejected", "call_rejected"),
    ("max_duration_reached", "time_limit"),
];

/// The event that says that the call is over.
pub fn hangup(call: &Record) -> Value {
    let outbound = is_outbound(call);
    // The external leg is the caller's of an inbound call.
    let by_us = word(call, &[("agent_ended", "agent")], "caller") == "agent";
    let source = if by_us == outbound {
        "caller"
    } else {
        "callee"
    };
    json!({"data": {
        "record_type": "event",
        "event_type": "call.hangup",
        "id": of_content("", &["hangup", call.id.as_str()]),
        "occurred_at": call.ended_at,
        "payload": {
            "call_session_id": call.id,
            "call_leg_id": call.id,
            "direction": if outbound { "outgoing" } else { "incoming" },
            "from": call.from_number,
            "to": call.to_number,
            "start_time": call.started_at.unwrap_or(call.created_at),
            "end_time": call.ended_at,
            "state": "hangup",
            "hangup_cause": word(call, &CAUSES, "normal_clearing"),
            "hangup_source": source,
        },
    }})
}

/// The headers of a delivery.
pub fn headers(body: &[u8], now: Timestamp) -> Headers {
    let (signature, time) = ed25519::sign(&TELNYX_SEED, now.as_secs(), body);
    vec![(ed25519::SIGNATURE, signature), (ed25519::TIMESTAMP, time)]
}
