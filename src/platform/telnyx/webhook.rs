//! Telnyx's webhooks: who signed them, and which call they say is over.

use std::borrow::Cow;

use http::HeaderMap;

use super::map::{self, Event};
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::printable;
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance, ed25519};
use crate::time::Timestamp;

/// The half of Telnyx that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    keys: Vec<Secret>,
    tolerance: Tolerance,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub fn of(source: &SourceConfig) -> Self {
        Self {
            naming: Naming::of(source, super::NAME),
            keys: source.webhook.secrets.clone(),
            tolerance: Tolerance::of(source.webhook.tolerance),
        }
    }

    fn event(&self, payload: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let mut event = Event::read(payload)?;
        let kind = match &*event.name {
            "call.hangup" | "call.conversation.ended" | map::TEXML => EventKind::Finished,
            "call.conversation_insights.generated" => EventKind::Analyzed,
            other => return Ok(Classified::Ignored(format!("event {}", printable(other)))),
        };
        if let Some(status) = event.status()
            && !map::is_over(&status)
        {
            let status = printable(&status);
            return Ok(Classified::Ignored(format!("CallStatus {status}")));
        }
        let id = event.call().ok_or("the body names no call")?;
        let agent = event.assistant();
        Notice {
            source: &self.naming.source,
            occurred_at: event.occurred_at.filter(|_| kind == EventKind::Finished),
            kind,
            event_id: event.id.take(),
            call: &id,
            agent: agent.as_deref().map(Cow::Borrowed).as_deref(),
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
        headers.contains_key(ed25519::SIGNATURE)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        ed25519::verify(headers, body, &self.keys, self.tolerance, now)
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        explain::ed25519(headers, body, &self.keys, self.tolerance, now)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        Event::read(payload)
            .and_then(|event| map::call(event, &self.naming, received_at))
            .map_err(Untold)
    }
}

#[cfg(test)]
mod tests;
