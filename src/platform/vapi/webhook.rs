//! Vapi's server messages: who sent them, in one of the forms that its customer can choose, and
//! which call they say is over.

use http::HeaderMap;

use super::map;
use crate::config::{SignatureForm, SignatureScheme, SourceConfig};
use crate::event::EventKind;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::{pick, printable};
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks, fields};
use crate::secret::Secret;
use crate::signature::custom_hmac::{self, Encoding, Form};
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance, bearer};
use crate::time::Timestamp;

/// The header of a secret that is sent as it is.
const SECRET: &str = "X-Vapi-Secret";
/// The header of a bearer token.
const BEARER: &str = "Authorization";

/// The half of Vapi that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    secrets: Vec<Secret>,
    tolerance: Tolerance,
    /// What is configured; none takes what the delivery carries.
    scheme: Option<SignatureScheme>,
    /// The header of a secret or a token, where another is configured.
    header: Option<String>,
    form: Form,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub fn of(source: &SourceConfig) -> Self {
        let form = &source.webhook.form;
        Self {
            naming: Naming::of(source, super::NAME),
            secrets: source.webhook.secrets.clone(),
            tolerance: Tolerance::of(source.webhook.tolerance),
            scheme: form.scheme,
            header: form.header.as_ref().map(ToString::to_string),
            form: form_of(form),
        }
    }

    /// How this delivery proves its origin: as configured, else by the strongest proof that it
    /// carries. Whoever knows no secret can make none of them.
    fn scheme(&self, headers: &HeaderMap) -> SignatureScheme {
        self.scheme.unwrap_or_else(|| {
            if headers.contains_key(&self.form.header) {
                SignatureScheme::Hmac
            } else if !headers.contains_key(SECRET) && headers.contains_key(BEARER) {
                SignatureScheme::Bearer
            } else {
                SignatureScheme::Secret
            }
        })
    }

    /// The header of a secret that is sent as it is.
    fn plain(&self, scheme: SignatureScheme) -> &str {
        match (&self.header, self.scheme, scheme) {
            (Some(header), Some(_), _) => header,
            (_, _, SignatureScheme::Bearer) => BEARER,
            _ => SECRET,
        }
    }

    fn event(&self, payload: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let text = str::from_utf8(payload).map_err(|_| "the body is not UTF-8")?;
        let [message] =
            pick(text, ["message"]).ok_or("the body is not a JSON object, or is cut off")?;
        let [kind, status, ended_at, sent_at, call, assistant] = message.pick([
            "type",
            "status",
            "endedAt",
            "timestamp",
            "call",
            "assistant",
        ]);
        let kind = kind.text().ok_or("the message has no type")?;
        match &*kind {
            "end-of-call-report" => {}
            "status-update" if status.text().as_deref() == Some("ended") => {}
            other => return Ok(Classified::Ignored(format!("message {}", printable(other)))),
        }
        let [id, assistant_id] = call.pick(["id", "assistantId"]);
        let [inline_id] = assistant.pick(["id"]);
        let id = id.text().ok_or("the message names no call")?;
        Notice {
            source: &self.naming.source,
            kind: EventKind::Finished,
            event_id: Some(format!("{kind}:{id}")),
            occurred_at: ended_at.time().or_else(|| sent_at.time()),
            call: &id,
            agent: assistant_id.or(inline_id).text().as_deref(),
            hint: None,
        }
        .event(payload, received_at)
    }
}

/// The configured form; what is left open is as Vapi's dashboard proposes it.
fn form_of(form: &SignatureForm) -> Form {
    let header = |name: &Option<http::HeaderName>, default: &str| {
        name.as_ref()
            .map_or_else(|| default.to_owned(), ToString::to_string)
    };
    Form {
        header: header(&form.header, "x-signature"),
        timestamp: header(&form.timestamp_header, "x-timestamp"),
        payload: form
            .payload
            .clone()
            .unwrap_or_else(|| "{timestamp}.{body}".to_owned()),
        prefix: form.prefix.clone().unwrap_or_default(),
        encoding: if form.is_base64 {
            Encoding::Base64
        } else {
            Encoding::Hex
        },
    }
}

impl Webhooks for Sender {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        match self.scheme(headers) {
            SignatureScheme::Hmac => headers.contains_key(&self.form.header),
            plain => headers.contains_key(self.plain(plain)),
        }
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        match self.scheme(headers) {
            SignatureScheme::Hmac => {
                let (form, secrets) = (&self.form, &self.secrets);
                custom_hmac::verify(form, headers, body, secrets, self.tolerance, now)
            }
            plain => bearer::verify(headers, self.plain(plain), &self.secrets),
        }
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        match self.scheme(headers) {
            SignatureScheme::Hmac => {
                let (form, secrets) = (&self.form, &self.secrets);
                explain::custom_hmac(form, headers, body, secrets, self.tolerance, now)
            }
            plain => {
                let mut checks = explain::bearer(headers, self.plain(plain), &self.secrets);
                // Signed all the same, in a header that nobody told us of.
                let other = headers
                    .keys()
                    .find(|name| name.as_str().ends_with("signature"))
                    .filter(|_| self.scheme.is_none());
                if let (Some(check), Some(name)) =
                    (checks.iter_mut().find(|check| !check.ok), other)
                {
                    check.mend = Some(format!(
                        "it carries {name}: set webhook.scheme = \"hmac\" and webhook.header = \
                         \"{name}\""
                    ));
                }
                checks
            }
        }
    }

    fn signs_body(&self, headers: &HeaderMap) -> bool {
        self.scheme(headers) == SignatureScheme::Hmac
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let message = fields::object_at(payload, "message").ok_or(Untold("it holds no message"))?;
        map::message(message, &self.naming, received_at).map_err(Untold)
    }
}

#[cfg(test)]
mod tests;
