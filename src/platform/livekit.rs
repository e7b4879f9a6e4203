//! LiveKit: the events of the rooms that calls are held in (`platforms.md` §1). It knows no
//! conversations; those are asked for where `api.platform` says.

pub mod room_name;
mod webhook;

pub use webhook::Sender;

/// The platform's name in settings.
const NAME: &str = "livekit";
