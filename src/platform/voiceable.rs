//! Voiceable, the platform of the third source document (`platforms.md` §3b): ElevenLabs' API in other
//! clothes. It sends no webhook, so it is asked; the form of a single read is documented nowhere, and
//! is read as ElevenLabs'.

mod api;

pub use api::Client;

/// The platform's name in settings.
const NAME: &str = "voiceable";
