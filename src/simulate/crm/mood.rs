//! What the simulated CRM answers, by its mood: a table, and no dice.

use std::time::Duration;

use serde::Serialize;

/// What a slow CRM takes for an answer.
const LATE: Duration = Duration::from_secs(3);

/// What a busy one asks for.
const BUSY: Duration = Duration::from_secs(1);

/// How the CRM answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mood {
    /// Takes everything at once.
    Steady,
    /// Half of the events fail at first: by a 500, by a connection that is cut, and one of 64 by a 429
    /// whose `Retry-After` asks for a second in which nothing comes.
    Flaky,
    /// Takes everything, each after three seconds.
    Slow,
    /// Leaves an event's first delivery without an answer, until the sender gives it up.
    Silent,
    /// Answers 500 to everything.
    Dead,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// 200.
    Taken,
    /// 200, after so long.
    Late(Duration),
    /// 401: the signature is wrong.
    Unproved,
    /// 500.
    Failed,
    /// 429, with so much in `Retry-After`.
    Busy(Duration),
    /// The connection ends in place of an answer.
    Cut,
    /// Nothing.
    Silence,
}

impl Mood {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Steady,
        Self::Flaky,
        Self::Slow,
        Self::Silent,
        Self::Dead,
    ];

    /// Its name, which is its path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Flaky => "flaky",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Dead => "dead",
        }
    }

    /// The mood of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mood| mood.as_str() == name)
    }

    /// The answer to the `attempt`th delivery, the first being 1, of an event that `before` others
    /// came before.
    pub(super) fn reply(self, before: usize, attempt: u32) -> Reply {
        match (self, attempt) {
            (Self::Flaky, 1) => match before % 64 {
                2 => Reply::Busy(BUSY),
                n if n % 4 == 1 => Reply::Failed,
                n if n % 4 == 3 => Reply::Cut,
                _ => Reply::Taken,
            },
            (Self::Silent, 1) => Reply::Silence,
            (Self::Steady | Self::Flaky | Self::Silent, _) => Reply::Taken,
            (Self::Slow, _) => Reply::Late(LATE),
            (Self::Dead, _) => Reply::Failed,
        }
    }
}
