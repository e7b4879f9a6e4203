//! A message as it travels through RabbitMQ: its body, and what we know of it in headers of our own.
//!
//! The headers are written anew each time. RabbitMQ's `x-death` is never read and never passed on: it
//! stops counting on republished messages from 3.13 on.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::publisher::Post;
use crate::event::{Message, Stage};
use crate::secret::sha256_hex;
use crate::store::outbox::Claimed;
use crate::time::Timestamp;
use crate::trace;
use crate::verdict::{Attempt, Failure};

const ATTEMPTS: &str = "x-aftercall-attempt";
const HISTORY: &str = "x-aftercall-history";
const ENQUEUED_AT: &str = "x-aftercall-enqueued-at";
const DUE_AT: &str = "x-aftercall-due-at";
const STAGE: &str = "x-aftercall-stage";
const CAUSE: &str = "x-aftercall-cause";

/// Headers must fit a frame, which is 128 KiB; a history that is longer loses its middle.
const MAX_HISTORY_BYTES: usize = 32 << 10;

/// A message and its story.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parcel {
    /// The work id.
    pub(super) id: String,
    /// The stage, as far as it is known.
    pub(super) stage: String,
    /// The body, still undecoded.
    pub(super) body: String,
    /// Attempts that verdicts have spent.
    pub(super) attempts: u32,
    /// The attempts so far.
    pub(super) history: Vec<Attempt>,
    /// When the message was made durable first.
    pub(super) enqueued_at: Timestamp,
    /// Not to be worked on before; for waits that no tier is long enough for.
    pub(super) due_at: Option<Timestamp>,
    /// Why it was given up.
    pub(super) cause: Option<Failure>,
}

impl Parcel {
    /// A new message's.
    pub(super) fn new(message: &Message, now: Timestamp) -> Self {
        Self {
            id: message.id.clone(),
            stage: message.stage().as_str().to_owned(),
            body: trace::carry(message.encode()),
            attempts: 0,
            history: Vec::new(),
            enqueued_at: now,
            due_at: None,
            cause: None,
        }
    }

    /// An outbox row's.
    pub(super) fn of_row(row: Claimed, stage: Stage) -> Self {
        Self {
            id: row.id,
            stage: stage.as_str().to_owned(),
            body: row.body,
            attempts: row.attempts,
            history: row.history,
            enqueued_at: row.created_at,
            due_at: None,
            cause: None,
        }
    }

    /// Reads a delivery. Whoever published it: nothing in it is taken on trust.
    pub(super) fn read(delivery: &Delivery, stage: Option<Stage>, now: Timestamp) -> Self {
        let properties = &delivery.properties;
        let none = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&none);
        let body = String::from_utf8_lossy(&delivery.data).into_owned();
        let id = properties
            .message_id()
            .as_ref()
            .map_or_else(|| sha256_hex(&delivery.data), |id| id.as_str().to_owned());
        let stage = stage.map_or_else(
            || text(headers, STAGE).unwrap_or_else(|| "unknown".to_owned()),
            |stage| stage.as_str().to_owned(),
        );
        Self {
            id,
            stage,
            attempts: number(headers, ATTEMPTS)
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0),
            history: json(headers, HISTORY).unwrap_or_default(),
            enqueued_at: number(headers, ENQUEUED_AT).map_or(now, Timestamp::from_millis),
            due_at: number(headers, DUE_AT).map(Timestamp::from_millis),
            cause: json(headers, CAUSE),
            body,
        }
    }

    /// The id in AMQP's words.
    pub(super) fn message_id(&self) -> ShortString {
        short(&self.id)
    }

    /// Persistent, recognisable, with headers of ours only.
    pub(super) fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut put = |key: &str, value| {
            headers.insert(key.into(), value);
        };
        put(ATTEMPTS, AMQPValue::LongLongInt(self.attempts.into()));
        put(
            ENQUEUED_AT,
            AMQPValue::LongLongInt(self.enqueued_at.as_millis()),
        );
        put(STAGE, AMQPValue::LongString(self.stage.as_str().into()));
        if let Some(due_at) = self.due_at {
            put(DUE_AT, AMQPValue::LongLongInt(due_at.as_millis()));
        }
        if let Some(history) = shortened(&self.history) {
            put(HISTORY, AMQPValue::LongString(history.into()));
        }
        let cause = self.cause.as_ref().map(serde_json::to_string);
        if let Some(Ok(cause)) = cause {
            put(CAUSE, AMQPValue::LongString(cause.into()));
        }
        BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(self.message_id())
            .with_headers(headers)
    }
}

impl From<Parcel> for Post {
    /// It must find its queue.
    fn from(parcel: Parcel) -> Self {
        Self {
            id: parcel.message_id(),
            properties: parcel.properties(),
            body: parcel.body,
            mandatory: true,
        }
    }
}

/// An id in AMQP's words, which hold 255 bytes: longer ones are known by their hash.
pub(super) fn short(id: &str) -> ShortString {
    ShortString::try_new(id).unwrap_or_else(|_| sha256_hex(id.as_bytes()).into())
}

fn shortened(history: &[Attempt]) -> Option<String> {
    let mut history = history.to_vec();
    loop {
        if history.is_empty() {
            return None;
        }
        let text = serde_json::to_string(&history).ok()?;
        if text.len() <= MAX_HISTORY_BYTES {
            return Some(text);
        }
        history.remove(usize::from(history.len() > 1));
    }
}

fn text(headers: &FieldTable, key: &str) -> Option<String> {
    match headers.inner().get(key)? {
        AMQPValue::LongString(value) => {
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
        AMQPValue::ShortString(value) => Some(value.as_str().to_owned()),
        _ => None,
    }
}

fn number(headers: &FieldTable, key: &str) -> Option<i64> {
    match headers.inner().get(key)? {
        AMQPValue::LongLongInt(value) => Some(*value),
        AMQPValue::LongInt(value) => Some((*value).into()),
        _ => None,
    }
}

fn json<T: serde::de::DeserializeOwned>(headers: &FieldTable, key: &str) -> Option<T> {
    serde_json::from_str(&text(headers, key)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    fn parcel() -> Parcel {
        let attempt = Attempt {
            at: NOW,
            code: "platform_unavailable".to_owned(),
            message: "no answer".to_owned(),
            spent: true,
        };
        Parcel {
            id: "remember:speechify:conv_1:1".to_owned(),
            stage: "remember".to_owned(),
            body: "{}".to_owned(),
            attempts: 3,
            history: vec![attempt; 3],
            enqueued_at: NOW,
            due_at: Some(NOW),
            cause: Some(Failure::ours("panicked", "the stage panicked")),
        }
    }

    #[test]
    fn the_story_survives_the_journey() {
        let sent = parcel();
        let headers = sent.properties().headers().clone().unwrap();
        assert_eq!(number(&headers, ATTEMPTS), Some(3));
        assert_eq!(number(&headers, DUE_AT), Some(NOW.as_millis()));
        assert_eq!(json(&headers, HISTORY), Some(sent.history));
        assert_eq!(json(&headers, CAUSE), sent.cause);
        assert_eq!(text(&headers, STAGE).as_deref(), Some("remember"));
    }

    #[test]
    fn a_long_id_is_known_by_its_hash() {
        let long = Parcel {
            id: "x".repeat(600),
            ..parcel()
        };
        let id = long.properties().message_id().clone().unwrap();
        assert_eq!(id.as_str(), sha256_hex(long.id.as_bytes()));
        assert_eq!(parcel().message_id().as_str(), parcel().id);
    }

    #[test]
    fn a_history_too_long_for_a_frame_loses_its_middle() {
        let mut sent = parcel();
        for attempt in &mut sent.history {
            attempt.message = "x".repeat(20 << 10);
        }
        sent.history[0].code = "first".to_owned();
        let headers = sent.properties().headers().clone().unwrap();
        let history: Vec<Attempt> = json(&headers, HISTORY).unwrap();
        assert_eq!((history.len(), history[0].code.as_str()), (1, "first"));
    }
}
