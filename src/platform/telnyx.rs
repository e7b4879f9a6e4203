//! Telnyx (`platforms.md` §5): the events of Call Control, of AI assistants and of `TeXML`. No API of
//! theirs knows all three kinds of calls, so the events alone make the conversation.

mod map;
mod reason;
mod webhook;

pub use webhook::Sender;

/// The platform's name in settings.
pub(super) const NAME: &str = "telnyx";
