//! Vapi as it is seen from outside (`platforms.md` §5), with the plain secret that most accounts use.

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
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "vapi";

const WORDS: [(&str, &str); 6] = [
    ("agent_ended", "assistant-ended-call"),
    ("caller_hangup", "customer-ended-call"),
    ("dial_busy", "customer-busy"),
    ("dial_no_answer", "customer-did-not-answer"),
    ("voicemail_hangup", "voicemail"),
    ("transferred", "assistant-forwarded-call"),
];

/// The call object.
pub fn call(call: &Record) -> Value {
    let outbound = is_outbound(call);
    let (theirs, ours) = if outbound {
        (&call.to_number, &call.from_number)
    } else {
        (&call.from_number, &call.to_number)
    };
    let kind = match (&theirs, outbound) {
        (None, _) => "webCall",
        (_, true) => "outboundPhoneCall",
        (_, false) => "inboundPhoneCall",
    };
    let number = |number: &Option<String>| number.as_ref().map(|number| json!({"number": number}));
    let messages: Vec<Value> = call.messages.iter().filter_map(line).collect();
    without_nulls(json!({
        "id": call.id,
        "type": kind,
        "status": "ended",
        "assistantId": call.agent_id,
        "createdAt": call.created_at,
        "startedAt": call.started_at,
        "endedAt": call.ended_at,
        "endedReason": word(call, &WORDS, "unknown-error"),
        "customer": number(theirs),
        "phoneNumber": number(ours),
        "artifact": {"messages": messages},
    }))
}

fn line(message: &Value) -> Option<Value> {
    let role = match message["role"].as_str()? {
        "assistant" => "bot",
        "user" => "user",
        _ => return None,
    };
    Some(json!({"role": role, "message": message["content"]}))
}

/// The server message that says that the call is over.
pub fn report(record: &Record, now: Timestamp) -> Value {
    let call = call(record);
    let mut message = json!({
        "type": "end-of-call-report",
        "timestamp": now.as_millis(),
        "call": {"id": call["id"], "type": call["type"], "assistantId": call["assistantId"],
            "createdAt": call["createdAt"]},
    });
    for beside in [
        "startedAt",
        "endedAt",
        "endedReason",
        "customer",
        "phoneNumber",
        "artifact",
    ] {
        message[beside] = call[beside].clone();
    }
    json!({ "message": message })
}

/// The headers of a delivery.
pub fn headers(secret: &Secret) -> Headers {
    vec![("x-vapi-secret", secret.expose().to_owned())]
}

/// `GET /call/{id}` and `GET /call`.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/call/{id}", get(one))
        .route("/call", get(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(call))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    limit: Option<usize>,
    created_at_le: Option<Timestamp>,
}

async fn list(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Json<Vec<Value>> {
    let calls = desk.newest(NAME, 0, usize::MAX);
    let wanted = calls
        .iter()
        .filter(|call| asked.created_at_le.is_none_or(|at| call.created_at <= at))
        .take(asked.limit.unwrap_or(100).min(1_000));
    Json(wanted.map(call).collect())
}
