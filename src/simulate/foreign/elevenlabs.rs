//! ElevenLabs as it is seen from outside (`platforms.md` §2): its webhook's data is what its API answers.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::answer;
use super::{Desk, is_outbound, word};
use crate::secret::Secret;
use crate::signature::timestamped_hmac::{self, ELEVENLABS};
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "elevenlabs";

/// ElevenLabs' own words, which are no enumeration.
const WORDS: [(&str, &str); 3] = [
    ("agent_ended", "end_call tool was called."),
    ("caller_hangup", "Call ended by remote party"),
    ("transferred", "transfer_to_number tool was called."),
];

/// The conversation.
pub fn call(call: &Record) -> Value {
    let began = call.started_at.unwrap_or(call.created_at);
    let turns: Vec<Value> = call.messages.iter().map(|line| turn(line, began)).collect();
    let (theirs, ours) = if is_outbound(call) {
        (&call.to_number, &call.from_number)
    } else {
        (&call.from_number, &call.to_number)
    };
    let direction = if is_outbound(call) {
        "outbound"
    } else {
        "inbound"
    };
    json!({
        "agent_id": call.agent_id,
        "conversation_id": call.id,
        "status": "done",
        "transcript": turns,
        "metadata": {
            "start_time_unix_secs": call.created_at.as_secs(),
            "accepted_time_unix_secs": began.as_secs(),
            "call_duration_secs": seconds(call),
            "termination_reason": word(call, &WORDS, ""),
            "phone_call": {"type": "sip_trunking", "direction": direction,
                "external_number": theirs, "agent_number": ours},
        },
        "analysis": {"call_successful": "success", "transcript_summary": "A simulated call."},
        "has_audio": false,
        "has_user_audio": false,
        "has_response_audio": false,
    })
}

fn turn(line: &Value, began: Timestamp) -> Value {
    let at = line["started_at"].as_str();
    let at = at.and_then(|at| at.parse::<Timestamp>().ok());
    json!({
        "role": if line["role"] == "user" { "user" } else { "agent" },
        "message": line["content"],
        "time_in_call_secs": at.map_or(0, |at| at.since(began).as_secs()),
    })
}

/// Its row in the list.
pub(in crate::simulate) fn row(call: &Record) -> Value {
    json!({
        "agent_id": call.agent_id,
        "conversation_id": call.id,
        "start_time_unix_secs": call.created_at.as_secs(),
        "call_duration_secs": seconds(call),
        "message_count": call.messages.len(),
        "status": "done",
        "call_successful": "success",
        "termination_reason": word(call, &WORDS, ""),
    })
}

fn seconds(call: &Record) -> u64 {
    call.ended_at.since(call.created_at).as_secs()
}

/// The event that says that the call is over, and analysed.
pub fn transcription(record: &Record, now: Timestamp) -> Value {
    json!({
        "type": "post_call_transcription",
        "event_timestamp": now.as_secs(),
        "data": call(record),
    })
}

/// The headers of a delivery.
pub fn headers(secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    let value = timestamped_hmac::sign(secret, now.as_secs(), body);
    vec![(ELEVENLABS, value)]
}

/// `GET /v1/convai/conversations` and `GET /v1/convai/conversations/{id}`.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v1/convai/conversations", get(list))
        .route("/v1/convai/conversations/{id}", get(one))
}

#[derive(Deserialize)]
struct Asked {
    cursor: Option<usize>,
    page_size: Option<usize>,
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(call))
}

async fn list(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Json<Value> {
    let limit = asked.page_size.unwrap_or(30).clamp(1, 100);
    let from = asked.cursor.unwrap_or(0);
    let calls = desk.newest(NAME, from, limit);
    let more = calls.len() == limit;
    let rows: Vec<Value> = calls.iter().map(row).collect();
    let next = more.then(|| (from + rows.len()).to_string());
    Json(json!({"conversations": rows, "next_cursor": next, "has_more": more}))
}
