//! ElevenLabs' webhooks: who signed them, and which call they say is over (`platforms.md` §2.1, §2.2
//! and §2.6).

use http::HeaderMap;

use super::{failure, map};
use crate::config::SourceConfig;
use crate::event::EventKind;
use crate::platform::fields::object_at;
use crate::platform::naming::Naming;
use crate::platform::notice::Notice;
use crate::platform::pick::{Raw, pick, printable};
use crate::platform::{Classified, Delivery, Fetched, Untold, Webhooks};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::timestamped_hmac::{self, ELEVENLABS};
use crate::signature::{Refusal, Tolerance};
use crate::time::Timestamp;

/// The call is over, and analysed.
const TRANSCRIPTION: &str = "post_call_transcription";
/// The call never began.
const FAILURE: &str = "call_initiation_failure";

/// The half of ElevenLabs that sends.
#[derive(Debug)]
pub struct Sender {
    naming: Naming,
    secrets: Vec<Secret>,
    tolerance: Tolerance,
}

/// What every body has around its data.
struct Envelope<'a> {
    kind: std::borrow::Cow<'a, str>,
    at: Option<Timestamp>,
    /// The time as it is written: with the call's id it makes a copy recognisable.
    stamp: std::borrow::Cow<'a, str>,
    data: Raw<'a>,
}

impl<'a> Envelope<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(payload).map_err(|_| "the body is not UTF-8")?;
        let [kind, stamp, data] = pick(text, ["type", "event_timestamp", "data"])
            .ok_or("the body is not a JSON object, or is cut off")?;
        Ok(Self {
            kind: kind.text().ok_or("the body names no type")?,
            at: stamp.time(),
            stamp: stamp.text().unwrap_or_default(),
            data,
        })
    }
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
        let Envelope {
            kind,
            at,
            stamp,
            data,
        } = Envelope::read(payload)?;
        // A recording comes in a body of its own, in base64: the API has it, too.
        if ![TRANSCRIPTION, FAILURE].contains(&&*kind) {
            return Ok(Classified::Ignored(format!("type {}", printable(&kind))));
        }
        let [id, agent_id] = data.pick(["conversation_id", "agent_id"]);
        let id = id.text().ok_or("the body names no conversation")?;
        let failed = (kind == FAILURE).then(|| self.tell(payload, received_at));
        Notice {
            source: &self.naming.source,
            kind: EventKind::Finished,
            event_id: Some(format!("{kind}:{id}:{stamp}")),
            occurred_at: at,
            call: &id,
            agent: agent_id.text().as_deref(),
            hint: failed.and_then(Result::ok).map(Fetched::hint),
        }
        .event(payload, received_at)
    }

    fn tell(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, &'static str> {
        let Envelope { kind, at, .. } = Envelope::read(payload)?;
        let data = object_at(payload, "data").ok_or("it has no data")?;
        let at = at.unwrap_or(received_at).min(received_at);
        if kind == FAILURE {
            failure::call(data, &self.naming, at)
        } else {
            map::call(data, &self.naming, Some(at))
        }
    }
}

impl Webhooks for Sender {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(ELEVENLABS)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Delivery { headers, body, .. } = delivery;
        let (secrets, tolerance) = (&self.secrets, self.tolerance);
        timestamped_hmac::verify(ELEVENLABS, headers, body, secrets, tolerance, now)
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        let Delivery { headers, body, .. } = delivery;
        let (secrets, tolerance) = (&self.secrets, self.tolerance);
        explain::timestamped_hmac(ELEVENLABS, headers, body, secrets, tolerance, now)
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        self.tell(payload, received_at).map_err(Untold)
    }
}

#[cfg(test)]
mod tests;
