//! Which conversation an event is about (product contract §6, "Room names").

use tokio::time::timeout;

use crate::event::{CallEvent, RoomRef};
use crate::flow::{Flow, store_failed};
use crate::id::ConversationId;
use crate::platform::livekit::room_name::{Choice, callers, choose};
use crate::platform::{Api, FetchError, ListQuery, Listed, Source};
use crate::queue::Delivery;
use crate::retry;
use crate::store::conversations;
use crate::verdict::{Failure, Verdict};

use super::{FETCH_PATIENCE, fetch_failed, room, try_again, waited};

/// Pages of the platform's list that are looked through for one room.
const MAX_PAGES: usize = 10;

/// Rows so much older than the room can't be its call, nor can those behind them.
const OLDER_THAN_ROOM: std::time::Duration = std::time::Duration::from_mins(10);

/// The conversation of an event: the one it names, or the one that was held in its room.
pub(super) async fn conversation_of(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    delivery: &Delivery,
) -> Result<ConversationId, Verdict> {
    if let Some(id) = known_as(flow, source, event).await? {
        return Ok(id);
    }
    let (Some(api), Some(held_in)) = (&source.api, &event.room) else {
        unreachable!("only the call of a room of a source with an API is not known at once")
    };
    let listing = listed(flow, source, api.as_ref(), held_in, delivery);
    let Ok(rows) = timeout(FETCH_PATIENCE, listing).await else {
        let late = FetchError::Unavailable("no answer in time".to_owned());
        let why = Failure::platform(late.code(), late);
        return Err(try_again(flow, why, delivery.attempt));
    };
    match choose(&rows?, held_in) {
        Choice::One(id) => Ok(id),
        Choice::None => Err(wait(
            flow,
            event,
            delivery,
            "room_unknown",
            "the platform lists no call of it",
        )),
        Choice::Ambiguous => Err(wait(
            flow,
            event,
            delivery,
            "room_ambiguous",
            "the platform lists several calls for it",
        )),
    }
}

/// The conversation of an event, as far as that is known without the platform's list.
pub(super) async fn known_as(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
) -> Result<Option<ConversationId>, Verdict> {
    if let Some(id) = &event.conversation_id {
        return Ok(Some(id.clone()));
    }
    let Some(held_in) = &event.room else {
        let why = Failure::poison(
            "no_conversation",
            "the event names neither a call nor a room",
        );
        return Err(Verdict::Park { why });
    };
    let Some(api) = &source.api else {
        let id = room::room_id(event).and_then(|id| ConversationId::given(&id).ok());
        return id.map(Some).ok_or_else(|| {
            let why = Failure::poison("no_conversation", "the room has no usable id");
            Verdict::Park { why }
        });
    };
    if api.is_conversation_id(&held_in.name)
        && let Ok(id) = ConversationId::given(&held_in.name)
    {
        return Ok(Some(id));
    }
    if let Some(id) = &held_in.conversation_id {
        return Ok(Some(id.clone()));
    }
    Ok(
        match choose(&known(flow, source, held_in).await?, held_in) {
            Choice::One(id) => Some(id),
            Choice::None | Choice::Ambiguous => None,
        },
    )
}

/// The calls that we know to have been held in the room.
async fn known(flow: &Flow, source: &Source, held_in: &RoomRef) -> Result<Vec<Listed>, Verdict> {
    let (owner, held_in) = (source.owner.clone(), held_in.clone());
    let records = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let sid = held_in.sid.as_deref();
                conversations::in_room(&mut conn, &owner, sid, &held_in.name).await
            })
        })
        .await
        .map_err(|error| store_failed(&error))?;
    Ok(records
        .into_iter()
        .map(|record| Listed {
            conversation: record.conversation,
            reason: None,
        })
        .collect())
}

/// The calls that the platform lists of the callers whom the room's name can mean.
async fn listed(
    flow: &Flow,
    source: &Source,
    api: &dyn Api,
    held_in: &RoomRef,
    delivery: &Delivery,
) -> Result<Vec<Listed>, Verdict> {
    let oldest = held_in.created_at.map(|at| at.minus(OLDER_THAN_ROOM));
    let mut rows: Vec<Listed> = Vec::new();
    for caller in callers(&held_in.name) {
        let mut query = ListQuery {
            caller_identity: Some(caller),
            cursor: None,
        };
        for _ in 0..MAX_PAGES {
            let admitted = flow.sources.admit(&source.name, &flow.host)?;
            let page = api
                .list(&query)
                .await
                .map_err(|error| fetch_failed(flow, &admitted, &error, delivery.attempt))?;
            admitted.with(crate::circuit::Circuit::answered);
            let last = page.rows.last().map(|row| row.conversation.created_at);
            rows.extend(page.rows);
            query.cursor = page.next;
            let past = matches!((last, oldest), (Some(last), Some(oldest)) if last < oldest);
            if query.cursor.is_none() || past {
                break;
            }
        }
    }
    rows.sort_by(|a, b| a.conversation.id.cmp(&b.conversation.id));
    rows.dedup_by(|a, b| a.conversation.id == b.conversation.id);
    Ok(rows)
}

/// The row may come late, and a second match may turn out to be another room's: nothing is guessed.
fn wait(flow: &Flow, event: &CallEvent, delivery: &Delivery, code: &str, message: &str) -> Verdict {
    let why = Failure::platform(
        code,
        format!("no one call is known for the room: {message}"),
    );
    let due = event.happened_at().plus(flow.finalize.grace);
    let elapsed = waited(flow, delivery, due, code);
    match retry::not_over(elapsed, flow.finalize.max_wait) {
        Some(next) => Verdict::Wait {
            after: next.saturating_sub(elapsed),
            why,
        },
        None => Verdict::Park { why },
    }
}
