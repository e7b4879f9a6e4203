//! One letter: its message goes back into the queue, or what keeps it from that is said.

use crate::event::Message;
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::platform::{Classified, Delivery};
use crate::receive::carrying;
use crate::store::bodies::{self, Payload};
use crate::store::dead_letters::list::{self, Filter};
use crate::store::dead_letters::{self, Kept, Letter, State};
use crate::store::outbox::{self, Waiting};
use crate::store::{Conn, Result, audit};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Failure};

/// Letters that one transaction discards: it never holds the writer for long.
const BATCH: usize = 50;

/// What became of a letter that was to be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Its message is back in the queue.
    Queued,
    /// Its body can be read by now: nothing is left to do for the letter.
    Resolved,
    /// Still dead, with its cause of today.
    StillDead,
    /// Gone or resolved meanwhile.
    PassedOver,
}

/// What is to be done with a letter, decided before any transaction is open.
pub(super) enum Course {
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
    let wanted = id.to_owned();
    let found = flow
        .db
        .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &wanted).await }))
        .await?;
    let Some(letter) = found else {
        return Ok(None);
    };
    let now = flow.host.now();
    let course = course_of(flow, &letter);
    let replayed = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let replayed = carry_out(&mut conn, course, letter, now).await?;
                audit::add(&mut conn, &entry).await?;
                Ok(replayed)
            })
        })
        .await?;
    flow.queue.wake();
    Ok(Some(replayed))
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

/// Discards the dead letters of a filter, those that have waited longest first, at most `limit`;
/// says how many.
pub async fn discard_letters(flow: &Flow, filter: &Filter, limit: i64) -> Result<u64> {
    let now = flow.host.now();
    let mut filter = filter.clone();
    filter.state = Some(State::Dead);
    let ids = flow
        .db
        .read(move |mut conn| Box::pin(async move { list::ids(&mut conn, &filter, limit).await }))
        .await?;
    let mut discarded = 0;
    for ids in ids.chunks(BATCH) {
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

/// What is to be done with a letter.
pub(super) fn course_of(flow: &Flow, letter: &Kept) -> Course {
    if letter.stage == "receive" {
        return read_again(flow, letter);
    }
    match Message::decode(&letter.body) {
        Ok(message) => Course::Queue(message, letter.attempts.clone()),
        Err(error) => Course::Fail(Failure::poison("unreadable_message", error)),
    }
}

/// An authentic body that could not be read once: the code may have learnt to since.
fn read_again(flow: &Flow, letter: &Kept) -> Course {
    let name = letter.source.as_deref().unwrap_or_default();
    let Some(source) = flow.sources.get(name) else {
        let message = format!("no source named {name} is configured; add it again and replay");
        return Course::Fail(Failure::ours("unknown_source", message));
    };
    let Some(webhooks) = &source.webhooks else {
        let message = format!("source {name} takes no webhooks any more");
        return Course::Fail(Failure::ours("no_webhooks", message));
    };
    let body = match flow.seal.open(&letter.body) {
        Ok(body) => body,
        Err(error) => return Course::Fail(Failure::ours("unsealable", error)),
    };
    match webhooks.classify(Delivery::kept(&body), letter.first_at) {
        Classified::Event(event) => {
            let (event, long) = carrying(flow, source, *event, &body);
            Course::Accept(Message::finalize(event), long)
        }
        Classified::Ignored(_) => Course::Ignore,
        Classified::Unreadable(why) => Course::Fail(Failure::poison("unreadable_body", why)),
    }
}

/// Does it, unless the letter has become something else than what was read of it.
pub(super) async fn carry_out(
    conn: &mut Conn<'_>,
    course: Course,
    letter: Kept,
    now: Timestamp,
) -> Result<Replayed> {
    if !dead_letters::begin_replay(conn, &letter.id, letter.state, now).await? {
        return Ok(Replayed::PassedOver);
    }
    Ok(match course {
        Course::Queue(message, history) => {
            outbox::put_again(conn, &tried(&message, history, now), now).await?;
            Replayed::Queued
        }
        Course::Accept(message, long) => {
            if let Some((key, payload)) = long {
                bodies::keep(conn, &key, &payload).await?;
            }
            outbox::put(conn, &message, now, now).await?;
            dead_letters::resolve(conn, &letter.message_id, now).await?;
            Replayed::Resolved
        }
        Course::Ignore => {
            dead_letters::resolve(conn, &letter.message_id, now).await?;
            Replayed::Resolved
        }
        Course::Fail(why) => {
            dead_letters::keep(conn, &dead_again(letter, why, now), now).await?;
            Replayed::StillDead
        }
    })
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
