//! Conversation to memory: extract, ground, and fold what the caller's calls say together.
//!
//! A conversation's observations are replaced as a whole and memory is folded anew from all of the
//! caller's, under the caller's lock: two calls that end together cannot lose each other's facts.

use std::sync::Arc;

use futures::executor::block_on;
use serde_json::json;
use tracing::Instrument as _;

use crate::conversation::{CallSuccess, Conversation, Message};
use crate::erasure::bars::{self, Bar};
use crate::erasure::{ended_at, erase_call_rows};
use crate::event::Message as Work;
use crate::extract::rules::{self, Rules};
use crate::extract::{ExtractError, Transcript, ground};
use crate::flow::{Flow, passed, store_failed};
use crate::id::ConversationKey;
use crate::memory::observation::Observation;
use crate::memory::skip::{SkipReason, why_skipped};
use crate::queue::Delivery;
use crate::retry;
use crate::secret::{SealKey, sha256_hex};
use crate::store::conversations::{self, Own, Record};
use crate::store::extractions::{self, Extraction, Kept};
use crate::store::memories::{self, Subject};
use crate::store::passages::{self, Passage};
use crate::store::timeline::{self, Step};
use crate::store::{Conn, Result, outbox, readings};
use crate::time::Timestamp;
use crate::verdict::{Failure, Verdict};

mod foresee;
pub mod pin;
pub mod read;
mod tell;

pub(crate) use foresee::foresee;
pub use tell::Refolding;
pub(crate) use tell::{forget, memory_object};

/// What became of remembering a call; the value on the wire.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// Extracted: whose memory it feeds, by whom, out of what, and what was found.
    Remembered {
        extraction: Extraction,
        observations: Vec<Observation>,
    },
    /// Not remembered, and why; what nobody in particular said about consent is still told.
    Skipped {
        why: SkipReason,
        consents: Vec<Observation>,
    },
    /// Tried, and given up.
    Failed(String),
    /// Memory is switched off.
    Off,
}

impl Outcome {
    fn status(&self) -> &'static str {
        match self {
            Self::Remembered { .. } => "remembered",
            Self::Skipped { .. } => "skipped",
            Self::Failed(_) => "failed",
            Self::Off => "off",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Skipped { why, .. } => Some(why.as_str()),
            Self::Failed(why) => Some(why),
            Self::Remembered { .. } | Self::Off => None,
        }
    }
}

/// Remembers what a conversation says about its caller. Done, skipped or given up, it queues the
/// delivery in the same transaction.
pub async fn remember(flow: &Flow, key: &ConversationKey, delivery: &Delivery) -> Verdict {
    match attempt(flow, key, delivery).await {
        Ok(()) => Verdict::Done,
        Err(verdict) => verdict,
    }
}

async fn attempt(
    flow: &Flow,
    key: &ConversationKey,
    delivery: &Delivery,
) -> std::result::Result<(), Verdict> {
    let wanted = key.clone();
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let Some(record) = conversations::get(&mut conn, &wanted).await? else {
                    return Ok(None);
                };
                let messages = conversations::all_messages(&mut conn, &wanted).await?;
                Ok(Some((record, messages)))
            })
        })
        .await
        .map_err(|error| store_failed(&error))?;
    // Deleted meanwhile: nothing is left to remember.
    let Some((record, messages)) = found else {
        return Ok(());
    };
    let span = tracing::info_span!("memory.extract", extractor = "rules");
    let outcome = match extract(flow, &record, &messages).instrument(span).await {
        Ok(outcome) => outcome,
        Err(why) => {
            let again = retry::REMEMBER.after(delivery.attempt, flow.host.dice.fraction());
            if let Some(after) = again {
                return Err(Verdict::Retry { after, why });
            }
            let failed = Outcome::Failed(why.code.clone());
            write(flow, record, messages, failed, delivery.attempt).await?;
            return Err(Verdict::Park { why });
        }
    };
    write(flow, record, messages, outcome, delivery.attempt).await
}

async fn extract(
    flow: &Flow,
    record: &Record,
    messages: &[Message],
) -> std::result::Result<Outcome, Failure> {
    let Some(extractor) = &flow.extractor else {
        return Ok(Outcome::Off);
    };
    let call = &record.conversation;
    let skipped = why_skipped(call, messages, record.caller_key.as_ref());
    if let Some(why @ (SkipReason::Ended(_) | SkipReason::Silent)) = skipped {
        let consents = Vec::new();
        return Ok(Outcome::Skipped { why, consents });
    }
    let source = flow.sources.get(&call.source);
    let zone = source.map_or(&flow.zone, |source| &source.zone).clone();
    let region = source.map_or(&flow.region, |source| &source.region).clone();
    let (words, said) = (Arc::clone(extractor), messages.to_vec());
    let whole = call.clone();
    let grounded = flow.host.compute(move || {
        let transcript = Transcript {
            conversation: &whole,
            messages: &said,
            zone: &zone,
            region: &region,
        };
        let found = block_on(words.extract(transcript))?;
        Ok::<_, ExtractError>(ground(found, &said).0)
    });
    let mut observations = grounded
        .await
        .map_err(|error| Failure::ours("extractor_unavailable", error))?;
    let Some(caller) = record.caller_key.clone() else {
        observations.retain(|said| said.slot.is_consent());
        return Ok(Outcome::Skipped {
            why: SkipReason::Nobody,
            consents: observations,
        });
    };
    Ok(Outcome::Remembered {
        extraction: Extraction {
            subject: Subject {
                agent_id: call.agent_id.to_string(),
                caller,
            },
            extractor: extractor.version().to_owned(),
            rank: extractor.rank(),
            input_hash: input_hash(call, messages),
            alone: false,
        },
        observations,
    })
}

/// What an extraction was made from: the words, who said them when, and to whom.
fn input_hash(call: &Conversation, messages: &[Message]) -> String {
    let input = json!([
        call.agent_id,
        call.caller_identity,
        call.happened_at(),
        messages
    ]);
    sha256_hex(input.to_string().as_bytes())
}

async fn write(
    flow: &Flow,
    record: Record,
    messages: Vec<Message>,
    outcome: Outcome,
    attempt: u32,
) -> std::result::Result<(), Verdict> {
    let (call, words) = (record.of_platform(), messages.clone());
    let own = flow.host.compute(move || own_words(&call, &words)).await;
    let writing = Writing {
        record,
        messages,
        own,
        seal: flow.seal.clone(),
        is_read_later: flow.model.is_some(),
        now: flow.host.now(),
        attempt,
    };
    let now = writing.now;
    let ended_at = flow
        .db
        .write(move |mut conn| Box::pin(async move { writing.run(&mut conn, outcome).await }))
        .await
        .map_err(|error| store_failed(&error))?;
    flow.queue.wake();
    passed(Passage::Remembered, ended_at, now);
    Ok(())
}

/// What the rules say of a call, of what its platform does not.
fn own_words(call: &Conversation, messages: &[Message]) -> Own {
    let by = |word: String| (word, Rules::NAME.to_owned());
    let success = || match rules::call_successful(call, messages) {
        CallSuccess::Unknown => None,
        known => Some((known, Rules::NAME.to_owned())),
    };
    Own {
        summary: match &call.summary {
            None => rules::summary(messages).map(by),
            Some(_) => None,
        },
        success: match &call.call_successful {
            None => success(),
            Some(_) => None,
        },
    }
}

struct Writing {
    record: Record,
    messages: Vec<Message>,
    own: Own,
    seal: SealKey,
    /// Whether a language model reads the call, too.
    is_read_later: bool,
    now: Timestamp,
    attempt: u32,
}

impl Writing {
    /// Writes; gives the end of a call that it writes for the first time.
    async fn run(self, conn: &mut Conn<'_>, mut outcome: Outcome) -> Result<Option<Timestamp>> {
        let key = self.record.key();
        // The row is written back whole: nobody may write it in between.
        conversations::hold(conn, &key).await?;
        let held = extractions::of_conversation(conn, &key).await?;
        let mut subjects: Vec<Subject> = held
            .iter()
            .map(|kept| kept.extraction.subject.clone())
            .collect();
        subjects.extend(self.record.subject());
        memories::hold(conn, &mut subjects).await?;
        // A later revision has its own message, and this one's words may be out of date.
        let Some(mut current) = conversations::get(conn, &key).await? else {
            return Ok(None);
        };
        if current.revision != self.record.revision {
            return Ok(None);
        }
        match self.bar(conn).await? {
            Some(Bar::Call) => {
                erase_call_rows(conn, &self.seal, &key, self.now).await?;
                return Ok(None);
            }
            Some(Bar::Memory) => {
                outcome = Outcome::Skipped {
                    why: SkipReason::Forgotten,
                    consents: Vec::new(),
                };
            }
            None => {}
        }
        if self.replace(conn, &key, &held, &mut outcome).await? {
            for subject in &subjects {
                self.refold(conn, &key, subject).await?;
            }
        }
        if let Outcome::Skipped { consents, .. } = &outcome {
            tell::consents_of_nobody(conn, &current, consents, self.now).await?;
        }
        self.say(conn, &key, &mut current).await?;
        let first = current.memory_status.is_none();
        current.memory_status = Some(outcome.status().to_owned());
        current.memory_reason = outcome.reason().map(str::to_owned);
        conversations::save(conn, &current).await?;
        timeline::add(conn, &key, &self.step(&outcome, current.revision)).await?;
        let spoke = match &outcome {
            Outcome::Remembered { .. } => true,
            Outcome::Skipped { why, .. } => *why == SkipReason::Nobody,
            Outcome::Failed(_) | Outcome::Off => false,
        };
        if self.is_read_later && spoke {
            readings::put(conn, &key, current.revision, self.now).await?;
        }
        let next = Work::deliver(key, current.revision);
        outbox::put(conn, &next, self.now, self.now).await?;
        if !first {
            return Ok(None);
        }
        passages::over_at(conn, &current).await
    }

    /// Says of the call what its platform does not. What a model said goes before the rules' words.
    async fn say(
        &self,
        conn: &mut Conn<'_>,
        key: &ConversationKey,
        current: &mut Record,
    ) -> Result<()> {
        let models = |by: &str| by != Rules::NAME;
        let said = current.own.clone();
        let own = Own {
            summary: said
                .summary
                .filter(|(_, by)| models(by))
                .or_else(|| self.own.summary.clone()),
            success: said
                .success
                .filter(|(_, by)| models(by))
                .or_else(|| self.own.success.clone()),
        };
        if own == current.own {
            return Ok(());
        }
        let mut call = current.of_platform();
        own.fill(&mut call);
        current.conversation = call;
        current.own = own;
        conversations::say(conn, key, &current.own).await
    }

    /// What an erasure keeps away of this call.
    async fn bar(&self, conn: &mut Conn<'_>) -> Result<Option<Bar>> {
        let ended_at = ended_at(&self.record.conversation);
        match self.record.subject() {
            Some(subject) => bars::on_call(conn, &self.seal, &subject, ended_at).await,
            None => Ok(None),
        }
    }

    /// Puts what was found in place of what the rules found before; says whether anything changed.
    /// What higher ranks found stays, as far as it still stands in the call's words.
    async fn replace(
        &self,
        conn: &mut Conn<'_>,
        key: &ConversationKey,
        held: &[Kept],
        outcome: &mut Outcome,
    ) -> Result<bool> {
        let (extraction, observations) = match outcome {
            Outcome::Remembered {
                extraction,
                observations,
            } => (extraction, observations),
            Outcome::Skipped { .. } => {
                extractions::remove(conn, key).await?;
                return Ok(!held.is_empty());
            }
            Outcome::Failed(_) | Outcome::Off => return Ok(false),
        };
        if held.iter().any(|kept| kept.aged) {
            // What has outlived its time is not brought back; consents never do.
            observations.retain(|said| said.slot.is_consent());
        }
        let same_words = |kept: &Kept| {
            kept.extraction.subject == extraction.subject
                && kept.extraction.input_hash == extraction.input_hash
        };
        let stands = |kept: &Kept| {
            kept.extraction.rank == extraction.rank
                && kept.extraction.extractor == extraction.extractor
                && same_words(kept)
        };
        if held.iter().any(stands) {
            return Ok(false);
        }
        extractions::replace(conn, key, extraction, observations, self.now).await?;
        for kept in held.iter().filter(|kept| !same_words(kept)) {
            if kept.extraction.rank > extraction.rank {
                let found = extractions::observed(conn, key, kept.extraction.rank).await?;
                let still = Extraction {
                    subject: extraction.subject.clone(),
                    alone: false,
                    ..kept.extraction.clone()
                };
                let (stands, _) = ground(found, &self.messages);
                extractions::replace(conn, key, &still, &stands, self.now).await?;
            }
        }
        Ok(true)
    }

    async fn refold(
        &self,
        conn: &mut Conn<'_>,
        key: &ConversationKey,
        subject: &Subject,
    ) -> Result<()> {
        // The call may have had another caller before, whose memory is not this one's.
        let caller_identity = if self.record.caller_key.as_ref() == Some(&subject.caller) {
            self.record.conversation.caller_identity.as_str()
        } else {
            subject.caller.as_str()
        };
        let refolding = Refolding {
            seal: &self.seal,
            subject,
            call: Some(key),
            caller_identity,
            now: self.now,
        };
        refolding.run(conn).await
    }

    fn step(&self, outcome: &Outcome, revision: i64) -> Step {
        let detail = match outcome {
            Outcome::Remembered { observations, .. } => {
                timeline::counted(observations.len(), "observation")
            }
            other => other.reason().unwrap_or_default().to_owned(),
        };
        let step = match outcome {
            Outcome::Remembered { .. } => "remembered",
            Outcome::Skipped { .. } | Outcome::Off => "remember_skipped",
            Outcome::Failed(_) => "remember_failed",
        };
        Step {
            key: format!("remembered:{revision}"),
            at: self.now,
            step: step.to_owned(),
            attempt: i64::from(self.attempt),
            detail,
        }
    }
}
