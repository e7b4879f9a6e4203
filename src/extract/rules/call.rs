//! The call as the rules read it: turns, what each answers, and a place for what is found.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::Zoned;
use regex::Regex;
use serde_json::Value;

use super::ask::{Ask, asks};
use crate::conversation::{Message, Role};
use crate::extract::Transcript;
use crate::memory::observation::{Observation, Op};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::time::Timestamp;

static MONEY: LazyLock<Regex> = pattern!(
    r"\b(?:cards?|credit|bank|checking|savings|balance|ssn|social security|transfer(?:red)?|cheques?|loan)\b"
);

/// Words of a call in which a number alone may be one to call.
static REACHABLE: LazyLock<Regex> = pattern!(
    r"\b(?:\w*phone|mobile|cell|telephone|call|text|sms|contact|reach|e-?mail|screen|deliver\w*|flight|tickets?|boarding|booking|book|table|reservation|appointment|order|pizza|burger|food|repair|fix|install\w*|technician|software|download|laptop|computer|license)\b|@"
);

/// Bytes of a turn that are read: more than ten minutes of speech.
const LONGEST_TURN: usize = 8_000;

/// Things found in one call at the most. Both bounds keep a hostile transcript's work linear.
const MOST_NOTES: usize = 1_000;

/// Bytes around a cue that can change what it means.
pub(super) const NEAR: usize = 200;

/// What stands right before a place.
pub(super) fn lead(text: &str, until: usize) -> &str {
    let mut from = until.saturating_sub(NEAR);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..until]
}

/// What stands right behind a place.
pub(super) fn tail(text: &str, from: usize) -> &str {
    head(&text[from..], NEAR)
}

/// The beginning of a text.
pub(super) fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Caller,
    Agent,
}

/// One turn of speech.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    message: &'a Message,
    pub(super) speaker: Speaker,
    pub(super) text: &'a str,
    pub(super) said_at: Timestamp,
    /// What the agent's turns just before it asked for; empty for the agent's own.
    pub(super) asked: Vec<Ask>,
}

impl Turn<'_> {
    /// Whether it answers such a question.
    pub(super) fn answers(&self, ask: &Ask) -> bool {
        self.asked.contains(ask)
    }
}

/// A call.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) region: &'a str,
    zone: &'a jiff::tz::TimeZone,
    /// Whether only the caller's side was written down.
    pub(super) one_sided: bool,
    /// Whether the caller speaks of cards, accounts or transfers.
    pub(super) about_money: bool,
    /// Whether the caller speaks of phones, mail or being reached.
    pub(super) about_reach: bool,
}

impl<'a> Call<'a> {
    /// The call of a transcript whose messages say `texts`.
    pub(super) fn of(transcript: &Transcript<'a>, texts: &'a [String]) -> Self {
        let happened_at = transcript.conversation.happened_at();
        let mut turns: Vec<Turn<'a>> = Vec::with_capacity(transcript.messages.len());
        let mut asked = Vec::new();
        for (message, text) in transcript.messages.iter().zip(texts) {
            let text = head(text, LONGEST_TURN);
            let speaker = match message.role {
                Role::User => Speaker::Caller,
                Role::Assistant | Role::Operator => Speaker::Agent,
                Role::System | Role::Tool | Role::Other(_) => continue,
            };
            if text.trim().is_empty() {
                continue;
            }
            let answers = match speaker {
                Speaker::Caller => std::mem::take(&mut asked),
                Speaker::Agent => {
                    asked.extend(asks(text));
                    Vec::new()
                }
            };
            turns.push(Turn {
                message,
                speaker,
                text,
                said_at: message.started_at.unwrap_or(happened_at),
                asked: answers,
            });
        }
        let speaks_of = |what: &Regex| {
            turns
                .iter()
                .any(|turn| turn.speaker == Speaker::Caller && what.is_match(turn.text))
        };
        Self {
            about_money: speaks_of(&MONEY),
            about_reach: speaks_of(&REACHABLE),
            one_sided: turns.iter().all(|turn| turn.speaker == Speaker::Caller),
            turns,
            region: transcript.region,
            zone: transcript.zone,
        }
    }

    /// The caller's turns, with their places.
    pub(super) fn callers(&self) -> impl Iterator<Item = (usize, &Turn<'a>)> {
        self.by(Speaker::Caller)
    }

    /// The agent's turns, with their places.
    pub(super) fn agents(&self) -> impl Iterator<Item = (usize, &Turn<'a>)> {
        self.by(Speaker::Agent)
    }

    fn by(&self, speaker: Speaker) -> impl Iterator<Item = (usize, &Turn<'a>)> {
        self.turns
            .iter()
            .enumerate()
            .filter(move |(_, turn)| turn.speaker == speaker)
    }

    /// The local time at which a turn was said: what "tomorrow" counts from.
    pub(super) fn local(&self, turn: &Turn<'_>) -> Zoned {
        turn.said_at.to_jiff().to_zoned(self.zone.clone())
    }

    /// The turn before this one, if the other side said it.
    pub(super) fn before(&self, at: usize) -> Option<(usize, &Turn<'a>)> {
        let before = at.checked_sub(1)?;
        let turn = &self.turns[before];
        (turn.speaker != self.turns[at].speaker).then_some((before, turn))
    }

    /// The turn after this one, if the other side said it.
    pub(super) fn after(&self, at: usize) -> Option<(usize, &Turn<'a>)> {
        let turn = self.turns.get(at + 1)?;
        (turn.speaker != self.turns[at].speaker).then_some((at + 1, turn))
    }
}

/// Something found.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) slot: Slot,
    pub(super) object: String,
    pub(super) value: Value,
    pub(super) op: Op,
    /// The turn that the quote stands in.
    pub(super) turn: usize,
    /// Where in that turn.
    pub(super) quote: Range<usize>,
    /// Other turns that it rests on.
    pub(super) also: Vec<usize>,
    pub(super) confidence: f64,
    pub(super) due_at: Option<Timestamp>,
}

impl Note {
    /// A value asserted in a turn's words.
    pub(super) fn new(
        slot: Slot,
        value: impl Into<Value>,
        turn: usize,
        quote: Range<usize>,
        confidence: f64,
    ) -> Self {
        Self {
            slot,
            object: String::new(),
            value: value.into(),
            op: Op::Assert,
            turn,
            quote,
            also: Vec::new(),
            confidence,
            due_at: None,
        }
    }

    /// The same with another effect.
    pub(super) fn op(mut self, op: Op) -> Self {
        self.op = op;
        self
    }

    /// The same about an object.
    pub(super) fn about(mut self, object: impl Into<String>) -> Self {
        self.object = object.into();
        self
    }

    /// The same, due then.
    pub(super) fn due(mut self, at: Option<Timestamp>) -> Self {
        self.due_at = at;
        self
    }

    /// The same, resting on another turn too.
    pub(super) fn also(mut self, turn: usize) -> Self {
        self.also.push(turn);
        self
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn push(&mut self, note: Note) {
        if self.0.len() < MOST_NOTES {
            self.0.push(note);
        }
    }

    /// Whether a turn gives such a value.
    pub(super) fn gives(&self, slot: &Slot, turn: usize) -> bool {
        let of = |note: &Note| note.turn == turn && note.slot == *slot;
        self.0.iter().any(of)
    }

    /// The values asserted and not taken back before a turn, last first.
    pub(super) fn held(&self, slot: &Slot, before: usize) -> Vec<&Note> {
        let of = |note: &&Note| note.slot == *slot && note.turn <= before;
        let mut held: Vec<&Note> = Vec::new();
        for note in self.0.iter().filter(of) {
            match note.op {
                Op::Assert => held.push(note),
                Op::Retract => held.retain(|one| one.value != note.value),
                Op::Confirm => {}
            }
        }
        held.reverse();
        held
    }

    /// Takes back what was asserted last before a turn, by words in that turn.
    pub(super) fn correct(&mut self, slot: &Slot, turn: usize, quote: Range<usize>, new: &Value) {
        let wrong = self.held(slot, turn).first().map(|note| (*note).clone());
        if let Some(wrong) = wrong.filter(|wrong| wrong.value != *new) {
            let confidence = wrong.confidence;
            let note = Note::new(slot.clone(), wrong.value, turn, quote, confidence);
            self.push(note.op(Op::Retract).about(wrong.object));
        }
    }

    /// The observations, in the order of speech, each said once a turn.
    pub(super) fn into_observations(
        mut self,
        call: &Call<'_>,
        silenced: impl Fn(&Slot) -> bool,
    ) -> Vec<Observation> {
        // Where something was redacted there is nothing to quote.
        let redacted =
            |note: &Note| call.turns[note.turn].text[note.quote.clone()].contains('\u{1}');
        self.0
            .retain(|note| !silenced(&note.slot) && !redacted(note));
        // A correction comes right before what it puts in place.
        self.0
            .sort_by_key(|note| (note.turn, note.quote.end, note.op == Op::Assert));
        let mut seen = Vec::new();
        let mut observations = Vec::new();
        for note in self.0 {
            let key = (
                note.turn,
                note.slot.clone(),
                note.object.clone(),
                note.value.clone(),
                note.op,
            );
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let turn = &call.turns[note.turn];
            observations.push(Observation {
                slot: note.slot,
                object_key: note.object,
                value: note.value,
                op: note.op,
                message_ids: std::iter::once(note.turn)
                    .chain(note.also)
                    .map(|at| call.turns[at].message.id.clone())
                    .collect(),
                quote: turn.text[note.quote].trim().to_owned(),
                confidence: (note.confidence.clamp(0.0, 1.0) * 100.0).round() / 100.0,
                said_at: turn.said_at,
                seq: i64::try_from(observations.len()).unwrap_or(i64::MAX),
                due_at: note.due_at,
            });
        }
        observations
    }
}
