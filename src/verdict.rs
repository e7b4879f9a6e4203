//! What a stage decided about a message. The queue carries it out; the stage knows no broker.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::of_content;
use crate::time::Timestamp;

/// Whose fault it is that a message could not be worked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// A defect of aftercall, its database or its broker.
    Ours,
    /// The platform that the call came from.
    Platform,
    /// A CRM's endpoint.
    Endpoint,
    /// The message itself.
    Poison,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Platform, Self::Endpoint, Self::Poison];

    /// Reads what [`Fault::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text)
    }

    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Platform => "platform",
            Self::Endpoint => "endpoint",
            Self::Poison => "poison",
        }
    }
}

/// Why an attempt failed. Carries nothing that a caller said, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable; groups letters of the same cause.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whose fault it is.
    pub fault: Fault,
}

impl Failure {
    /// A failure of our own making.
    pub fn ours(code: &str, message: impl fmt::Display) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_string(),
            fault: Fault::Ours,
        }
    }

    /// A failure of the platform.
    pub fn platform(code: &str, message: impl fmt::Display) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_string(),
            fault: Fault::Platform,
        }
    }

    /// A message that can't be read.
    pub fn poison(code: &str, message: impl fmt::Display) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_string(),
            fault: Fault::Poison,
        }
    }

    /// The same for all letters of the same cause at the same stage.
    pub fn fingerprint(&self, stage: &str) -> String {
        of_content("fp_", &[stage, &self.code, &self.message])
    }
}

/// One attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// Its stable code.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether it counts towards giving up.
    pub spent: bool,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its effects are durable: forget it.
    Done,
    /// It failed: once more after a while, and count it.
    Retry {
        /// How long to wait.
        after: Duration,
        /// Why.
        why: Failure,
    },
    /// It can't be done yet: later, without counting it.
    Wait {
        /// How long to wait.
        after: Duration,
        /// Why.
        why: Failure,
    },
    /// There is no place for it just now: later, and nothing of that is worth remembering.
    Defer {
        /// How long to wait.
        after: Duration,
    },
    /// It will not succeed: a dead letter, until somebody replays or discards it.
    Park {
        /// Why.
        why: Failure,
    },
}
