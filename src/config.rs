//! Settings: flag, environment, file, default, in this order (product contract §4).

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;
use crate::time::Timestamp;

mod keys;
mod load;
mod read;
mod settings;
mod sources;
mod units;

#[cfg(test)]
mod tests;

pub use load::{ConfigError, Overrides, Problem};
pub use units::duration;

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

/// `[memory.llm]`: any endpoint that speaks OpenAI's `/chat/completions`.
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

/// The platforms that a source can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformName {
    /// Speechify Voice Agents.
    Speechify,
    /// LiveKit server webhooks.
    Livekit,
}

impl PlatformName {
    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Speechify => "speechify",
            Self::Livekit => "livekit",
        }
    }
}

/// One entry of `[[sources]]`.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The last part of its webhook path.
    pub name: String,
    /// The platform that sends.
    pub platform: PlatformName,
    /// Its webhooks' secrets.
    pub webhook: WebhookConfig,
    /// The API that knows its conversations.
    pub api: Option<ApiConfig>,
    /// The agent of calls whose platform names none.
    pub agent: Option<String>,
    /// The zone of its calls.
    pub timezone: Option<jiff::tz::TimeZone>,
    /// The region of its numbers.
    pub region: Option<String>,
}

/// `webhook.*` of a source.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Every live secret. For LiveKit: of the key `webhook.key`.
    pub secrets: Vec<Secret>,
    /// LiveKit's API keys with their secrets (`webhook.keys`, or `webhook.key` with each secret).
    pub keys: Vec<(String, Secret)>,
    /// How old a signature may be.
    pub tolerance: Duration,
    /// The largest body taken, in bytes.
    pub max_body: usize,
}

/// `api.*` of a source.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Whose API it is, when it is not the sender's.
    pub platform: PlatformName,
    /// Its base URL.
    pub base_url: String,
    /// The bearer token.
    pub token: Secret,
}
