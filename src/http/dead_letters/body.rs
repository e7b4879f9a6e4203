//! Letters as clients see them (product contract §14).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Api;
use crate::secret::Unsealable;
use crate::store::dead_letters::list::Group;
use crate::store::dead_letters::{Kept, State};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Fault};

/// One attempt that did not succeed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptBody {
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Its stable code.
    code: String,
    /// For people.
    message: String,
    /// Whether it counted towards giving up; a wait does not.
    spent: bool,
}

impl From<Attempt> for AttemptBody {
    fn from(attempt: Attempt) -> Self {
        Self {
            at: attempt.at,
            code: attempt.code,
            message: attempt.message,
            spent: attempt.spent,
        }
    }
}

/// What a stage gave up on, with its cause.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LetterBody {
    /// Its id.
    id: String,
    /// `dead`, `replaying`, `resolved` or `discarded`.
    #[schema(value_type = String)]
    state: State,
    /// Who gave up: `receive`, `finalize`, `remember` or `deliver`.
    stage: String,
    /// The source that it came through.
    #[schema(required = true)]
    source: Option<String>,
    /// Its platform.
    #[schema(required = true)]
    platform: Option<String>,
    /// The event.
    #[schema(required = true)]
    event_id: Option<String>,
    /// The conversation.
    #[schema(required = true)]
    conversation_id: Option<String>,
    /// Its agent.
    #[schema(required = true)]
    agent_id: Option<String>,
    /// Who called.
    #[schema(required = true)]
    caller_identity: Option<String>,
    /// The stable code of the cause.
    code: String,
    /// The cause, for people.
    message: String,
    /// The same for all letters of the same cause at the same stage.
    fingerprint: String,
    /// Whose fault it is: `ours`, `platform`, `endpoint` or `poison`.
    #[schema(value_type = String)]
    fault: Fault,
    /// Every attempt, oldest first.
    attempts: Vec<AttemptBody>,
    /// When it was given up first.
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// When something happened to it last.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
}

impl LetterBody {
    /// A letter whose call was never fetched knows only its source: the settings know the platform.
    pub(super) fn new(letter: Kept, api: &Api) -> Self {
        let of_source = || {
            let source = api.flow.sources.get(letter.source.as_deref()?)?;
            Some(source.platform().to_owned())
        };
        Self {
            platform: letter.platform.clone().or_else(of_source),
            id: letter.id,
            state: letter.state,
            stage: letter.stage,
            source: letter.source,
            event_id: letter.event_id,
            conversation_id: letter.conversation_id,
            agent_id: letter.agent_id,
            caller_identity: letter.caller_identity,
            code: letter.code,
            message: letter.message,
            fingerprint: letter.fingerprint,
            fault: letter.fault,
            attempts: letter.attempts.into_iter().map(AttemptBody::from).collect(),
            first_at: letter.first_at,
            last_at: letter.last_at,
        }
    }
}

/// A page of letters.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LetterList {
    /// Newest `last_at` first, then by id.
    pub(super) dead_letters: Vec<LetterBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
    /// Whether there is one.
    pub(super) has_more: bool,
}

/// A letter's body: the message, or the raw body that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Content {
    /// The body, as `body_encoding` says.
    body: String,
    /// `text`, or `base64` where it is no text.
    body_encoding: &'static str,
}

impl Content {
    /// Opens what is sealed: the raw bodies of deliveries that could not be read.
    pub(super) fn open(letter: &Kept, api: &Api) -> Result<Self, Unsealable> {
        let bytes = if letter.stage == "receive" {
            api.flow.seal.open(&letter.body)?
        } else {
            letter.body.clone().into_bytes()
        };
        let (body, body_encoding) = shown(bytes);
        Ok(Self {
            body,
            body_encoding,
        })
    }
}

/// A raw body as JSON can carry it, and how that is done: `text`, or `base64` where it is no text.
pub(in crate::http) fn shown(body: Vec<u8>) -> (String, &'static str) {
    match String::from_utf8(body) {
        Ok(text) => (text, "text"),
        Err(error) => (STANDARD.encode(error.as_bytes()), "base64"),
    }
}

/// A letter, and its body where that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneLetter {
    #[serde(flatten)]
    pub(super) letter: LetterBody,
    #[serde(flatten)]
    pub(super) content: Option<Content>,
}

/// Letters of the same cause.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupBody {
    /// The cause.
    fingerprint: String,
    /// Who gave up.
    stage: String,
    /// The cause's stable code.
    code: String,
    /// The cause, for people.
    message: String,
    /// Whose fault it is: `ours`, `platform`, `endpoint` or `poison`.
    #[schema(value_type = String)]
    fault: Fault,
    /// How many letters.
    count: i64,
    /// When the first of them was given up.
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// When something happened to one of them last.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    /// The id of one of them.
    example_id: String,
}

impl From<Group> for GroupBody {
    fn from(group: Group) -> Self {
        Self {
            fingerprint: group.fingerprint,
            stage: group.stage,
            code: group.code,
            message: group.message,
            fault: group.fault,
            count: group.count,
            first_at: group.first_at,
            last_at: group.last_at,
            example_id: group.example_id,
        }
    }
}

/// The causes of letters.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupList {
    /// Those with the most letters first; at most 1,000.
    pub(super) groups: Vec<GroupBody>,
}

/// How many letters were discarded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiscardedBody {
    /// So many.
    pub(super) discarded: u64,
}
