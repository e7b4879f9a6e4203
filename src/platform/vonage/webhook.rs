//! Vonage's event webhooks: who signed them, and which call they say is over. Now and then one comes
//! unsigned; answered 503, it comes again with its signature.

use http::HeaderMap;

use super::map;
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::printable;
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks, flat};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance, jwt, payload_jwt};
use crate::time::Timestamp;

/// The half of Vonage that sends.
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
        let mut fields = flat::read(payload).ok_or("the body is neither an object nor a form")?;
        let Some(status) = fields.text("status") else {
            return Ok(Classified::Ignored("no status".to_owned()));
        };
        if !map::is_over(&status) {
            let status = printable(&status);
            return Ok(Classified::Ignored(format!("status {status}")));
        }
        let id = map::id(&fields).ok_or("the body names no call")?;
        let at = fields.peek("timestamp");
        let event_id = fields
            .peek("uuid")
            .zip(at)
            .map(|(leg, at)| format!("{leg}:{status}:{at}"));
        Notice {
            source: &self.naming.source,
            kind: EventKind::Finished,
            event_id,
            occurred_at: fields.time("end_time").or_else(|| fields.time("timestamp")),
            call: &id,
            agent: None,
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
        headers.contains_key(jwt::HEADER)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        payload_jwt::verify(headers, body, &self.secrets, self.tolerance, now)
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        explain::payload_jwt(headers, body, &self.secrets, self.tolerance, now)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let fields = flat::read(payload).ok_or(Untold("it is neither an object nor a form"))?;
        map::call(fields, &self.naming, received_at).map_err(Untold)
    }

    fn signs_on_retry(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
