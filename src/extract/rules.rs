//! The built-in extractor: linear-time rules, no network, English first.

use async_trait::async_trait;

use super::{ExtractError, Extractor, Transcript};
use crate::memory::observation::{Observation, Rank};

/// The built-in rules. They need nothing installed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules;

impl Rules {
    /// What the rules find in a redacted transcript, grounded.
    pub fn observe(self, _transcript: &Transcript<'_>) -> Vec<Observation> {
        Vec::new()
    }
}

#[async_trait]
impl Extractor for Rules {
    fn version(&self) -> &'static str {
        "rules/1"
    }

    fn rank(&self) -> Rank {
        Rank::Rules
    }

    async fn extract(&self, transcript: Transcript<'_>) -> Result<Vec<Observation>, ExtractError> {
        Ok(self.observe(&transcript))
    }
}
