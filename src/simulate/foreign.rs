//! Platforms beside Speechify and LiveKit that send webhooks: each has a book of calls of its own,
//! says when one is over, and answers for it where it has an API. One file a platform.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Record;
use super::sender::Webhook;
use super::signing::Headers;
use crate::secret::Secret;
use crate::time::Timestamp;

pub use desk::Desk;

pub mod bland;
pub mod desk;
pub mod elevenlabs;
pub mod plivo;
pub mod retell;
pub mod standard;
pub mod telnyx;
pub mod twilio;
pub mod vapi;
pub mod vonage;

/// Where the platforms that sign their URL believe to post to.
pub const PUBLIC_URL: &str = "https://simulated.example.com/webhooks";

/// The account that Twilio's and Plivo's APIs are asked for.
pub const ACCOUNT: &str = "AC00000000000000000000000000000000";

/// What Telnyx signs with; aftercall is given the public half.
pub const TELNYX_SEED: [u8; 32] = [7; 32];

/// A simulated platform that says when a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// ElevenLabs.
    Elevenlabs,
    /// Retell.
    Retell,
    /// Vapi.
    Vapi,
    /// Bland.
    Bland,
    /// Telnyx.
    Telnyx,
    /// Twilio.
    Twilio,
    /// Vonage.
    Vonage,
    /// Plivo.
    Plivo,
    /// A sender of Standard Webhooks.
    Standard,
}

impl Foreign {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Elevenlabs,
        Self::Retell,
        Self::Vapi,
        Self::Bland,
        Self::Telnyx,
        Self::Twilio,
        Self::Vonage,
        Self::Plivo,
        Self::Standard,
    ];

    /// Its name in settings.
    pub fn platform(self) -> &'static str {
        match self {
            Self::Elevenlabs => elevenlabs::NAME,
            Self::Retell => retell::NAME,
            Self::Vapi => vapi::NAME,
            Self::Bland => bland::NAME,
            Self::Telnyx => telnyx::NAME,
            Self::Twilio => twilio::NAME,
            Self::Vonage => vonage::NAME,
            Self::Plivo => plivo::NAME,
            Self::Standard => standard::NAME,
        }
    }

    /// The source that its webhooks go to.
    pub fn source(self) -> &'static str {
        match self {
            Self::Elevenlabs => "simulated-elevenlabs",
            Self::Retell => "simulated-retell",
            Self::Vapi => "simulated-vapi",
            Self::Bland => "simulated-bland",
            Self::Telnyx => "simulated-telnyx",
            Self::Twilio => "simulated-twilio",
            Self::Vonage => "simulated-vonage",
            Self::Plivo => "simulated-plivo",
            Self::Standard => "simulated-standard",
        }
    }

    /// Whether its API is simulated, too. The others are asked for no calls.
    pub fn has_api(self) -> bool {
        !matches!(self, Self::Telnyx | Self::Vonage | Self::Standard)
    }

    /// The body of the webhook that says that a call is over, sent at `now`.
    pub fn body(self, call: &Record, now: Timestamp) -> Vec<u8> {
        match self {
            Self::Elevenlabs => elevenlabs::transcription(call, now).to_string(),
            Self::Retell => retell::ended(call).to_string(),
            Self::Vapi => vapi::report(call, now).to_string(),
            Self::Bland => bland::call(call).to_string(),
            Self::Telnyx => telnyx::hangup(call).to_string(),
            Self::Twilio => twilio::callback(call),
            Self::Vonage => vonage::event(call).to_string(),
            Self::Plivo => plivo::callback(call),
            Self::Standard => standard::completed(call, now).to_string(),
        }
        .into_bytes()
    }

    /// The webhook with this body, signed.
    pub fn webhook(self, body: Vec<u8>, secret: &Secret, now: Timestamp) -> Webhook {
        Webhook {
            source: self.source(),
            headers: self.headers(secret, &body, now),
            body,
        }
    }

    fn headers(self, secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
        let url = format!("{PUBLIC_URL}/{}", self.source());
        match self {
            Self::Elevenlabs => elevenlabs::headers(secret, body, now),
            Self::Retell => retell::headers(secret, body, now),
            Self::Vapi => vapi::headers(secret),
            Self::Bland => bland::headers(secret, body),
            Self::Telnyx => telnyx::headers(body, now),
            Self::Twilio => twilio::headers(secret, &url, body),
            Self::Vonage => vonage::headers(secret, body, now),
            Self::Plivo => plivo::headers(secret, &url, body),
            Self::Standard => standard::headers(secret, body, now),
        }
    }

    /// Its `[[sources]]` table, for an API under `base_url`.
    pub(super) fn source_toml(self, base_url: &str, secret: &Secret, token: &Secret) -> String {
        let (name, platform) = (self.source(), self.platform());
        let secret = match self {
            Self::Telnyx => crate::signature::ed25519::public_key_of(&TELNYX_SEED),
            Self::Standard => standard::key(secret).to_text(),
            _ => secret.expose().to_owned(),
        };
        let mut toml = "\n[[sources]]\n".to_owned();
        toml.push_str(&told(&[("name", name), ("platform", platform)]));
        // No secret of the simulation has a quotation mark.
        let _ = writeln!(toml, "webhook.secrets = [\"{secret}\"]");
        if matches!(self, Self::Twilio | Self::Plivo) {
            toml.push_str(&told(&[
                ("webhook.url", &format!("{PUBLIC_URL}/{name}")),
                ("api.account", ACCOUNT),
            ]));
        }
        if self.has_api() {
            toml.push_str(&told(&[
                ("api.base_url", &format!("{base_url}/{platform}")),
                ("api.token", token.expose()),
            ]));
        }
        toml
    }

    /// Its API.
    fn routes(self) -> Router<Arc<Desk>> {
        match self {
            Self::Elevenlabs => elevenlabs::routes(),
            Self::Retell => retell::routes(),
            Self::Vapi => vapi::routes(),
            Self::Bland => bland::routes(),
            Self::Twilio => twilio::routes(),
            Self::Plivo => plivo::routes(),
            Self::Telnyx | Self::Vonage | Self::Standard => Router::new(),
        }
    }
}

/// Lines `key = "value"`.
pub(super) fn told(pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(String::new(), |mut lines, (key, value)| {
        // Writing to a text can't fail.
        let _ = writeln!(lines, "{key} = \"{value}\"");
        lines
    })
}

/// The name under which `Value` objects of a call are told: what is unknown is left out.
fn without_nulls(mut object: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// Whether the call was placed by us.
pub(super) fn is_outbound(call: &Record) -> bool {
    call.transport == crate::conversation::Transport::SipOutbound
}

/// The word of this table for why the call ended.
pub(super) fn word(
    call: &Record,
    words: &[(&str, &'static str)],
    other: &'static str,
) -> &'static str {
    let reason = call
        .end_reason
        .as_ref()
        .map_or("", |reason| reason.as_str());
    words
        .iter()
        .find(|(ours, _)| *ours == reason)
        .map_or(other, |(_, theirs)| *theirs)
}
