//! Dead letters, run again safely, and calls, settled anew: each is a message put back into the queue.
//!
//! A letter is marked and its message put in within one transaction, under the message's own id.
//! When the message is worked off, its letter is resolved; when it fails, the same letter is dead
//! again, with one attempt more.

use crate::event::{CallEvent, EventKind, Message, RoomRef};
use crate::flow::Flow;
use crate::id::{ConversationKey, EventId};
use crate::platform::{Classified, Delivery};
use crate::receive::carrying;
use crate::secret::sha256_hex;
use crate::store::bodies::{self, Payload};
use crate::store::conversations::Record;
use crate::store::dead_letters::list::{self, Filter};
use crate::store::dead_letters::{self, Kept, Letter, State};
use crate::store::outbox::{self, Waiting};
use crate::store::{Conn, Result, audit};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Failure};

/// Letters that one transaction replays or discards: it never holds the writer for long.
const BATCH: usize = 50;

/// What became of letters that were replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Their messages are back in the queue.
    pub queued: u64,
    /// Bodies that can be read by now: nothing is left to do for the letter.
    pub resolved: u64,
    /// Still dead, each with its cause of today.
    pub still_dead: u64,
    /// Gone or resolved meanwhile.
    pub passed_over: u64,
}

/// What is to be done with a letter, decided before any transaction is open.
enum Plan {
    /// Its message goes back, with the attempts it has spent.
    Queue(Message, Vec<Attempt>),
    /// Its body is an event by now; what is too long for the message is kept beside it.
    Accept(Message, Option<(ConversationKey, Payload)>),
    /// Its body is known by now to need no stage.
    Ignore,
    /// It can't even be tried.
    Fail(Failure),
}

/// Replays one letter, with an entry for the audit log. None when there is no such letter.
pub async fn replay_letter(flow: &Flow, id: &str, entry: audit::Entry) -> Result<Option<Replayed>> {
    let Some(letter) = read(flow, id).await? else {
        return Ok(None);
    };
    replay(flow, vec![letter], Some(entry)).await.map(Some)
}

/// Replays the letters of a filter, those that have waited longest first; at most `limit`. Unless
/// the filter says otherwise, those that are dead.
pub async fn replay_letters(flow: &Flow, filter: &Filter, limit: i64) -> Result<Replayed> {
    let mut all = Replayed::default();
    for ids in dead_ids(flow, filter, limit).await?.chunks(BATCH) {
        let mut letters = Vec::with_capacity(ids.len());
        for id in ids {
            letters.extend(read(flow, id).await?);
        }
        let some = replay(flow, letters, None).await?;
        all.queued += some.queued;
        all.resolved += some.resolved;
        all.still_dead += some.still_dead;
        all.passed_over += some.passed_over;
    }
    Ok(all)
}

/// Discards one letter, with an entry for the audit log; says whether it was dead.
pub async fn discard_letter(flow: &Flow, id: String, entry: audit::Entry) -> Result<bool> {
    let now = flow.host.now();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                let discarded = dead_letters::discard(&mut conn, &id, now).await?;
                if discarded {
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(discarded)
            })
        })
        .await
}

/// Discards the dead letters of a filter, at most `limit`; says how many.
pub async fn discard_letters(flow: &Flow, filter: &Filter, limit: i64) -> Result<u64> {
    let now = flow.host.now();
    let mut discarded = 0;
    for ids in dead_ids(flow, filter, limit).await?.chunks(BATCH) {
        let ids = ids.to_vec();
        discarded += flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let mut discarded = 0;
                    for id in &ids {
                        discarded += u64::from(dead_letters::discard(&mut conn, id, now).await?);
                    }
                    Ok(discarded)
                })
            })
            .await?;
    }
    Ok(discarded)
}

async fn dead_ids(flow: &Flow, filter: &Filter, limit: i64) -> Result<Vec<String>> {
    let mut filter = filter.clone();
    filter.state.get_or_insert(State::Dead);
    flow.db
        .read(move |mut conn| Box::pin(async move { list::ids(&mut conn, &filter, limit).await }))
        .await
}

async fn read(flow: &Flow, id: &str) -> Result<Option<Kept>> {
    let id = id.to_owned();
    flow.db
        .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
        .await
}

async fn replay(flow: &Flow, letters: Vec<Kept>, entry: Option<audit::Entry>) -> Result<Replayed> {
    let now = flow.host.now();
    let planned: Vec<_> = letters
        .into_iter()
        .map(|letter| (plan(flow, &letter), letter))
        .collect();
    let replayed = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let mut replayed = Replayed::default();
                for (plan, letter) in planned {
                    carry_out(&mut conn, plan, letter, now, &mut replayed).await?;
                }
                if let Some(entry) = entry {
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(replayed)
            })
        })
        .await?;
    flow.queue.wake();
    Ok(replayed)
}

fn plan(flow: &Flow, letter: &Kept) -> Plan {
    if letter.stage == "receive" {
        return read_again(flow, letter);
    }
    match Message::decode(&letter.body) {
        Ok(message) => Plan::Queue(message, letter.attempts.clone()),
        Err(error) => Plan::Fail(Failure::poison("unreadable_message", error)),
    }
}

/// An authentic body that could not be read once: the code may have learnt to since.
fn read_again(flow: &Flow, letter: &Kept) -> Plan {
    let name = letter.source.as_deref().unwrap_or_default();
    let Some(source) = flow.sources.get(name) else {
        let message = format!("no source named {name} is configured; add it again and replay");
        return Plan::Fail(Failure::ours("unknown_source", message));
    };
    let Some(webhooks) = &source.webhooks else {
        let message = format!("source {name} takes no webhooks any more");
        return Plan::Fail(Failure::ours("no_webhooks", message));
    };
    let body = match flow.seal.open(&letter.body) {
        Ok(body) => body,
        Err(error) => return Plan::Fail(Failure::ours("unsealable", error)),
    };
    match webhooks.classify(Delivery::kept(&body), letter.first_at) {
        Classified::Event(event) => {
            let (event, long) = carrying(flow, source, *event, &body);
            Plan::Accept(Message::finalize(event), long)
        }
        Classified::Ignored(_) => Plan::Ignore,
        Classified::Unreadable(why) => Plan::Fail(Failure::poison("unreadable_body", why)),
    }
}

async fn carry_out(
    conn: &mut Conn<'_>,
    plan: Plan,
    letter: Kept,
    now: Timestamp,
    replayed: &mut Replayed,
) -> Result<()> {
    if !dead_letters::begin_replay(conn, &letter.id, now).await? {
        replayed.passed_over += 1;
        return Ok(());
    }
    match plan {
        Plan::Queue(message, history) => {
            outbox::put_again(conn, &tried(&message, history, now), now).await?;
            replayed.queued += 1;
        }
        Plan::Accept(message, long) => {
            if let Some((key, payload)) = long {
                bodies::keep(conn, &key, &payload).await?;
            }
            outbox::put(conn, &message, now, now).await?;
            dead_letters::resolve(conn, &letter.message_id, now).await?;
            replayed.resolved += 1;
        }
        Plan::Ignore => {
            dead_letters::resolve(conn, &letter.message_id, now).await?;
            replayed.resolved += 1;
        }
        Plan::Fail(why) => {
            dead_letters::keep(conn, &dead_again(letter, why, now), now).await?;
            replayed.still_dead += 1;
        }
    }
    Ok(())
}

fn tried(message: &Message, history: Vec<Attempt>, now: Timestamp) -> Waiting {
    let spent = history.iter().filter(|attempt| attempt.spent).count();
    Waiting {
        id: message.id.clone(),
        stage: message.stage(),
        body: message.encode(),
        attempts: u32::try_from(spent).unwrap_or(u32::MAX),
        history,
        created_at: now,
    }
}

fn dead_again(letter: Kept, cause: Failure, now: Timestamp) -> Letter {
    let mut attempts = letter.attempts;
    attempts.push(Attempt {
        at: now,
        code: cause.code.clone(),
        message: cause.message.clone(),
        spent: true,
    });
    Letter {
        id: letter.id,
        stage: letter.stage,
        source: letter.source,
        platform: letter.platform,
        event_id: letter.event_id,
        conversation_id: letter.conversation_id,
        agent_id: letter.agent_id,
        caller_identity: letter.caller_identity,
        cause,
        attempts,
        body: letter.body,
        message_id: letter.message_id,
    }
}

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
        hint: None,
        body: None,
    }))
}
