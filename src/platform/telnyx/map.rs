//! From Telnyx's events to the canonical call: `data.payload` of Call Control and AI assistants, and
//! the flat callbacks of `TeXML`, which are Twilio's with a `HangupSource`.

use serde_json::Value;

use super::reason;
use crate::conversation::{Conversation, Status, Transport};
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;
use crate::platform::{Fetched, flat, twilio};
use crate::time::Timestamp;

/// The name that a callback of `TeXML` goes by, which has none.
pub(super) const TEXML: &str = "texml";

/// An event, taken out of either envelope.
pub(super) struct Event {
    /// Its kind.
    pub(super) name: String,
    /// What makes a second copy recognisable.
    pub(super) id: Option<String>,
    /// When it happened.
    pub(super) occurred_at: Option<Timestamp>,
    fields: Fields,
}

impl Event {
    /// Reads `{"data": {"event_type", "id", "occurred_at", "payload"}}`, or a flat callback.
    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let mut fields = flat::read(payload).ok_or("the body is neither an object nor a form")?;
        if let Some(data) = fields.object("data") {
            let mut data = Fields::new(data);
            return Ok(Self {
                name: data.text("event_type").ok_or("the body names no event")?,
                id: data.text("id"),
                occurred_at: data.time("occurred_at"),
                fields: Fields::new(data.object("payload").unwrap_or_default()),
            });
        }
        let call = fields.peek("CallSid");
        let status = fields.peek("CallStatus");
        let number = fields.peek("SequenceNumber");
        let (call, status) = call.zip(status).ok_or("the body names no event")?;
        let mut id = format!("{call}:{status}");
        if let Some(number) = number {
            id = format!("{id}:{number}");
        }
        Ok(Self {
            name: TEXML.to_owned(),
            id: Some(id),
            occurred_at: fields.time("Timestamp"),
            fields,
        })
    }

    /// The call: an assistant's conversation, else the session that all legs share.
    pub(super) fn call(&self) -> Option<String> {
        [
            "conversation_id",
            "call_session_id",
            "CallSessionId",
            "CallSid",
        ]
        .into_iter()
        .find_map(|name| self.fields.peek(name))
    }

    /// The assistant that held it.
    pub(super) fn assistant(&self) -> Option<String> {
        self.fields.peek("assistant_id")
    }

    /// The state of a call that `TeXML` reports.
    pub(super) fn status(&self) -> Option<String> {
        self.fields.peek("CallStatus")
    }
}

/// Whether the word is one for a call that is over.
pub(super) fn is_over(status: &str) -> bool {
    twilio::is_over(status)
}

/// Maps the call of an event.
pub(super) fn call(
    event: Event,
    naming: &Naming,
    received_at: Timestamp,
) -> Result<Fetched, &'static str> {
    let id = event
        .call()
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no call id")?;
    let at = event.occurred_at.unwrap_or(received_at);
    let mut fields = event.fields;
    let placed_at = fields.time("start_time");
    let mut call = naming
        .blank(id, placed_at.unwrap_or(at))
        .ok_or("the source has no name")?;
    let direction = ["direction", "Direction"]
        .into_iter()
        .find_map(|name| fields.text(name))
        .and_then(|word| Direction::read(&word));
    let mut text = |names: [&str; 2]| names.into_iter().find_map(|name| fields.text(name));
    let line = Line {
        direction,
        from: text(["from", "From"]),
        to: text(["to", "To"]),
    };
    line.write(&mut call);
    let (reason, seen) = match &*event.name {
        TEXML => texml(&mut call, &mut fields, direction, at),
        "call.hangup" => hangup(&mut call, &mut fields, direction, placed_at, at),
        _ => conversation(&mut call, &mut fields, &event.name, at),
    };
    let assistant = fields.text("assistant_id");
    call.agent_id = naming
        .agent_id(assistant.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let mut rest = fields.rest();
    for taken in [
        "call_session_id",
        "conversation_id",
        "CallSid",
        "client_state",
    ] {
        rest.remove(taken);
    }
    call.platform_fields = rest;
    Ok(Fetched {
        conversation: call,
        messages: Vec::new(),
        reason,
        seen,
    })
}

type Why = (Option<PlatformReason>, Option<EndReason>);

/// A leg of Call Control hung up. The cause says whether it had been answered, else the SIP code.
fn hangup(
    call: &mut Conversation,
    fields: &mut Fields,
    direction: Option<Direction>,
    placed_at: Option<Timestamp>,
    at: Timestamp,
) -> Why {
    let cause = fields.text("hangup_cause").unwrap_or_default();
    let source = fields.text("hangup_source");
    let code = fields
        .integer("sip_hangup_cause")
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (300..=699).contains(code));
    let answered = reason::was_answered(&cause).unwrap_or(code.is_none());
    let ended_at = fields.time("end_time").unwrap_or(at);
    call.ended_at = Some(ended_at);
    if answered {
        call.status = Status::Completed;
        call.started_at = placed_at;
        call.duration_ms = placed_at.map(|from| (ended_at.as_millis() - from.as_millis()).max(0));
    } else {
        call.status = Status::Failed;
    }
    let reason = (!cause.is_empty()).then(|| PlatformReason {
        reason: reason::of(&cause, source.as_deref(), direction),
        raw: cause,
    });
    let seen = code.filter(|_| !answered).map(EndReason::of_sip_code);
    if let Some(source) = source {
        fields.put("hangup_source", Value::String(source));
    }
    (reason, seen)
}

/// A callback of `TeXML`.
fn texml(
    call: &mut Conversation,
    fields: &mut Fields,
    direction: Option<Direction>,
    at: Timestamp,
) -> Why {
    let status = fields.text("CallStatus").unwrap_or_default();
    let source = fields.text("HangupSource");
    let lasted = fields.seconds("CallDuration");
    call.ended_at = Some(at);
    call.recording_url = fields.text("RecordingUrl");
    if let Some(reason) = twilio::undialled(&status) {
        call.status = Status::Failed;
        let reason = Some(reason);
        return (
            Some(PlatformReason {
                reason,
                raw: status,
            }),
            None,
        );
    }
    call.status = Status::Completed;
    if let Some(secs) = lasted.and_then(|secs| u64::try_from(secs).ok()) {
        let started_at = at.minus(std::time::Duration::from_secs(secs));
        call.started_at = Some(started_at);
        call.created_at = started_at;
        call.duration_ms = i64::try_from(secs.saturating_mul(1000)).ok();
    }
    let reason = direction
        .zip(source.as_deref())
        .and_then(|(direction, source)| reason::of_leg(source, direction));
    let raw = source.unwrap_or(status);
    (Some(PlatformReason { reason, raw }), None)
}

/// An assistant's conversation ended, or was analysed. Its `reason` has no published vocabulary.
fn conversation(call: &mut Conversation, fields: &mut Fields, event: &str, at: Timestamp) -> Why {
    if fields.text("calling_party_type").as_deref() == Some("web") {
        call.transport = Transport::Web;
    }
    call.status = Status::Completed;
    let lasted = fields.lasted("duration_sec", 1_000.0);
    if event == "call.conversation.ended" {
        call.ended_at = Some(at);
        call.duration_ms = lasted;
        if let Some(ms) = lasted.and_then(|ms| u64::try_from(ms).ok()) {
            let started_at = at.minus(std::time::Duration::from_millis(ms));
            call.started_at = Some(started_at);
            call.created_at = call.created_at.min(started_at);
        }
    }
    call.summary = fields.text("summary").or_else(|| insight(fields));
    let raw = fields.text("reason");
    let reason = raw.map(|raw| PlatformReason { reason: None, raw });
    (reason, None)
}

/// The one insight, where there is but one and it is a text: what the customer had it sum up.
fn insight(fields: &mut Fields) -> Option<String> {
    let results = fields.list("results")?;
    let only = match results.as_slice() {
        [only] => only
            .get("result")
            .and_then(Value::as_str)
            .map(str::to_owned),
        _ => None,
    };
    fields.put("results", Value::Array(results));
    only
}
