//! Plivo (`platforms.md` §5): its hangup callbacks, and its API of calls. Plivo carries calls and
//! hears nothing of them: there are no transcripts.

mod api;
mod map;
mod webhook;

pub use api::Client;
pub(super) use webhook::sender;

/// The platform's name in settings.
pub(super) const NAME: &str = "plivo";
