//! The platforms that a source can be on, and what each brings along unless the source says
//! otherwise (product contract §4).

use std::time::Duration;

use super::{Reconcile, keys};

/// The platforms that a source can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlatformName {
    /// Speechify Voice Agents.
    Speechify,
    /// LiveKit server webhooks.
    Livekit,
    /// ElevenLabs agents.
    Elevenlabs,
    /// Anyreach, which sends no webhook.
    Anyreach,
    /// Voiceable, which sends no webhook.
    Voiceable,
    /// Any sender of Standard Webhooks.
    Standard,
    /// Retell.
    Retell,
    /// Vapi.
    Vapi,
    /// Telnyx: calls, `TeXML` and AI assistants.
    Telnyx,
    /// Twilio's status callbacks.
    Twilio,
    /// Bland.
    Bland,
    /// Vonage Voice.
    Vonage,
    /// Plivo.
    Plivo,
}

/// Where a platform's conversations can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownApi {
    /// Here, unless the source says otherwise.
    At(&'static str),
    /// The address is published nowhere: the source must say it.
    Unpublished,
    /// Nowhere: the platform has no such API.
    None,
}

/// How a platform's webhooks are told to be its own: the `webhook.*` keys that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// One of `webhook.secrets`.
    Secrets,
    /// A secret that belongs to a named key (`webhook.key`, or `webhook.keys`).
    NamedKeys,
    /// The platform sends nothing: it is polled.
    Polled,
}

impl PlatformName {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Speechify,
        Self::Livekit,
        Self::Elevenlabs,
        Self::Anyreach,
        Self::Voiceable,
        Self::Standard,
        Self::Retell,
        Self::Vapi,
        Self::Telnyx,
        Self::Twilio,
        Self::Bland,
        Self::Vonage,
        Self::Plivo,
    ];

    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Speechify => "speechify",
            Self::Livekit => "livekit",
            Self::Elevenlabs => "elevenlabs",
            Self::Anyreach => "anyreach",
            Self::Voiceable => "voiceable",
            Self::Standard => "standard",
            Self::Retell => "retell",
            Self::Vapi => "vapi",
            Self::Telnyx => "telnyx",
            Self::Twilio => "twilio",
            Self::Bland => "bland",
            Self::Vonage => "vonage",
            Self::Plivo => "plivo",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| {
            let nearest = keys::nearest(text, Self::ALL.iter().map(|name| name.as_str()));
            format!("{text:?} is no platform; did you mean {nearest}?")
        })
    }

    /// How its webhooks are told to be its own.
    pub fn signed_by(self) -> SignedBy {
        match self {
            Self::Livekit => SignedBy::NamedKeys,
            Self::Anyreach | Self::Voiceable => SignedBy::Polled,
            _ => SignedBy::Secrets,
        }
    }

    /// Whether its signature covers the URL that it posts to.
    pub fn signs_url(self) -> bool {
        matches!(self, Self::Twilio | Self::Plivo)
    }

    /// How old a signature may be.
    pub(super) fn tolerance(self) -> Duration {
        Duration::from_mins(match self {
            // Half an hour is ElevenLabs' own; its last retry comes 40 minutes after the first.
            Self::Elevenlabs => 35,
            Self::Speechify => 30,
            _ => 5,
        })
    }

    /// The largest body taken, in bytes: whose body carries the transcript may be long.
    pub(super) fn max_body(self) -> usize {
        match self {
            Self::Elevenlabs | Self::Retell | Self::Vapi | Self::Bland | Self::Standard => 16 << 20,
            _ => 1 << 20,
        }
    }

    /// Where its conversation API is.
    pub fn api(self) -> KnownApi {
        match self {
            Self::Speechify => KnownApi::At("https://api.speechify.ai"),
            Self::Elevenlabs => KnownApi::At("https://api.elevenlabs.io"),
            Self::Anyreach => KnownApi::At("https://api.anyreach.ai"),
            Self::Voiceable => KnownApi::Unpublished,
            Self::Retell => KnownApi::At("https://api.retellai.com"),
            Self::Vapi => KnownApi::At("https://api.vapi.ai"),
            Self::Twilio => KnownApi::At("https://api.twilio.com"),
            Self::Bland => KnownApi::At("https://api.bland.ai"),
            Self::Plivo => KnownApi::At("https://api.plivo.com"),
            Self::Livekit | Self::Standard | Self::Telnyx | Self::Vonage => KnownApi::None,
        }
    }

    /// What of our reading of it no vendor's document or code confirms; none where all is. Nothing of
    /// such a platform was tried with a real account.
    pub fn unverified(self) -> Option<&'static str> {
        match self {
            Self::Speechify => Some("the body of its workspace endpoints' webhooks"),
            Self::Elevenlabs => {
                Some("the texts of termination_reason, which are published nowhere")
            }
            Self::Anyreach => Some("the form of its transcript, and the paging of its API"),
            Self::Voiceable => Some("the form of a single conversation"),
            Self::Telnyx => Some("the words for why an AI assistant's conversation ended"),
            Self::Twilio => Some("the paging of its API, and that a machine's answer is voicemail"),
            Self::Bland => Some("that its signature is hexadecimal, and the paging of its API"),
            Self::Vonage => Some("what its events say since 2021"),
            Self::Plivo => Some("its API, and hangup codes from 3000 on"),
            _ => None,
        }
    }

    /// What `api.account` is, for platforms whose API can't be asked without it.
    pub(super) fn account(self) -> Option<&'static str> {
        match self {
            Self::Twilio => Some("account SID (AC…)"),
            Self::Plivo => Some("auth id (MA… or SA…)"),
            _ => None,
        }
    }

    /// How its API is asked for calls that no webhook told of.
    pub(super) fn reconcile(self) -> Reconcile {
        let usual = Reconcile::default();
        match self.signed_by() {
            SignedBy::Polled => Reconcile {
                every: Duration::from_secs(30),
                ..usual
            },
            _ => usual,
        }
    }
}

/// Every platform, for a sentence.
pub(super) fn all_names() -> String {
    PlatformName::ALL.map(PlatformName::as_str).join(", ")
}
