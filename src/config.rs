//! Settings: flag, environment, file, default, in this order (product contract §4).

use std::path::PathBuf;
use std::time::Duration;

use crate::endpoint::Payload;
use crate::secret::Secret;
use crate::time::Timestamp;

mod keys;
mod load;
mod platforms;
mod ranges;
mod read;
mod settings;
mod sources;
mod units;
mod webhook;

#[cfg(test)]
mod tests;

pub use load::{ConfigError, Overrides, Problem};
pub use platforms::{KnownApi, PlatformName, SignedBy};
pub use ranges::AddressRange;
pub use units::{duration, listen};

/// All settings, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where embedded data lies: `AFTERCALL_DATA`.
    pub data_dir: PathBuf,
    /// `[server]`
    pub server: Server,
    /// `[database]`
    pub database: Database,
    /// `[queue]`
    pub queue: Queue,
    /// `[finalize]`
    pub finalize: Finalize,
    /// `[memory]`
    pub memory: Memory,
    /// `[retention]`
    pub retention: Retention,
    /// `[endpoints]`
    pub endpoints: Endpoints,
    /// `[results]`
    pub results: Results,
    /// `[[sources]]`
    pub sources: Vec<SourceConfig>,
    /// `AFTERCALL_ADMIN_TOKEN`: the first admin token.
    pub admin_token: Option<Secret>,
    /// `AFTERCALL_SECRET_KEY`: 32 bytes, base64.
    pub secret_key: Option<Secret>,
    /// `AFTERCALL_SECRET_KEY_PREVIOUS` (`secret_key_previous`): the key before it, read during a rotation.
    pub previous_secret_key: Option<Secret>,
    /// What was odd but no error, as an unknown `AFTERCALL_*` variable; logged at start.
    pub warnings: Vec<String>,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// The address that HTTP is served on.
    pub listen: String,
    /// How long a stopping process finishes what is in flight.
    pub shutdown_grace: Duration,
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite://path` or `postgres://…`; may carry a password, hence a secret.
    pub url: Secret,
}

/// `[queue]`
#[derive(Clone, Debug)]
pub struct Queue {
    /// `embedded`, or `amqp://…` with one or more nodes.
    pub url: Secret,
    /// How long the receiver waits for the broker's confirm.
    pub confirm_timeout: Duration,
}

impl Queue {
    /// Whether the queue is kept in the database.
    pub fn is_embedded(&self) -> bool {
        self.url.expose() == "embedded"
    }
}

impl Database {
    /// Whether the database is a file of this process alone.
    pub fn is_embedded(&self) -> bool {
        self.url.expose().starts_with("sqlite://")
    }
}

/// `[finalize]`
#[derive(Clone, Debug)]
pub struct Finalize {
    /// How long the platform is given to say why the call ended.
    pub grace: Duration,
    /// Calls created earlier get no fallback reason.
    pub fallback_since: Timestamp,
    /// How long a call that the platform does not yet call over is asked for.
    pub max_wait: Duration,
    /// When a call settled without the platform's word is looked at again.
    pub recheck: Vec<Duration>,
}

/// Which extractors run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtractorChoice {
    /// The built-in rules.
    Rules,
    /// Rules first, then a language model.
    Llm,
    /// Both, united by rank.
    Both,
    /// None.
    Off,
}

/// `[memory]`
#[derive(Clone, Debug)]
pub struct Memory {
    /// Which extractors run.
    pub extractor: ExtractorChoice,
    /// The zone of calls whose platform and source name none.
    pub timezone: jiff::tz::TimeZone,
    /// The region of numbers without a country code.
    pub region: String,
    /// How long facts are kept; zero keeps them.
    pub retention: Duration,
    /// `[memory.llm]`: there when the extractor is `llm` or `both`.
    pub llm: Option<Llm>,
}

/// `[memory.llm]`: any endpoint that speaks `OpenAI`'s `/chat/completions`.
#[derive(Clone, Debug)]
pub struct Llm {
    /// Where it is, up to and including `/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// The key, where the endpoint wants one.
    pub api_key: Option<Secret>,
    /// How long one answer is waited for.
    pub timeout: Duration,
}

/// `[retention]`: how long each kind of record is kept; zero keeps it.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Conversations.
    pub conversations: Duration,
    /// Their messages.
    pub messages: Duration,
    /// Event marks and the `/v1/events` feed.
    pub events: Duration,
    /// Dead letters.
    pub dead_letters: Duration,
    /// Deliveries.
    pub deliveries: Duration,
    /// Quarantined deliveries.
    pub quarantine: Duration,
    /// The audit log.
    pub audit: Duration,
}

impl Retention {
    /// The shortest of them; console sessions end by their own time.
    pub fn shortest(&self) -> Duration {
        [
            self.conversations,
            self.messages,
            self.events,
            self.dead_letters,
            self.deliveries,
            self.quarantine,
            self.audit,
        ]
        .into_iter()
        .filter(|kept| !kept.is_zero())
        .min()
        .unwrap_or(Duration::MAX)
    }
}

/// `[endpoints]`
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Address ranges that a CRM's endpoint may be in, though private.
    pub allow_private: Vec<AddressRange>,
}

/// `[results]`
#[derive(Clone, Copy, Debug, Default)]
pub struct Results {
    /// The payload of endpoints that name none, and of what RabbitMQ is told.
    pub payload: Payload,
}

/// One entry of `[[sources]]`.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The last part of its webhook path.
    pub name: String,
    /// The platform that sends.
    pub platform: PlatformName,
    /// Its webhooks; without secrets for platforms that send none.
    pub webhook: WebhookConfig,
    /// The API that knows its conversations.
    pub api: Option<ApiConfig>,
    /// The agent of calls whose platform names none.
    pub agent: Option<String>,
    /// The zone of its calls.
    pub timezone: Option<jiff::tz::TimeZone>,
    /// The region of its numbers.
    pub region: Option<String>,
    /// How its API is asked for calls that no webhook told of.
    pub reconcile: Reconcile,
}

/// `webhook.*` of a source.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Every live secret, in the platform's own form: for Telnyx its public keys, for Standard
    /// Webhooks `whsec_…` or `whpk_…`. For LiveKit: of the key `webhook.key`.
    pub secrets: Vec<Secret>,
    /// LiveKit's API keys with their secrets (`webhook.keys`, or `webhook.key` with each secret).
    pub keys: Vec<(String, Secret)>,
    /// How old a signature may be.
    pub tolerance: Duration,
    /// The largest body taken, in bytes.
    pub max_body: usize,
    /// Scheme, host and path as the platform knows them, for signatures over the URL; else they
    /// are read from the request.
    pub url: Option<String>,
    /// How the customer of a platform that offers a choice has it sign.
    pub form: SignatureForm,
}

/// How a delivery proves its origin, where the platform's customer chooses (Vapi;
/// `platforms.md` §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureForm {
    /// `webhook.scheme`; none takes whichever the delivery carries.
    pub scheme: Option<SignatureScheme>,
    /// `webhook.header`: the header with the signature.
    pub header: Option<http::HeaderName>,
    /// `webhook.timestamp_header`: the header with the time.
    pub timestamp_header: Option<http::HeaderName>,
    /// `webhook.payload`: what is signed, with `{timestamp}` and `{body}` in it.
    pub payload: Option<String>,
    /// `webhook.encoding` is `base64`.
    pub is_base64: bool,
    /// `webhook.prefix`: what stands before the signature.
    pub prefix: Option<String>,
}

/// `webhook.scheme`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureScheme {
    /// The secret itself, in a header.
    Secret,
    /// The secret as a bearer token.
    Bearer,
    /// HMAC-SHA256.
    Hmac,
}

/// `api.*` of a source.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Whose API it is, when it is not the sender's.
    pub platform: PlatformName,
    /// Its base URL.
    pub base_url: String,
    /// The API token.
    pub token: Secret,
    /// Whose token it is, where the platform asks for that beside it: Anyreach's organization,
    /// Twilio's account SID, Plivo's auth id.
    pub account: Option<String>,
}

/// `reconcile.*` of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// How often the API's list is read.
    pub every: Duration,
    /// How far back it is read.
    pub look_back: Duration,
    /// How long a call must be over before it is taken from the list.
    pub settle: Duration,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self {
            every: Duration::from_mins(5),
            look_back: Duration::from_hours(24),
            settle: Duration::from_mins(1),
        }
    }
}
