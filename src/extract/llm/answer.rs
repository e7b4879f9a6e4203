//! A model's answer, and what of it stands.

use serde::Deserialize;
use serde_json::{Value, json};

use super::schema::{Statement, slots};
use super::{LlmError, Reading, Script, derive};
use crate::conversation::{CallSuccess, Message};
use crate::extract::ground;
use crate::memory::form;
use crate::memory::observation::{Observation, Op};
use crate::memory::redact::redact_text;
use crate::memory::slot::{Cardinality, Slot};
use crate::time::Timestamp;

/// Statements of one answer that are looked at.
const MAX_STATEMENTS: usize = 200;

/// Characters of a value or a quote.
const MAX_TEXT: usize = 500;

/// Characters of a summary.
const MAX_SUMMARY: usize = 1_000;

/// How sure a model's word is: as sure as its quote, whatever it says itself.
const CONFIDENCE: f64 = 0.8;

/// What the model answered, its statements still unread: one that is malformed spoils no other.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    facts: Vec<Value>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    call_successful: Option<String>,
}

/// Reads an answer: JSON, perhaps with a fence or words around it.
pub(super) fn parse(text: &str) -> Result<Answer, LlmError> {
    let unusable = LlmError::Unusable("it holds no object of the form that was asked for");
    let from = text.find('{').ok_or(unusable.clone())?;
    let to = text
        .rfind('}')
        .filter(|to| *to > from)
        .ok_or(unusable.clone())?;
    serde_json::from_str(&text[from..=to]).map_err(|_| unusable)
}

impl Answer {
    /// What stands in the words of the call. `labelled` are the messages that the model was shown.
    pub(super) fn settle(self, script: &Script<'_>, labelled: &[&Message]) -> Reading {
        let total = self.facts.len();
        let mut observations = Vec::new();
        for value in self.facts.into_iter().take(MAX_STATEMENTS) {
            let statement = serde_json::from_value::<Statement>(value).ok();
            let said = statement.and_then(|said| observe(script, labelled, &said));
            observations.extend(said);
        }
        let (mut observations, _) = ground(observations, script.messages);
        observations.retain(|said| derive::stands(said, script.messages));
        number(&mut observations, script.messages);
        let words = || labelled.iter().map(|message| message.content.as_str());
        Reading {
            dropped: total.saturating_sub(observations.len()),
            observations,
            summary: self
                .summary
                .map(|text| redact_text(&one_line(&text, MAX_SUMMARY)))
                .filter(|text| !text.is_empty() && derive::retells(text, words())),
            call_successful: self
                .call_successful
                .map(|word| CallSuccess::from(word.as_str()))
                .filter(|success| !matches!(success, CallSuccess::Other(_))),
        }
    }
}

/// A statement as an observation, its labels mapped back; none when it can't be one.
fn observe(script: &Script<'_>, labelled: &[&Message], said: &Statement) -> Option<Observation> {
    if !slots().contains(&said.slot.as_str()) {
        return None;
    }
    let slot = Slot::from(said.slot.as_str());
    let messages: Option<Vec<&Message>> = said
        .messages
        .iter()
        .map(|label| labelled.get(*label).copied())
        .collect();
    let messages = messages.filter(|messages| !messages.is_empty())?;
    let said_at = messages[0]
        .started_at
        .unwrap_or_else(|| script.conversation.happened_at());
    let due = due(script, said, said_at);
    let value = value_of(&slot, said, due.as_ref(), script.region)?;
    let topic = one_line(&said.topic, MAX_TEXT).to_lowercase();
    let object_key = match slot.cardinality() {
        Cardinality::PerObject if topic.is_empty() => {
            one_line(&said.value, MAX_TEXT).to_lowercase()
        }
        Cardinality::PerObject => topic,
        Cardinality::One | Cardinality::Many => String::new(),
    };
    Some(Observation {
        slot,
        object_key,
        value,
        op: said.op,
        message_ids: messages.iter().map(|message| message.id.clone()).collect(),
        quote: said.quote.trim().chars().take(MAX_TEXT).collect(),
        confidence: CONFIDENCE,
        said_at,
        seq: 0,
        due_at: due.map(|due| due.at),
    })
}

/// A day and perhaps an hour that something is due, on the call's own clock.
struct Due {
    date: jiff::civil::Date,
    time: Option<jiff::civil::Time>,
    at: Timestamp,
}

/// What is booked or promised lies ahead of the call, and not beyond three years.
fn due(script: &Script<'_>, said: &Statement, said_at: Timestamp) -> Option<Due> {
    let date: jiff::civil::Date = said.date.as_deref()?.trim().parse().ok()?;
    let time = said
        .time
        .as_deref()
        .and_then(|time| jiff::civil::Time::strptime("%H:%M", time.trim()).ok());
    let today = said_at.to_jiff().to_zoned(script.zone.clone()).date();
    let days = (date - today).get_days();
    if !(0..=1_100).contains(&days) {
        return None;
    }
    // Without an hour it is due by the end of the day.
    let by = time.unwrap_or(jiff::civil::time(23, 59, 0, 0));
    let at = date.to_datetime(by).to_zoned(script.zone.clone()).ok()?;
    Some(Due {
        date,
        time,
        at: Timestamp::from_jiff(at.timestamp()),
    })
}

fn value_of(slot: &Slot, said: &Statement, due: Option<&Due>, region: &str) -> Option<Value> {
    let text = one_line(&said.value, MAX_TEXT);
    match slot {
        Slot::Appointment => {
            let due = due?;
            Some(json!({
                "date": due.date.to_string(),
                "time": due.time.map(|time| time.strftime("%H:%M").to_string()),
                "title": (!text.is_empty()).then_some(text),
            }))
        }
        // As the rules say it, so that both mean the same fact.
        Slot::RememberMe => Some(Value::from("no")),
        slot if slot.is_consent() => Some(Value::from("true")),
        _ if said.op == Op::Retract && text.is_empty() => Some(Value::Null),
        _ if text.is_empty() => None,
        _ => Some(form::normal(slot, Value::from(text), region)),
    }
}

/// Their places among the call's observations: in the order of speech.
fn number(observations: &mut [Observation], messages: &[Message]) {
    observations.sort_by_key(|said| {
        let first = said.message_ids.first();
        messages
            .iter()
            .position(|message| Some(&message.id) == first)
    });
    for (seq, said) in (0..).zip(observations) {
        said.seq = seq;
    }
}

fn one_line(text: &str, most: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    flat.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}
