//! `aftercall extract`: transcripts in, observations out, one JSON object a line.

use std::io::{self, BufRead, Write};

use futures::future::join_all;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::llm::{Llm, LlmError, Script};
use super::rules::Rules;
use super::{Transcript, ground, unite};
use crate::conversation::{Conversation, Message, Role};
use crate::id::{AgentId, ConversationId, MessageId};
use crate::memory::observation::Observation;
use crate::memory::redact::redact;
use crate::memory::slot::Slot;
use crate::time::Timestamp;

/// Calls that a language model reads at once.
const AT_ONCE: usize = 4;

/// Calls in a row that an endpoint in trouble is asked to read, before the rules go on alone.
const PATIENCE: usize = 8;

/// Who reads, and where the calls took place unless a line says otherwise.
#[derive(Debug)]
pub struct Options {
    /// Who reads them.
    pub readers: Readers,
    /// The time zone of calls whose line names none.
    pub zone: TimeZone,
    /// The region of numbers without a country code, as `US`.
    pub region: String,
}

/// Who reads the calls.
#[derive(Debug)]
pub enum Readers {
    /// Nobody: nothing is found.
    Nobody,
    /// The rules.
    Rules,
    /// The rules, and then a language model, beside them or instead of them.
    Model(Box<Llm>),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transcripts read.
    pub conversations: usize,
    /// Observations written.
    pub observations: usize,
    /// Observations that their quote did not carry.
    pub dropped: usize,
    /// Lines that could not be understood.
    pub failed: usize,
    /// Calls that the language model did not read: what the rules found in them stands.
    pub unread: usize,
}

/// A line could not be understood. No text of a transcript is in it.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// The transcripts could not be read, or the observations not written.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The input failed.
    #[error("line {line} can't be read")]
    Read {
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The output failed.
    #[error("the observations can't be written")]
    Write(#[source] io::Error),
}

#[derive(Serialize)]
struct Answer<'a> {
    conversation_id: &'a ConversationId,
    observations: Vec<Written<'a>>,
}

/// An observation as it is written.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Dated(&'a Observation),
    /// Nobody knows when it was said.
    Undated(Value),
}

/// Something that somebody may want to know of, while the work goes on.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A line was passed over.
    #[error(transparent)]
    Line(#[from] BadLine),
    /// The language model did not read a call.
    #[error("{0}: the rules' findings stand")]
    Model(#[from] LlmError),
}

/// Extracts what each line's call says about its caller, and writes one line for it, in their order.
/// Empty lines are passed over; trouble is told, and the work goes on.
pub async fn run(
    mut input: impl BufRead,
    output: impl Write,
    options: &Options,
    tell: impl FnMut(Trouble),
) -> Result<Summary, LinesError> {
    let mut work = Work {
        output,
        options,
        tell,
        summary: Summary::default(),
        failures: 0,
    };
    let many = match options.readers {
        Readers::Model(_) => AT_ONCE,
        Readers::Nobody | Readers::Rules => 1,
    };
    let mut calls = Vec::with_capacity(many);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = input.read_until(b'\n', &mut bytes);
        if read.map_err(|source| LinesError::Read { line, source })? == 0 {
            break;
        }
        let text = bytes.trim_ascii();
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        match read_line(text, options) {
            Ok(call) => calls.push(call),
            Err(what) => {
                work.summary.failed += 1;
                (work.tell)(BadLine { line, what }.into());
            }
        }
        if calls.len() == many {
            work.answer(&calls).await?;
            calls.clear();
        }
    }
    work.answer(&calls).await?;
    work.output.flush().map_err(LinesError::Write)?;
    Ok(work.summary)
}

/// A call of the input.
struct Call {
    conversation: Conversation,
    messages: Vec<Message>,
    zone: TimeZone,
    /// Whether the line says when the call took place.
    is_dated: bool,
}

/// When a call took place that does not say when: at two times that have nothing in common, so that
/// what both give rests on neither.
const ANY_TIME: Timestamp = Timestamp::from_secs(0);
const OTHER_TIME: Timestamp = Timestamp::from_secs(1_000_000_000);

/// What is written, to whom trouble is told, and what was done so far.
struct Work<'a, O, T> {
    output: O,
    options: &'a Options,
    tell: T,
    summary: Summary,
    /// Calls in a row that the model did not read because its endpoint is in trouble.
    failures: usize,
}

impl<O: Write, T: FnMut(Trouble)> Work<'_, O, T> {
    async fn answer(&mut self, calls: &[Call]) -> Result<(), LinesError> {
        let options = self.options;
        let trusted = match &options.readers {
            Readers::Model(model) if self.failures < PATIENCE => Some(model),
            _ => None,
        };
        let read = join_all(calls.iter().map(|call| async move {
            let found = rules(call, options);
            match trusted {
                Some(model) => (found, Some(read(model, call, options).await)),
                None => (found, None),
            }
        }));
        for (call, (found, read)) in calls.iter().zip(read.await) {
            let (found, dropped) = found;
            self.summary.dropped += dropped;
            let found = self.with(found, read);
            self.write(call, &found)?;
        }
        Ok(())
    }

    /// What the rules found, with what the model did.
    fn with(
        &mut self,
        rules: Vec<Observation>,
        read: Option<Result<(Vec<Observation>, usize), LlmError>>,
    ) -> Vec<Observation> {
        let Readers::Model(model) = &self.options.readers else {
            return rules;
        };
        match read {
            Some(Ok((found, dropped))) => {
                self.failures = 0;
                self.summary.dropped += dropped;
                return unite(rules, found, model.is_alone());
            }
            Some(Err(error)) => {
                self.failures = if error.is_general() {
                    self.failures + 1
                } else {
                    0
                };
                (self.tell)(error.into());
            }
            None => {}
        }
        self.summary.unread += 1;
        rules
    }

    fn write(&mut self, call: &Call, observations: &[Observation]) -> Result<(), LinesError> {
        self.summary.conversations += 1;
        self.summary.observations += observations.len();
        let answer = Answer {
            conversation_id: &call.conversation.id,
            observations: observations.iter().map(|said| call.written(said)).collect(),
        };
        serde_json::to_writer(&mut self.output, &answer)
            .map_err(|error| LinesError::Write(error.into()))?;
        self.output.write_all(b"\n").map_err(LinesError::Write)
    }
}

/// What the rules find, and how much of it did not stand.
fn rules(call: &Call, options: &Options) -> (Vec<Observation>, usize) {
    if matches!(options.readers, Readers::Nobody) {
        return (Vec::new(), 0);
    }
    let at = |conversation: &Conversation| {
        Rules.observe(&Transcript {
            conversation,
            messages: &call.messages,
            zone: &call.zone,
            region: &options.region,
        })
    };
    let mut found = at(&call.conversation);
    if !call.is_dated {
        let mut later = call.conversation.clone();
        later.created_at = OTHER_TIME;
        found = common(found, &at(&later));
    }
    ground(found, &call.messages)
}

/// What was found at either time: "tomorrow" is another day at each, and no day is known.
fn common(found: Vec<Observation>, later: &[Observation]) -> Vec<Observation> {
    let what = |said: &Observation| {
        let Observation {
            slot,
            object_key,
            value,
            op,
            message_ids,
            quote,
            ..
        } = said.clone();
        (slot, object_key, value, op, message_ids, quote)
    };
    found
        .into_iter()
        .filter_map(|mut said| {
            let same = later.iter().find(|other| what(other) == what(&said))?;
            said.due_at = said.due_at.filter(|due| same.due_at == Some(*due));
            Some(said)
        })
        .collect()
}

/// What a language model finds, and how much of it did not stand.
async fn read(
    model: &Llm,
    call: &Call,
    options: &Options,
) -> Result<(Vec<Observation>, usize), LlmError> {
    let script = Script {
        conversation: &call.conversation,
        messages: &call.messages,
        zone: &call.zone,
        region: &options.region,
        known: &[],
    };
    let mut reading = model.read(script).await?;
    // The model counted its days from a time that nobody named.
    let before = reading.observations.len();
    reading.observations.retain(|said| {
        call.knows_when(said) || (said.due_at.is_none() && said.slot != Slot::Appointment)
    });
    let undated = before - reading.observations.len();
    Ok((reading.observations, reading.dropped + undated))
}

impl Call {
    /// Whether it is known when something was said.
    fn knows_when(&self, said: &Observation) -> bool {
        self.is_dated || said.said_at != ANY_TIME
    }

    fn written<'a>(&self, said: &'a Observation) -> Written<'a> {
        if self.knows_when(said) {
            return Written::Dated(said);
        }
        let mut written = json!(said);
        written["said_at"] = Value::Null;
        Written::Undated(written)
    }
}

/// A line, before its gaps are filled: only the conversation's id is required.
#[derive(Deserialize)]
struct Line {
    conversation: Map<String, Value>,
    #[serde(default)]
    messages: Vec<Map<String, Value>>,
}

/// Reads a line and redacts its messages, or says what is wrong with it.
fn read_line(text: &[u8], options: &Options) -> Result<Call, String> {
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| format!("not JSON, at column {}", error.column()))?;
    let parsed: Line = serde_json::from_value(value)
        .map_err(|_| "want {\"conversation\":{\"id\":…},\"messages\":[…]}".to_owned())?;
    let id = id(&parsed.conversation)
        .and_then(|id| ConversationId::new(&id).ok())
        .ok_or_else(|| "`conversation.id` is missing or no id".to_owned())?;
    let zone = match parsed.conversation.get("timezone").and_then(Value::as_str) {
        Some(name) => TimeZone::get(name)
            .map_err(|_| "`conversation.timezone` is no IANA time zone".to_owned())?,
        None => options.zone.clone(),
    };
    let (conversation, is_dated) = conversation(id, &parsed.conversation)?;
    let mut messages = parsed
        .messages
        .iter()
        .enumerate()
        .map(|(at, fields)| message(at, fields))
        .collect::<Result<Vec<_>, _>>()?;
    redact(&mut messages);
    Ok(Call {
        conversation,
        messages,
        zone,
        is_dated,
    })
}

/// An id, as text or as a number.
fn id(fields: &Map<String, Value>) -> Option<String> {
    match fields.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) if !id.is_f64() => Some(id.to_string()),
        _ => None,
    }
}

/// The call of a line, and whether the line says when it took place.
fn conversation(
    id: ConversationId,
    fields: &Map<String, Value>,
) -> Result<(Conversation, bool), String> {
    let agent = fields.get("agent_id").and_then(Value::as_str).unwrap_or("");
    let agent = AgentId::new(if agent.is_empty() { "unknown" } else { agent })
        .map_err(|error| format!("`conversation.agent_id`: {error}"))?;
    let started_at = time(fields, "started_at")?;
    let known = time(fields, "created_at")?
        .or(started_at)
        .or(time(fields, "ended_at")?);
    let mut call = Conversation::blank(id, agent, known.unwrap_or(ANY_TIME));
    call.started_at = started_at;
    Ok((call, known.is_some()))
}

fn message(at: usize, fields: &Map<String, Value>) -> Result<Message, String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("");
    let role = Role::of(text("role"));
    let id = match fields.get("id") {
        None | Some(Value::Null) => format!("m{at}"),
        Some(_) => id(fields).ok_or_else(|| format!("`messages[{at}].id` is no text"))?,
    };
    let id = MessageId::new(&id).map_err(|error| format!("`messages[{at}].id`: {error}"))?;
    if text("role").is_empty() {
        return Err(format!("`messages[{at}].role` is missing"));
    }
    Ok(Message {
        id,
        role,
        content: text("content").to_owned(),
        tool_name: fields
            .get("tool_name")
            .and_then(Value::as_str)
            .map(str::to_owned),
        tool_args: fields.get("tool_args").cloned(),
        tool_result: fields.get("tool_result").cloned(),
        started_at: time(fields, "started_at")?,
        ended_at: time(fields, "ended_at")?,
    })
}

fn time(fields: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(at) => Ok(Some(at)),
            Err(error) => Err(format!("`{name}`: {error}")),
        },
        Some(_) => Err(format!("`{name}` is not an RFC 3339 time")),
    }
}

#[cfg(test)]
mod tests;
