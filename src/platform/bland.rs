//! Bland (`platforms.md` §5): its post-call webhooks, and its API of calls.

mod api;
mod map;
mod webhook;

pub use api::Client;
pub use webhook::{Sender, form};

/// The platform's name in settings.
pub(super) const NAME: &str = "bland";
