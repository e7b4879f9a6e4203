//! Speechify Voice Agents: the platform of the first source document (`platforms.md` §4).

mod api;
pub(super) mod map;
mod webhook;

pub use api::Client;
pub use webhook::Sender;

/// The platform's name in settings.
pub(super) const NAME: &str = "speechify";
