//! A CRM that fails on purpose: it proves who sent each delivery, counts by the event's id, and
//! answers as its mood is.
//!
//! Results go to `/crm/{mood}`; `GET /crm` tells what came, event by event, and the sums.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::host::Host;
use crate::secret::Secret;
use crate::signature::Tolerance;
use crate::signature::standard::{self, NotASenderKey, SenderKey};
use crate::time::Timestamp;

mod mood;

pub use mood::Mood;
use mood::Reply;

/// How far a delivery's time may be from ours, as Standard Webhooks advises.
const TOLERANCE: Duration = Duration::from_mins(5);

/// The CRM: whom it believes, and what it got.
#[derive(Debug, Default)]
pub struct Crm {
    keys: Mutex<Vec<SenderKey>>,
    ledger: Mutex<Ledger>,
}

/// What came of one event.
#[derive(Clone, Debug, Serialize)]
pub struct Got {
    /// The mood that it met.
    pub mood: Mood,
    /// The event's id, by which it is counted.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The call that it is about; none for what is about no call.
    pub conversation_id: Option<String>,
    /// How often it came.
    pub attempts: u32,
    /// How often its signature was right: 0 while the CRM knows no secret.
    pub verified: u32,
    /// How often it was answered with success.
    pub taken: u32,
    /// When it was taken first.
    pub taken_at: Option<Timestamp>,
}

/// The sums of what came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Events, each counted once.
    pub events: usize,
    /// Those that were taken.
    pub delivered: usize,
    /// Those that came again although they had been taken.
    pub repeated: usize,
    /// Deliveries.
    pub attempts: u32,
    /// Deliveries whose signature was right.
    pub verified: u32,
}

/// When a delivery came, and whether its signature was right; `None` while the CRM knows no secret.
struct Proof {
    at: Timestamp,
    believed: Option<bool>,
}

#[derive(Debug, Default)]
struct Ledger {
    rows: Vec<Got>,
    /// Where an event's row is, and how many events its mood had met before it.
    places: HashMap<(Mood, String), (usize, usize)>,
    /// How many events each mood has met.
    met: HashMap<Mood, usize>,
}

impl Crm {
    /// Believes what is signed with this secret from now on. While it knows none, it believes all.
    pub fn trust(&self, secret: &Secret) -> Result<(), NotASenderKey> {
        let key = SenderKey::read(secret)?;
        locked(&self.keys).push(key);
        Ok(())
    }

    /// What came of every event, in the order in which they came first.
    pub fn got(&self) -> Vec<Got> {
        locked(&self.ledger).rows.clone()
    }

    /// What came about a call.
    pub fn of_call(&self, conversation_id: &str) -> Vec<Got> {
        let ledger = locked(&self.ledger);
        let its = |got: &&Got| got.conversation_id.as_deref() == Some(conversation_id);
        ledger.rows.iter().filter(its).cloned().collect()
    }

    /// The sums.
    pub fn sums(&self) -> Sums {
        Sums::of(&locked(&self.ledger).rows)
    }

    /// Judges who sent a delivery.
    fn prove(&self, headers: &HeaderMap, body: &[u8], at: Timestamp) -> Proof {
        let keys = locked(&self.keys);
        let tolerance = Tolerance::of(TOLERANCE);
        let verified = || standard::verify(headers, body, &keys, tolerance, at).is_ok();
        Proof {
            at,
            believed: (!keys.is_empty()).then(verified),
        }
    }

    /// Enters a delivery, and says what is answered.
    fn enter(&self, mood: Mood, id: &str, body: &[u8], proof: &Proof) -> Reply {
        let mut ledger = locked(&self.ledger);
        let (got, nth) = ledger.row(mood, id, body);
        got.attempts += 1;
        got.verified += u32::from(proof.believed == Some(true));
        let reply = match proof.believed {
            Some(false) => Reply::Unproved,
            _ => mood.reply(nth, got.attempts),
        };
        if matches!(reply, Reply::Taken | Reply::Late(_)) {
            got.taken += 1;
            got.taken_at.get_or_insert(proof.at);
        }
        reply
    }
}

impl Ledger {
    /// The row of an event, and how many events the mood had met before it.
    fn row(&mut self, mood: Mood, id: &str, body: &[u8]) -> (&mut Got, usize) {
        let met = self.met.entry(mood).or_default();
        let rows = &mut self.rows;
        let (place, nth) = *self.places.entry((mood, id.to_owned())).or_insert_with(|| {
            rows.push(Got::first(mood, id, body));
            *met += 1;
            (rows.len() - 1, *met - 1)
        });
        (&mut self.rows[place], nth)
    }
}

impl Got {
    fn first(mood: Mood, id: &str, body: &[u8]) -> Self {
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let data = &event["data"];
        let call = [
            &data["conversation"]["id"],
            &data["conversation_id"],
            &data["id"],
        ];
        Self {
            mood,
            id: id.to_owned(),
            kind: event["type"].as_str().unwrap_or_default().to_owned(),
            conversation_id: call.into_iter().find_map(Value::as_str).map(str::to_owned),
            attempts: 0,
            verified: 0,
            taken: 0,
            taken_at: None,
        }
    }
}

impl Sums {
    /// The sums of these.
    pub fn of(rows: &[Got]) -> Self {
        Self {
            events: rows.len(),
            delivered: rows.iter().filter(|got| got.taken > 0).count(),
            repeated: rows.iter().filter(|got| got.taken > 1).count(),
            attempts: rows.iter().map(|got| got.attempts).sum(),
            verified: rows.iter().map(|got| got.verified).sum(),
        }
    }
}

/// A panic while it was held has spoilt nothing: every change is one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The CRM's routes, whose clock and end are the host's.
pub fn router(host: &Host, crm: &Arc<Crm>) -> Router {
    Router::new()
        .route("/crm", get(ledger))
        .route(
            "/crm/{mood}",
            axum::routing::post(take).put(take).patch(take),
        )
        .with_state((host.clone(), Arc::clone(crm)))
}

async fn ledger(State((_, crm)): State<(Host, Arc<Crm>)>) -> Json<Value> {
    let events = crm.got();
    Json(json!({"summary": Sums::of(&events), "events": events}))
}

async fn take(
    State((host, crm)): State<(Host, Arc<Crm>)>,
    Path(mood): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(mood) = Mood::named(&mood) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let id = headers.get(standard::ID).and_then(|id| id.to_str().ok());
    let Some(id) = id else {
        return told(StatusCode::BAD_REQUEST, "webhook-id is missing");
    };
    let proof = crm.prove(&headers, &body, host.now());
    match crm.enter(mood, id, &body, &proof) {
        Reply::Taken => told(StatusCode::OK, "noted"),
        Reply::Late(wait) => {
            host.pause(wait).await;
            told(StatusCode::OK, "noted, late")
        }
        Reply::Unproved => told(StatusCode::UNAUTHORIZED, "the signature is wrong"),
        Reply::Failed => told(StatusCode::INTERNAL_SERVER_ERROR, "failed on purpose"),
        Reply::Busy(wait) => {
            let mut response = told(StatusCode::TOO_MANY_REQUESTS, "busy on purpose");
            response
                .headers_mut()
                .insert(RETRY_AFTER, wait.as_secs().into());
            response
        }
        Reply::Cut => {
            // A body that fails before its first byte takes the connection with it, head and all.
            let failing = futures::stream::once(async { Err::<Bytes, _>("cut off on purpose") });
            Body::from_stream(failing).into_response()
        }
        Reply::Silence => {
            host.stop.cancelled().await;
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn told(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

#[cfg(test)]
mod tests;
