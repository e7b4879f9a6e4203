//! From Plivo's callbacks and call resources to the canonical call, and of its words to our reasons
//! (`platforms.md` §5.1). Its numbers are international without the plus sign.

use crate::conversation::{Conversation, Status};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line, with_plus};
use crate::platform::naming::Naming;
use crate::time::Timestamp;

/// Whether the word is one for a call that is over.
pub(super) fn is_over(status: &str) -> bool {
    status == "completed" || undialled(status).is_some()
}

/// Why a call with this status never connected.
fn undialled(status: &str) -> Option<EndReason> {
    Some(match status {
        "busy" => EndReason::DialBusy,
        "no-answer" | "timeout" => EndReason::DialNoAnswer,
        "failed" | "cancel" => EndReason::DialFailed,
        _ => return None,
    })
}

/// Maps a callback.
pub(super) fn callback(
    mut fields: Fields,
    naming: &Naming,
    received_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let id = fields.text("CallUUID");
    let status = fields.text("CallStatus").ok_or("it has no status")?;
    let placed_at = fields.time("StartTime");
    let answered_at = fields.time("AnswerTime");
    let ended_at = fields.time("EndTime");
    let created_at = placed_at.or(answered_at).or(ended_at);
    let mut call = blank(naming, id, created_at.unwrap_or(received_at))?;
    call.status = match status.as_str() {
        "completed" => Status::Completed,
        "in-progress" => Status::Active,
        "ringing" => Status::Pending,
        word if undialled(word).is_some() => Status::Failed,
        other => Status::from(other),
    };
    if call.status == Status::Completed {
        call.started_at = answered_at.or(placed_at);
        call.duration_ms = fields.lasted("Duration", 1_000.0);
    }
    call.ended_at = ended_at.or(Some(received_at));
    line("Direction", "From", "To", &mut fields).write(&mut call);
    call.cost_cents = fields.cents("TotalCost");
    call.recording_url = fields.text("RecordUrl");
    let source = fields.text("HangupSource");
    let cause = fields.text("HangupCause");
    finish(call, fields, naming, &status, source, cause)
}

/// Maps a call resource of the API.
pub(super) fn resource(
    mut fields: Fields,
    naming: &Naming,
    or_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let id = fields.text("call_uuid");
    let placed_at = fields.time("initiation_time");
    let answered_at = fields.time("answer_time");
    let ended_at = fields.time("end_time");
    let created_at = placed_at.or(answered_at).or(ended_at).unwrap_or(or_at);
    let mut call = blank(naming, id, created_at)?;
    let state = fields.text("call_state").unwrap_or_default();
    // Finished calls are listed as ANSWER, BUSY and the like, running ones by their status.
    let status = match state.to_ascii_lowercase().as_str() {
        "answer" | "answered" | "ended" | "" if ended_at.is_some() => "completed".to_owned(),
        "no_answer" | "noanswer" => "no-answer".to_owned(),
        "cancelled" | "canceled" => "cancel".to_owned(),
        other => other.to_owned(),
    };
    call.status = match undialled(&status) {
        Some(_) => Status::Failed,
        None if ended_at.is_some() => Status::Completed,
        None if answered_at.is_some() => Status::Active,
        None => Status::Pending,
    };
    call.ended_at = ended_at;
    if call.status != Status::Failed {
        call.started_at = answered_at;
        let lasted = fields.lasted("call_duration", 1_000.0);
        call.duration_ms = lasted.filter(|_| call.status == Status::Completed);
    }
    line("call_direction", "from_number", "to_number", &mut fields).write(&mut call);
    call.cost_cents = fields.cents("total_amount");
    let source = fields.text("hangup_source");
    let cause = fields.text("hangup_cause_name");
    finish(call, fields, naming, &status, source, cause)
}

fn blank(
    naming: &Naming,
    id: Option<String>,
    created_at: Timestamp,
) -> Result<Conversation, &'static str> {
    let id = id
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no call id")?;
    naming.blank(id, created_at).ok_or("the source has no name")
}

fn line(direction: &str, from: &str, to: &str, fields: &mut Fields) -> Line {
    Line {
        direction: fields
            .text(direction)
            .and_then(|word| Direction::read(&word)),
        from: fields.text(from).map(with_plus),
        to: fields.text(to).map(with_plus),
    }
}

fn finish(
    mut call: Conversation,
    fields: Fields,
    naming: &Naming,
    status: &str,
    source: Option<String>,
    cause: Option<String>,
) -> Result<Fetched, &'static str> {
    call.agent_id = naming
        .agent_id(None, &call)
        .ok_or("it has no agent, and the source no name")?;
    let reason = reason(&call, status, source.as_deref(), cause.as_deref());
    call.platform_fields = fields.rest();
    for (name, value) in [("HangupSource", source), ("HangupCause", cause)] {
        call.platform_fields
            .extend(value.map(|value| (name.to_owned(), value.into())));
    }
    Ok(Fetched {
        conversation: call,
        messages: Vec::new(),
        reason,
        seen: None,
    })
}

/// A completed call was ended by somebody: the external party's leg, or what our side told Plivo.
fn reason(
    call: &Conversation,
    status: &str,
    source: Option<&str>,
    cause: Option<&str>,
) -> Option<PlatformReason> {
    if !call.status.is_terminal() {
        return None;
    }
    if let Some(reason) = undialled(status) {
        return Some(PlatformReason {
            reason: Some(reason),
            raw: status.to_owned(),
        });
    }
    let who = source.map(str::to_ascii_lowercase);
    let reason = match who.as_deref() {
        Some("caller") if !call.is_outbound() => Some(EndReason::CallerHangup),
        Some("call recipient" | "callee") if call.is_outbound() => Some(EndReason::CallerHangup),
        Some("caller") if call.is_outbound() => Some(EndReason::AgentEnded),
        Some("api request" | "answer xml") => Some(EndReason::AgentEnded),
        _ => None,
    };
    let raw = match (cause, source) {
        (Some(cause), Some(source)) => format!("{cause} ({source})"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => status.to_owned(),
    };
    Some(PlatformReason { reason, raw })
}
