//! Vonage's Voice API as it is seen from outside (`platforms.md` §5).

use serde_json::{Value, json};

use super::{is_outbound, without_nulls, word};
use crate::secret::Secret;
use crate::signature::{jwt, payload_jwt};
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "vonage";

const STATUS: [(&str, &str); 4] = [
    ("dial_busy", "busy"),
    ("dial_no_answer", "unanswered"),
    ("dial_failed", "failed"),
    ("dial_rejected", "rejected"),
];

/// The event that says that the call is over. Numbers are texts, without the plus sign.
pub fn event(call: &Record) -> Value {
    let number = |number: &Option<String>| {
        number
            .as_deref()
            .map(|number| number.trim_start_matches('+').to_owned())
    };
    without_nulls(json!({
        "uuid": call.id,
        "conversation_uuid": call.id,
        "status": word(call, &STATUS, "completed"),
        "direction": if is_outbound(call) { "outbound" } else { "inbound" },
        "from": number(&call.from_number),
        "to": number(&call.to_number),
        "start_time": call.started_at,
        "end_time": call.ended_at,
        "duration": call.duration_ms.map(|ms| (ms / 1000).to_string()),
        "timestamp": call.ended_at,
    }))
}

/// The headers of a delivery.
pub fn headers(secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    vec![(jwt::HEADER, payload_jwt::sign(secret, body, now))]
}
