//! Calls, settled anew: a known call is queued to be fetched once more.

use crate::event::{CallEvent, EventKind, Message, RoomRef};
use crate::flow::Flow;
use crate::id::EventId;
use crate::secret::sha256_hex;
use crate::store::conversations::Record;
use crate::store::{Result, audit, bodies, outbox};

/// Why a call can't be settled anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CantReprocess {
    /// Its source is not in the settings any more.
    #[error("no source named {0} is configured; add it again")]
    UnknownSource(String),
    /// Nobody can be asked, and nothing is kept that the call could be made of.
    #[error("source {0} has no API to ask again, and what its events said has expired")]
    NobodyKnows(String),
}

/// Queues a known call to be fetched and settled anew, with an entry for the audit log.
pub async fn reprocess(
    flow: &Flow,
    record: &Record,
    entry: audit::Entry,
) -> Result<std::result::Result<(), CantReprocess>> {
    let key = record.key();
    let told = flow
        .db
        .read(|mut conn| Box::pin(async move { bodies::of_call(&mut conn, &key).await }))
        .await?;
    let message = match look_again(flow, record, !told.is_empty()) {
        Ok(message) => message,
        Err(why) => return Ok(Err(why)),
    };
    let now = flow.host.now();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                outbox::put(&mut conn, &message, now, now).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    flow.queue.wake();
    Ok(Ok(()))
}

fn look_again(
    flow: &Flow,
    record: &Record,
    is_told: bool,
) -> std::result::Result<Message, CantReprocess> {
    let call = &record.conversation;
    let Some(source) = flow.sources.get(&call.source) else {
        return Err(CantReprocess::UnknownSource(call.source.clone()));
    };
    // Where no API is asked, the call is what its events said, or its room's facts.
    let room = call.room_name.value().map(|name| RoomRef {
        sid: call.room_sid.value().cloned(),
        name: name.clone(),
        created_at: Some(call.created_at),
        conversation_id: None,
    });
    let room = match (&source.api, room) {
        (Some(_), _) => None,
        (None, _) if is_told => None,
        (None, Some(room)) => Some(room),
        (None, None) => return Err(CantReprocess::NobodyKnows(call.source.clone())),
    };
    let now = flow.host.now();
    let nonce = hex::encode(flow.host.dice.bytes::<16>());
    let Ok(event_id) = EventId::new(&sha256_hex(format!("reprocess {nonce}").as_bytes())) else {
        unreachable!("64 hex digits are an id")
    };
    Ok(Message::finalize(CallEvent {
        source: call.source.clone(),
        event_id,
        kind: EventKind::Recheck,
        occurred_at: Some(call.ended_at.unwrap_or(now)),
        received_at: now,
        conversation_id: Some(call.id.clone()),
        room,
        agent_id: Some(call.agent_id.clone()),
        caller_identity: None,
        hint: None,
        body: None,
    }))
}
