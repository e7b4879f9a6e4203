//! `aftercall extract`: transcripts in, observations out, one JSON object a line.

use std::io::{self, BufRead, Write};

use futures::future::join_all;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::llm::{Llm, LlmError, Script};
use super::rules::Rules;
use super::{Transcript, ground, unite};
use crate::conversation::{Conversation, Message};
use crate::id::{AgentId, ConversationId, MessageId};
use crate::memory::observation::Observation;
use crate::memory::redact::redact;
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
    observations: &'a [Observation],
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
}

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
            observations,
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
    let found = Rules.observe(&Transcript {
        conversation: &call.conversation,
        messages: &call.messages,
        zone: &call.zone,
        region: &options.region,
    });
    ground(found, &call.messages)
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
    let reading = model.read(script).await?;
    Ok((reading.observations, reading.dropped))
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
    let id = parsed.conversation.get("id").and_then(Value::as_str);
    let id = id
        .and_then(|id| ConversationId::new(id).ok())
        .ok_or_else(|| "`conversation.id` is missing or no id".to_owned())?;
    let zone = match parsed.conversation.get("timezone").and_then(Value::as_str) {
        Some(name) => TimeZone::get(name)
            .map_err(|_| "`conversation.timezone` is no IANA time zone".to_owned())?,
        None => options.zone.clone(),
    };
    let conversation = conversation(id, &parsed.conversation)?;
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
    })
}

/// The call of a line. Without any time it happened at the epoch: relative dates then mean little,
/// and nothing else depends on it.
fn conversation(id: ConversationId, fields: &Map<String, Value>) -> Result<Conversation, String> {
    let agent = fields.get("agent_id").and_then(Value::as_str).unwrap_or("");
    let agent = AgentId::new(if agent.is_empty() { "unknown" } else { agent })
        .map_err(|error| format!("`conversation.agent_id`: {error}"))?;
    let started_at = time(fields, "started_at")?;
    let created_at = time(fields, "created_at")?
        .or(started_at)
        .or(time(fields, "ended_at")?)
        .unwrap_or_default();
    let mut call = Conversation::blank(id, agent, created_at);
    call.started_at = started_at;
    Ok(call)
}

fn message(at: usize, fields: &Map<String, Value>) -> Result<Message, String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("");
    let role = text("role").into();
    let id = match fields.get("id").and_then(Value::as_str) {
        Some(id) => MessageId::new(id),
        None => MessageId::new(&format!("m{at}")),
    };
    let id = id.map_err(|error| format!("`messages[{at}].id`: {error}"))?;
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
