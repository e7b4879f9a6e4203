//! From a transcript to observations: what every extractor is, and the gate that all pass through.

use async_trait::async_trait;

use crate::conversation::{Conversation, Message};
use crate::memory::observation::{Observation, Rank};

mod ground;
pub mod lines;
pub mod llm;
pub mod rules;
mod unite;

pub use ground::ground;
pub use unite::unite;

/// What an extractor is given: a call, its redacted transcript, and where it took place.
#[derive(Clone, Debug)]
pub struct Transcript<'a> {
    /// The call.
    pub conversation: &'a Conversation,
    /// Its messages in order, already redacted.
    pub messages: &'a [Message],
    /// The call's time zone.
    pub zone: &'a jiff::tz::TimeZone,
    /// The region of numbers without a country code, as `US`.
    pub region: &'a str,
}

/// An extractor could not do its work now.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Try again later.
    #[error("the extractor can't be reached: {0}")]
    Unavailable(String),
}

/// Finds what a call says about its caller.
#[async_trait]
pub trait Extractor: Send + Sync {
    /// Its name and version, as `rules/1`: a new version is a new extraction.
    fn version(&self) -> &'static str;

    /// How much its word weighs.
    fn rank(&self) -> Rank;

    /// The observations, each grounded in the transcript.
    async fn extract(&self, transcript: Transcript<'_>) -> Result<Vec<Observation>, ExtractError>;
}
