//! ElevenLabs agents (`platforms.md` §2): post-call webhooks, and an API whose single read is the
//! webhook's `data`.

pub(super) mod api;
mod failure;
mod map;
mod reason;
mod webhook;

pub use api::Client;
pub use webhook::Sender;

/// The platform's name in settings.
const NAME: &str = "elevenlabs";
