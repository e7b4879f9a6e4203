//! The platforms that calls come from: what they send, what they are asked, and the records both
//! become. One file a platform; wire formats from `platforms.md`, section by section.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;

use crate::config::{self, ApiConfig, PlatformName, SourceConfig};
use crate::conversation::{Conversation, Message};
use crate::end_reason::{EndReason, Hint, PlatformReason};
use crate::event::CallEvent;
use crate::id::{ConversationId, EventId, Owner};
use crate::memory::redact::redact_reason;
use crate::secret::sha256_hex;
use crate::signature::Refusal;
use crate::signature::explain::Check;
use crate::time::Timestamp;

/// What an authentic body means to us.
#[derive(Clone, Debug, PartialEq)]
pub enum Classified {
    /// A call's event, to be queued.
    Event(Box<CallEvent>),
    /// Of a kind that no stage needs; the reason names the kind.
    Ignored(String),
    /// Authentic, but unreadable: to be parked. The reason carries nothing of the body.
    Unreadable(String),
}

/// The half of a platform that sends: signature and meaning of its webhooks.
pub trait Webhooks: Send + Sync {
    /// The platform's name in settings.
    fn platform(&self) -> &'static str;

    /// Whether the delivery carries the platform's signature header at all: only then is a refused
    /// one worth keeping in quarantine.
    fn is_signed(&self, headers: &HeaderMap) -> bool;

    /// Whether the delivery was signed with one of the source's secrets, over exactly these bytes.
    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal>;

    /// The same step by step, for the person who wants to know which part fails.
    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check>;

    /// What an authentic delivery means, by its payload and by headers that are signed. Never
    /// panics, whatever the bytes are.
    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified;

    /// The conversation that an authentic payload tells of by itself, for a source without an API.
    ///
    /// Pure, for it is read again whenever another event of the same call comes: what a payload
    /// leaves open, an earlier one fills in. A platform whose payloads tell nothing keeps this.
    fn told(&self, _payload: &[u8], _received_at: Timestamp) -> Result<Fetched, Untold> {
        Err(Untold("the platform's events carry no conversation"))
    }

    /// Whether what proves this delivery covers its body: a secret that is sent as it is does not.
    fn signs_body(&self, _headers: &HeaderMap) -> bool {
        true
    }

    /// Whether it may send its events by `GET`, in the query.
    fn takes_get(&self) -> bool {
        false
    }

    /// Whether an unsigned delivery is sent once more, signed, when it is answered 503.
    fn signs_on_retry(&self) -> bool {
        false
    }
}

/// A payload that no conversation can be made of. The text carries nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Untold(pub &'static str);

/// A conversation as its platform knows it now, mapped to the canonical model.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The call. Its `end_reason*` fields are empty: they are settled from `reason`.
    pub conversation: Conversation,
    /// Every message, in order.
    pub messages: Vec<Message>,
    /// Why it ended, in the platform's word.
    pub reason: Option<PlatformReason>,
    /// Why, by what it says was seen on the wire: a SIP code, or the leg that hung up.
    pub seen: Option<EndReason>,
}

impl Fetched {
    /// The same, if it is the conversation that was asked for.
    fn asked_for(self, id: &ConversationId) -> Result<Self, FetchError> {
        if self.conversation.id == *id {
            Ok(self)
        } else {
            Err(rest::malformed(ANOTHER))
        }
    }

    /// Why the call ended, for an event whose call an API knows without saying so.
    pub fn hint(self) -> Hint {
        Hint {
            said: self.reason.map(redact_reason),
            seen: self.seen,
        }
    }
}

/// An API answered for something else.
const ANOTHER: &str = "it is another conversation than the one asked for";

/// A row of a platform's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The call, as far as a list row tells.
    pub conversation: Conversation,
    /// Why it ended, in the platform's word.
    pub reason: Option<PlatformReason>,
}

impl From<Fetched> for Listed {
    fn from(fetched: Fetched) -> Self {
        Self {
            conversation: fetched.conversation,
            reason: fetched.reason,
        }
    }
}

impl Listed {
    /// Whether the platform calls the call over. Rows of calls that are not come in the list, too.
    pub fn is_over(&self) -> bool {
        self.conversation.status.is_terminal()
    }

    /// When it was over, as well as the row tells: its end, else its beginning and its length, else
    /// its beginning.
    pub fn over_at(&self) -> Timestamp {
        let call = &self.conversation;
        let lasted = call.duration_ms.and_then(|ms| u64::try_from(ms).ok());
        call.ended_at.unwrap_or_else(|| {
            call.happened_at()
                .plus(Duration::from_millis(lasted.unwrap_or(0)))
        })
    }
}

/// What part of a platform's list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only calls of this caller. A platform that can't narrow its list so gives every call: whoever
    /// asks picks.
    pub caller_identity: Option<String>,
    /// Where the last page ended: [`ListPage::next`], passed back as it came.
    pub cursor: Option<String>,
}

/// One page of a platform's list, newest first by creation. A row may stand on two pages, where
/// rows came in meanwhile or were created in the same instant; none is left out between them.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage {
    /// The rows.
    pub rows: Vec<Listed>,
    /// Those that can't be read.
    pub left_out: LeftOut,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// Rows of a list that can't be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub rows: usize,
    /// Why the last of them. Nothing of it.
    pub why: Option<FetchError>,
}

/// The platform's API did not answer with what was asked. No variant carries a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// 404: not there, or not yet.
    #[error("the platform does not know this conversation (404)")]
    NotFound,
    /// 401 or 403: our token is wrong. Opens the source's circuit.
    #[error("the platform refuses our API token ({status}); check api.token of the source")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The token is taken, but may not see what a call needs. Opens the source's circuit, too.
    #[error("the API token lacks {scope}; give it that scope, or set api.token to one that has it")]
    Unscoped {
        /// The scope that it lacks.
        scope: &'static str,
    },
    /// 429, or 503 with `Retry-After`: the whole source pauses.
    #[error("the platform asks us to slow down ({status})")]
    SlowDown {
        /// The HTTP status.
        status: u16,
        /// What it asks for, at most 15 minutes.
        after: Option<Duration>,
    },
    /// 5xx, a time-out, or no connection.
    #[error("the platform's API failed: {0}")]
    Unavailable(String),
    /// 200 with something that is not a conversation.
    #[error("the platform's answer can't be read: {0}")]
    Malformed(String),
}

impl FetchError {
    /// A code that groups letters of the same cause.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "platform_not_found",
            Self::Refused { .. } => "platform_refused",
            Self::Unscoped { .. } => "platform_unscoped",
            Self::SlowDown { .. } => "platform_slow_down",
            Self::Unavailable(_) => "platform_unavailable",
            Self::Malformed(_) => "platform_malformed",
        }
    }
}

/// The half of a platform that answers: its conversation API.
#[async_trait]
pub trait Api: Send + Sync {
    /// The platform's name in settings.
    fn platform(&self) -> &'static str;

    /// The conversation and all pages of its messages.
    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError>;

    /// One page of the list, newest first by creation, of every status, and not narrowed by time.
    /// Nobody keeps a cursor longer than a reading of the list takes.
    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError>;

    /// Whether the text has the form of one of the platform's conversation ids.
    fn is_conversation_id(&self, text: &str) -> bool;
}

/// One configured account: what it sends, and whose API answers for it.
#[derive(Clone)]
pub struct Source {
    /// Its name, which is the last part of its webhook path.
    pub name: String,
    /// Its webhooks; none for platforms that send none.
    pub webhooks: Option<Arc<dyn Webhooks>>,
    /// The API that knows its conversations; without one, the events alone make them.
    pub api: Option<Arc<dyn Api>>,
    /// Who vouches for its conversations' ids.
    pub owner: Owner,
    /// The agent of calls whose platform names none.
    pub agent: Option<String>,
    /// The largest body taken, in bytes.
    pub max_body: usize,
    /// How its API is asked for calls that no webhook told of.
    pub reconcile: config::Reconcile,
    /// The zone of its calls.
    pub zone: jiff::tz::TimeZone,
    /// The region of its numbers, as `US`.
    pub region: String,
}

impl Source {
    /// The platform whose records its conversations are: the API's, else the sender's.
    pub fn platform(&self) -> &'static str {
        match (&self.api, &self.webhooks) {
            (Some(api), _) => api.platform(),
            (None, Some(webhooks)) => webhooks.platform(),
            (None, None) => "",
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a source, so that it can't be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// Its API's address is none.
    #[error("source {0}: api.base_url is not an http or https URL")]
    BaseUrl(String),
    /// Its API's platform has no conversations to ask for.
    #[error(
        "source {source_name}: {platform} has no API of conversations; set api.platform to the \
         platform that knows them, or leave [api] out"
    )]
    NoConversations {
        /// The source.
        source_name: String,
        /// The platform.
        platform: &'static str,
    },
    /// No client could be made.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
}

/// The HTTP client that platforms are asked with. Redirects are not followed: they would take the
/// token elsewhere. A proxy from the environment is used.
pub fn http_client() -> Result<reqwest::Client, BadSource> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("aftercall/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| BadSource::Client(error.to_string()))
}

/// Makes the configured sources. `defaults` has the zone and region of those that name none.
pub fn build(
    sources: &[SourceConfig],
    defaults: &config::Memory,
    http: &reqwest::Client,
) -> Result<Vec<Source>, BadSource> {
    sources
        .iter()
        .map(|source| {
            let webhooks = webhooks_of(source);
            let api = source.api.as_ref().map(|api| api_of(source, api, http));
            let api = api.transpose()?;
            Ok(Source {
                name: source.name.clone(),
                webhooks,
                owner: match &api {
                    Some(api) => Owner::platform(api.platform()),
                    // Its ids are known to the one server that gave them.
                    None if has_own_ids(source.platform) => Owner::source(&source.name),
                    None => Owner::platform(source.platform.as_str()),
                },
                api,
                agent: source.agent.clone(),
                max_body: source.webhook.max_body,
                reconcile: source.reconcile,
                zone: source
                    .timezone
                    .clone()
                    .unwrap_or_else(|| defaults.timezone.clone()),
                region: source
                    .region
                    .clone()
                    .unwrap_or_else(|| defaults.region.clone()),
            })
        })
        .collect()
}

/// Whether two senders of a platform may name two calls the same.
fn has_own_ids(platform: PlatformName) -> bool {
    matches!(platform, PlatformName::Livekit | PlatformName::Standard)
}

/// The half that sends; none of platforms that are polled.
fn webhooks_of(source: &SourceConfig) -> Option<Arc<dyn Webhooks>> {
    Some(match source.platform {
        PlatformName::Speechify => Arc::new(speechify::Sender::of(source)),
        PlatformName::Livekit => Arc::new(livekit::Sender::of(source)),
        PlatformName::Elevenlabs => Arc::new(elevenlabs::Sender::of(source)),
        PlatformName::Standard => Arc::new(standard::Sender::of(source)),
        PlatformName::Anyreach | PlatformName::Voiceable => return None,
        PlatformName::Retell => Arc::new(retell::Sender::of(source)),
        PlatformName::Vapi => Arc::new(vapi::Sender::of(source)),
        PlatformName::Telnyx => Arc::new(telnyx::Sender::of(source)),
        PlatformName::Twilio => Arc::new(twilio::sender(source)),
        PlatformName::Bland => Arc::new(bland::Sender::of(source)),
        PlatformName::Vonage => Arc::new(vonage::Sender::of(source)),
        PlatformName::Plivo => Arc::new(plivo::sender(source)),
    })
}

fn api_of(
    source: &SourceConfig,
    api: &ApiConfig,
    http: &reqwest::Client,
) -> Result<Arc<dyn Api>, BadSource> {
    let rest = |auth| {
        rest::Rest::new(&api.base_url, auth, http.clone())
            .map_err(|rest::BadBaseUrl| BadSource::BaseUrl(source.name.clone()))
    };
    let bearer = rest::Auth::Bearer(api.token.clone());
    let key = |header| rest::Auth::Header(header, api.token.clone());
    let account = api.account.as_deref().unwrap_or_default();
    let basic = rest::Auth::Basic(account.to_owned(), api.token.clone());
    Ok(match api.platform {
        PlatformName::Elevenlabs => {
            Arc::new(elevenlabs::Client::new(source, rest(key("xi-api-key"))?))
        }
        PlatformName::Anyreach => {
            let auth = match &api.account {
                None => bearer,
                Some(account) => rest::Auth::BearerFor {
                    token: api.token.clone(),
                    header: "x-anyreach-org",
                    account: account.clone(),
                },
            };
            Arc::new(anyreach::Client::new(source, rest(auth)?))
        }
        PlatformName::Voiceable => Arc::new(voiceable::client(source, rest(key("x-api-key"))?)),
        PlatformName::Speechify => Arc::new(speechify::Client::new(source, rest(bearer)?)),
        PlatformName::Retell => Arc::new(retell::Client::new(source, rest(bearer)?)),
        PlatformName::Vapi => Arc::new(vapi::Client::new(source, rest(bearer)?)),
        PlatformName::Bland => Arc::new(bland::Client::new(source, rest(key("authorization"))?)),
        PlatformName::Twilio => Arc::new(twilio::Client::new(source, rest(basic)?, account)),
        PlatformName::Plivo => Arc::new(plivo::Client::new(source, rest(basic)?, account)),
        PlatformName::Livekit
        | PlatformName::Standard
        | PlatformName::Telnyx
        | PlatformName::Vonage => {
            return Err(BadSource::NoConversations {
                source_name: source.name.clone(),
                platform: api.platform.as_str(),
            });
        }
    })
}

/// The id of an event whose body has none: the hash of the body, which is what was signed.
fn body_id(body: &[u8]) -> EventId {
    let Ok(id) = EventId::new(&sha256_hex(body)) else {
        unreachable!("64 hex digits are an id")
    };
    id
}

mod account;
pub mod anyreach;
pub mod bland;
mod callback;
mod delivery;
pub mod elevenlabs;
mod fields;
mod flat;
mod json;
mod line;
pub mod livekit;
mod naming;
mod notice;
mod paged;
mod pick;
pub mod plivo;
mod rest;
pub mod retell;
pub mod speechify;
pub mod standard;
pub mod telnyx;
mod transcript;
pub mod twilio;
pub mod vapi;
pub mod voiceable;
pub mod vonage;

pub use account::{Account, accounts};
pub use delivery::Delivery;

#[cfg(test)]
mod tests;
