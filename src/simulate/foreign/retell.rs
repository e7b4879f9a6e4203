//! Retell as it is seen from outside (`platforms.md` §5).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::desk::answer;
use super::{Desk, is_outbound, without_nulls, word};
use crate::secret::Secret;
use crate::signature::appended_hmac;
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "retell";

const WORDS: [(&str, &str); 6] = [
    ("agent_ended", "agent_hangup"),
    ("caller_hangup", "user_hangup"),
    ("dial_busy", "dial_busy"),
    ("dial_no_answer", "dial_no_answer"),
    ("voicemail_hangup", "voicemail_reached"),
    ("transferred", "call_transfer"),
];

/// The call object.
pub fn call(call: &Record) -> Value {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    let lines: Vec<Value> = call.messages.iter().filter_map(line).collect();
    let outbound = is_outbound(call);
    without_nulls(json!({
        "call_id": call.id,
        "call_type": if call.from_number.is_some() { "phone_call" } else { "web_call" },
        "direction": if outbound { "outbound" } else { "inbound" },
        "from_number": call.from_number,
        "to_number": call.to_number,
        "agent_id": call.agent_id,
        "call_status": if call.started_at.is_some() { "ended" } else { "not_connected" },
        "start_timestamp": millis(call.started_at),
        "end_timestamp": millis(Some(call.ended_at)),
        "duration_ms": call.duration_ms,
        "disconnection_reason": word(call, &WORDS, "error_unknown"),
        "transcript_object": lines,
    }))
}

fn line(message: &Value) -> Option<Value> {
    let role = match message["role"].as_str()? {
        "assistant" => "agent",
        "user" => "user",
        _ => return None,
    };
    Some(json!({"role": role, "content": message["content"], "words": []}))
}

/// The event that says that the call is over.
pub fn ended(record: &Record) -> Value {
    json!({"event": "call_ended", "call": call(record)})
}

/// The headers of a delivery.
pub fn headers(secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    let value = appended_hmac::sign(secret, now.as_millis(), body);
    vec![(appended_hmac::HEADER, value)]
}

/// `GET /v2/get-call/{id}` and `POST /v3/list-calls`.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v2/get-call/{id}", get(one))
        .route("/v3/list-calls", post(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(call))
}

async fn list(State(desk): State<Arc<Desk>>, Json(asked): Json<Value>) -> Json<Value> {
    let limit = asked["limit"].as_u64().unwrap_or(50).min(1_000);
    let limit = usize::try_from(limit).unwrap_or(50);
    let from = asked["pagination_key"]
        .as_str()
        .and_then(|key| key.parse().ok());
    let from: usize = from.unwrap_or(0);
    let calls = desk.newest(NAME, from, limit);
    let more = calls.len() == limit;
    let items: Vec<Value> = calls.iter().map(call).collect();
    let next = more.then(|| (from + items.len()).to_string());
    Json(json!({"items": items, "pagination_key": next, "has_more": more}))
}
