//! Speechify's webhooks: who signed them, and which conversation they say is over
//! (`platforms.md` §4.4).

use std::borrow::Cow;

use http::HeaderMap;
use serde_json::{Map, Value};

use super::map;
use crate::config::SourceConfig;
use crate::event::{CallEvent, EventKind, caller_named};
use crate::id::{AgentId, ConversationId, EventId};
use crate::platform::fields::object_of;
use crate::platform::naming::Naming;
use crate::platform::pick::{Raw, pick, printable};
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks, body_id};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance, prefixed_hmac, timestamped_hmac};
use crate::time::Timestamp;

/// The names that "the call is over" has had.
const FINISHED: [&str; 2] = ["conversation.completed", "conversation.ended"];

/// The half of Speechify that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    secrets: Vec<Secret>,
    tolerance: Tolerance,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub fn of(source: &SourceConfig) -> Self {
        Self {
            naming: Naming::of(source, super::NAME),
            secrets: source.webhook.secrets.clone(),
            tolerance: Tolerance::of(source.webhook.tolerance),
        }
    }

    /// Whether only the old headers are there. Where both are, the present one decides.
    fn is_legacy(headers: &HeaderMap) -> bool {
        !headers.contains_key(timestamped_hmac::SPEECHIFY)
            && headers.contains_key(prefixed_hmac::SIGNATURE)
    }

    fn event(&self, body: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let text = str::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
        let [
            event,
            kind,
            id,
            time,
            created_at,
            conversation,
            data,
            conversation_id,
        ] = pick(
            text,
            [
                "event",
                "type",
                "id",
                "timestamp",
                "created_at",
                "conversation",
                "data",
                "conversation_id",
            ],
        )
        .ok_or("the body is not a JSON object, or is cut off")?;
        let name = event.or(kind).text().ok_or("the body names no event")?;
        if !FINISHED.contains(&&*name) {
            return Ok(Classified::Ignored(format!("event {}", printable(&name))));
        }
        let call = Call::find(conversation, data, conversation_id)
            .ok_or("the body names no conversation")?;
        let occurred_at = call
            .ended_at
            .time()
            .or_else(|| time.time())
            .or_else(|| created_at.time());
        // A flat body's `id` is the call's: two deliveries of one call are two events.
        let event_id = id
            .text()
            .filter(|id| **id != *call.id && !id.starts_with("conv_"))
            .and_then(|id| EventId::new(&id).ok());
        Ok(Classified::Event(Box::new(CallEvent {
            source: self.naming.source.clone(),
            event_id: event_id.unwrap_or_else(|| body_id(body)),
            kind: EventKind::Finished,
            occurred_at,
            received_at,
            conversation_id: Some(
                ConversationId::given(&call.id).map_err(|_| "the conversation's id is unusable")?,
            ),
            room: None,
            agent_id: call.agent_id.text().and_then(|id| AgentId::given(&id).ok()),
            caller_identity: call.caller.text().and_then(|caller| caller_named(&caller)),
            hint: None,
            body: None,
        })))
    }
}

/// What a body says about its call, wherever it says it.
struct Call<'a> {
    id: Cow<'a, str>,
    agent_id: Raw<'a>,
    caller: Raw<'a>,
    ended_at: Raw<'a>,
}

impl<'a> Call<'a> {
    /// Looks through the forms that the body has had: `conversation` (an agent's own webhook),
    /// `data.object` (a workspace endpoint), and an id beside other data (the oldest).
    fn find(conversation: Raw<'a>, data: Raw<'a>, conversation_id: Raw<'a>) -> Option<Self> {
        const KEYS: [&str; 4] = ["id", "agent_id", "caller_identity", "ended_at"];
        let [object, inner, flat_id, flat_agent, flat_caller, flat_end] = data.pick([
            "object",
            "conversation",
            "conversation_id",
            "agent_id",
            "caller_identity",
            "ended_at",
        ]);
        [
            conversation.pick(KEYS),
            object.pick(KEYS),
            inner.pick(KEYS),
            [
                flat_id.or(conversation_id),
                flat_agent,
                flat_caller,
                flat_end,
            ],
        ]
        .into_iter()
        .find_map(|[id, agent_id, caller, ended_at]| {
            Some(Self {
                id: id.text()?,
                agent_id,
                caller,
                ended_at,
            })
        })
    }
}

impl Webhooks for Sender {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(timestamped_hmac::SPEECHIFY)
            || headers.contains_key(prefixed_hmac::SIGNATURE)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        if Self::is_legacy(headers) {
            return prefixed_hmac::verify(headers, body, &self.secrets, self.tolerance, now);
        }
        timestamped_hmac::verify(
            timestamped_hmac::SPEECHIFY,
            headers,
            body,
            &self.secrets,
            self.tolerance,
            now,
        )
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        if Self::is_legacy(headers) {
            return explain::prefixed_hmac(headers, body, &self.secrets, self.tolerance, now);
        }
        explain::timestamped_hmac(
            timestamped_hmac::SPEECHIFY,
            headers,
            body,
            &self.secrets,
            self.tolerance,
            now,
        )
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let body = object_of(payload).ok_or(Untold("it is not a JSON object"))?;
        let (call, messages) = held(body).ok_or(Untold("it holds no conversation"))?;
        map::told(call, messages, &self.naming, received_at).map_err(Untold)
    }
}

/// The call and its messages, in whichever of the forms of [`Call::find`].
fn held(mut body: Map<String, Value>) -> Option<(Map<String, Value>, Vec<Value>)> {
    let mut data = match body.remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    let messages = [body.remove("messages"), data.remove("messages")];
    let objects = [
        body.remove("conversation"),
        data.remove("object"),
        data.remove("conversation"),
    ];
    let whole = objects.into_iter().flatten().find_map(|value| match value {
        Value::Object(call) => Some(call),
        _ => None,
    });
    let call = whole.or_else(|| {
        let id = data
            .remove("conversation_id")
            .or(body.remove("conversation_id"))?;
        data.insert("id".to_owned(), id);
        Some(data)
    })?;
    let messages = messages
        .into_iter()
        .flatten()
        .find_map(|value| match value {
            Value::Array(rows) => Some(rows),
            _ => None,
        });
    Some((call, messages.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
