//! From Bland's call object to the canonical call, and of its words to our reasons
//! (`platforms.md` §5.1). The webhooks carry the same object that the API answers with.

use serde_json::{Map, Value};

use crate::conversation::{Conversation, Message, Role, Status};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;
use crate::platform::transcript::{Span, Transcript, of_lines};
use crate::time::Timestamp;

/// Fields that hold the transcript once more, or the customer's own headers.
const LEFT_OUT: [&str; 6] = [
    "transcripts",
    "concatenated_transcript",
    "corrected_transcript",
    "aligned",
    "request_data",
    "pathway_logs",
];

/// Whether the word is one for a call that is over.
pub(super) fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "complete") || undialled(status).is_some()
}

/// Why a call with this status never connected.
fn undialled(status: &str) -> Option<EndReason> {
    Some(match status {
        "busy" => EndReason::DialBusy,
        "no-answer" | "no_answer" => EndReason::DialNoAnswer,
        "failed" | "canceled" | "cancelled" => EndReason::DialFailed,
        _ => return None,
    })
}

/// Maps a call. `or_at` is when it was created where it does not say so; `told_over` that it came
/// with the event of its end.
pub(super) fn call(
    object: Map<String, Value>,
    naming: &Naming,
    or_at: Timestamp,
    told_over: bool,
) -> Result<Fetched, &'static str> {
    let mut fields = Fields::new(object);
    let id = fields
        .text("call_id")
        .or_else(|| fields.text("c_id"))
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no call_id")?;
    let started_at = fields.time("started_at");
    let created_at = fields.time("created_at").or(started_at).unwrap_or(or_at);
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    call.ended_at = fields.time("end_at");
    let word = fields
        .text("status")
        .or_else(|| fields.text("queue_status"));
    let completed = fields.text("completed").as_deref() == Some("true");
    let reason = reason(&mut fields, word.as_deref());
    let never = said(reason.as_ref()).is_some_and(EndReason::is_dial);
    let over =
        told_over || completed || call.ended_at.is_some() || word.as_deref().is_some_and(is_over);
    call.status = match (over, never) {
        (true, true) => Status::Failed,
        (true, false) => Status::Completed,
        (false, _) if started_at.is_some() => Status::Active,
        (false, _) => Status::Pending,
    };
    let lasted = duration(&mut fields);
    if !never {
        call.started_at = started_at;
        call.duration_ms = lasted;
    }
    fill(&mut call, &mut fields);
    let agent = ["agent_id", "persona_id", "pathway_id"]
        .into_iter()
        .find_map(|name| fields.text(name));
    call.agent_id = naming
        .agent_id(agent.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let messages = messages(&call.id, &mut fields);
    call.platform_fields = fields.rest();
    call.platform_fields
        .retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    Ok(Fetched {
        conversation: call,
        messages,
        reason,
        seen: None,
    })
}

fn said(reason: Option<&PlatformReason>) -> Option<&EndReason> {
    reason?.reason.as_ref()
}

/// The word that says most: that it never connected, that a machine answered, that it was handed on,
/// who hung up. What is taken stays in the record as it came.
fn reason(fields: &mut Fields, status: Option<&str>) -> Option<PlatformReason> {
    let mapped = |raw: &str, reason| {
        Some(PlatformReason {
            reason: Some(reason),
            raw: raw.to_owned(),
        })
    };
    if let Some((raw, reason)) = status.and_then(|raw| Some((raw, undialled(raw)?))) {
        return mapped(raw, reason);
    }
    let answered = fields.text("answered_by");
    match answered.as_deref() {
        Some("voicemail") => return mapped("voicemail", EndReason::VoicemailHangup),
        Some("no-answer") => return mapped("no-answer", EndReason::DialNoAnswer),
        _ => {}
    }
    if let Some(to) = fields.text("transferred_to") {
        fields.put("transferred_to", Value::String(to));
        return mapped("transferred_to", EndReason::Transferred);
    }
    let raw = fields.text("call_ended_by")?;
    let reason = match &*raw.to_ascii_lowercase() {
        "agent" | "assistant" => Some(EndReason::AgentEnded),
        "user" => Some(EndReason::CallerHangup),
        // The system ends calls for many reasons.
        _ => None,
    };
    Some(PlatformReason { reason, raw })
}

/// `corrected_duration` is in seconds, `call_length` in minutes with a fraction.
fn duration(fields: &mut Fields) -> Option<i64> {
    let corrected = fields.lasted("corrected_duration", 1_000.0);
    let length = fields.lasted("call_length", 60_000.0);
    corrected.or(length)
}

fn fill(call: &mut Conversation, fields: &mut Fields) {
    let direction = match fields.text("inbound").as_deref() {
        Some("true") => Some(Direction::Inbound),
        Some("false") => Some(Direction::Outbound),
        _ => None,
    };
    let line = Line {
        direction,
        from: fields.text("from"),
        to: fields.text("to"),
    };
    line.write(call);
    call.cost_cents = fields.cents("price");
    call.recording_url = fields.text("recording_url");
    call.summary = fields.text("summary");
    call.metadata = fields.object("metadata").unwrap_or_default();
    call.dynamic_variables = fields.object_or_null("variables");
}

/// The corrected transcript where there is one, else the first, else its lines.
fn messages(id: &ConversationId, fields: &mut Fields) -> Vec<Message> {
    let entries = ["corrected_transcript", "transcripts"]
        .into_iter()
        .filter_map(|name| fields.list(name))
        .find(|entries| !entries.is_empty())
        .unwrap_or_default();
    let mut transcript = Transcript::of(id);
    for entry in entries {
        let Value::Object(entry) = entry else {
            continue;
        };
        let mut entry = Fields::new(entry);
        let word = entry.text("user").or_else(|| entry.text("speaker"));
        let word = word.unwrap_or_default();
        let role = match word.as_str() {
            "agent-action" => Role::System,
            // Whoever is new must not be taken for the caller.
            word => Role::of(word),
        };
        let at = Span {
            from: entry.time("created_at"),
            to: None,
        };
        let said = entry.text("text").unwrap_or_default();
        transcript.say(entry.text("id").as_deref(), role, said, at);
    }
    let messages = transcript.messages();
    if messages.is_empty() {
        return of_lines(
            id,
            &fields.text("concatenated_transcript").unwrap_or_default(),
        );
    }
    messages
}
