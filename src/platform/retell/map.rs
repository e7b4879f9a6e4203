//! From Retell's call object to the canonical call. The webhooks carry the same object that the API
//! answers with.

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

/// Fields that hold the transcript once more, or a secret.
const LEFT_OUT: [&str; 6] = [
    "transcript",
    "transcript_object",
    "transcript_with_tool_calls",
    "scrubbed_transcript_with_tool_calls",
    "access_token",
    "llm_token_usage",
];

/// Maps a call. `or_at` is when it was created where it says no time of its own; `is_over` that it
/// came with the event of its end, whatever its `call_status` says: the documents' own sample of
/// `call_ended` has `registered` there.
pub(super) fn call(
    object: Map<String, Value>,
    naming: &Naming,
    or_at: Timestamp,
    is_over: bool,
) -> Result<Fetched, &'static str> {
    let mut fields = Fields::new(object);
    let id = fields
        .text("call_id")
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no call_id")?;
    let started_at = fields.time("start_timestamp");
    let ended_at = fields.time("end_timestamp");
    let word = fields.text("disconnection_reason");
    let reason = word.map(|raw| PlatformReason {
        reason: reason::of(&raw),
        raw,
    });
    let created_at = started_at.or(ended_at).unwrap_or(or_at);
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    call.started_at = started_at;
    call.ended_at = ended_at;
    call.duration_ms = fields.lasted("duration_ms", 1.0).or_else(|| {
        let (from, to) = started_at.zip(ended_at)?;
        Some((to.as_millis() - from.as_millis()).max(0))
    });
    let is_over = is_over || (ended_at.is_some() && reason.is_some());
    call.status = status(fields.text("call_status").as_deref(), is_over, &call);
    if let Some(said) = &reason
        && said.reason.as_ref().is_some_and(EndReason::is_dial)
    {
        never_connected(&mut call);
    }
    fill(&mut call, &mut fields);
    let agent_id = fields.text("agent_id");
    call.agent_id = naming
        .agent_id(agent_id.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let messages = messages(&call, &mut fields);
    let mut rest = fields.rest();
    rest.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    call.platform_fields = rest;
    Ok(Fetched {
        conversation: call,
        messages,
        reason,
        seen: None,
    })
}

fn status(word: Option<&str>, is_over: bool, call: &Conversation) -> Status {
    match word {
        Some("ended") => Status::Completed,
        Some("error" | "not_connected") => Status::Failed,
        _ if is_over && call.started_at.is_some() => Status::Completed,
        _ if is_over => Status::Failed,
        Some("ongoing") => Status::Active,
        Some("registered") | None => Status::Pending,
        Some(other) => Status::from(other),
    }
}

/// A call that nobody took: what it has of times are those of its ringing.
fn never_connected(call: &mut Conversation) {
    call.status = Status::Failed;
    call.started_at = None;
    call.duration_ms = None;
}

fn fill(call: &mut Conversation, fields: &mut Fields) {
    let line = Line {
        direction: fields
            .text("direction")
            .and_then(|word| Direction::read(&word)),
        from: fields.text("from_number"),
        to: fields.text("to_number"),
    };
    if fields.text("call_type").as_deref() != Some("web_call") {
        line.write(call);
    }
    call.agent_name = fields.text("agent_name");
    call.recording_url = fields.text("recording_url");
    call.metadata = fields.object("metadata").unwrap_or_default();
    call.dynamic_variables = fields.object_or_null("retell_llm_dynamic_variables");
    if let Some(cost) = fields.object("call_cost") {
        // In cents already.
        call.cost_cents = Fields::new(cost).integer("combined_cost");
    }
    let Some(analysis) = fields.object("call_analysis") else {
        return;
    };
    let mut analysis = Fields::new(analysis);
    call.summary = analysis.text("call_summary");
    call.call_successful = analysis
        .text("call_successful")
        .map(|success| match &*success {
            "true" => CallSuccess::Success,
            "false" => CallSuccess::Failure,
            _ => CallSuccess::Unknown,
        });
    let rest = analysis.rest();
    if !rest.is_empty() {
        fields.put("call_analysis", Value::Object(rest));
    }
}

/// The transcript with the tools where it is there, else without, else as lines.
fn messages(call: &Conversation, fields: &mut Fields) -> Vec<Message> {
    let lists = ["transcript_with_tool_calls", "transcript_object"];
    let entries = lists
        .into_iter()
        .filter_map(|name| fields.list(name))
        .find(|entries| !entries.is_empty());
    let Some(entries) = entries else {
        return of_lines(&call.id, &fields.text("transcript").unwrap_or_default());
    };
    let mut transcript = Transcript::of(&call.id);
    for entry in entries {
        if let Value::Object(entry) = entry {
            say(&mut transcript, Fields::new(entry), call.started_at);
        }
    }
    transcript.messages()
}

fn say(transcript: &mut Transcript<'_>, mut entry: Fields, started_at: Option<Timestamp>) {
    let at = span(&mut entry, started_at);
    let kind = entry.text("role").unwrap_or_default();
    match kind.as_str() {
        "tool_call_invocation" => {
            let id = entry.text("tool_call_id");
            let name = entry.text("name");
            let args = parsed(entry.any("arguments"));
            transcript.call(id.as_deref(), name, args, at);
        }
        "tool_call_result" => {
            let id = entry.text("tool_call_id");
            let result = parsed(entry.any("content"));
            transcript.answer(id.as_deref(), None, result, at);
        }
        word => {
            // Whoever is new must not be taken for the caller.
            let role = Role::of(word);
            transcript.say(None, role, entry.prose("content"), at);
        }
    }
}

/// From the first word to the last; words have seconds from the call's beginning.
fn span(entry: &mut Fields, started_at: Option<Timestamp>) -> Span {
    let words = entry.list("words").unwrap_or_default();
    let moment = |word: Option<&Value>, name: &str| {
        let secs = word?.get(name)?.as_f64()?;
        let offset = std::time::Duration::try_from_secs_f64(secs).ok()?;
        Some(started_at?.plus(offset))
    };
    Span {
        from: moment(words.first(), "start"),
        to: moment(words.last(), "end"),
    }
}
