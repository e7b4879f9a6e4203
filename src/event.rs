//! What travels in the queue: versioned messages of ids and hints, never transcripts.

use serde::{Deserialize, Serialize};

use crate::end_reason::Hint;
use crate::id::{AgentId, ConversationId, ConversationKey, EventId, Owner, letter};
use crate::room::RoomFact;
use crate::time::Timestamp;

/// The three stages of work, in this order, each with its own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Event to settled conversation.
    Finalize,
    /// Conversation to memory.
    Remember,
    /// Result to every subscriber.
    Deliver,
}

impl Stage {
    /// All of them, in the order a call passes them.
    pub const ALL: [Self; 3] = [Self::Finalize, Self::Remember, Self::Deliver];

    /// The name on the wire, in queue names and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finalize => "finalize",
            Self::Remember => "remember",
            Self::Deliver => "deliver",
        }
    }

    /// Reads what [`Stage::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// What kind of event it is. All but [`EventKind::Recorded`] finalize.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The platform says that the call is over.
    Finished,
    /// A later analysis, or a corrected transcript, of a call.
    Analyzed,
    /// LiveKit says that the room is over.
    RoomFinished,
    /// A fact about a room that is only written down.
    Recorded(RoomFact),
    /// We look a second time at a call that we settled without the platform's word.
    Recheck,
    /// The platform lists the call as over, and no event has told us of that, or not of what the
    /// list says now. Since version 2.
    Reconciled,
}

/// The room that an event names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRef {
    /// LiveKit's session id, which no two rooms share.
    pub sid: Option<String>,
    /// The room's name, which may be used again.
    pub name: String,
    /// When the room was opened.
    pub created_at: Option<Timestamp>,
    /// `conversation_id` in the room's metadata.
    pub conversation_id: Option<ConversationId>,
}

/// One authenticated event, reduced to what finalizing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEvent {
    /// The source that it came through.
    pub source: String,
    /// Its id, from signed bytes only.
    pub event_id: EventId,
    /// What it says.
    pub kind: EventKind,
    /// When it happened, by the platform's word.
    pub occurred_at: Option<Timestamp>,
    /// When we took it.
    pub received_at: Timestamp,
    /// The conversation, where the event names it.
    pub conversation_id: Option<ConversationId>,
    /// The room, where the event names one.
    pub room: Option<RoomRef>,
    /// The agent, where the event names it.
    pub agent_id: Option<AgentId>,
    /// Who called, where the event names them: a letter of a call that was never fetched is found by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_identity: Option<String>,
    /// Why the call ended, where the event says it and the API does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
    /// What the event said, for a source without an API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Carried>,
}

/// The sealed payload of an event, which its call is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// Itself.
    Sealed(String),
    /// Too long for a message: the id under which the database has it.
    Kept(String),
}

/// The longest caller that an event names, in bytes: letters are found by it, through an index.
const LONGEST_CALLER: usize = 512;

/// Who called, as an event may name them.
pub fn caller_named(caller: &str) -> Option<String> {
    let is_name = !caller.is_empty() && caller.len() <= LONGEST_CALLER;
    is_name.then(|| caller.to_owned())
}

impl CallEvent {
    /// When it happened for all we know: `min(occurred_at, received_at)`, so that a clock that runs
    /// ahead can't hold a call back.
    pub fn happened_at(&self) -> Timestamp {
        self.occurred_at
            .map_or(self.received_at, |at| at.min(self.received_at))
    }
}

/// What a message asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", content = "work", rename_all = "lowercase")]
pub enum Work {
    /// Settle the call of this event.
    Finalize(Box<CallEvent>),
    /// Remember what this conversation says about its caller.
    Remember(ConversationKey),
    /// Tell everybody who subscribed.
    Deliver(ConversationKey),
    /// Send one event to one endpoint.
    Send(Sending),
}

/// One attempt to send an event to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The delivery (`dlv_…`).
    pub delivery_id: String,
    /// Which of its attempts this is, from 1; none for a replayed letter, which makes one more.
    pub attempt: Option<u32>,
}

/// A message in the queue. Each is written in the oldest version that knows what is in it, so that a
/// process of the version before takes all that it can understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The work id, which makes a second copy recognisable: `<stage>:<what>:<revision>`.
    pub id: String,
    /// What to do.
    pub work: Work,
}

/// The latest version of messages. Version 2 has [`EventKind::Reconciled`], events that carry a body,
/// which a process of the version before would pass over, and [`Work::Send`].
const LATEST: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    id: String,
    #[serde(flatten)]
    work: Work,
}

/// The body is not a message that this version understands.
#[derive(Debug, thiserror::Error)]
pub enum NotAMessage {
    /// Not JSON of the shape.
    #[error("the message is not of the form that this version reads")]
    Shape(#[source] serde_json::Error),
    /// A later version's.
    #[error("the message is of version {0}; this version reads up to {LATEST}")]
    Version(u32),
}

impl Message {
    /// The message that finalizes an event's call.
    pub fn finalize(event: CallEvent) -> Self {
        let id = format!("finalize:{}:{}", event.source, event.event_id);
        Self {
            id,
            work: Work::Finalize(Box::new(event)),
        }
    }

    /// The message that remembers a conversation in its present revision.
    pub fn remember(key: ConversationKey, revision: i64) -> Self {
        let id = format!("remember:{}:{}:{revision}", key.owner.as_str(), key.id);
        Self {
            id,
            work: Work::Remember(key),
        }
    }

    /// The message that delivers a conversation in its present revision.
    pub fn deliver(key: ConversationKey, revision: i64) -> Self {
        let id = format!("deliver:{}:{}:{revision}", key.owner.as_str(), key.id);
        Self {
            id,
            work: Work::Deliver(key),
        }
    }

    /// The message that makes an attempt of a delivery.
    pub fn send(delivery_id: &str, attempt: u32) -> Self {
        Self {
            id: format!("send:{delivery_id}:{attempt}"),
            work: Work::Send(Sending {
                delivery_id: delivery_id.to_owned(),
                attempt: Some(attempt),
            }),
        }
    }

    /// The message that a delivery's dead letter holds: one more attempt.
    pub fn resend(delivery_id: &str) -> Self {
        Self {
            id: format!("send:{delivery_id}"),
            work: Work::Send(Sending {
                delivery_id: delivery_id.to_owned(),
                attempt: None,
            }),
        }
    }

    /// The id of the dead letter that it becomes. Every attempt of a delivery becomes the delivery's.
    pub fn letter_id(&self) -> String {
        match &self.work {
            Work::Send(sending) => letter(&Self::resend(&sending.delivery_id).id),
            _ => letter(&self.id),
        }
    }

    /// The second look at a settled conversation.
    pub fn recheck(key: &ConversationKey, source: &str, number: u32, now: Timestamp) -> Self {
        let Ok(event_id) = EventId::new(&crate::secret::sha256_hex(
            format!("recheck {} {} {number}", key.owner.as_str(), key.id).as_bytes(),
        )) else {
            unreachable!("64 hex digits are an id")
        };
        Self::finalize(CallEvent {
            source: source.to_owned(),
            event_id,
            kind: EventKind::Recheck,
            occurred_at: Some(now),
            received_at: now,
            conversation_id: Some(key.id.clone()),
            room: None,
            agent_id: None,
            caller_identity: None,
            hint: None,
            body: None,
        })
    }

    /// The stage that it is for.
    pub fn stage(&self) -> Stage {
        match self.work {
            Work::Finalize(_) => Stage::Finalize,
            Work::Remember(_) => Stage::Remember,
            Work::Deliver(_) | Work::Send(_) => Stage::Deliver,
        }
    }

    /// The oldest version that knows what this message holds.
    fn version(&self) -> u32 {
        match &self.work {
            Work::Finalize(event)
                if event.kind == EventKind::Reconciled || event.body.is_some() =>
            {
                2
            }
            Work::Send(_) => 2,
            Work::Finalize(_) | Work::Remember(_) | Work::Deliver(_) => 1,
        }
    }

    /// The body that travels.
    pub fn encode(&self) -> String {
        let envelope = Envelope {
            v: self.version(),
            id: self.id.clone(),
            work: self.work.clone(),
        };
        #[expect(
            clippy::expect_used,
            reason = "the types have no map with keys that JSON refuses"
        )]
        serde_json::to_string(&envelope).expect("messages are plain data")
    }

    /// Reads what [`Message::encode`] wrote.
    pub fn decode(body: &str) -> Result<Self, NotAMessage> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(body).map_err(NotAMessage::Shape)?;
        if !(1..=LATEST).contains(&v) {
            return Err(NotAMessage::Version(v));
        }
        let envelope: Envelope = serde_json::from_str(body).map_err(NotAMessage::Shape)?;
        Ok(Self {
            id: envelope.id,
            work: envelope.work,
        })
    }
}

/// Who owns the conversations of a source whose platform gives ids that are unique everywhere.
pub fn owner_of(platform: &str, source: &str, ids_are_global: bool) -> Owner {
    if ids_are_global {
        Owner::platform(platform)
    } else {
        Owner::source(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> CallEvent {
        CallEvent {
            source: "acme".to_owned(),
            event_id: EventId::new("EV_1").unwrap(),
            kind: EventKind::Finished,
            occurred_at: Some(Timestamp::from_secs(10)),
            received_at: Timestamp::from_secs(12),
            conversation_id: Some(ConversationId::new("conv_1").unwrap()),
            room: None,
            agent_id: None,
            caller_identity: None,
            hint: None,
            body: None,
        }
    }

    #[test]
    fn every_attempt_of_a_delivery_becomes_its_one_letter() {
        let its = Message::resend("dlv_1").letter_id();
        assert_eq!(Message::send("dlv_1", 3).letter_id(), its);
        assert_ne!(Message::send("dlv_2", 3).letter_id(), its);
        let call = Message::finalize(event());
        assert_eq!(call.letter_id(), letter(&call.id));
    }

    #[test]
    fn a_message_survives_the_queue() {
        let key = ConversationKey {
            owner: Owner::platform("speechify"),
            id: ConversationId::new("conv_1").unwrap(),
        };
        let carrying = Message::finalize(CallEvent {
            body: Some(Carried::Sealed("v1:00".to_owned())),
            ..event()
        });
        assert!(carrying.encode().starts_with(r#"{"v":2"#));
        for message in [
            carrying,
            Message::finalize(event()),
            Message::remember(key.clone(), 3),
            Message::deliver(key.clone(), 3),
            Message::send("dlv_1", 2),
            Message::resend("dlv_1"),
            Message::recheck(&key, "acme", 1, Timestamp::from_secs(1)),
        ] {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }

    #[test]
    fn the_body_of_version_1_stays_readable() {
        let body = r#"{"v":1,"id":"finalize:acme:EV_1","stage":"finalize","work":{"source":"acme",
            "event_id":"EV_1","kind":"finished","occurred_at":"1970-01-01T00:00:10.000Z",
            "received_at":"1970-01-01T00:00:12.000Z","conversation_id":"conv_1","room":null,
            "agent_id":null}}"#;
        assert_eq!(Message::decode(body).unwrap(), Message::finalize(event()));
        assert!(matches!(
            Message::decode(r#"{"v":3}"#),
            Err(NotAMessage::Version(3))
        ));
        assert!(matches!(Message::decode("[]"), Err(NotAMessage::Shape(_))));
    }

    #[test]
    fn only_what_version_1_does_not_know_is_written_as_version_2() {
        let found = Message::finalize(CallEvent {
            kind: EventKind::Reconciled,
            ..event()
        });
        assert!(found.encode().starts_with(r#"{"v":2,"#));
        assert_eq!(Message::decode(&found.encode()).unwrap(), found);
        assert!(
            Message::finalize(event())
                .encode()
                .starts_with(r#"{"v":1,"#)
        );
    }

    #[test]
    fn a_clock_that_runs_ahead_holds_nothing_back() {
        let ahead = CallEvent {
            occurred_at: Some(Timestamp::from_secs(99)),
            ..event()
        };
        assert_eq!(ahead.happened_at(), ahead.received_at);
        assert_eq!(event().happened_at(), Timestamp::from_secs(10));
    }
}
