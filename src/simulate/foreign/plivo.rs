//! Plivo as it is seen from outside (`platforms.md` §5).

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
use crate::signature::url_hmac::plivo;
use crate::simulate::record::Record;
use crate::simulate::signing::{Headers, form};
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "plivo";

const STATUS: [(&str, &str); 3] = [
    ("dial_busy", "busy"),
    ("dial_no_answer", "no-answer"),
    ("dial_failed", "failed"),
];

/// The callback that says that the call is over, as a form.
pub fn callback(call: &Record) -> String {
    let seconds = call.duration_ms.unwrap_or(0) / 1000;
    form(&[
        ("CallUUID", call.id.as_str()),
        ("From", &bare(call.from_number.as_deref())),
        ("To", &bare(call.to_number.as_deref())),
        ("CallStatus", word(call, &STATUS, "completed")),
        ("Direction", direction(call)),
        ("Duration", &seconds.to_string()),
        ("StartTime", &civil(call.created_at)),
        (
            "AnswerTime",
            &call.started_at.map(civil).unwrap_or_default(),
        ),
        ("EndTime", &civil(call.ended_at)),
        ("HangupSource", source(call)),
        ("HangupCause", "Normal Hangup"),
        ("Event", "Hangup"),
    ])
}

/// Numbers are told without the plus sign.
fn bare(number: Option<&str>) -> String {
    number
        .unwrap_or_default()
        .trim_start_matches('+')
        .to_owned()
}

fn direction(call: &Record) -> &'static str {
    if is_outbound(call) {
        "outbound"
    } else {
        "inbound"
    }
}

fn source(call: &Record) -> &'static str {
    let external = if is_outbound(call) {
        "Callee"
    } else {
        "Caller"
    };
    word(
        call,
        &[("agent_ended", "API Request"), ("caller_hangup", external)],
        "Unknown",
    )
}

fn civil(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The call resource.
pub fn resource(call: &Record) -> Value {
    let state = word(
        call,
        &[
            ("dial_busy", "BUSY"),
            ("dial_no_answer", "NO_ANSWER"),
            ("dial_failed", "FAILED"),
        ],
        "ANSWER",
    );
    json!({
        "call_uuid": call.id,
        "call_state": state,
        "call_direction": direction(call),
        "from_number": bare(call.from_number.as_deref()),
        "to_number": bare(call.to_number.as_deref()),
        "call_duration": call.duration_ms.unwrap_or(0) / 1000,
        "initiation_time": civil(call.created_at),
        "answer_time": call.started_at.map(civil),
        "end_time": civil(call.ended_at),
        "hangup_source": source(call),
        "hangup_cause_name": "Normal Hangup",
    })
}

/// The headers of a delivery to `url`.
pub fn headers(secret: &Secret, url: &str, body: &[u8]) -> Headers {
    let nonce = "20251014130000";
    vec![
        (plivo::HEADER, plivo::sign(secret, url, body, nonce)),
        (plivo::NONCE, nonce.to_owned()),
    ]
}

/// `GET /v1/Account/{account}/Call/{uuid}/`, and the list.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v1/Account/{account}/Call/{id}/", get(one))
        .route("/v1/Account/{account}/Call/", get(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path((_, id)): Path<(String, String)>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(resource))
}

#[derive(Deserialize)]
struct Asked {
    offset: Option<usize>,
    limit: Option<usize>,
}

async fn list(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Json<Value> {
    let limit = asked.limit.unwrap_or(20).min(20);
    let calls = desk.newest(NAME, asked.offset.unwrap_or(0), limit);
    let objects: Vec<Value> = calls.iter().map(resource).collect();
    Json(json!({ "objects": objects }))
}
