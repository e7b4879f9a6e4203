//! Status callbacks of carriers that sign the URL they post to: Twilio's, and Plivo's, which say the same
//! in other words.

use http::HeaderMap;

use super::fields::Fields;
use super::naming::Naming;
use super::notice::Notice;
use super::pick::printable;
use super::{Classified, Delivery, Fetched, Untold, Webhooks, flat};
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::secret::Secret;
use crate::signature::Refusal;
use crate::signature::explain::Check;
use crate::time::Timestamp;

/// Judges a signature by headers, the URLs that may have been signed, what was posted, and the secrets.
type Judge<T> = fn(&HeaderMap, &[String], &[u8], &[Secret]) -> T;

/// How a carrier's callbacks differ from another's.
#[derive(Debug)]
pub(super) struct Carrier {
    /// Its name in settings.
    pub(super) name: &'static str,
    /// The field with the call's id.
    pub(super) id: &'static str,
    /// The field that numbers a call's callbacks, where there is one.
    pub(super) number: Option<&'static str>,
    /// The field with the time.
    pub(super) at: &'static str,
    /// The headers that a signature may stand in.
    pub(super) signatures: &'static [&'static str],
    /// Checks the signature.
    pub(super) verify: Judge<Result<(), Refusal>>,
    /// Says of the same what stands and what does not.
    pub(super) explain: Judge<Vec<Check>>,
    /// Whether a `CallStatus` is one of a call that is over.
    pub(super) is_over: fn(&str) -> bool,
    /// Maps a callback that came at this time.
    pub(super) map: fn(Fields, &Naming, Timestamp) -> Result<Fetched, &'static str>,
}

/// The half of a carrier that sends.
#[derive(Debug)]
pub(super) struct Sender {
    carrier: &'static Carrier,
    naming: Naming,
    secrets: Vec<Secret>,
    url: Option<String>,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub(super) fn of(carrier: &'static Carrier, source: &SourceConfig) -> Self {
        Self {
            carrier,
            naming: Naming::of(source, carrier.name),
            secrets: source.webhook.secrets.clone(),
            url: source.webhook.url.clone(),
        }
    }

    fn event(&self, payload: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let carrier = self.carrier;
        let mut fields = flat::read(payload).ok_or("the body is neither a form nor an object")?;
        let Some(status) = fields.text("CallStatus") else {
            return Ok(Classified::Ignored("no CallStatus".to_owned()));
        };
        if !(carrier.is_over)(&status) {
            let status = printable(&status);
            return Ok(Classified::Ignored(format!("CallStatus {status}")));
        }
        let id = fields.text(carrier.id).ok_or("the body names no call")?;
        let mut event_id = format!("{id}:{status}");
        if let Some(number) = carrier.number.and_then(|field| fields.text(field)) {
            event_id = format!("{event_id}:{number}");
        }
        let occurred_at = fields.time(carrier.at);
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
        self.carrier.name
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        let mut signatures = self.carrier.signatures.iter();
        signatures.any(|name| headers.contains_key(*name))
    }

    fn verify(&self, delivery: Delivery<'_>, _now: Timestamp) -> Result<(), Refusal> {
        let urls = delivery.urls(self.url.as_deref());
        (self.carrier.verify)(delivery.headers, &urls, delivery.posted(), &self.secrets)
    }

    fn explain(&self, delivery: Delivery<'_>, _now: Timestamp) -> Vec<Check> {
        let urls = delivery.urls(self.url.as_deref());
        (self.carrier.explain)(delivery.headers, &urls, delivery.posted(), &self.secrets)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let fields = flat::read(payload).ok_or(Untold("it is neither a form nor an object"))?;
        (self.carrier.map)(fields, &self.naming, received_at).map_err(Untold)
    }

    fn takes_get(&self) -> bool {
        true
    }
}
