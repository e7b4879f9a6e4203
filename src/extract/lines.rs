//! `aftercall extract`: transcripts in, observations out, one JSON object a line.

use std::io::{self, BufRead, Write};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rules::Rules;
use super::{Transcript, ground};
use crate::conversation::{Conversation, Message};
use crate::id::{AgentId, ConversationId, MessageId};
use crate::memory::observation::Observation;
use crate::memory::redact::redact;
use crate::time::Timestamp;

/// Where the calls took place, unless a line says otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time zone of calls whose line names none.
    pub zone: TimeZone,
    /// The region of numbers without a country code, as `US`.
    pub region: String,
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
}

/// The transcripts could not be read, or the observations not written. No text of a transcript is
/// in it.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// A line is not JSON.
    #[error("line {line}, column {column}: not JSON")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A line is JSON of another form.
    #[error("line {line}: {what}")]
    Shape {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
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

/// Extracts what each line's call says about its caller, and writes one line for it. Empty lines
/// are passed over; the first line that can't be understood ends the work.
pub fn run(
    input: impl BufRead,
    mut output: impl Write,
    options: &Options,
) -> Result<Summary, LinesError> {
    let mut summary = Summary::default();
    for (at, text) in input.lines().enumerate() {
        let line = at + 1;
        let text = text.map_err(|source| LinesError::Read { line, source })?;
        let text = text.trim().trim_start_matches('\u{feff}');
        if text.is_empty() {
            continue;
        }
        let (conversation, mut messages, zone) = read(line, text, options)?;
        redact(&mut messages);
        let found = Rules.observe(&Transcript {
            conversation: &conversation,
            messages: &messages,
            zone: &zone,
            region: &options.region,
        });
        let (observations, dropped) = ground(found, &messages);
        summary.conversations += 1;
        summary.observations += observations.len();
        summary.dropped += dropped;
        let answer = Answer {
            conversation_id: &conversation.id,
            observations: &observations,
        };
        serde_json::to_writer(&mut output, &answer)
            .map_err(|error| LinesError::Write(error.into()))?;
        output.write_all(b"\n").map_err(LinesError::Write)?;
    }
    output.flush().map_err(LinesError::Write)?;
    Ok(summary)
}

/// A line, before its gaps are filled: only the conversation's id is required.
#[derive(Deserialize)]
struct Line {
    conversation: Map<String, Value>,
    #[serde(default)]
    messages: Vec<Map<String, Value>>,
}

fn read(
    line: usize,
    text: &str,
    options: &Options,
) -> Result<(Conversation, Vec<Message>, TimeZone), LinesError> {
    let shape = |what: String| LinesError::Shape { line, what };
    let value: Value = serde_json::from_str(text).map_err(|error| LinesError::Syntax {
        line,
        column: error.column(),
    })?;
    let parsed: Line = serde_json::from_value(value)
        .map_err(|_| shape("want {\"conversation\":{\"id\":…},\"messages\":[…]}".to_owned()))?;
    let id = parsed.conversation.get("id").and_then(Value::as_str);
    let id = id
        .and_then(|id| ConversationId::new(id).ok())
        .ok_or_else(|| shape("`conversation.id` is missing or no id".to_owned()))?;
    let zone = match parsed.conversation.get("timezone").and_then(Value::as_str) {
        Some(name) => TimeZone::get(name)
            .map_err(|_| shape("`conversation.timezone` is no IANA time zone".to_owned()))?,
        None => options.zone.clone(),
    };
    let conversation = conversation(id, &parsed.conversation).map_err(&shape)?;
    let messages = parsed
        .messages
        .iter()
        .enumerate()
        .map(|(at, fields)| message(at, fields))
        .collect::<Result<_, _>>()
        .map_err(shape)?;
    Ok((conversation, messages, zone))
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
