//! Twilio as it is seen from outside (`platforms.md` §5).

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::answer;
use super::{ACCOUNT, Desk, is_outbound, word};
use crate::secret::Secret;
use crate::signature::url_hmac::twilio;
use crate::simulate::record::Record;
use crate::simulate::signing::{Headers, form};
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "twilio";

const STATUS: [(&str, &str); 3] = [
    ("dial_busy", "busy"),
    ("dial_no_answer", "no-answer"),
    ("dial_failed", "failed"),
];

/// The status callback that says that the call is over, as a form.
pub fn callback(call: &Record) -> String {
    let seconds = call.duration_ms.unwrap_or(0) / 1000;
    form(&[
        ("CallSid", call.id.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", call.from_number.as_deref().unwrap_or_default()),
        ("To", call.to_number.as_deref().unwrap_or_default()),
        ("CallStatus", word(call, &STATUS, "completed")),
        ("Direction", direction(call)),
        ("CallDuration", &seconds.to_string()),
        ("Timestamp", &rfc2822(call.ended_at)),
        ("SequenceNumber", "0"),
    ])
}

fn direction(call: &Record) -> &'static str {
    if is_outbound(call) {
        "outbound-api"
    } else {
        "inbound"
    }
}

/// The call resource.
pub fn resource(call: &Record) -> Value {
    json!({
        "sid": call.id,
        "status": word(call, &STATUS, "completed"),
        "from": call.from_number,
        "to": call.to_number,
        "direction": direction(call),
        "duration": (call.duration_ms.unwrap_or(0) / 1000).to_string(),
        "date_created": rfc2822(call.created_at),
        "start_time": call.started_at.map(rfc2822),
        "end_time": rfc2822(call.ended_at),
        "answered_by": null,
    })
}

fn rfc2822(at: Timestamp) -> String {
    at.to_jiff()
        .strftime("%a, %d %b %Y %H:%M:%S +0000")
        .to_string()
}

/// The headers of a delivery to `url`.
pub fn headers(secret: &Secret, url: &str, body: &[u8]) -> Headers {
    vec![(twilio::HEADER, twilio::sign(secret, url, body))]
}

/// `GET /2010-04-01/Accounts/{account}/Calls/{sid}.json`, and the list.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Calls/{name}", get(one))
        .route("/2010-04-01/Accounts/{account}/Calls.json", get(list))
}

async fn one(State(desk): State<Arc<Desk>>, Path((_, name)): Path<(String, String)>) -> Response {
    let id = name.trim_end_matches(".json");
    answer(desk.call(NAME, id).as_ref().map(resource))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    page_size: Option<usize>,
    page: Option<usize>,
}

async fn list(
    State(desk): State<Arc<Desk>>,
    Path(account): Path<String>,
    Query(asked): Query<Asked>,
) -> Json<Value> {
    let size = asked.page_size.unwrap_or(50).clamp(1, 1_000);
    let page = asked.page.unwrap_or(0);
    let calls = desk.newest(NAME, page * size, size);
    let next = (calls.len() == size).then(|| {
        let next = page + 1;
        format!("/2010-04-01/Accounts/{account}/Calls.json?PageSize={size}&Page={next}")
    });
    let calls: Vec<Value> = calls.iter().map(resource).collect();
    Json(json!({"calls": calls, "page": page, "page_size": size, "next_page_uri": next}))
}
