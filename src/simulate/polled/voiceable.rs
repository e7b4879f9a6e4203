//! Voiceable as it is seen from outside (`platforms.md` §3b): ElevenLabs' API in other clothes.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulate::foreign::desk::answer;
use crate::simulate::foreign::{Desk, elevenlabs};
use crate::simulate::record::Record;

/// Its name in settings.
pub(super) const NAME: &str = "voiceable";

/// The conversation: it says when it was created, and ElevenLabs when it started.
fn call(record: &Record) -> Value {
    renamed(elevenlabs::call(record), record)
}

fn row(record: &Record) -> Value {
    renamed(elevenlabs::row(record), record)
}

fn renamed(mut theirs: Value, record: &Record) -> Value {
    if let Value::Object(fields) = &mut theirs {
        fields.remove("start_time_unix_secs");
        fields.insert("created_at".to_owned(), json!(record.created_at));
        fields.insert("agent_name".to_owned(), json!("Front desk"));
        fields.insert("status".to_owned(), json!("completed"));
    }
    theirs
}

/// `GET /api/v1/conversations/{id}` and `GET /api/v1/conversations`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/v1/conversations/{id}", get(one))
        .route("/api/v1/conversations", get(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    answer(desk.call(NAME, &id).as_ref().map(call))
}

#[derive(Deserialize)]
struct Asked {
    cursor: Option<usize>,
    page_size: Option<usize>,
}

async fn list(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Json<Value> {
    let limit = asked.page_size.unwrap_or(30).clamp(1, 100);
    let from = asked.cursor.unwrap_or(0);
    let calls = desk.newest(NAME, from, limit);
    let more = calls.len() == limit;
    let rows: Vec<Value> = calls.iter().map(row).collect();
    let next = more.then(|| (from + rows.len()).to_string());
    Json(json!({"conversations": rows, "cursor": next, "has_more": more}))
}
