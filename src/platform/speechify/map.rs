//! From Speechify's JSON to the canonical call: every field of the first source document, and of the
//! present schema (`platforms.md` §4.2). What has no place stays in `platform_fields`.

use serde_json::{Map, Value};

use crate::conversation::{
    CallSuccess, Conversation, IvrSurrenderReason, Message, Role, Status, Transport,
};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::{ConversationId, MessageId, of_content};
use crate::memory::redact::redact_text;
use crate::platform::fields::Fields;
use crate::platform::naming::Naming;
use crate::platform::{Fetched, Listed};
use crate::time::Timestamp;

/// Maps a conversation, of a single read, of a list or of a webhook. `or_at` is when it was created
/// where it says no time of its own.
pub(in crate::platform) fn conversation(
    answer: Map<String, Value>,
    naming: &Naming,
    or_at: Option<Timestamp>,
) -> Result<(Conversation, Option<PlatformReason>), &'static str> {
    let mut fields = Fields::new(answer);
    let id = fields
        .text("id")
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no id")?;
    let status = fields.text("status").ok_or("it has no status")?;
    let agent_id = fields.text("agent_id");
    let started_at = fields.time("started_at");
    let ended_at = fields.time("ended_at");
    let created_at = fields
        .time("created_at")
        .or(started_at)
        .or(ended_at)
        .or(or_at)
        .ok_or("it has no created_at")?;
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    call.status = Status::from(&*status);
    call.started_at = started_at;
    call.ended_at = ended_at;
    if let Some(transport) = fields.text("transport") {
        call.transport = Transport::from(&*transport);
    }
    fill(&mut call, &mut fields);
    call.agent_id = naming
        .agent_id(agent_id.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let reason = fields.text("end_reason").map(|raw| PlatformReason {
        reason: Some(EndReason::from(&*raw)),
        raw,
    });
    call.platform_fields = fields.rest();
    Ok((call, reason))
}

fn fill(call: &mut Conversation, fields: &mut Fields) {
    call.room_name = fields
        .text_or_null("room_name")
        .map(|name| redact_text(&name));
    call.room_sid = fields.text_or_null("room_sid");
    call.metadata = fields.object("metadata").unwrap_or_default();
    call.message_count = fields.count("message_count").unwrap_or(0);
    call.duration_ms = fields.lasted("duration_ms", 1.0);
    call.cost_cents = fields.integer("cost_cents");
    call.recording_url = fields.text("recording_url");
    call.recording_started_at = fields.time("recording_started_at");
    call.caller_identity = fields.text("caller_identity").unwrap_or_default();
    call.from_number = fields.text("from_number");
    call.to_number = fields.text("to_number");
    call.agent_snapshot = fields.value("agent_snapshot");
    call.agent_name = fields.text("agent_name").or_else(|| {
        let name = call.agent_snapshot.value()?.get("name")?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    });
    call.dynamic_variables = fields.object_or_null("dynamic_variables").map(|mut all| {
        all.retain(|key, _| !key.starts_with("system__"));
        all
    });
    call.ivr_menu_id = fields.text_or_null("ivr_menu_id");
    call.ivr_path_taken = fields.objects_or_null("ivr_path_taken");
    call.ivr_surrender_reason = fields
        .text_or_null("ivr_surrender_reason")
        .map(|reason| IvrSurrenderReason::from(&*reason));
    call.summary = fields.text("summary");
    call.call_successful = fields
        .text("call_successful")
        .map(|success| match &*success {
            "true" => CallSuccess::Success,
            "false" => CallSuccess::Failure,
            other => CallSuccess::from(other),
        });
    call.user_turn_count = fields.count("user_turn_count");
}

/// Maps a conversation that an event tells of by itself: it is over, unless it says otherwise.
pub(in crate::platform) fn told(
    mut call: Map<String, Value>,
    rows: Vec<Value>,
    naming: &Naming,
    or_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let status = call.entry("status").or_insert(Value::Null);
    if status.is_null() {
        *status = Status::Completed.as_str().into();
    }
    let (mut conversation, reason) = conversation(call, naming, Some(or_at))?;
    // The event's type says that the call is over: a word of the sender's own takes nothing from that.
    if let Status::Other(word) = &conversation.status {
        let word = Value::from(&**word);
        conversation
            .platform_fields
            .insert("status".to_owned(), word);
        conversation.status = Status::Completed;
    }
    if conversation.duration_ms.is_none()
        && let (Some(from), Some(to)) = (conversation.started_at, conversation.ended_at)
    {
        conversation.duration_ms = i64::try_from(to.since(from).as_millis()).ok();
    }
    let messages = messages(&conversation.id, rows)?;
    Ok(Fetched {
        conversation,
        messages,
        reason,
        seen: None,
    })
}

/// Maps a row of the list.
pub(super) fn listed(row: Value, naming: &Naming) -> Result<Listed, &'static str> {
    let Value::Object(row) = row else {
        return Err("a row of it is not an object");
    };
    let (conversation, reason) = conversation(row, naming, None)?;
    Ok(Listed {
        conversation,
        reason,
    })
}

/// Maps the messages of all pages, in order. A message that stands on two pages counts once.
pub(in crate::platform) fn messages(
    conversation: &ConversationId,
    rows: Vec<Value>,
) -> Result<Vec<Message>, &'static str> {
    let mut seen = std::collections::HashSet::new();
    let mut messages = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let Value::Object(row) = row else {
            return Err("a message of it is not an object");
        };
        let message = message(conversation, index, row)?;
        if seen.insert(message.id.clone()) {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn message(
    conversation: &ConversationId,
    index: usize,
    row: Map<String, Value>,
) -> Result<Message, &'static str> {
    let mut fields = Fields::new(row);
    let content = fields.prose("content");
    let id = fields
        .text("id")
        .and_then(|id| MessageId::new(&id).ok())
        .map_or_else(|| made_id(conversation, index, &content), Ok)?;
    Ok(Message {
        id,
        // A message of nobody must not be taken for the caller's.
        role: Role::of(fields.text("role").as_deref().unwrap_or("unknown")),
        content,
        tool_name: fields.text("tool_name"),
        tool_args: fields.value("tool_args").value().cloned(),
        tool_result: fields.value("tool_result").value().cloned(),
        started_at: fields.time("started_at"),
        ended_at: fields.time("ended_at"),
    })
}

/// The id of a message that has none: the same at every fetch.
fn made_id(
    conversation: &ConversationId,
    index: usize,
    content: &str,
) -> Result<MessageId, &'static str> {
    let id = of_content(
        "msg_",
        &[conversation.as_str(), &index.to_string(), content],
    );
    MessageId::new(&id).map_err(|_| "a message of it can't be named")
}

#[cfg(test)]
mod tests;
