//! The one transaction that settles a call: conversation, messages, timeline, the event's mark, and
//! the message to the next stage.

use std::sync::Arc;

use crate::conversation::{Conversation, Message};
use crate::end_reason::{EndReasonSource, Evidence, PlatformReason, Settled, Sighting, settle};
use crate::erasure::bars::{self, Bar};
use crate::erasure::ended_at;
use crate::event::{CallEvent, EventKind, Message as Work};
use crate::flow::{Flow, Sources, passed, store_failed};
use crate::id::ConversationKey;
use crate::memory::caller::CallerKey;
use crate::platform::{Fetched, Source};
use crate::queue::Delivery;
use crate::room::story;
use crate::secret::{SealKey, sha256_hex};
use crate::store::barriers::{self, Kind};
use crate::store::bodies::{self, Payload};
use crate::store::conversations::{self, Record};
use crate::store::memories;
use crate::store::passages::{self, Passage};
use crate::store::timeline::{self, Step};
use crate::store::{Conn, Error, Result, dead_letters, events, outbox};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Verdict};

use super::{redact_all, room, told};

/// All that the transaction needs, by value: it may run on the writer's task.
struct Settling {
    source: Source,
    event: CallEvent,
    key: ConversationKey,
    fetched: Fetched,
    fetched_at: Timestamp,
    now: Timestamp,
    attempt: u32,
    history: Vec<Attempt>,
    enqueued_at: Timestamp,
    finalize: crate::config::Finalize,
    sources: Arc<Sources>,
    seal: SealKey,
    /// What the event carries, where no API is asked.
    payload: Option<Payload>,
}

pub(super) async fn commit(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    delivery: &Delivery,
    key: &ConversationKey,
    fetched: Fetched,
    fetched_at: Timestamp,
) -> std::result::Result<(), Verdict> {
    let settling = Settling {
        attempt: delivery.attempt,
        history: delivery.history.clone(),
        enqueued_at: delivery.enqueued_at,
        payload: told::payload_of(flow, event).await?,
        ..settling(flow, source, event, key, fetched, fetched_at)
    };
    let ended_at = flow
        .db
        .write(move |mut conn| Box::pin(async move { settling.run(&mut conn).await }))
        .await
        .map_err(|error| store_failed(&error))?;
    flow.queue.wake();
    passed(Passage::Finalized, ended_at, flow.host.now());
    metrics::counter!("aftercall_finalized_total", "source" => source.name.clone()).increment(1);
    Ok(())
}

/// The first attempt to settle what was fetched.
fn settling(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    key: &ConversationKey,
    fetched: Fetched,
    fetched_at: Timestamp,
) -> Settling {
    let now = flow.host.now();
    Settling {
        source: source.clone(),
        event: event.clone(),
        key: key.clone(),
        fetched,
        fetched_at,
        now,
        attempt: 1,
        history: Vec::new(),
        enqueued_at: now,
        finalize: flow.finalize.clone(),
        sources: Arc::clone(&flow.sources),
        seal: flow.seal.clone(),
        payload: None,
    }
}

/// A call as it is, as it would be, and what was said in it.
pub(super) type Outlook = (Option<Record>, Record, Vec<Message>);

/// What settling would come to; nothing is written.
pub(super) async fn outlook(
    flow: &Flow,
    source: &Source,
    event: &CallEvent,
    key: &ConversationKey,
    fetched: Fetched,
) -> std::result::Result<Outlook, Verdict> {
    let now = flow.host.now();
    let mut settling = settling(flow, source, event, key, fetched, now);
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let stored = conversations::get(&mut conn, &settling.key).await?;
                // What only events tell is kept by reading it anew: this event speaks for itself.
                if settling.source.api.is_some() || settling.event.room.is_some() {
                    settling.keep_newest(&mut conn, stored.as_ref()).await?;
                }
                let settled = settling.settle(&mut conn, stored.as_ref()).await?;
                let record = settling.record(stored.as_ref(), settled)?;
                Ok((stored, record, settling.fetched.messages))
            })
        })
        .await
        .map_err(|error| store_failed(&error))
}

impl Settling {
    /// Settles; gives the end of a call that it settles for the first time.
    async fn run(mut self, conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
        conversations::hold(conn, &self.key).await?;
        if !events::mark_done(conn, &self.event, Some(&self.key), self.now).await? {
            return Ok(None);
        }
        let barred = bars::of_conversation(&self.seal, &self.key);
        if barriers::get(conn, Kind::Conversation, &barred)
            .await?
            .is_some()
        {
            return Ok(None);
        }
        let stored = conversations::get(conn, &self.key).await?;
        self.keep_newest(conn, stored.as_ref()).await?;
        let settled = self.settle(conn, stored.as_ref()).await?;
        let record = self.record(stored.as_ref(), settled)?;
        if self.is_erased(conn, &record).await? {
            bodies::delete_of(conn, &self.key).await?;
            bars::keep_away(conn, &self.seal, &self.key, self.now).await?;
            return Ok(None);
        }
        let changed = stored
            .as_ref()
            .is_none_or(|old| old.content_hash != record.content_hash);
        conversations::save(conn, &record).await?;
        if changed {
            conversations::replace_messages(conn, &self.key, &self.fetched.messages).await?;
            let next = Work::remember(self.key.clone(), record.revision);
            outbox::put(conn, &next, self.now, self.now).await?;
        }
        self.tell(conn, &record).await?;
        self.resolve_letters(conn).await?;
        if stored.is_some() {
            return Ok(None);
        }
        passages::over_at(conn, &record).await
    }

    /// What an earlier event of the call was given up for, the platform has told by now. A source
    /// without an API has nobody to ask: of its letters each has a body of its own.
    async fn resolve_letters(&self, conn: &mut Conn<'_>) -> Result<()> {
        if self.source.api.is_none() {
            return Ok(());
        }
        for (message_id, source) in dead_letters::untold(conn, self.key.id.as_str()).await? {
            let same_owner = |source: &Source| source.owner == self.key.owner;
            if self.sources.get(&source).is_some_and(same_owner) {
                dead_letters::resolve(conn, &message_id, self.now).await?;
            }
        }
        Ok(())
    }

    /// Whether the caller was erased after this call. Under the caller's lock, for an erasure may be
    /// under way.
    async fn is_erased(&self, conn: &mut Conn<'_>, record: &Record) -> Result<bool> {
        let Some(subject) = record.subject() else {
            return Ok(false);
        };
        memories::hold_caller(conn, &subject.caller).await?;
        let ended_at = ended_at(&record.conversation);
        let bar = bars::on_call(conn, &self.seal, &subject, ended_at).await?;
        Ok(bar == Some(Bar::Call))
    }

    /// Another worker may have settled this call by a newer fetch: then that content stands, and
    /// only what this event adds is settled anew.
    async fn keep_newest(&mut self, conn: &mut Conn<'_>, stored: Option<&Record>) -> Result<()> {
        if self.source.api.is_none() {
            return match self.event.room {
                Some(_) => self.made_anew(conn, stored).await,
                None => self.told_anew(conn, stored).await,
            };
        }
        let named_by_platform = room::is_named(&self.fetched.conversation);
        if let Some(stored) = stored {
            if stored.fetched_at > self.fetched_at {
                self.fetched_at = stored.fetched_at;
                self.fetched.messages = conversations::all_messages(conn, &self.key).await?;
                self.fetched.conversation = stored.of_platform();
                self.fetched.reason = stored_word(&stored.settled());
            } else {
                keep_room(&mut self.fetched.conversation, &stored.conversation);
            }
        }
        if let Some(room) = &self.event.room {
            room::place_in(&mut self.fetched.conversation, room, named_by_platform);
        }
        Ok(())
    }

    /// A call that only its room knows is made of all that was told of the room until now: what
    /// was read before this transaction may lack a fact.
    async fn made_anew(&mut self, conn: &mut Conn<'_>, stored: Option<&Record>) -> Result<()> {
        let Some(held_in) = self.event.room.clone() else {
            return Ok(());
        };
        room::hold(conn, &self.key.owner, &held_in.name).await?;
        let told = room::facts_of(conn, &self.source, &self.fetched.conversation).await?;
        let closed_at = events::room_closed_at(conn, &self.key).await?;
        let id = self.key.id.clone();
        let story = story(&told, "");
        let made = room::made_of(&self.source, &self.event, &held_in, id, &story, closed_at);
        let Some(mut made) = made else { return Ok(()) };
        // Only the end of the room names its beginning for sure.
        if let Some(stored) = stored
            && self.event.kind != EventKind::RoomFinished
        {
            made.conversation.created_at = stored.conversation.created_at;
        }
        self.fetched = made;
        Ok(())
    }

    /// A call that only its events know is made of all that they said until now.
    async fn told_anew(&mut self, conn: &mut Conn<'_>, stored: Option<&Record>) -> Result<()> {
        if let Some(payload) = &self.payload {
            bodies::keep(conn, &self.key, payload).await?;
        }
        let Some(stored) = stored else { return Ok(()) };
        if let Some(all) = told::all_of(conn, &self.key, &self.sources, &self.seal).await? {
            self.fetched = redact_all(all);
        }
        // What was said by an event whose payload has expired stays known.
        let before = Fetched {
            conversation: Conversation {
                // Counted, unless an event says it; and then that event is still here.
                user_turn_count: None,
                ..stored.conversation.clone()
            },
            messages: conversations::all_messages(conn, &self.key).await?,
            reason: stored_word(&stored.settled()),
            seen: None,
        };
        told::fill_in(&mut self.fetched, before, &self.source);
        Ok(())
    }

    async fn settle(&mut self, conn: &mut Conn<'_>, stored: Option<&Record>) -> Result<Settled> {
        let call = &mut self.fetched.conversation;
        if let Some(name) = call.room_name.value() {
            room::hold(conn, &self.key.owner, name).await?;
        }
        let told = room::facts_of(conn, &self.source, call).await?;
        let story = story(&told, &call.caller_identity);
        room::fill_in(call, &story);
        let hint = self.event.hint.clone().unwrap_or_default();
        let seen = [self.fetched.seen.clone(), hint.seen].into_iter().flatten();
        let seen = seen.map(|reason| Sighting {
            reason,
            at: self.event.happened_at(),
            event_id: self.event.event_id.clone(),
        });
        let sightings: Vec<_> = story.sighting.into_iter().chain(seen).collect();
        let says =
            |word: &Option<PlatformReason>| word.as_ref().is_some_and(|w| w.reason.is_some());
        if hint.said.is_some() && !says(&self.fetched.reason) {
            self.fetched.reason = hint.said;
        }
        let evidence = Evidence {
            status: &call.status,
            outbound: call.is_outbound(),
            created_at: call.created_at,
            started_at: call.started_at,
            duration_ms: call.duration_ms,
            platform: self.fetched.reason.as_ref(),
            sightings: &sightings,
        };
        let mut before = stored.map(Record::settled).unwrap_or_default();
        // The facts are all still here, and what was seen follows from them alone: a departure that
        // a later fact takes back (the caller joined again) was none.
        let was_seen = matches!(before.reason, Some((_, EndReasonSource::Observed)));
        if was_seen && story.identity.is_some() {
            before.reason = None;
        }
        Ok(settle(&before, &evidence, self.finalize.fallback_since))
    }

    fn record(&self, stored: Option<&Record>, settled: Settled) -> Result<Record> {
        let mut call = self.fetched.conversation.clone();
        let messages = &self.fetched.messages;
        let (reason, by) = settled.reason.unzip();
        call.end_reason = reason;
        call.end_reason_source = by;
        call.end_reason_raw = settled.raw;
        call.message_count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        call.user_turn_count = call.user_turn_count.or_else(|| Some(turns(messages)));
        if call.platform.is_empty() {
            self.source.platform().clone_into(&mut call.platform);
        }
        call.source = match stored {
            Some(old) => self
                .sources
                .first(&old.conversation.source, &self.source.name)
                .to_owned(),
            None => self.source.name.clone(),
        };
        let content_hash = content_hash(&call, messages)?;
        let same = stored.filter(|old| old.content_hash == content_hash);
        let (recheck_at, rechecks) = self.looks(&call, stored);
        Ok(Record {
            owner: self.key.owner.clone(),
            caller_key: CallerKey::of(&call.platform, &call.caller_identity),
            conversation: call,
            updated_at: same.map_or(self.now, |old| old.updated_at),
            revision: match (same, stored) {
                (Some(old), _) => old.revision,
                (None, Some(old)) => old.revision + 1,
                (None, None) => 1,
            },
            content_hash,
            fetched_at: self.fetched_at,
            announced: stored.and_then(|old| old.announced.clone()),
            memory_status: stored.and_then(|old| old.memory_status.clone()),
            memory_reason: stored.and_then(|old| old.memory_reason.clone()),
            recheck_at,
            rechecks,
            own: stored.map(|old| old.own.clone()).unwrap_or_default(),
        })
    }

    /// When the call is looked at again, and how often it was: while the platform has not said
    /// why it ended, or its recording or analysis is missing (product contract §6, "Second look").
    fn looks(&self, call: &Conversation, stored: Option<&Record>) -> (Option<Timestamp>, i64) {
        let was_due = stored.and_then(|old| old.recheck_at);
        let mut done = stored.map_or(0, |old| old.rechecks);
        let first = stored.is_none();
        let is_look = self.event.kind == EventKind::Recheck && self.event.room.is_none();
        if is_look {
            done += 1;
        }
        let unsure = matches!(
            call.end_reason_source,
            Some(EndReasonSource::Fallback | EndReasonSource::Observed)
        );
        let missing = call.recording_url.is_none()
            || call.recording_started_at.is_none()
            || (call.summary.is_none() && call.call_successful.is_none());
        if self.source.api.is_none() || !(unsure || missing) {
            return (None, done);
        }
        if !(first || is_look) {
            return (was_due, done);
        }
        let waits = &self.finalize.recheck;
        let nth = usize::try_from(done).unwrap_or(usize::MAX);
        let before = nth
            .checked_sub(1)
            .and_then(|n| waits.get(n))
            .copied()
            .unwrap_or_default();
        let next = waits
            .get(nth)
            .map(|at| self.now.plus(at.saturating_sub(before)));
        (next, done)
    }

    async fn tell(&self, conn: &mut Conn<'_>, record: &Record) -> Result<()> {
        let id = &self.event.event_id;
        let step = |name: &str, at: Timestamp, attempt: u32, detail: String| Step {
            key: format!("{name}:{id}"),
            at,
            step: name.to_owned(),
            attempt: i64::from(attempt),
            detail,
        };
        let mut steps = Vec::new();
        if self.event.kind == EventKind::Recheck {
            steps.push(step("rechecked", self.now, self.attempt, String::new()));
        } else {
            let how = match self.event.kind {
                EventKind::Reconciled => "found by reconciling",
                _ => "through",
            };
            let detail = format!("{how} {}", self.event.source);
            steps.push(step("received", self.event.received_at, 1, detail));
            steps.push(step("confirmed", self.enqueued_at, 1, String::new()));
        }
        let mut spent = 0;
        for (n, failed) in self.history.iter().enumerate() {
            spent += u32::from(failed.spent);
            let name = if failed.spent {
                "attempt_failed"
            } else {
                "waited"
            };
            let mut step = step(name, failed.at, spent.max(1), failed.code.clone());
            step.key = format!("{name}:{id}:{n:03}");
            steps.push(step);
        }
        let messages = timeline::counted(record.conversation.message_count, "message");
        steps.push(step("fetched", self.fetched_at, self.attempt, messages));
        let reason = match (
            &record.conversation.end_reason,
            record.conversation.end_reason_source,
        ) {
            (Some(reason), Some(by)) => format!("{reason} ({})", by.as_str()),
            _ => "no reason".to_owned(),
        };
        steps.push(step("settled", self.now, self.attempt, reason));
        for step in &steps {
            timeline::add(conn, &self.key, step).await?;
        }
        Ok(())
    }
}

/// What a stored call's platform had said.
fn stored_word(settled: &Settled) -> Option<PlatformReason> {
    let reason = settled
        .reason
        .clone()
        .and_then(|(reason, by)| (by == EndReasonSource::Platform).then_some(reason));
    settled
        .raw
        .clone()
        .map(|raw| PlatformReason { reason, raw })
}

/// The room that an earlier event named stays known when a later fetch names none.
fn keep_room(call: &mut Conversation, stored: &Conversation) {
    if call.room_name.value().is_none() && stored.room_name.value().is_some() {
        call.room_name = stored.room_name.clone();
    }
    if call.room_sid.value().is_none() && call.room_name == stored.room_name {
        call.room_sid = stored.room_sid.clone();
    }
}

fn turns(messages: &[Message]) -> i64 {
    let spoken = |message: &&Message| {
        message.role == crate::conversation::Role::User && !message.content.trim().is_empty()
    };
    i64::try_from(messages.iter().filter(spoken).count()).unwrap_or(i64::MAX)
}

fn content_hash(call: &Conversation, messages: &[Message]) -> Result<String> {
    let json = serde_json::to_string(&(call, messages)).map_err(|_| Error::Corrupt("call"))?;
    Ok(sha256_hex(json.as_bytes()))
}
