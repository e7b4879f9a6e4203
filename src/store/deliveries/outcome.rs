//! What the end of a delivery leaves beside it: a step in its call's timeline, and of one that was
//! given up a letter.

use super::{After, Attempt, Delivery, add_attempt, attempts_of, get, settle};
use crate::event::{Message, Stage};
use crate::store::dead_letters::{self, Letter};
use crate::store::timeline::{self, Step};
use crate::store::{Conn, Result};
use crate::time::Timestamp;
use crate::verdict::{self, Failure};

/// Writes the step into the call's timeline that attempt `number` is, if it is the last one.
pub async fn tell_timeline(
    conn: &mut Conn<'_>,
    delivery: &Delivery,
    number: u32,
    after: After,
    why: Option<&Failure>,
    now: Timestamp,
) -> Result<()> {
    let step = match after {
        After::Delivered => "delivered",
        After::Failed => "delivery_failed",
        After::Again(_) | After::Skipped => return Ok(()),
    };
    let Delivery {
        id,
        kind,
        endpoint_id,
        ..
    } = delivery;
    let Some(key) = &delivery.key else {
        return Ok(());
    };
    let step = Step {
        key: format!("{step}:{id}:{number}"),
        at: now,
        step: step.to_owned(),
        attempt: i64::from(number),
        detail: why.map_or_else(
            || format!("{kind} to {endpoint_id}"),
            |why| format!("{kind} to {endpoint_id}: {}", why.code),
        ),
    };
    timeline::add(conn, key, &step).await
}

/// Keeps the letter of a delivery that was given up, with all of its attempts. Its message makes one
/// attempt more.
pub async fn keep_letter(
    conn: &mut Conn<'_>,
    delivery: &Delivery,
    cause: Failure,
    now: Timestamp,
) -> Result<()> {
    let made = attempts_of(conn, std::slice::from_ref(&delivery.id)).await?;
    let attempts = made.into_values().flatten();
    let attempts = attempts.filter(|attempt| !attempt.code.is_empty());
    let message = Message::resend(&delivery.id);
    let kept = Letter {
        id: message.letter_id(),
        stage: Stage::Deliver.as_str().to_owned(),
        source: None,
        platform: None,
        event_id: Some(delivery.event_id.clone()),
        conversation_id: delivery.key.as_ref().map(|key| key.id.to_string()),
        agent_id: Some(delivery.agent_id.clone()).filter(|agent| !agent.is_empty()),
        caller_identity: None,
        cause,
        attempts: attempts
            .map(|attempt| verdict::Attempt {
                at: attempt.at,
                code: attempt.code,
                message: attempt.message,
                spent: true,
            })
            .collect(),
        body: message.encode(),
        message_id: message.id,
    };
    dead_letters::keep(conn, &kept, now).await
}

/// Ends a delivery with an attempt of which the stage has never said what became of it: its worker
/// died of it again and again. Says whether that attempt was still to be made.
pub async fn give_up(
    conn: &mut Conn<'_>,
    id: &str,
    number: u32,
    cause: &Failure,
    now: Timestamp,
) -> Result<bool> {
    let Some(delivery) = get(conn, id).await? else {
        return Ok(false);
    };
    if !settle(conn, id, number, After::Failed, now).await? {
        return Ok(false);
    }
    let attempt = Attempt {
        number,
        at: now,
        status: None,
        latency_ms: 0,
        code: cause.code.clone(),
        message: cause.message.clone(),
        response: String::new(),
    };
    add_attempt(conn, id, &attempt).await?;
    tell_timeline(conn, &delivery, number, After::Failed, Some(cause), now).await?;
    keep_letter(conn, &delivery, cause.clone(), now).await?;
    Ok(true)
}
