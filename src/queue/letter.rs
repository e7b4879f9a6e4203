//! What every queue keeps of a message that is given up, and of the attempts before.

use crate::event::{Message, Sending, Work};
use crate::store::dead_letters::{self, Letter};
use crate::store::{Conn, Result, deliveries};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Failure};

/// A message taken so often without a verdict kills its workers.
pub(super) const MAX_TAKES: u32 = 20;

/// Attempts that a message remembers.
const MAX_HISTORY: usize = 50;

/// Why a message that was taken [`MAX_TAKES`] times is given up.
pub(super) fn crashed_worker() -> Failure {
    let message = format!("taken {MAX_TAKES} times, and no worker came back with a verdict");
    Failure::poison("crashed_worker", message)
}

/// Adds an attempt to a message's history, whose first entry is always kept.
pub(super) fn remember(history: &mut Vec<Attempt>, now: Timestamp, why: &Failure, spent: bool) {
    if history.len() == MAX_HISTORY {
        history.remove(1);
    }
    let Failure { code, message, .. } = why.clone();
    history.push(Attempt {
        at: now,
        code,
        message,
        spent,
    });
}

/// The letter of a message.
pub(super) fn letter_of(
    message: &Message,
    body: String,
    why: Failure,
    history: Vec<Attempt>,
) -> Letter {
    let stage = message.stage().as_str();
    let blank = blank_letter(stage, message.id.clone(), body, why, history);
    match &message.work {
        Work::Finalize(event) => Letter {
            source: Some(event.source.clone()),
            event_id: Some(event.event_id.to_string()),
            conversation_id: event
                .conversation_id
                .as_ref()
                .or_else(|| event.room.as_ref()?.conversation_id.as_ref())
                .map(ToString::to_string),
            agent_id: event.agent_id.as_ref().map(ToString::to_string),
            caller_identity: event.caller_identity.clone(),
            ..blank
        },
        Work::Remember(key) | Work::Deliver(key) => Letter {
            source: key.owner.as_source().map(str::to_owned),
            platform: key.owner.as_platform().map(str::to_owned),
            conversation_id: Some(key.id.to_string()),
            ..blank
        },
        // The stage has kept the letter already, with all it knows of the delivery.
        Work::Send(_) => blank,
    }
}

/// The letter of a body that may not be a message.
pub(super) fn letter_of_body(
    stage: &str,
    message_id: String,
    body: String,
    why: Failure,
    history: Vec<Attempt>,
) -> Letter {
    match Message::decode(&body) {
        Ok(message) => letter_of(&message, body, why, history),
        Err(_) => blank_letter(stage, message_id, body, why, history),
    }
}

/// Keeps a letter. A message that makes an attempt of a delivery, and is given up by the queue, is the
/// delivery's end: nobody else would ever write one down, and it would be queued again and again.
pub(super) async fn keep(conn: &mut Conn<'_>, letter: &Letter, now: Timestamp) -> Result<()> {
    let attempt = Message::decode(&letter.body).ok();
    if let Some(Work::Send(sending)) = attempt.map(|message| message.work)
        && let Sending {
            delivery_id,
            attempt: Some(number),
        } = sending
        && deliveries::give_up(conn, &delivery_id, number, &letter.cause, now).await?
    {
        return Ok(());
    }
    dead_letters::keep(conn, letter, now).await
}

fn blank_letter(
    stage: &str,
    message_id: String,
    body: String,
    cause: Failure,
    attempts: Vec<Attempt>,
) -> Letter {
    Letter {
        id: crate::id::letter(&message_id),
        stage: stage.to_owned(),
        source: None,
        platform: None,
        event_id: None,
        conversation_id: None,
        agent_id: None,
        caller_identity: None,
        cause,
        attempts,
        body,
        message_id,
    }
}
