//! Voiceable, the platform of the third source document (`platforms.md` §3b): ElevenLabs' API in other
//! clothes. It sends no webhook, so it is asked; the form of a single read is documented nowhere, and
//! is read as ElevenLabs'.

use super::elevenlabs::api::{Client, Dialect};
use super::rest::Rest;
use crate::config::SourceConfig;

/// What it calls things. The form of its ids is documented nowhere, and no room is named by one.
const DIALECT: Dialect = Dialect {
    name: "voiceable",
    conversations: ["api", "v1", "conversations"],
    cursors: &["cursor", "next_cursor"],
    // Summaries are in the list by default, and nobody reads them there.
    asked: &[("summary_mode", "exclude")],
    knows_callers: true,
    id_prefix: None,
};

/// The API of this source.
pub(super) fn client(source: &SourceConfig, rest: Rest) -> Client {
    Client::speaking(&DIALECT, source, rest)
}

#[cfg(test)]
mod tests;
