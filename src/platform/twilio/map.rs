//! From Twilio's callbacks and call resources to the canonical call, and of its words to our reasons
//! (`platforms.md` §5.1).

use crate::conversation::{Conversation, Status};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;
use crate::time::Timestamp;

/// Whether the word is one for a call that is over.
pub(in crate::platform) fn is_over(status: &str) -> bool {
    status == "completed" || undialled(status).is_some()
}

/// Why a call with this status never connected.
pub(in crate::platform) fn undialled(status: &str) -> Option<EndReason> {
    Some(match status {
        "busy" => EndReason::DialBusy,
        "no-answer" => EndReason::DialNoAnswer,
        "failed" | "canceled" => EndReason::DialFailed,
        _ => return None,
    })
}

/// The names of a call's fields, which callbacks and resources spell differently.
struct Names {
    id: &'static str,
    status: &'static str,
    from: &'static str,
    to: &'static str,
    direction: &'static str,
    seconds: &'static str,
    answered_by: &'static str,
}

const CALLBACK: Names = Names {
    id: "CallSid",
    status: "CallStatus",
    from: "From",
    to: "To",
    direction: "Direction",
    seconds: "CallDuration",
    answered_by: "AnsweredBy",
};

const RESOURCE: Names = Names {
    id: "sid",
    status: "status",
    from: "from",
    to: "to",
    direction: "direction",
    seconds: "duration",
    answered_by: "answered_by",
};

/// Maps a status callback. It tells when it was sent, and how long the call lasted.
pub(super) fn callback(
    mut fields: Fields,
    naming: &Naming,
    received_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let ended_at = fields.time("Timestamp").unwrap_or(received_at);
    let code = fields.integer("SipResponseCode");
    let recording = fields.text("RecordingUrl");
    let mut fetched = call(&CALLBACK, &mut fields, naming, ended_at)?;
    let call = &mut fetched.conversation;
    call.ended_at = Some(ended_at);
    if let Some(lasted) = call.duration_ms.and_then(|ms| u64::try_from(ms).ok()) {
        call.started_at = Some(ended_at.minus(std::time::Duration::from_millis(lasted)));
        call.created_at = call.started_at.unwrap_or(ended_at);
    }
    call.recording_url = recording;
    call.platform_fields = fields.rest();
    if call.status == Status::Failed {
        fetched.seen = code
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (300..=699).contains(code))
            .map(EndReason::of_sip_code);
    }
    Ok(fetched)
}

/// Maps a call resource of the API.
pub(super) fn resource(
    mut fields: Fields,
    naming: &Naming,
    or_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let started_at = fields.time("start_time");
    let ended_at = fields.time("end_time");
    let created_at = fields.time("date_created").or(started_at).unwrap_or(or_at);
    let mut fetched = call(&RESOURCE, &mut fields, naming, created_at)?;
    let call = &mut fetched.conversation;
    call.ended_at = ended_at.filter(|_| call.status.is_terminal());
    if call.status != Status::Failed {
        call.started_at = started_at;
    }
    // Prices are negative, for they are taken from the account.
    let price = fields.cents("price").map(i64::abs);
    if fields.text("price_unit").as_deref() == Some("USD") {
        call.cost_cents = price;
    }
    let mut rest = fields.rest();
    rest.retain(|name, _| !matches!(name.as_str(), "uri" | "subresource_uris"));
    call.platform_fields = rest;
    Ok(fetched)
}

fn call(
    names: &Names,
    fields: &mut Fields,
    naming: &Naming,
    created_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let id = fields
        .text(names.id)
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no call id")?;
    let status = fields.text(names.status).ok_or("it has no status")?;
    let lasted = fields.lasted(names.seconds, 1_000.0);
    let answered_by = fields.text(names.answered_by);
    let mut call = naming
        .blank(id, created_at)
        .ok_or("the source has no name")?;
    call.status = read_status(&status);
    if call.status == Status::Completed {
        call.duration_ms = lasted;
    }
    let line = Line {
        direction: fields
            .text(names.direction)
            .and_then(|word| Direction::read(&word)),
        from: fields.text(names.from),
        to: fields.text(names.to),
    };
    line.write(&mut call);
    call.agent_id = naming
        .agent_id(None, &call)
        .ok_or("it has no agent, and the source no name")?;
    let reason = reason(&call, status, answered_by);
    Ok(Fetched {
        conversation: call,
        messages: Vec::new(),
        reason,
        seen: None,
    })
}

fn read_status(word: &str) -> Status {
    match word {
        "completed" => Status::Completed,
        "in-progress" => Status::Active,
        "queued" | "initiated" | "ringing" => Status::Pending,
        word if undialled(word).is_some() => Status::Failed,
        other => Status::from(other),
    }
}

/// `completed` does not say who hung up; who answered does, where a machine did.
fn reason(
    call: &Conversation,
    status: String,
    answered_by: Option<String>,
) -> Option<PlatformReason> {
    if !call.status.is_terminal() {
        return None;
    }
    let by_machine = answered_by.as_deref().and_then(|who| match who {
        who if who.starts_with("machine") => Some(EndReason::VoicemailHangup),
        "fax" => Some(EndReason::UnavailableHangup),
        _ => None,
    });
    let (raw, reason) = match (undialled(&status), by_machine, answered_by) {
        (None, Some(reason), Some(who)) => (who, Some(reason)),
        (reason, ..) => (status, reason),
    };
    Some(PlatformReason { reason, raw })
}
