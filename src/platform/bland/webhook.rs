//! Bland's webhooks: who signed them, and which call they say is over or corrected. That the
//! signature is hexadecimal is unverified (`platforms.md` §10).

use http::HeaderMap;

use super::map;
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::pick;
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks, fields};
use crate::secret::Secret;
use crate::signature::custom_hmac::{self, Encoding, Form};
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance};
use crate::time::Timestamp;

/// HMAC-SHA256 over the body alone, in hexadecimal.
pub fn form() -> Form {
    Form {
        header: "X-Webhook-Signature".to_owned(),
        payload: "{body}".to_owned(),
        timestamp: String::new(),
        prefix: String::new(),
        encoding: Encoding::Hex,
    }
}

/// The half of Bland that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    secrets: Vec<Secret>,
    tolerance: Tolerance,
    form: Form,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub fn of(source: &SourceConfig) -> Self {
        Self {
            naming: Naming::of(source, super::NAME),
            secrets: source.webhook.secrets.clone(),
            tolerance: Tolerance::of(source.webhook.tolerance),
            form: form(),
        }
    }

    fn event(&self, payload: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let text = str::from_utf8(payload).map_err(|_| "the body is not UTF-8")?;
        let [
            id,
            category,
            completed,
            status,
            citations,
            corrected,
            ended_at,
        ] = pick(
            text,
            [
                "call_id",
                "category",
                "completed",
                "status",
                "citations",
                "corrected_transcript",
                "end_at",
            ],
        )
        .ok_or("the body is not a JSON object, or is cut off")?;
        if category.text().is_some() {
            return Ok(Classified::Ignored("an event of a running call".to_owned()));
        }
        let id = id.text().ok_or("the body names no call")?;
        let is_corrected = [citations, corrected].iter().any(|field| field.is_filled());
        let is_over = is_corrected
            || completed.is_true()
            || ended_at.text().is_some()
            || status.text().is_some_and(|word| map::is_over(&word));
        if !is_over {
            return Ok(Classified::Ignored("a call that is not over".to_owned()));
        }
        let (kind, name) = if is_corrected {
            (EventKind::Analyzed, "corrected")
        } else {
            (EventKind::Finished, "finished")
        };
        Notice {
            source: &self.naming.source,
            occurred_at: ended_at.time().filter(|_| !is_corrected),
            kind,
            event_id: Some(format!("{name}:{id}")),
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
        headers.contains_key(&self.form.header)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        let (form, secrets) = (&self.form, &self.secrets);
        custom_hmac::verify(form, headers, body, secrets, self.tolerance, now)
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        let (form, secrets) = (&self.form, &self.secrets);
        explain::custom_hmac(form, headers, body, secrets, self.tolerance, now)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let call = fields::object_of(payload).ok_or(Untold("it is not an object"))?;
        map::call(call, &self.naming, received_at, true).map_err(Untold)
    }
}

#[cfg(test)]
mod tests;
