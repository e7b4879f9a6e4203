//! Vapi (`platforms.md` §5): its server messages, and its API of calls.

mod api;
mod map;
mod reason;
mod webhook;

pub use api::Client;
pub use webhook::Sender;

/// The platform's name in settings.
pub(super) const NAME: &str = "vapi";
