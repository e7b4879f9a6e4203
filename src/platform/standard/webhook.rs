//! Events by Standard Webhooks: who signed them, and the finished call that they hold.
//!
//! ```json
//! {"type": "conversation.completed", "timestamp": "2026-02-01T09:30:00Z",
//!  "data": {"conversation": {"id": "call-1", "agent_id": "front-desk", "caller_identity": "+14155550123"},
//!           "messages": [{"role": "user", "content": "I can only do mornings."}]}}
//! ```
//!
//! The conversation may have any field of the first source document, and is `completed` unless it
//! says otherwise. `data` may also be the conversation itself, with its id as `conversation_id`.

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::fields::object_at;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::{pick, printable};
use crate::platform::speechify::map;
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::standard::{self, SenderKey};
use crate::signature::{Refusal, Tolerance};
use crate::time::Timestamp;

/// The types that say that a call is over.
const FINISHED: [&str; 3] = [
    "conversation.completed",
    "conversation.ended",
    "call.finished",
];

/// The half that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    secrets: Vec<Secret>,
    keys: Vec<SenderKey>,
    tolerance: Tolerance,
}

impl Sender {
    /// The sender of this source's webhooks. A secret that is no key verifies nothing; settings
    /// refuse it.
    pub fn of(source: &SourceConfig) -> Self {
        let secrets = source.webhook.secrets.clone();
        Self {
            naming: Naming::of(source, super::NAME),
            keys: secrets
                .iter()
                .filter_map(|secret| SenderKey::read(secret).ok())
                .collect(),
            secrets,
            tolerance: Tolerance::of(source.webhook.tolerance),
        }
    }

    fn event(
        &self,
        delivery: Delivery<'_>,
        received_at: Timestamp,
    ) -> Result<Classified, &'static str> {
        let payload = delivery.payload();
        let text = str::from_utf8(payload).map_err(|_| "the body is not UTF-8")?;
        let [kind, timestamp, data] = pick(text, ["type", "timestamp", "data"])
            .ok_or("the body is not a JSON object, or is cut off")?;
        let kind = kind.text().ok_or("the body names no type")?;
        if !FINISHED.contains(&&*kind) {
            return Ok(Classified::Ignored(format!("type {}", printable(&kind))));
        }
        let [nested, flat_id, bare_id, flat_agent, flat_end] = data.pick([
            "conversation",
            "conversation_id",
            "id",
            "agent_id",
            "ended_at",
        ]);
        let [id, agent_id, ended_at] = nested.pick(["id", "agent_id", "ended_at"]);
        let id = id.or(flat_id).or(bare_id);
        let signed_id = delivery.headers.get(standard::ID);
        Notice {
            source: &self.naming.source,
            kind: EventKind::Finished,
            event_id: signed_id.and_then(|id| Some(id.to_str().ok()?.trim().to_owned())),
            occurred_at: timestamp.time().or_else(|| ended_at.or(flat_end).time()),
            call: &id.text().ok_or("the body names no conversation")?,
            agent: agent_id.or(flat_agent).text().as_deref(),
            hint: None,
        }
        .event(payload, received_at)
    }
}

impl Webhooks for Sender {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(standard::SIGNATURE)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        standard::verify(headers, body, &self.keys, self.tolerance, now).map(drop)
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        explain::standard(headers, body, &self.secrets, self.tolerance, now)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery, received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let data = object_at(payload, "data").ok_or(Untold("it has no data"))?;
        let sent_at = str::from_utf8(payload)
            .ok()
            .and_then(|text| pick(text, ["timestamp"]))
            .and_then(|[timestamp]| timestamp.time());
        let (call, messages) = held(data);
        let or_at = sent_at.unwrap_or(received_at).min(received_at);
        map::told(call, messages, &self.naming, or_at).map_err(Untold)
    }
}

/// The call and its messages: side by side, or the one in the other.
fn held(mut data: Map<String, Value>) -> (Map<String, Value>, Vec<Value>) {
    let beside = data.remove("messages");
    let mut call = match data.remove("conversation") {
        Some(Value::Object(call)) => call,
        _ => data,
    };
    if let Some(id) = call.remove("conversation_id") {
        call.insert("id".to_owned(), id);
    }
    match beside.or_else(|| call.remove("messages")) {
        Some(Value::Array(rows)) => (call, rows),
        _ => (call, Vec::new()),
    }
}

#[cfg(test)]
mod tests;
