//! From Anyreach's conversation to the canonical call (`platforms.md` §3 and §9).

use serde_json::{Map, Value};

use super::transcript;
use crate::conversation::{Conversation, Status, Transport};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;

/// What a token without the scope for it does not see: absent then, and never null.
const SENSITIVE: [&str; 6] = [
    "conversation",
    "summary",
    "recording_details",
    "custom_metadata",
    "initial_context",
    "agent",
];

/// Whether an answer leaves all of that out.
pub(super) fn is_bare(answer: &Map<String, Value>) -> bool {
    SENSITIVE.iter().all(|name| !answer.contains_key(*name))
}

/// Maps a conversation, of a single read or of a list.
pub(super) fn call(answer: Map<String, Value>, naming: &Naming) -> Result<Fetched, &'static str> {
    let mut fields = Fields::new(answer);
    let id = fields
        .text("id")
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no id")?;
    let created_at = fields.time("created_at").ok_or("it has no created_at")?;
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    let word = fields.text("status").ok_or("it has no status")?;
    call.status = status(&word);
    line(&mut call, &mut fields);
    time(&mut call, &mut fields);
    call.metadata = fields.object("custom_metadata").unwrap_or_default();
    call.summary = fields.text("summary");
    call.user_turn_count = fields.count("user_turn_count");
    if let Some(recording) = fields.object("recording_details") {
        let mut recording = Fields::new(recording);
        call.recording_url = recording.text("recording_url");
        call.recording_started_at = recording.time("started_at");
        let rest = recording.rest();
        if !rest.is_empty() {
            fields.put("recording_details", Value::Object(rest));
        }
    }
    let mut agent = Fields::new(fields.object("agent").unwrap_or_default());
    call.agent_name = agent.text("name");
    let agent_id = fields.text("agent_id").or_else(|| agent.text("id"));
    call.agent_id = naming
        .agent_id(agent_id.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let messages = transcript::messages(&call.id, fields.any("conversation"));
    let reason = reason(&word, &call);
    call.platform_fields = fields.rest();
    Ok(Fetched {
        conversation: call,
        messages,
        reason,
        seen: None,
    })
}

fn status(word: &str) -> Status {
    match word {
        "token_created" | "triggered" | "ringing" => Status::Pending,
        "in_progress" => Status::Active,
        "completed" | "transferred" => Status::Completed,
        "failed" | "cancelled" | "unanswered" => Status::Failed,
        other => Status::from(other),
    }
}

/// The status is all that says why a call ended. A call that failed once it was under way was not
/// failed to be dialled.
fn reason(word: &str, call: &Conversation) -> Option<PlatformReason> {
    let dialled = call.is_outbound() && call.duration_ms.is_none();
    let reason = match word {
        "unanswered" if dialled => Some(EndReason::DialNoAnswer),
        "failed" if dialled => Some(EndReason::DialFailed),
        "transferred" => Some(EndReason::Transferred),
        "unanswered" | "failed" | "cancelled" => None,
        _ => return None,
    };
    Some(PlatformReason {
        reason,
        raw: word.to_owned(),
    })
}

fn line(call: &mut Conversation, fields: &mut Fields) {
    let direction = fields
        .text("direction")
        .and_then(|word| Direction::read(&word));
    let user = fields.text("user_id");
    let channel = fields.text("channel");
    match channel.as_deref() {
        Some("telephone") => {
            let (from, to) = match direction {
                Some(Direction::Outbound) => (fields.text("agent_number"), user.clone()),
                Some(Direction::Inbound) | None => (user.clone(), fields.text("agent_number")),
            };
            Line {
                direction,
                from,
                to,
            }
            .write(call);
        }
        Some("webrtc") | None => call.transport = Transport::Web,
        Some(other) => call.transport = Transport::from(other),
    }
    call.caller_identity = user.unwrap_or_default();
}

/// There is no end among the fields: it is the beginning and the duration, and of a call that never
/// connected its last change.
fn time(call: &mut Conversation, fields: &mut Fields) {
    let changed_at = fields.time("updated_at");
    let secs = fields.seconds("duration").filter(|secs| *secs > 0);
    let lasted = secs.and_then(|secs| u64::try_from(secs).ok());
    if let Some(secs) = lasted {
        let ended = call.created_at.plus(std::time::Duration::from_secs(secs));
        call.started_at = Some(call.created_at);
        call.duration_ms = i64::try_from(secs)
            .ok()
            .map(|secs| secs.saturating_mul(1000));
        call.ended_at = call.status.is_terminal().then_some(ended);
    } else if call.status.is_terminal() {
        call.ended_at = changed_at;
        if call.status == Status::Completed {
            call.started_at = Some(call.created_at);
        }
    }
}

#[cfg(test)]
mod tests;
