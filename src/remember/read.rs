//! A language model reads calls after the rules: its own work, which no delivery waits for.
//!
//! What waits is a table, so that it survives restarts; an endpoint that fails is asked again later,
//! and until then what the rules found stands.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tracing::Instrument as _;

use super::{Refolding, input_hash};
use crate::conversation::Message;
use crate::erasure::bars;
use crate::erasure::ended_at;
use crate::event::Message as Work;
use crate::extract::llm::{Llm, LlmError, Reading, Script};
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::memory::observation::Rank;
use crate::memory::skip::{SkipReason, why_skipped};
use crate::retry;
use crate::secret::SealKey;
use crate::store::conversations::{self, Own, Record};
use crate::store::extractions::{self, Extraction};
use crate::store::memories::{self, Subject};
use crate::store::readings::{self, Claimed};
use crate::store::timeline::{self, Step};
use crate::store::{self, Conn, outbox};
use crate::time::Timestamp;

/// Calls that are read at once.
const AT_ONCE: i64 = 4;

/// How often the table is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long an endpoint in trouble is left alone, at first and at the most.
const REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// What is added to the model's patience before somebody else may take its work.
const MARGIN: Duration = Duration::from_secs(30);

/// Reads until the process should stop.
pub(crate) async fn run(flow: Arc<Flow>) {
    let Some(model) = flow.model.clone() else {
        return;
    };
    let mut rest = REST.0;
    let mut wait = LOOK_EVERY;
    while flow.host.pause(wait).await {
        wait = LOOK_EVERY;
        match pass(&flow, &model).await {
            Ok(Pass {
                in_trouble: true, ..
            }) => {
                wait = rest;
                rest = rest.saturating_mul(2).min(REST.1);
            }
            Ok(Pass { read, .. }) => {
                if read > 0 {
                    rest = REST.0;
                    // There may be more.
                    wait = Duration::ZERO;
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "Calls that wait for the language model can't be taken");
            }
        }
    }
}

/// What one look at the table came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Calls that were taken.
    pub read: usize,
    /// Whether the endpoint as a whole is in trouble.
    pub in_trouble: bool,
}

/// Takes the calls that are due, and has them read.
pub async fn pass(flow: &Flow, model: &Llm) -> store::Result<Pass> {
    let now = flow.host.now();
    let any = flow
        .db
        .read(move |mut conn| Box::pin(async move { readings::any_due(&mut conn, now).await }))
        .await?;
    if !any {
        return Ok(Pass::default());
    }
    let lease = model.patience().saturating_add(MARGIN);
    let claimed = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move { readings::claim(&mut conn, now, lease, AT_ONCE).await })
        })
        .await?;
    let read = join_all(claimed.iter().map(|claimed| read_one(flow, model, claimed))).await;
    let mut pass = Pass::default();
    for in_trouble in read {
        pass.in_trouble |= in_trouble?;
        pass.read += 1;
    }
    Ok(pass)
}

/// Has one call read; says whether the endpoint as a whole is in trouble.
async fn read_one(flow: &Flow, model: &Llm, claimed: &Claimed) -> store::Result<bool> {
    let Some(call) = load(flow, model, claimed).await? else {
        let (key, revision) = (claimed.key.clone(), claimed.revision);
        flow.db
            .write(move |mut conn| {
                Box::pin(async move { readings::remove(&mut conn, &key, revision).await })
            })
            .await?;
        return Ok(false);
    };
    let source = flow.sources.get(&call.record.conversation.source);
    let script = Script {
        conversation: &call.record.conversation,
        messages: &call.messages,
        zone: source.map_or(&flow.zone, |source| &source.zone),
        region: source.map_or(&flow.region, |source| &source.region),
        known: &call.known,
    };
    let span = tracing::info_span!("memory.extract", extractor = "llm");
    match model.read(script).instrument(span).await {
        Ok(reading) => {
            write(flow, model, call, reading).await?;
            Ok(false)
        }
        Err(error) => {
            put_back(flow, claimed, &error).await?;
            Ok(error.is_general())
        }
    }
}

async fn put_back(flow: &Flow, claimed: &Claimed, error: &LlmError) -> store::Result<()> {
    tracing::warn!(code = error.code(), error = %error, "A language model did not read a call");
    let now = flow.host.now();
    let attempt = claimed.attempts.saturating_add(1);
    let asked = match error {
        LlmError::SlowDown(after) => *after,
        _ => None,
    };
    let next = retry::READ.after(attempt, flow.host.dice.fraction());
    let claimed = claimed.clone();
    let code = error.code();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                let conn = &mut conn;
                if let Some(next) = next {
                    let due_at = now.plus(next.max(asked.unwrap_or_default()));
                    return readings::put_back(conn, &claimed, code, due_at).await;
                }
                // Given up: the rules' result stands.
                readings::remove(conn, &claimed.key, claimed.revision).await?;
                let step = step(
                    &claimed.key,
                    claimed.revision,
                    attempt,
                    now,
                    code.to_owned(),
                );
                timeline::add(conn, &claimed.key, &step).await
            })
        })
        .await
}

fn step(key: &ConversationKey, revision: i64, attempt: u32, at: Timestamp, detail: String) -> Step {
    Step {
        key: format!("remembered_by_model:{}:{revision}", key.id),
        at,
        step: "remembered_by_model".to_owned(),
        attempt: i64::from(attempt),
        detail,
    }
}

/// A call that is to be read.
struct Call {
    record: Record,
    messages: Vec<Message>,
    /// What memory holds already.
    known: Vec<String>,
    attempt: u32,
}

/// The call, unless it has gone, has changed, or was read already by this model in these words.
async fn load(flow: &Flow, model: &Llm, claimed: &Claimed) -> store::Result<Option<Call>> {
    let (claimed, version) = (claimed.clone(), model.version().to_owned());
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let conn = &mut conn;
                let key = &claimed.key;
                let record = conversations::get(conn, key).await?;
                let Some(record) = record.filter(|held| held.revision == claimed.revision) else {
                    return Ok(None);
                };
                let messages = conversations::all_messages(conn, key).await?;
                let skipped =
                    why_skipped(&record.conversation, &messages, record.caller_key.as_ref());
                if !matches!(skipped, None | Some(SkipReason::Nobody)) {
                    return Ok(None);
                }
                let words = input_hash(&record.conversation, &messages);
                let read = extractions::of_conversation(conn, key).await?;
                let same = |kept: &extractions::Kept| {
                    let Extraction {
                        extractor,
                        input_hash,
                        ..
                    } = &kept.extraction;
                    (extractor, input_hash) == (&version, &words)
                };
                if read.iter().any(same) {
                    return Ok(None);
                }
                let known = match record.subject() {
                    Some(subject) => memories::facts(conn, &subject).await?,
                    None => Vec::new(),
                };
                Ok(Some(Call {
                    record,
                    messages,
                    known: known.into_iter().map(|stored| stored.fact.fact).collect(),
                    attempt: claimed.attempts.saturating_add(1),
                }))
            })
        })
        .await
}

async fn write(flow: &Flow, model: &Llm, call: Call, reading: Reading) -> store::Result<()> {
    let writing = Writing {
        seal: flow.seal.clone(),
        extractor: model.version().to_owned(),
        alone: model.is_alone(),
        now: flow.host.now(),
        call,
        reading,
    };
    flow.db
        .write(move |mut conn| Box::pin(async move { writing.run(&mut conn).await }))
        .await?;
    flow.queue.wake();
    Ok(())
}

struct Writing {
    seal: SealKey,
    extractor: String,
    alone: bool,
    now: Timestamp,
    call: Call,
    reading: Reading,
}

impl Writing {
    async fn run(mut self, conn: &mut Conn<'_>) -> store::Result<()> {
        let record = self.call.record.clone();
        let key = record.key();
        conversations::hold(conn, &key).await?;
        let subject = record.subject();
        if let Some(subject) = &subject {
            memories::hold_caller(conn, &subject.caller).await?;
        }
        readings::remove(conn, &key, record.revision).await?;
        let current = conversations::get(conn, &key).await?;
        let Some(mut current) = current.filter(|held| held.revision == record.revision) else {
            return Ok(());
        };
        let mut found = String::new();
        if let Some(subject) = &subject {
            let ended_at = ended_at(&record.conversation);
            if bars::on_call(conn, &self.seal, subject, ended_at)
                .await?
                .is_some()
            {
                return Ok(());
            }
            self.remember(conn, &key, subject).await?;
            let count = timeline::counted(self.reading.observations.len(), "observation");
            found = format!("{count} by {}", self.extractor);
        }
        let step = step(&key, record.revision, self.call.attempt, self.now, found);
        timeline::add(conn, &key, &step).await?;
        if !self.say(&mut current) {
            return Ok(());
        }
        // What CRMs see has changed: the call has another revision, and is told again.
        current.revision += 1;
        current.updated_at = self.now;
        conversations::save(conn, &current).await?;
        conversations::say(conn, &key, &current.own).await?;
        let next = Work::deliver(key, current.revision);
        outbox::put(conn, &next, self.now, self.now).await?;
        Ok(())
    }

    async fn remember(
        &mut self,
        conn: &mut Conn<'_>,
        key: &ConversationKey,
        subject: &Subject,
    ) -> store::Result<()> {
        let held = extractions::of_conversation(conn, key).await?;
        if held.iter().any(|kept| kept.aged) {
            self.reading
                .observations
                .retain(|said| said.slot.is_consent());
        }
        let call = &self.call.record.conversation;
        let extraction = Extraction {
            subject: subject.clone(),
            extractor: self.extractor.clone(),
            rank: Rank::Llm,
            input_hash: input_hash(call, &self.call.messages),
            alone: self.alone,
        };
        let found = &self.reading.observations;
        extractions::replace(conn, key, &extraction, found, self.now).await?;
        let refolding = Refolding {
            seal: &self.seal,
            subject,
            call: Some(key),
            caller_identity: &call.caller_identity,
            now: self.now,
        };
        refolding.run(conn).await
    }

    /// Says what the platform does not; and whether that is news.
    fn say(&self, current: &mut Record) -> bool {
        let mut platforms = current.of_platform();
        let by = || self.extractor.clone();
        let mut own = Own {
            summary: self.reading.summary.clone().map(|text| (text, by())),
            success: self
                .reading
                .call_successful
                .clone()
                .map(|word| (word, by())),
        };
        own.summary = own.summary.or_else(|| current.own.summary.clone());
        own.success = own.success.or_else(|| current.own.success.clone());
        current.own = own;
        let told = (
            current.conversation.summary.clone(),
            current.conversation.call_successful.clone(),
        );
        current.own.fill(&mut platforms);
        current.conversation = platforms;
        told != (
            current.conversation.summary.clone(),
            current.conversation.call_successful.clone(),
        )
    }
}
