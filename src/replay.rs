//! Dead letters, run again safely, and calls, settled anew: each is a message put back into the queue.
//!
//! A letter is marked and its message put in within one transaction, under the message's own id.
//! When the message is worked off, its letter is resolved; when it fails, the same letter is dead
//! again, with one attempt more. A job does so with many letters, at a rate, and stops by itself when
//! their cause is not mended.

mod drive;
mod job;
mod letter;
mod pace;
mod preview;
mod reprocess;
mod told;

pub use drive::start;
pub use job::{NewJob, NotNow, cancel, create, pause, resume};
pub use letter::{Replayed, discard_letter, discard_letters, replay_letter};
pub use pace::usual_canary;
pub use preview::{Callee, Change, Effect, Effects, Example, Preview, preview};
pub use reprocess::{CantReprocess, reprocess};
pub use told::in_words;
