//! Bland as it is seen from outside (`platforms.md` §5).

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::answer;
use super::{Desk, is_outbound, without_nulls, word};
use crate::secret::Secret;
use crate::signature::hmac_sha256;
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;

/// Its name in settings.
pub(super) const NAME: &str = "bland";

const ENDED_BY: [(&str, &str); 2] = [("agent_ended", "ASSISTANT"), ("caller_hangup", "USER")];
const STATUS: [(&str, &str); 3] = [
    ("dial_busy", "busy"),
    ("dial_no_answer", "no-answer"),
    ("dial_failed", "failed"),
];

/// The call object, which is the webhook's body, too.
pub fn call(call: &Record) -> Value {
    let outbound = is_outbound(call);
    let minutes = call.duration_ms.and_then(|ms| u32::try_from(ms).ok());
    let answered = if call.started_at.is_none() {
        None
    } else {
        Some(word(call, &[("voicemail_hangup", "voicemail")], "human"))
    };
    let lines: Vec<Value> = call.messages.iter().map(line).collect();
    without_nulls(json!({
        "call_id": call.id,
        "completed": true,
        "status": word(call, &STATUS, "completed"),
        "inbound": !outbound,
        "from": call.from_number,
        "to": call.to_number,
        "created_at": call.created_at,
        "started_at": call.started_at,
        "end_at": call.ended_at,
        "call_length": minutes.map(|ms| f64::from(ms) / 60_000.0),
        "answered_by": answered,
        "call_ended_by": word(call, &ENDED_BY, "SYSTEM"),
        "agent_id": call.agent_id,
        "transcripts": lines,
    }))
}

fn line(message: &Value) -> Value {
    json!({"id": message["id"], "user": message["role"], "text": message["content"],
        "created_at": message["started_at"]})
}

/// The headers of a delivery.
pub fn headers(secret: &Secret, body: &[u8]) -> Headers {
    let mac = hmac_sha256(secret.expose().as_bytes(), &[body]);
    vec![("x-webhook-signature", hex::encode(mac))]
}

/// `GET /v1/calls/{id}` and `GET /v1/calls`.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v1/calls/{id}", get(one))
        .route("/v1/calls", get(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(call))
}

#[derive(Deserialize)]
struct Asked {
    from: Option<usize>,
    limit: Option<usize>,
}

async fn list(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Json<Value> {
    let limit = asked.limit.unwrap_or(1_000).min(1_000);
    let calls = desk.newest(NAME, asked.from.unwrap_or(0), limit);
    let calls: Vec<Value> = calls.iter().map(call).collect();
    Json(json!({"count": calls.len(), "calls": calls}))
}
