//! A row of `dead_letters`, and what it means.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::store::conversations::from_json;
use crate::store::{Error, Result};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Fault};

/// What has become of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Given up, and waiting for somebody.
    Dead,
    /// Back in the queue.
    Replaying,
    /// Its message has succeeded since.
    Resolved,
    /// Somebody has decided against it.
    Discarded,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Replaying, Self::Resolved, Self::Discarded];

    /// The value on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Replaying => "replaying",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
        }
    }

    /// Reads what [`State::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A kept letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// What has become of it.
    pub state: State,
    /// The stage that gave up; `receive` for a body that could not be read.
    pub stage: String,
    /// The source.
    pub source: Option<String>,
    /// Its platform.
    pub platform: Option<String>,
    /// The event.
    pub event_id: Option<String>,
    /// The conversation.
    pub conversation_id: Option<String>,
    /// Its agent.
    pub agent_id: Option<String>,
    /// Who called.
    pub caller_identity: Option<String>,
    /// The stable code of the cause.
    pub code: String,
    /// The cause, for people.
    pub message: String,
    /// The same for all letters of the same cause at the same stage.
    pub fingerprint: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// The message, or a sealed raw body; empty in a list.
    pub body: String,
    /// The message's id.
    pub message_id: String,
    /// When it was given up first.
    pub first_at: Timestamp,
    /// When something happened to it last.
    pub last_at: Timestamp,
}

/// A row of `dead_letters`.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    id: String,
    state: String,
    stage: String,
    source: Option<String>,
    platform: Option<String>,
    event_id: Option<String>,
    conversation_id: Option<String>,
    agent_id: Option<String>,
    caller_identity: Option<String>,
    code: String,
    message: String,
    fingerprint: String,
    fault: String,
    attempts: String,
    body: String,
    message_id: String,
    first_at: i64,
    last_at: i64,
}

impl TryFrom<Row> for Kept {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            state: State::parse(&row.state).ok_or(Error::Corrupt("state of a letter"))?,
            stage: row.stage,
            source: row.source,
            platform: row.platform,
            event_id: row.event_id,
            conversation_id: row.conversation_id,
            agent_id: row.agent_id,
            caller_identity: row.caller_identity,
            code: row.code,
            message: row.message,
            fingerprint: row.fingerprint,
            fault: Fault::parse(&row.fault).ok_or(Error::Corrupt("fault of a letter"))?,
            attempts: from_json(&row.attempts)?,
            body: row.body,
            message_id: row.message_id,
            first_at: Timestamp::from_millis(row.first_at),
            last_at: Timestamp::from_millis(row.last_at),
        })
    }
}
