//! LiveKit's participants and recorders only record: a fact is written down at once, and a call
//! that was settled without it is looked at again.

use crate::erasure::bars;
use crate::event::{CallEvent, EventKind, Message};
use crate::flow::{Flow, store_failed};
use crate::id::{ConversationId, ConversationKey, EventId};
use crate::memory::caller::CallerKey;
use crate::platform::Source;
use crate::room::{RoomFact, Told};
use crate::store::events::{self, RoomKey};
use crate::store::{conversations, memories, outbox};
use crate::verdict::Verdict;

use super::room::hold;
use super::{is_barred, mark_erased};

pub(super) async fn record(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    fact: &RoomFact,
) -> Result<(), Verdict> {
    let Some(room) = event.room.clone() else {
        return Ok(());
    };
    // What was deleted stays away: its room's facts tell who called, and when.
    let named = [room.conversation_id.clone(), as_id(&room.name)];
    let named = named
        .into_iter()
        .chain([room.sid.as_deref().and_then(as_id)]);
    for id in named.flatten() {
        let key = ConversationKey {
            owner: source.owner.clone(),
            id,
        };
        if is_barred(flow, &key).await? {
            return mark_erased(flow, event, key).await;
        }
    }
    let told = Told {
        event_id: event.event_id.clone(),
        at: event.happened_at(),
        fact: fact.clone(),
    };
    let caller = match fact {
        RoomFact::Participant { identity, .. } => CallerKey::of(source.platform(), identity),
        RoomFact::Recording { .. } => None,
    };
    let seal = flow.seal.clone();
    let (owner, now, event) = (source.owner.clone(), flow.host.now(), event.clone());
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                if !events::mark_done(&mut conn, &event, None, now).await? {
                    return Ok(());
                }
                if let Some(caller) = caller {
                    memories::hold_caller(&mut conn, &caller).await?;
                    if bars::on_caller(&mut conn, &seal, &caller, told.at).await? {
                        return Ok(());
                    }
                }
                let key = RoomKey {
                    owner: &owner,
                    sid: room.sid.as_deref(),
                    name: &room.name,
                };
                hold(&mut conn, &owner, key.name).await?;
                events::add_fact(&mut conn, &event.source, key, &told).await?;
                let held = conversations::in_room(&mut conn, &owner, key.sid, key.name).await?;
                for late in held {
                    let look = look_again(&event, &late.conversation.id);
                    outbox::put(&mut conn, &look, now, now).await?;
                }
                Ok(())
            })
        })
        .await
        .map_err(|error| store_failed(&error))?;
    flow.queue.wake();
    Ok(())
}

fn as_id(name: &str) -> Option<ConversationId> {
    ConversationId::given(name).ok()
}

/// The message that settles a conversation once more, because of a fact that came late.
fn look_again(event: &CallEvent, id: &ConversationId) -> Message {
    let name = format!("late {} {id}", event.event_id);
    let Ok(event_id) = EventId::new(&crate::secret::sha256_hex(name.as_bytes())) else {
        unreachable!("64 hex digits are an id")
    };
    Message::finalize(CallEvent {
        event_id,
        kind: EventKind::Recheck,
        conversation_id: Some(id.clone()),
        ..event.clone()
    })
}
