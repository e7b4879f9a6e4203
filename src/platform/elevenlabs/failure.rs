//! `call_initiation_failure`: an outbound call that nobody took (`platforms.md` §2.2). There is no
//! transcript, and the API does not say why: the event alone does.

use serde_json::{Map, Value};

use super::reason;
use crate::conversation::Status;
use crate::end_reason::{EndReason, PlatformReason};
use crate::id::ConversationId;
use crate::platform::Fetched;
use crate::platform::fields::Fields;
use crate::platform::line::{Direction, Line};
use crate::platform::naming::Naming;
use crate::time::Timestamp;

/// Maps the event's `data`.
pub(super) fn call(
    data: Map<String, Value>,
    naming: &Naming,
    at: Timestamp,
) -> Result<Fetched, &'static str> {
    let mut fields = Fields::new(data);
    let id = fields
        .text("conversation_id")
        .and_then(|id| ConversationId::given(&id).ok())
        .ok_or("it has no conversation_id")?;
    let mut call = naming.blank(id, at).ok_or("the source has no name")?;
    call.status = Status::Failed;
    call.ended_at = Some(at);
    let mut metadata = Fields::new(fields.object("metadata").unwrap_or_default());
    let mut carrier = Fields::new(metadata.object("body").unwrap_or_default());
    Line {
        direction: Some(Direction::Outbound),
        from: carrier.text("from_number").or_else(|| carrier.text("From")),
        to: carrier.text("to_number").or_else(|| carrier.text("To")),
    }
    .write(&mut call);
    if call.caller_identity.is_empty() {
        call.caller_identity = fields.text("user_id").unwrap_or_default();
    }
    let agent_id = fields.text("agent_id");
    call.agent_id = naming
        .agent_id(agent_id.as_deref(), &call)
        .ok_or("it has no agent, and the source no name")?;
    let reason = fields.text("failure_reason").map(|raw| PlatformReason {
        reason: reason::of_failure(&raw),
        raw,
    });
    let seen = seen(&mut carrier);
    let carrier = carrier.rest();
    if !carrier.is_empty() {
        fields.put("carrier", Value::Object(carrier));
    }
    call.platform_fields = fields.rest();
    Ok(Fetched {
        conversation: call,
        messages: Vec::new(),
        reason,
        seen,
    })
}

/// What the carrier saw. Its own word goes before the SIP code: the official sample has a busy line
/// with the code of a cancelled call.
fn seen(carrier: &mut Fields) -> Option<EndReason> {
    let word = carrier.text("CallStatus");
    word.as_deref()
        .and_then(reason::of_call_status)
        .or_else(|| {
            let code = carrier
                .integer("sip_status_code")
                .or_else(|| carrier.integer("SipResponseCode"))?;
            let code = u16::try_from(code)
                .ok()
                .filter(|code| (300..=699).contains(code))?;
            Some(EndReason::of_sip_code(code))
        })
}
