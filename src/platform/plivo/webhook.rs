//! Plivo's callbacks: who signed them, and which call they say is over.

use http::HeaderMap;

use super::map;
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::printable;
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks, flat};
use crate::secret::Secret;
use crate::signature::Refusal;
use crate::signature::explain::{self, Check};
use crate::signature::url_hmac::plivo as scheme;
use crate::time::Timestamp;

/// The half of Plivo that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    secrets: Vec<Secret>,
    url: Option<String>,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub fn of(source: &SourceConfig) -> Self {
        Self {
            naming: Naming::of(source, super::NAME),
            secrets: source.webhook.secrets.clone(),
            url: source.webhook.url.clone(),
        }
    }

    fn event(&self, payload: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let mut fields = flat::read(payload).ok_or("the body is neither a form nor an object")?;
        let Some(status) = fields.text("CallStatus") else {
            return Ok(Classified::Ignored("no CallStatus".to_owned()));
        };
        if !map::is_over(&status) {
            let status = printable(&status);
            return Ok(Classified::Ignored(format!("CallStatus {status}")));
        }
        let id = fields.text("CallUUID").ok_or("the body names no call")?;
        let event_id = format!("{id}:{status}");
        let occurred_at = fields.time("EndTime");
        let told = self.told(payload, received_at).ok();
        Notice {
            source: &self.naming.source,
            kind: EventKind::Finished,
            event_id: Some(event_id),
            occurred_at,
            call: &id,
            agent: None,
            hint: told.map(Fetched::hint),
        }
        .event(payload, received_at)
    }
}

impl Webhooks for Sender {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(scheme::HEADER) || headers.contains_key(scheme::SECOND)
    }

    fn verify(&self, delivery: Delivery<'_>, _now: Timestamp) -> Result<(), Refusal> {
        let urls = delivery.urls(self.url.as_deref());
        scheme::verify(delivery.headers, &urls, delivery.posted(), &self.secrets)
    }

    fn explain(&self, delivery: Delivery<'_>, _now: Timestamp) -> Vec<Check> {
        let urls = delivery.urls(self.url.as_deref());
        explain::plivo(delivery.headers, &urls, delivery.posted(), &self.secrets)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let fields = flat::read(payload).ok_or(Untold("it is neither a form nor an object"))?;
        map::callback(fields, &self.naming, received_at).map_err(Untold)
    }

    fn takes_get(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
