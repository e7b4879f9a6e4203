//! A call that no API knows is made of what its events said: of all of them together, so that the
//! order in which they come does not matter.

use crate::conversation::{Conversation, Presence, Transport};
use crate::event::{CallEvent, Carried};
use crate::flow::{Flow, Sources, store_failed};
use crate::id::{ConversationId, ConversationKey};
use crate::platform::{Fetched, Source, Untold};
use crate::secret::SealKey;
use crate::store::bodies::{self, Payload};
use crate::store::{Conn, Result as StoreResult};
use crate::time::Timestamp;
use crate::verdict::{Failure, Verdict};

/// The call as this event tells it; of an event that carries nothing, as all events that are kept.
pub(super) async fn conversation_of(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    id: &ConversationId,
) -> Result<Fetched, Verdict> {
    let key = ConversationKey {
        owner: source.owner.clone(),
        id: id.clone(),
    };
    let Some(payload) = payload_of(flow, event).await? else {
        let payloads = flow
            .db
            .read(move |mut conn| Box::pin(async move { bodies::of_call(&mut conn, &key).await }))
            .await
            .map_err(|error| store_failed(&error))?;
        return together(&payloads, &flow.sources, &flow.seal).ok_or_else(gone);
    };
    let fetched = read(&payload, &flow.sources, &flow.seal).map_err(unreadable)?;
    if fetched.conversation.id != *id {
        return Err(unreadable(Untold(
            "it tells of another call than its event",
        )));
    }
    Ok(fetched)
}

/// What the event carries; none where it carries nothing.
pub(super) async fn payload_of(flow: &Flow, event: &CallEvent) -> Result<Option<Payload>, Verdict> {
    let sealed = match event.body.clone() {
        None => return Ok(None),
        Some(Carried::Sealed(sealed)) => sealed,
        Some(Carried::Kept(id)) => flow
            .db
            .read(move |mut conn| Box::pin(async move { bodies::get(&mut conn, &id).await }))
            .await
            .map_err(|error| store_failed(&error))?
            .ok_or_else(gone)?,
    };
    Ok(Some(Payload::of(event, sealed)))
}

/// The call as all events that are kept tell it, inside the transaction that settles it.
pub(super) async fn all_of(
    conn: &mut Conn<'_>,
    key: &ConversationKey,
    sources: &Sources,
    seal: &SealKey,
) -> StoreResult<Option<Fetched>> {
    let payloads = bodies::of_call(conn, key).await?;
    Ok(together(&payloads, sources, seal))
}

/// Reads payloads, the one that decides first; what it leaves open, the next ones fill in. One that
/// can't be read any more is passed over.
fn together(payloads: &[Payload], sources: &Sources, seal: &SealKey) -> Option<Fetched> {
    let mut decided: Option<Fetched> = None;
    for payload in payloads {
        let (Some(source), Ok(next)) = (sources.get(&payload.source), read(payload, sources, seal))
        else {
            continue;
        };
        match &mut decided {
            None => decided = Some(next),
            Some(decided) => fill_in(decided, next, source),
        }
    }
    decided
}

fn read(payload: &Payload, sources: &Sources, seal: &SealKey) -> Result<Fetched, Untold> {
    let webhooks = sources
        .get(&payload.source)
        .and_then(|source| source.webhooks.as_ref())
        .ok_or(Untold("its source takes no webhooks any more"))?;
    let plain = seal
        .open(&payload.body)
        .map_err(|_| Untold("it was sealed under another key"))?;
    webhooks.told(&plain, Timestamp::from_millis(payload.received_at))
}

/// Fills in what `decided` leaves open from an event that ranks below it, or from what is stored.
pub(super) fn fill_in(decided: &mut Fetched, other: Fetched, source: &Source) {
    let says = |fetched: &Fetched| fetched.reason.as_ref().is_some_and(|r| r.reason.is_some());
    if decided.reason.is_none() || (!says(decided) && says(&other)) {
        decided.reason = other.reason.or(decided.reason.take());
    }
    decided.seen = decided.seen.take().or(other.seen);
    if decided.messages.is_empty() {
        decided.messages = other.messages;
        decided.conversation.user_turn_count = None;
    }
    // An agent that only the settings or a number name gives way to one that the platform names.
    let agent_id = decided.conversation.agent_id.as_str();
    let is_made_up = agent_id.starts_with('+')
        || agent_id == source.name
        || Some(agent_id) == source.agent.as_deref();
    if is_made_up {
        decided.conversation.agent_id = other.conversation.agent_id.clone();
    }
    fill_in_call(&mut decided.conversation, other.conversation);
}

fn fill_in_call(call: &mut Conversation, other: Conversation) {
    if call.transport == Transport::Web {
        call.transport = other.transport;
    }
    if call.caller_identity.is_empty() {
        call.caller_identity = other.caller_identity;
    }
    call.created_at = call.created_at.min(other.created_at);
    for (name, value) in other.metadata {
        call.metadata.entry(name).or_insert(value);
    }
    for (name, value) in other.platform_fields {
        call.platform_fields.entry(name).or_insert(value);
    }
    or(&mut call.agent_name, other.agent_name);
    or(&mut call.started_at, other.started_at);
    or(&mut call.ended_at, other.ended_at);
    or(&mut call.duration_ms, other.duration_ms);
    or(&mut call.cost_cents, other.cost_cents);
    or(&mut call.recording_url, other.recording_url);
    or(&mut call.recording_started_at, other.recording_started_at);
    or(&mut call.from_number, other.from_number);
    or(&mut call.to_number, other.to_number);
    or(&mut call.summary, other.summary);
    or(&mut call.call_successful, other.call_successful);
    or(&mut call.user_turn_count, other.user_turn_count);
    or_present(&mut call.room_name, other.room_name);
    or_present(&mut call.room_sid, other.room_sid);
    or_present(&mut call.agent_snapshot, other.agent_snapshot);
    or_present(&mut call.dynamic_variables, other.dynamic_variables);
    or_present(&mut call.ivr_menu_id, other.ivr_menu_id);
    or_present(&mut call.ivr_path_taken, other.ivr_path_taken);
    or_present(&mut call.ivr_surrender_reason, other.ivr_surrender_reason);
}

fn or<T>(field: &mut Option<T>, other: Option<T>) {
    if field.is_none() {
        *field = other;
    }
}

fn or_present<T>(field: &mut Presence<T>, other: Presence<T>) {
    if field.is_absent() {
        *field = other;
    }
}

fn unreadable(why: Untold) -> Verdict {
    Verdict::Park {
        why: Failure::poison("untold", why),
    }
}

/// Payloads expire, and are erased.
fn gone() -> Verdict {
    Verdict::Park {
        why: Failure::ours(
            "body_gone",
            "what the call's events said is not kept any more, and its source has no API to ask",
        ),
    }
}
