//! From Vapi's call object to the canonical call. Server messages carry the object in `call` and its
//! results beside it; the API has both in one. Of the many fields only those that are named here are
//! kept: assistants and credentials come along, with their secrets.

use serde_json::{Map, Value};

use super::reason;
use crate::conversation::{CallSuccess, Conversation, Message, Role, Status};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;
use crate::platform::transcript::{Span, Transcript, of_lines, parsed};
use crate::time::Timestamp;

/// What is kept beyond the model.
const KEPT: [&str; 10] = [
    "endedMessage",
    "orgId",
    "phoneCallProvider",
    "phoneCallProviderId",
    "phoneCallTransport",
    "phoneNumberId",
    "squadId",
    "workflowId",
    "campaignId",
    "costBreakdown",
];

/// Maps a server message: the call's own object, with what the message says beside it on top.
pub(super) fn message(
    mut message: Map<String, Value>,
    naming: &Naming,
    received_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let Some(Value::Object(mut all)) = message.remove("call") else {
        return Err("it holds no call");
    };
    let sent_at = message.remove("timestamp");
    all.extend(message.into_iter().filter(|(name, value)| {
        // The message's own kind and state are not the call's.
        !value.is_null() && !matches!(name.as_str(), "type" | "status")
    }));
    let at = sent_at.and_then(|at| Fields::new(Map::from_iter([("at".to_owned(), at)])).time("at"));
    call(all, naming, at.unwrap_or(received_at), true)
}

/// Maps a call. `or_at` is when it was created where it does not say so.
pub(super) fn call(
    object: Map<String, Value>,
    naming: &Naming,
    or_at: Timestamp,
    is_over: bool,
) -> Result<Fetched, &'static str> {
    let mut fields = Fields::new(object);
    let id = fields
        .text("id")
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no call id")?;
    let reason = fields.text("endedReason").map(|raw| PlatformReason {
        reason: reason::of(&raw),
        raw,
    });
    let started_at = fields.time("startedAt");
    let ended_at = fields.time("endedAt");
    let created_at = fields.time("createdAt").or(started_at).unwrap_or(or_at);
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    call.ended_at = ended_at;
    let is_dial = reason
        .as_ref()
        .and_then(|said| said.reason.as_ref())
        .is_some_and(EndReason::is_dial);
    let word = fields.text("status");
    call.status = match word.as_deref() {
        _ if is_dial && (is_over || word.as_deref() == Some("ended")) => Status::Failed,
        Some("ended") => Status::Completed,
        _ if is_over => Status::Completed,
        Some("in-progress" | "forwarding") => Status::Active,
        Some("scheduled" | "queued" | "ringing") | None => Status::Pending,
        Some(other) => Status::from(other),
    };
    if !is_dial {
        call.started_at = started_at;
        call.duration_ms = duration(&mut fields, started_at, ended_at);
    }
    fill(&mut call, &mut fields);
    analysis(&mut call, &mut fields);
    let messages = artifact(&mut call, &mut fields);
    let assistant = fields.object("assistant").map(Fields::new);
    let (assistant_id, name) = assistant.map_or((None, None), |mut assistant| {
        (assistant.text("id"), assistant.text("name"))
    });
    call.agent_name = name;
    let said = fields.text("assistantId").or(assistant_id);
    call.agent_id = naming
        .agent_id(said.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let mut rest = fields.rest();
    rest.retain(|name, _| KEPT.contains(&name.as_str()));
    call.platform_fields.extend(rest);
    Ok(Fetched {
        conversation: call,
        messages,
        reason,
        seen: None,
    })
}

fn duration(
    fields: &mut Fields,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
) -> Option<i64> {
    fields.lasted("durationMs", 1.0).or_else(|| {
        let (from, to) = started_at.zip(ended_at)?;
        Some((to.as_millis() - from.as_millis()).max(0))
    })
}

/// Who called whom: the customer is the external party, the other number the workspace's.
fn fill(call: &mut Conversation, fields: &mut Fields) {
    let customer = fields.object("customer").map(Fields::new);
    let theirs = customer.and_then(|mut customer| {
        ["number", "sipUri", "externalId"]
            .into_iter()
            .find_map(|name| customer.text(name))
    });
    let number = fields.object("phoneNumber").map(Fields::new);
    let ours = number.and_then(|mut number| number.text("number"));
    let kind = fields.text("type").unwrap_or_default();
    let direction = Direction::read(&kind);
    if direction.is_some() || ours.is_some() {
        let (from, to) = match direction {
            Some(Direction::Outbound) => (ours, theirs),
            _ => (theirs, ours),
        };
        let line = Line {
            direction,
            from,
            to,
        };
        line.write(call);
    } else {
        call.caller_identity = theirs.unwrap_or_default();
    }
    call.cost_cents = fields.cents("cost");
    call.metadata = fields.object("metadata").unwrap_or_default();
    if let Some(overrides) = fields.object("assistantOverrides") {
        call.dynamic_variables = Fields::new(overrides).object_or_null("variableValues");
    }
}

fn analysis(call: &mut Conversation, fields: &mut Fields) {
    call.summary = fields.text("summary");
    let Some(analysis) = fields.object("analysis") else {
        return;
    };
    let mut analysis = Fields::new(analysis);
    call.summary = analysis.text("summary").or(call.summary.take());
    call.call_successful =
        analysis
            .text("successEvaluation")
            .map(|verdict| match &*verdict.to_ascii_lowercase() {
                "true" | "pass" | "success" => CallSuccess::Success,
                "false" | "fail" | "failure" => CallSuccess::Failure,
                // Grades and percentages are the customer's own scale.
                _ => CallSuccess::Unknown,
            });
    let rest = analysis.rest();
    if !rest.is_empty() {
        let rest = Value::Object(rest);
        call.platform_fields.insert("analysis".to_owned(), rest);
    }
}

/// The transcript and the recording. They stand in `artifact`, and in older messages beside it.
fn artifact(call: &mut Conversation, fields: &mut Fields) -> Vec<Message> {
    let mut artifact = Fields::new(fields.object("artifact").unwrap_or_default());
    call.recording_url = artifact
        .text("recordingUrl")
        .or_else(|| fields.text("recordingUrl"))
        .or_else(|| recording(&mut artifact));
    let entries = artifact
        .list("messages")
        .or_else(|| fields.list("messages"))
        .unwrap_or_default();
    let text = artifact
        .text("transcript")
        .or_else(|| fields.text("transcript"));
    let mut transcript = Transcript::of(&call.id);
    for entry in entries {
        if let Value::Object(entry) = entry {
            say(&mut transcript, Fields::new(entry));
        }
    }
    let messages = transcript.messages();
    if messages.is_empty() {
        return of_lines(&call.id, &text.unwrap_or_default());
    }
    messages
}

fn recording(artifact: &mut Fields) -> Option<String> {
    let mut recording = Fields::new(artifact.object("recording")?);
    let mono = recording.object("mono").map(Fields::new);
    mono.and_then(|mut mono| mono.text("combinedUrl"))
        .or_else(|| recording.text("stereoUrl"))
}

fn say(transcript: &mut Transcript<'_>, mut entry: Fields) {
    let at = Span {
        from: entry.time("time"),
        to: entry.time("endTime"),
    };
    let kind = entry.text("role").unwrap_or_default();
    match kind.as_str() {
        "tool_calls" => {
            for asked in entry.list("toolCalls").unwrap_or_default() {
                let Value::Object(asked) = asked else {
                    continue;
                };
                let mut asked = Fields::new(asked);
                let mut function = Fields::new(asked.object("function").unwrap_or_default());
                let args = parsed(function.any("arguments"));
                let id = asked.text("id");
                transcript.call(id.as_deref(), function.text("name"), args, at);
            }
        }
        "tool_call_result" => {
            let id = entry.text("toolCallId");
            let result = parsed(entry.any("result"));
            transcript.answer(id.as_deref(), entry.text("name"), result, at);
        }
        word => {
            // Whoever is new must not be taken for the caller.
            let role = Role::of(word);
            let said = entry.text("message").or_else(|| entry.text("content"));
            transcript.say(None, role, said.unwrap_or_default(), at);
        }
    }
}
