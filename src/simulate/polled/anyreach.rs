//! Anyreach as it is seen from outside (`platforms.md` §3), by a token that may see everything.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulate::foreign::desk::answer;
use crate::simulate::foreign::{Desk, is_outbound, word};
use crate::simulate::record::Record;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "anyreach";

/// Rows of a page, unless told.
const PAGE: usize = 50;

/// A status is all that it says of why a call ended.
const STATUS: [(&str, &str); 3] = [
    ("transferred", "transferred"),
    ("dial_no_answer", "unanswered"),
    ("dial_failed", "failed"),
];

/// The conversation, of a single read and of a row alike.
fn call(call: &Record) -> Value {
    let (theirs, ours) = if is_outbound(call) {
        (&call.to_number, &call.from_number)
    } else {
        (&call.from_number, &call.to_number)
    };
    let lasted = call.duration_ms.filter(|_| call.status.is_terminal());
    let user = theirs.as_ref().unwrap_or(&call.caller_identity);
    let is_caller = |line: &&Value| line["role"] == "user";
    json!({
        "id": call.id,
        "organization_id": "org_simulated",
        "direction": if is_outbound(call) { "outbound" } else { "inbound" },
        "channel": if theirs.is_some() { "telephone" } else { "webrtc" },
        "status": status(call),
        "user_id": user,
        "agent_id": call.agent_id,
        "agent_number": ours,
        "web_widget_id": null,
        "duration": lasted.map(|ms| ms / 1000),
        "user_turn_count": call.messages.iter().filter(is_caller).count(),
        "created_at": call.created_at,
        "updated_at": call.ended_at,
        "agent": {"id": call.agent_id, "name": "Front desk"},
        "summary": "A simulated call.",
        "initial_context": null,
        "custom_metadata": {"simulated": true},
        "conversation": {"messages": call.messages},
        "recording_details": null,
    })
}

fn status(call: &Record) -> &'static str {
    if call.status.is_terminal() {
        word(call, &STATUS, "completed")
    } else {
        "in_progress"
    }
}

/// `GET /core/conversations/{id}` and `GET /core/conversations`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/core/conversations/{id}", get(one))
        .route("/core/conversations", get(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(call))
}

#[derive(Deserialize)]
struct Asked {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A plain array of what was created before the cursor, which is a time in Base64: calls of the very
/// instant of a page's last row are passed over.
async fn list(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    let before = match asked.cursor.as_deref().map(read) {
        Some(None) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Some(before) => before,
        None => None,
    };
    let calls = desk.newest(NAME, 0, usize::MAX);
    let rows: Vec<Value> = calls
        .iter()
        .filter(|call| before.is_none_or(|before| call.created_at < before))
        .take(asked.limit.unwrap_or(PAGE))
        .map(call)
        .collect();
    Json(rows).into_response()
}

fn read(cursor: &str) -> Option<Timestamp> {
    let bytes = STANDARD.decode(cursor).ok()?;
    str::from_utf8(&bytes).ok()?.parse().ok()
}
