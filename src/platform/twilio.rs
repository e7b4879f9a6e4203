//! Twilio (`platforms.md` §5): its status callbacks, and its API of calls. Twilio carries calls and
//! hears nothing of them: there are no transcripts.

mod api;
mod map;
mod webhook;

pub use api::Client;
pub(super) use webhook::sender;

// TeXML has the same words.
pub(super) use map::{is_over, undialled};

/// The platform's name in settings.
pub(super) const NAME: &str = "twilio";
