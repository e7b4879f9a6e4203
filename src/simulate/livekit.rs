//! The bodies of LiveKit's room events (`platforms.md` §1.3 to §1.6), as protojson writes them:
//! 64-bit numbers are strings, and zero values are left out.

use serde_json::{Map, Value, json};

use super::record::Record;
use crate::conversation::Transport;
use crate::id::of_content;
use crate::time::Timestamp;

/// Something that happened in a call's room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The caller became active.
    Joined,
    /// The caller left, for this reason.
    Left {
        /// LiveKit's `disconnectReason`.
        reason: String,
    },
    /// The room was closed.
    Finished,
}

impl RoomEvent {
    /// The event's name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Joined => "participant_joined",
            Self::Left { .. } => "participant_left",
            Self::Finished => "room_finished",
        }
    }
}

/// The body of a room event of this call, sent at `now`.
pub fn body(call: &Record, event: &RoomEvent, now: Timestamp) -> Value {
    let name = event.name();
    let at = match event {
        RoomEvent::Joined => call.started_at.unwrap_or(call.created_at),
        RoomEvent::Left { .. } => call.ended_at,
        RoomEvent::Finished => now,
    };
    let mut body = json!({
        "event": name,
        "room": room(call),
        "id": tagged("EV_", &[call.id.as_str(), name]),
        "createdAt": at.as_secs().to_string(),
    });
    match event {
        RoomEvent::Joined => body["participant"] = participant(call, "ACTIVE"),
        RoomEvent::Left { reason } => {
            let mut participant = participant(call, "DISCONNECTED");
            participant["disconnectReason"] = json!(reason);
            body["participant"] = participant;
        }
        RoomEvent::Finished => {}
    }
    body
}

fn room(call: &Record) -> Value {
    json!({
        "sid": call.room_sid,
        "name": call.room_name,
        "emptyTimeout": 300,
        "departureTimeout": 20,
        "creationTime": call.created_at.as_secs().to_string(),
        "creationTimeMs": call.created_at.as_millis().to_string(),
        "turnPassword": "simulated-turn-password",
        "enabledCodecs": [{"mime": "audio/opus"}, {"mime": "audio/red"}],
    })
}

fn participant(call: &Record, state: &str) -> Value {
    let joined_at = call.started_at.unwrap_or(call.created_at);
    let is_phone = matches!(
        call.transport,
        Transport::SipInbound | Transport::SipOutbound
    );
    let mut participant = json!({
        "sid": tagged("PA_", &[call.id.as_str()]),
        "identity": call.caller_identity,
        "state": state,
        "joinedAt": joined_at.as_secs().to_string(),
        "joinedAtMs": joined_at.as_millis().to_string(),
        "version": 3,
        "permission": {"canSubscribe": true, "canPublish": true, "canPublishData": true},
        "isPublisher": true,
    });
    if is_phone {
        participant["kind"] = json!("SIP");
        participant["attributes"] = sip_attributes(call);
    }
    participant
}

/// `sip.phoneNumber` is the other party, whichever way the call went.
fn sip_attributes(call: &Record) -> Value {
    let (external, ours) = match call.transport {
        Transport::SipOutbound => (&call.to_number, &call.from_number),
        _ => (&call.from_number, &call.to_number),
    };
    let mut attributes = Map::new();
    attributes.insert(
        "sip.callID".to_owned(),
        json!(tagged("SCL_", &[call.id.as_str()])),
    );
    attributes.insert("sip.callStatus".to_owned(), json!("active"));
    if let Some(number) = external {
        attributes.insert("sip.phoneNumber".to_owned(), json!(number));
    }
    if let Some(number) = ours {
        attributes.insert("sip.trunkPhoneNumber".to_owned(), json!(number));
    }
    Value::Object(attributes)
}

/// An id of LiveKit's form: a prefix and 12 characters that follow from the content.
pub fn tagged(prefix: &str, parts: &[&str]) -> String {
    let long = of_content("", parts);
    format!("{prefix}{}", &long[..12])
}
