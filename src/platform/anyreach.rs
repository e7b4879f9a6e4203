//! Anyreach, the platform of the second source document (`platforms.md` §3). It sends no webhook, so
//! it is asked.

mod api;
mod list;
mod map;
mod transcript;

pub use api::Client;

/// The platform's name in settings.
const NAME: &str = "anyreach";
