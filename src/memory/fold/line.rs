//! One line of time: what held of one slot and object, and from when to when.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Fact, Origin, Seen, value_key};
use crate::memory::observation::{Observation, Op, Rank};
use crate::memory::slot::Slot;
use crate::time::Timestamp;

/// No number of calls makes a thing certain.
const CERTAIN: f64 = 0.99;

/// A value that holds, with all that supports it.
struct Held<'a> {
    key: String,
    rank: Rank,
    first: &'a Seen,
    last: &'a Seen,
    support: Vec<&'a Seen>,
}

/// The facts of one line, whose observations stand in the order of speech.
pub(super) fn facts(id: &str, object: &str, line: &[&Seen]) -> Vec<Fact> {
    let line = settled(line);
    let mut facts = Vec::new();
    let mut held: Option<Held<'_>> = None;
    let mut suppressed: BTreeSet<String> = BTreeSet::new();
    // A person took back whatever stands here: until they say otherwise, nothing does.
    let mut silenced = false;
    for one in line {
        let said = &one.observation;
        let key = value_key(&said.value);
        let same = held.as_ref().is_some_and(|held| {
            supports(&said.slot, &held.key, &key)
                || (said.op == Op::Retract && (said.value.is_null() || is_named_by_object(said)))
        });
        // A person's pin yields to nobody but a person.
        let pinned =
            held.as_ref().is_some_and(|held| held.rank == Rank::Human) && one.rank < Rank::Human;
        match said.op {
            Op::Assert | Op::Confirm if same => {
                if let Some(held) = &mut held {
                    held.support.push(one);
                    held.rank = held.rank.max(one.rank);
                    if said.op == Op::Assert && said.due_at.is_some() {
                        held.last = one;
                    }
                }
            }
            Op::Assert if !pinned && (freely(one) || !(silenced || suppressed.contains(&key))) => {
                suppressed.remove(&key);
                silenced = false;
                let before = held.replace(Held {
                    key,
                    rank: one.rank,
                    first: one,
                    last: one,
                    support: vec![one],
                });
                facts.extend(before.and_then(|held| held.close(id, object, Some(said.said_at))));
            }
            Op::Retract if !pinned && (same || one.rank == Rank::Human) => {
                if one.rank == Rank::Human {
                    silenced |= said.value.is_null();
                    suppressed.insert(key);
                }
                if same {
                    let before = held.take();
                    let end = Some(said.said_at);
                    facts.extend(before.and_then(|held| held.close(id, object, end)));
                }
            }
            Op::Assert | Op::Confirm | Op::Retract => {}
        }
    }
    facts.extend(held.and_then(|held| held.close(id, object, None)));
    facts
}

/// Whether a retraction means whatever is held for its object: an issue, however it was described,
/// and an appointment of a day, at whatever hour.
fn is_named_by_object(said: &Observation) -> bool {
    let hour =
        |value: &serde_json::Value| value.get("time").is_some_and(serde_json::Value::is_string);
    match said.slot {
        Slot::IssueOpen => true,
        Slot::Appointment => !hour(&said.value),
        _ => false,
    }
}

/// Whether an assertion stands although a person took the value back before: their own word, and a
/// consent that the caller revokes again.
fn freely(one: &Seen) -> bool {
    one.rank == Rank::Human || one.observation.slot.is_consent()
}

/// What each conversation came to: of extractors that disagree the highest rank speaks, and what
/// a speaker took back in the same conversation was never said.
fn settled<'a>(line: &[&'a Seen]) -> Vec<&'a Seen> {
    let mut highest: BTreeMap<&Origin, Rank> = BTreeMap::new();
    for one in line {
        if one.observation.op == Op::Assert {
            let rank = highest.entry(&one.origin).or_insert(one.rank);
            *rank = (*rank).max(one.rank);
        }
    }
    let outranked = |one: &Seen| {
        !one.observation.slot.is_consent()
            && highest
                .get(&one.origin)
                .is_some_and(|rank| one.rank < *rank)
            && !line.iter().any(|other| {
                other.origin == one.origin
                    && other.rank > one.rank
                    && value_key(&other.observation.value) == value_key(&one.observation.value)
            })
    };
    let spoken: Vec<&Seen> = line.iter().copied().filter(|one| !outranked(one)).collect();
    // Read backwards, an assertion is void if its retraction was met already.
    let mut taken_back: BTreeSet<(&Origin, String)> = BTreeSet::new();
    let mut kept: Vec<&Seen> = Vec::with_capacity(spoken.len());
    for one in spoken.into_iter().rev() {
        let key = (&one.origin, value_key(&one.observation.value));
        match one.observation.op {
            Op::Retract => {
                taken_back.insert(key);
                kept.push(one);
            }
            Op::Assert | Op::Confirm if !taken_back.contains(&key) => kept.push(one),
            Op::Assert | Op::Confirm => {}
        }
    }
    kept.reverse();
    kept
}

/// Whether a value says no more than what is held: the same, or of a name a part ("Ann" of
/// "Ann Lee").
fn supports(slot: &Slot, held: &str, key: &str) -> bool {
    held == key
        || (*slot == Slot::Name
            && !key.is_empty()
            && key
                .split(' ')
                .all(|part| held.split(' ').any(|whole| whole == part)))
}

impl Held<'_> {
    /// The fact, unless it held for no time.
    fn close(self, id: &str, object: &str, until: Option<Timestamp>) -> Option<Fact> {
        let said = &self.first.observation;
        if until.is_some_and(|until| until <= said.said_at) {
            return None;
        }
        let mut evidence: Vec<Evidence> = self
            .support
            .iter()
            .filter_map(|one| {
                let message = one.observation.message_ids.first()?;
                Some(Evidence {
                    conversation_id: one.origin.call()?.clone(),
                    message_id: message.clone(),
                    quote: one.observation.quote.clone(),
                })
            })
            .collect();
        evidence.sort();
        evidence.dedup();
        Some(Fact {
            id: id.to_owned(),
            slot: said.slot.clone(),
            object_key: object.to_owned(),
            value: said.value.clone(),
            fact: said.slot.sentence(&said.value, object),
            confidence: confidence(&self.support),
            valid_from: said.said_at,
            valid_to: until,
            due_at: self.last.observation.due_at,
            source_conversation_id: self.first.origin.call().cloned(),
            evidence,
            extractor: self
                .support
                .iter()
                .max_by_key(|one| (one.rank, &one.extractor))
                .map_or_else(String::new, |one| one.extractor.clone()),
        })
    }
}

/// Noisy-or over conversations, each with its best statement and its best confirmation. Factors
/// are sorted first, so that the order of addition can't show in the last digit.
fn confidence(support: &[&Seen]) -> f64 {
    let mut best: BTreeMap<(&Origin, Op), f64> = BTreeMap::new();
    for one in support {
        let sure = best.entry((&one.origin, one.observation.op)).or_insert(0.0);
        *sure = sure.max(one.observation.confidence);
    }
    let mut doubts: Vec<f64> = best.into_values().map(|sure| 1.0 - sure).collect();
    doubts.sort_by(f64::total_cmp);
    let sure = 1.0 - doubts.into_iter().product::<f64>();
    (sure.clamp(0.0, CERTAIN) * 100.0).round() / 100.0
}
