//! From ElevenLabs' conversation to the canonical call: of a single read, of a row of the list, and
//! of a webhook (`platforms.md` §2.3 and §9). Voiceable answers in the same words, with a few more.

use serde_json::{Map, Value};

use super::reason;
use crate::conversation::{CallSuccess, Conversation, Message, Role, Status, Transport};
use crate::end_reason::PlatformReason;
use crate::id::ConversationId;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;
use crate::platform::transcript::{Span, Transcript, parsed};
use crate::platform::{Fetched, Listed};
use crate::time::Timestamp;

/// Maps a conversation. `or_at` is when it was created where it says no time of its own.
pub(in crate::platform) fn call(
    object: Map<String, Value>,
    naming: &Naming,
    or_at: Option<Timestamp>,
) -> Result<Fetched, &'static str> {
    let mut fields = Fields::new(object);
    let mut metadata = Fields::new(fields.object("metadata").unwrap_or_default());
    let id = fields
        .text("conversation_id")
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no conversation_id")?;
    let dialled_at = metadata
        .time("start_time_unix_secs")
        .or_else(|| fields.time("start_time_unix_secs"))
        .or_else(|| fields.time("created_at"));
    let created_at = dialled_at.or(or_at).ok_or("it has no time of its start")?;
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    call.status = status(fields.text("status").as_deref());
    let accepted_at = metadata.time("accepted_time_unix_secs");
    let secs = metadata
        .seconds("call_duration_secs")
        .or_else(|| fields.seconds("call_duration_secs"));
    time(&mut call, dialled_at, accepted_at, secs);
    line(&mut call, &mut fields, &mut metadata);
    fill(&mut call, &mut fields);
    let agent_id = fields.text("agent_id");
    call.agent_id = naming
        .agent_id(agent_id.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let word = metadata
        .text("termination_reason")
        .or_else(|| fields.text("termination_reason"));
    let reason = word.map(|raw| PlatformReason {
        reason: reason::of_termination(&raw),
        raw,
    });
    let began = call.started_at.unwrap_or(created_at);
    let messages = messages(
        &call.id,
        fields.list("transcript").unwrap_or_default(),
        began,
    );
    let metadata = metadata.rest();
    if naming.platform == super::NAME {
        // It is the platform's own, not its customer's.
        if !metadata.is_empty() {
            fields.put("metadata", Value::Object(metadata));
        }
    } else {
        call.metadata = metadata;
    }
    call.platform_fields = fields.rest();
    Ok(Fetched {
        conversation: call,
        messages,
        reason,
        seen: None,
    })
}

/// Maps a row of the list.
pub(in crate::platform) fn listed(row: Value, naming: &Naming) -> Result<Listed, &'static str> {
    let Value::Object(row) = row else {
        return Err("a row of it is not an object");
    };
    let message_count = row.get("message_count").and_then(Value::as_i64);
    let mut fetched = call(row, naming, None)?;
    fetched.conversation.message_count = message_count.unwrap_or(0);
    Ok(fetched.into())
}

/// `processing` is not over yet: the analysis and the reason are still to come.
fn status(word: Option<&str>) -> Status {
    match word {
        Some("initiated" | "pending") => Status::Pending,
        Some("in-progress" | "in_progress" | "processing" | "active") | None => Status::Active,
        Some("done" | "completed" | "ended") => Status::Completed,
        Some("failed") => Status::Failed,
        Some(other) => Status::from(other),
    }
}

/// A call that failed after no time at all never connected, whatever times it has.
fn time(
    call: &mut Conversation,
    dialled_at: Option<Timestamp>,
    accepted_at: Option<Timestamp>,
    secs: Option<i64>,
) {
    let never = call.status == Status::Failed && secs.unwrap_or(0) <= 0 && accepted_at.is_none();
    if !never {
        call.started_at = accepted_at.or(dialled_at);
        call.duration_ms = secs.map(|secs| secs.saturating_mul(1000));
    }
    if call.status.is_terminal() {
        let lasted = secs.and_then(|secs| u64::try_from(secs).ok());
        call.ended_at = dialled_at
            .zip(lasted)
            .map(|(at, secs)| at.plus(std::time::Duration::from_secs(secs)));
    }
}

/// The caller is the number at the other end; `user_id` only where there is none (product contract §7).
fn line(call: &mut Conversation, fields: &mut Fields, metadata: &mut Fields) {
    let row_direction = fields.text("direction");
    let user_id = fields.text("user_id");
    if let Some(phone) = metadata.object("phone_call") {
        let mut phone = Fields::new(phone);
        let word = phone.text("direction").or(row_direction);
        let direction = word.and_then(|word| Direction::read(&word));
        let (theirs, ours) = (phone.text("external_number"), phone.text("agent_number"));
        let (from, to) = match direction {
            Some(Direction::Outbound) => (ours, theirs),
            Some(Direction::Inbound) | None => (theirs, ours),
        };
        Line {
            direction,
            from,
            to,
        }
        .write(call);
        let rest = phone.rest();
        if !rest.is_empty() {
            fields.put("phone_call", Value::Object(rest));
        }
    } else if let Some(direction) = row_direction.and_then(|word| Direction::read(&word)) {
        Line {
            direction: Some(direction),
            ..Line::default()
        }
        .write(call);
    } else if metadata.peek("authorization_method").as_deref() == Some("whatsapp") {
        call.transport = Transport::Whatsapp;
    }
    if call.caller_identity.is_empty() {
        call.caller_identity = user_id.unwrap_or_default();
    } else if let Some(user_id) = user_id {
        fields.put("user_id", Value::String(user_id));
    }
}

fn fill(call: &mut Conversation, fields: &mut Fields) {
    call.agent_name = fields.text("agent_name");
    let mut analysis = Fields::new(fields.object("analysis").unwrap_or_default());
    call.summary = analysis
        .text("transcript_summary")
        .or_else(|| fields.text("transcript_summary"))
        .or_else(|| fields.text("summary"));
    call.call_successful = analysis
        .text("call_successful")
        .or_else(|| fields.text("call_successful"))
        .map(|word| match &*word {
            "true" => CallSuccess::Success,
            "false" => CallSuccess::Failure,
            other => CallSuccess::from(other),
        });
    let analysis = analysis.rest();
    if !analysis.is_empty() {
        fields.put("analysis", Value::Object(analysis));
    }
    // Said on the list alone; counted anew with every transcript.
    fields.any("message_count");
    if let Some(data) = fields.object("conversation_initiation_client_data") {
        let mut data = Fields::new(data);
        call.dynamic_variables = data.object_or_null("dynamic_variables").map(|mut all| {
            all.retain(|key, _| !key.starts_with("system__"));
            all
        });
        let rest = data.rest();
        if !rest.is_empty() {
            fields.put("conversation_initiation_client_data", Value::Object(rest));
        }
    }
}

/// The transcript. A turn has a place in seconds from the beginning, and may call tools, which answer
/// in a later turn.
fn messages(conversation: &ConversationId, turns: Vec<Value>, began: Timestamp) -> Vec<Message> {
    let mut transcript = Transcript::of(conversation);
    for turn in turns {
        let Value::Object(turn) = turn else { continue };
        let mut turn = Fields::new(turn);
        let at = turn
            .seconds("time_in_call_secs")
            .and_then(|secs| u64::try_from(secs).ok())
            .map(|secs| began.plus(std::time::Duration::from_secs(secs)));
        let at = Span {
            from: at.or_else(|| turn.time("started_at")),
            to: turn.time("ended_at"),
        };
        let speaker = turn.text("role").unwrap_or_default();
        let speaker = Role::of(&speaker);
        let mut words = turn.prose("message");
        if words.is_empty() {
            words = turn.prose("content");
        }
        transcript.say(None, speaker, words, at);
        for called in objects(&mut turn, "tool_calls") {
            let mut called = Fields::new(called);
            let (id, name) = (called.text("request_id"), called.text("tool_name"));
            let args = parsed(called.any("params_as_json"));
            transcript.call(id.as_deref(), name, args, at);
        }
        for answered in objects(&mut turn, "tool_results") {
            let mut answered = Fields::new(answered);
            let (id, name) = (answered.text("request_id"), answered.text("tool_name"));
            let result = parsed(answered.any("result_value"));
            transcript.answer(id.as_deref(), name, result, at);
        }
    }
    transcript.messages()
}

fn objects(fields: &mut Fields, key: &str) -> impl Iterator<Item = Map<String, Value>> {
    let list = fields.list(key).unwrap_or_default();
    list.into_iter().filter_map(|value| match value {
        Value::Object(object) => Some(object),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
