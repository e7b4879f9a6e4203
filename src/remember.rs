//! Conversation to memory: extract, ground, and fold what the caller's calls say together.
//!
//! A conversation's observations are replaced as a whole and memory is folded anew from all of the
//! caller's, under the caller's lock: two calls that end together cannot lose each other's facts.

use std::sync::Arc;

use futures::executor::block_on;
use serde_json::json;

use crate::conversation::{Conversation, Message};
use crate::event::Message as Work;
use crate::extract::{ExtractError, Transcript, ground};
use crate::flow::{Flow, passed, store_failed};
use crate::id::ConversationKey;
use crate::memory::observation::Observation;
use crate::memory::skip::{SkipReason, why_skipped};
use crate::queue::Delivery;
use crate::retry;
use crate::secret::sha256_hex;
use crate::store::conversations::{self, Record};
use crate::store::memories::{self, Extraction, Subject};
use crate::store::passages::Passage;
use crate::store::timeline::{self, Step};
use crate::store::{Conn, Result, outbox};
use crate::time::Timestamp;
use crate::verdict::{Failure, Verdict};

mod foresee;
mod tell;

pub(crate) use foresee::foresee;
use tell::refold;
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
    let outcome = match extract(flow, &record, &messages).await {
        Ok(outcome) => outcome,
        Err(why) => {
            let again = retry::REMEMBER.after(delivery.attempt, flow.host.dice.fraction());
            if let Some(after) = again {
                return Err(Verdict::Retry { after, why });
            }
            write(
                flow,
                record,
                Outcome::Failed(why.code.clone()),
                delivery.attempt,
            )
            .await?;
            return Err(Verdict::Park { why });
        }
    };
    write(flow, record, outcome, delivery.attempt).await
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
    outcome: Outcome,
    attempt: u32,
) -> std::result::Result<(), Verdict> {
    let now = flow.host.now();
    let ended_at = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                Writing {
                    record,
                    now,
                    attempt,
                }
                .run(&mut conn, outcome)
                .await
            })
        })
        .await
        .map_err(|error| store_failed(&error))?;
    flow.queue.wake();
    passed(Passage::Remembered, ended_at, now);
    Ok(())
}

struct Writing {
    record: Record,
    now: Timestamp,
    attempt: u32,
}

impl Writing {
    /// Writes; gives the end of a call that it writes for the first time.
    async fn run(self, conn: &mut Conn<'_>, outcome: Outcome) -> Result<Option<Timestamp>> {
        let key = self.record.key();
        // The row is written back whole: nobody may write it in between.
        conversations::hold(conn, &key).await?;
        let before = memories::extraction(conn, &key).await?;
        let mut subjects: Vec<Subject> = before.iter().map(|old| old.subject.clone()).collect();
        if let Outcome::Remembered { extraction, .. } = &outcome {
            subjects.push(extraction.subject.clone());
        }
        memories::hold(conn, &mut subjects).await?;
        // A later revision has its own message, and this one's words may be out of date.
        let Some(mut current) = conversations::get(conn, &key).await? else {
            return Ok(None);
        };
        if current.revision != self.record.revision {
            return Ok(None);
        }
        let stands = before.as_ref().is_some_and(|old| stands(old, &outcome));
        if !stands {
            match &outcome {
                Outcome::Remembered {
                    extraction,
                    observations,
                } => {
                    memories::replace_extraction(conn, &key, extraction, observations, self.now)
                        .await?;
                }
                Outcome::Skipped { .. } => memories::remove_extraction(conn, &key).await?,
                Outcome::Failed(_) | Outcome::Off => {}
            }
            for subject in &subjects {
                // The call may have had another caller before, whose memory is not this one's.
                let caller_identity = if current.caller_key.as_ref() == Some(&subject.caller) {
                    current.conversation.caller_identity.as_str()
                } else {
                    subject.caller.as_str()
                };
                refold(conn, subject, &key, caller_identity, self.now).await?;
            }
        }
        if let Outcome::Skipped { consents, .. } = &outcome {
            tell::consents_of_nobody(conn, &current, consents, self.now).await?;
        }
        let first = current.memory_status.is_none();
        current.memory_status = Some(outcome.status().to_owned());
        current.memory_reason = outcome.reason().map(str::to_owned);
        conversations::save(conn, &current).await?;
        timeline::add(conn, &key, &self.step(&outcome, current.revision)).await?;
        let next = Work::deliver(key, current.revision);
        outbox::put(conn, &next, self.now, self.now).await?;
        Ok(current.conversation.ended_at.filter(|_| first))
    }

    fn step(&self, outcome: &Outcome, revision: i64) -> Step {
        let detail = match outcome {
            Outcome::Remembered { observations, .. } => {
                format!("{} observations", observations.len())
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

/// Whether what is held already stays: the same extraction of the same words, or a weightier one.
fn stands(held: &Extraction, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Remembered { extraction, .. } => {
            held.subject == extraction.subject
                && (held.rank > extraction.rank
                    || (held.extractor == extraction.extractor
                        && held.input_hash == extraction.input_hash))
        }
        Outcome::Skipped { .. } => false,
        Outcome::Failed(_) | Outcome::Off => true,
    }
}
