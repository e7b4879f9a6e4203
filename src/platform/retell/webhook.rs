//! Retell's webhooks: who signed them, and which call they say is over or analysed.

use http::HeaderMap;

use super::map;
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::{pick, printable};
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks, fields};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance, appended_hmac};
use crate::time::Timestamp;

/// The half of Retell that sends.
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

    fn event(&self, payload: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let text = str::from_utf8(payload).map_err(|_| "the body is not UTF-8")?;
        let [event, call] =
            pick(text, ["event", "call"]).ok_or("the body is not a JSON object, or is cut off")?;
        let event = event.text().ok_or("the body names no event")?;
        let kind = match &*event {
            "call_ended" => EventKind::Finished,
            "call_analyzed" => EventKind::Analyzed,
            other => return Ok(Classified::Ignored(format!("event {}", printable(other)))),
        };
        let [id, agent_id, ended_at] = call.pick(["call_id", "agent_id", "end_timestamp"]);
        let id = id.text().ok_or("the body names no call")?;
        let is_end = kind == EventKind::Finished;
        Notice {
            source: &self.naming.source,
            kind,
            event_id: Some(format!("{event}:{id}")),
            occurred_at: ended_at.time().filter(|_| is_end),
            call: &id,
            agent: agent_id.text().as_deref(),
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
        headers.contains_key(appended_hmac::HEADER)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        appended_hmac::verify(headers, body, &self.secrets, self.tolerance, now)
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        explain::appended_hmac(headers, body, &self.secrets, self.tolerance, now)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let call = fields::object_at(payload, "call").ok_or(Untold("it holds no call"))?;
        map::call(call, &self.naming, received_at, true).map_err(Untold)
    }
}

#[cfg(test)]
mod tests;
