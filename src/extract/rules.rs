//! The built-in extractor: linear-time rules, no network, English first and silent otherwise.
//!
//! Each file below reads one kind of thing out of the same [`Call`] and writes what it finds into
//! [`Notes`]. What the agent asked decides how an answer is read; what the agent says is never who
//! the caller is.

use async_trait::async_trait;

use super::{ExtractError, Extractor, Transcript};
use crate::memory::observation::{Observation, Rank};
use crate::memory::redact::hide;

mod address;
mod appointments;
mod ask;
mod call;
mod commitments;
mod company;
mod consent;
mod constraints;
mod contact;
mod dates;
mod email;
mod identifiers;
mod issues;
mod language;
mod line;
mod names;
mod preferences;
mod spelling;
mod summary;
mod verdict;
mod vocabulary;

use call::{Call, Notes};

pub use summary::summary;
pub use verdict::call_successful;

/// The built-in rules. They need nothing installed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules;

impl Rules {
    /// The name and version that stand beside whatever the rules have said.
    pub const NAME: &'static str = "rules/4";

    /// What the rules find in a redacted transcript, in the order in which it was said.
    pub fn observe(self, transcript: &Transcript<'_>) -> Vec<Observation> {
        // What was redacted is hidden: a marker's words are nobody's.
        let texts: Vec<String> = transcript
            .messages
            .iter()
            .map(|m| hide(&m.content))
            .collect();
        let call = Call::of(transcript, &texts);
        let mut notes = Notes::default();
        consent::find(&call, &mut notes);
        let line = line::find(&call, &mut notes);
        if language::find(&call, &mut notes) {
            // What is written the same in every language; the rest would be guessed.
            contact::written(&call, &mut notes);
            email::written(&call, &mut notes);
        } else {
            names::find(&call, &mut notes);
            company::find(&call, &mut notes);
            address::find(&call, &mut notes);
            email::find(&call, &mut notes);
            contact::find(&call, &mut notes);
            identifiers::find(&call, &mut notes);
            commitments::find(&call, &mut notes);
            preferences::find(&call, &mut notes);
            constraints::find(&call, &mut notes);
            issues::find(&call, &mut notes);
            appointments::find(&call, &mut notes);
        }
        notes.into_observations(&call, |slot| line.silences(slot))
    }
}

#[async_trait]
impl Extractor for Rules {
    fn version(&self) -> &'static str {
        Self::NAME
    }

    fn rank(&self) -> Rank {
        Rank::Rules
    }

    async fn extract(&self, transcript: Transcript<'_>) -> Result<Vec<Observation>, ExtractError> {
        Ok(self.observe(&transcript))
    }
}

#[cfg(test)]
mod tests;
