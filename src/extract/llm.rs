//! A language model as an extractor: any endpoint that speaks `OpenAI`'s `/chat/completions`.
//!
//! Nothing that it says is believed: its answer is bounded, read leniently, and every statement must
//! stand in the words of the call (`memory.md` §7.7) before it becomes an observation.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use reqwest::{Client, Url};

use crate::config;
use crate::conversation::{CallSuccess, Conversation, Message};
use crate::memory::observation::Observation;
use crate::secret::Secret;

mod answer;
mod ask;
mod derive;
mod prompt;
mod schema;

/// The version of prompt, schema and gate: a new one is a new extraction.
const VERSION: &str = "llm/1";

/// What is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// The call.
    pub conversation: &'a Conversation,
    /// Its redacted messages.
    pub messages: &'a [Message],
    /// The call's time zone.
    pub zone: &'a TimeZone,
    /// The region of numbers without a country code, as `US`.
    pub region: &'a str,
    /// What memory holds already, as sentences: an agent who was told of it repeats it, and the
    /// repetition is no news.
    pub known: &'a [String],
}

/// What a model read out of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What it found, each grounded.
    pub observations: Vec<Observation>,
    /// What the call was about.
    pub summary: Option<String>,
    /// Whether it reached its goal.
    pub call_successful: Option<CallSuccess>,
    /// Statements that did not stand.
    pub dropped: usize,
}

/// The model did not read the call. Says nothing of the call, and carries no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No answer, or a 5xx: later.
    #[error("the language model can't be reached: {0}")]
    Unavailable(String),
    /// 401 or 403: the key is wrong.
    #[error("the language model's endpoint refuses the key (status {0}); check memory.llm.api_key")]
    Refused(u16),
    /// 429, or 503 with a time to wait.
    #[error("the language model's endpoint asks to slow down")]
    SlowDown(Option<Duration>),
    /// Another 4xx: the model is unknown, or the request is not understood.
    #[error(
        "the language model's endpoint does not take the request (status {0}); check memory.llm.model"
    )]
    Unsuited(u16),
    /// An answer that is none: no JSON, cut off, too large, or declined.
    #[error("the language model's answer can't be used: {0}")]
    Unusable(&'static str),
}

impl LlmError {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "llm_unavailable",
            Self::Refused(_) => "llm_refused",
            Self::SlowDown(_) => "llm_slow_down",
            Self::Unsuited(_) => "llm_unsuited",
            Self::Unusable(_) => "llm_unusable",
        }
    }

    /// Whether the endpoint as a whole is in trouble, rather than this one call.
    pub fn is_general(&self) -> bool {
        !matches!(self, Self::Unusable(_))
    }
}

/// The settings name no usable endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory.llm can't be used: {0}")]
pub struct BadLlm(String);

/// An endpoint, and a model behind it.
pub struct Llm {
    http: Client,
    url: Url,
    key: Option<Secret>,
    model: String,
    version: String,
    timeout: Duration,
    alone: bool,
    style: ask::Remembered,
}

impl Llm {
    /// The model that the settings name; `alone`: it speaks instead of the rules, not beside them.
    pub fn new(settings: &config::Llm, alone: bool) -> Result<Self, BadLlm> {
        let mut url = Url::parse(&settings.base_url).map_err(|error| BadLlm(error.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| BadLlm("base_url is not an http or https URL".to_owned()))?
            .pop_if_empty()
            .extend(["chat", "completions"]);
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("aftercall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| BadLlm(error.to_string()))?;
        Ok(Self {
            http,
            url,
            key: settings.api_key.clone(),
            version: format!("{VERSION}:{}", settings.model),
            model: settings.model.clone(),
            timeout: settings.timeout,
            alone,
            style: ask::Remembered::default(),
        })
    }

    /// The extractor's name and version, with the model's.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it speaks instead of the rules.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// The longest that reading one call takes.
    pub fn patience(&self) -> Duration {
        self.timeout.saturating_mul(ask::STYLES)
    }

    /// Reads a call. What it finds is grounded in the call's messages, and no more than that.
    pub async fn read(&self, script: Script<'_>) -> Result<Reading, LlmError> {
        let (labelled, question) = prompt::of(&script);
        let text = self.ask(prompt::SYSTEM, &question).await?;
        let answer = answer::parse(&text)?;
        let reading = answer.settle(&script, &labelled);
        metrics::counter!("aftercall_llm_observations_total", "outcome" => "kept")
            .increment(u64::try_from(reading.observations.len()).unwrap_or(u64::MAX));
        metrics::counter!("aftercall_llm_observations_total", "outcome" => "dropped")
            .increment(u64::try_from(reading.dropped).unwrap_or(u64::MAX));
        Ok(reading)
    }

    /// Asks for next to nothing: whether endpoint, key and model are right.
    pub async fn probe(&self) -> Result<(), LlmError> {
        let question = "{\"messages\":[]}";
        let text = self.ask(prompt::SYSTEM, question).await?;
        answer::parse(&text).map(drop)
    }
}

impl fmt::Debug for Llm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Llm")
            .field("host", &self.url.host_str())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
