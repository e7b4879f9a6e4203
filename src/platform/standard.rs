//! Any sender of Standard Webhooks (`platforms.md` §7) whose body is the one that the product contract
//! gives in §14. It has no API: the events alone make the conversations.

mod webhook;

pub use webhook::Sender;

/// The platform's name in settings.
const NAME: &str = "standard";
