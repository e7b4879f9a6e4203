//! Vonage's Voice API (`platforms.md` §5): its event webhooks. Its API wants a key pair and knows no
//! more than the events, so these alone make the conversation.

mod map;
mod webhook;

pub use webhook::Sender;

/// The platform's name in settings.
pub(super) const NAME: &str = "vonage";
