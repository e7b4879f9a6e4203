//! From Vonage's events to the canonical call, and of its words to our reasons (`platforms.md` §5.1).
//! Its numbers are international without the plus sign. Fields newer than 2021, as
//! `disconnected_by`, are unverified and kept as they come.

use serde_json::Value;

use crate::conversation::Status;
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line, with_plus};
use crate::platform::naming::Naming;
use crate::time::Timestamp;

/// Whether the word is one for a call that is over.
pub(super) fn is_over(status: &str) -> bool {
    status == "completed" || undialled(status, None).is_some()
}

/// Why a call with this status and `detail` never connected.
fn undialled(status: &str, detail: Option<&str>) -> Option<EndReason> {
    Some(match (status, detail) {
        ("busy", _) => EndReason::DialBusy,
        ("timeout" | "unanswered", _) => EndReason::DialNoAnswer,
        ("rejected", Some("invalid_number")) | ("cancelled" | "failed", _) => EndReason::DialFailed,
        ("rejected", _) => EndReason::DialRejected,
        _ => return None,
    })
}

/// The call: the conversation that all its legs share, else the leg.
pub(super) fn id(fields: &Fields) -> Option<String> {
    fields
        .peek("conversation_uuid")
        .or_else(|| fields.peek("uuid"))
}

/// Maps a terminal event.
pub(super) fn call(
    mut fields: Fields,
    naming: &Naming,
    received_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let id = id(&fields)
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no uuid")?;
    let status = fields.text("status").ok_or("it has no status")?;
    let detail = fields.peek("detail");
    let at = fields.time("timestamp").unwrap_or(received_at);
    let started_at = fields.time("start_time");
    let ended_at = fields.time("end_time").unwrap_or(at);
    let lasted = fields.lasted("duration", 1_000.0);
    let mut call = naming
        .blank(id, started_at.unwrap_or(at).min(ended_at))
        .ok_or("the source has no name")?;
    call.ended_at = Some(ended_at);
    let never = undialled(&status, detail.as_deref());
    if never.is_some() {
        call.status = Status::Failed;
    } else {
        call.status = Status::Completed;
        call.started_at = started_at;
        call.duration_ms = lasted;
    }
    let line = Line {
        direction: fields
            .text("direction")
            .and_then(|word| Direction::read(&word)),
        from: fields.text("from").map(with_plus),
        to: fields.text("to").map(with_plus),
    };
    line.write(&mut call);
    call.recording_url = fields.text("recording_url");
    let code = fields.integer("sip_code");
    let seen = code
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| never.is_some() && (300..=699).contains(code))
        .map(EndReason::of_sip_code);
    if let Some(code) = code {
        fields.put("sip_code", Value::from(code));
    }
    call.agent_id = naming
        .agent_id(None, &call)
        .ok_or("it has no agent, and the source no name")?;
    call.platform_fields = fields.rest();
    Ok(Fetched {
        conversation: call,
        messages: Vec::new(),
        // `completed` does not say who hung up.
        reason: Some(PlatformReason {
            reason: never,
            raw: status,
        }),
        seen,
    })
}
