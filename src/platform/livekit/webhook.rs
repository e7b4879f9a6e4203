//! LiveKit's webhooks: who signed them, and what they say of a room (`platforms.md` §1.3 to §1.5).
//! Only the fields that are needed are ever read: `turnPassword` is passed over.

use std::borrow::Cow;

use http::HeaderMap;

use crate::config::SourceConfig;
use crate::event::{CallEvent, EventKind, RoomRef};
use crate::id::{AgentId, ConversationId, EventId};
use crate::memory::redact::redact_text;
use crate::platform::pick::{Raw, pick, printable};
use crate::platform::{Classified, Delivery, Webhooks, body_id};
use crate::room::{DisconnectReason, Movement, ParticipantKind, RoomFact};
use crate::secret::Secret;
use crate::signature::explain::{self, Check};
use crate::signature::{Refusal, Tolerance, jwt};
use crate::time::Timestamp;

/// `ParticipantInfo.Kind` by its number in the schema.
const KINDS: [(i64, &str); 7] = [
    (0, "STANDARD"),
    (1, "INGRESS"),
    (2, "EGRESS"),
    (3, "SIP"),
    (4, "AGENT"),
    (7, "CONNECTOR"),
    (8, "BRIDGE"),
];

/// `DisconnectReason` by its number in the schema.
const REASONS: [&str; 17] = [
    "UNKNOWN_REASON",
    "CLIENT_INITIATED",
    "DUPLICATE_IDENTITY",
    "SERVER_SHUTDOWN",
    "PARTICIPANT_REMOVED",
    "ROOM_DELETED",
    "STATE_MISMATCH",
    "JOIN_FAILURE",
    "MIGRATION",
    "SIGNAL_CLOSE",
    "ROOM_CLOSED",
    "USER_UNAVAILABLE",
    "USER_REJECTED",
    "SIP_TRUNK_FAILURE",
    "CONNECTION_TIMEOUT",
    "MEDIA_FAILURE",
    "AGENT_ERROR",
];

/// The half of LiveKit that sends.
#[derive(Debug)]
pub struct Sender {
    source: String,
    keys: Vec<(String, Secret)>,
    tolerance: Tolerance,
}

impl Sender {
    /// The sender of this source's webhooks.
    pub fn of(source: &SourceConfig) -> Self {
        Self {
            source: source.name.clone(),
            keys: source.webhook.keys.clone(),
            tolerance: Tolerance::of(source.webhook.tolerance),
        }
    }

    fn event(&self, body: &[u8], received_at: Timestamp) -> Result<Classified, &'static str> {
        let text = str::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
        let [name, id, created_at, room, participant, egress, job] = pick(
            text,
            [
                "event",
                "id",
                "created_at",
                "room",
                "participant",
                "egress_info",
                "job",
            ],
        )
        .ok_or("the body is not a JSON object, or is cut off")?;
        let name = name.text().ok_or("the body names no event")?;
        let kind = match &*name {
            "room_finished" => EventKind::RoomFinished,
            "participant_joined" => EventKind::Recorded(moved(participant, Movement::Joined)),
            "participant_left" | "participant_connection_aborted" => {
                EventKind::Recorded(moved(participant, Movement::Left))
            }
            "egress_ended" => match recording(egress) {
                Some(fact) => EventKind::Recorded(fact),
                None => {
                    return Ok(Classified::Ignored(
                        "egress_ended without a file".to_owned(),
                    ));
                }
            },
            "agent_job_started" | "agent_job_ended" => match employed(job) {
                Some(fact) => EventKind::Recorded(fact),
                None => {
                    return Ok(Classified::Ignored(format!(
                        "{name} without an agent's name"
                    )));
                }
            },
            other => return Ok(Classified::Ignored(format!("event {}", printable(other)))),
        };
        let [job_room] = job.pick(["room"]);
        let room = room_of(room.or(job_room), egress).ok_or("the body names no room")?;
        Ok(Classified::Event(Box::new(CallEvent {
            source: self.source.clone(),
            event_id: id
                .text()
                .and_then(|id| EventId::new(&id).ok())
                .unwrap_or_else(|| body_id(body)),
            agent_id: agent_of(&kind),
            caller_identity: None,
            kind,
            occurred_at: created_at.time(),
            received_at,
            conversation_id: None,
            room: Some(room),
            hint: None,
            body: None,
        })))
    }
}

/// The room of an event. An egress's room is minimal, and may stand in the egress alone.
fn room_of(room: Raw<'_>, egress: Raw<'_>) -> Option<RoomRef> {
    let [sid, name, created_ms, created_secs, metadata] = room.pick([
        "sid",
        "name",
        "creation_time_ms",
        "creation_time",
        "metadata",
    ]);
    let [egress_sid, egress_name] = egress.pick(["room_id", "room_name"]);
    let sid = sid.or(egress_sid).text().map(Cow::into_owned);
    // The name of a call's room, as it is kept: told apart by what is left of it.
    let name = name.or(egress_name).text().map(|name| redact_text(&name));
    if sid.is_none() && name.is_none() {
        return None;
    }
    Some(RoomRef {
        sid,
        name: name.unwrap_or_default(),
        created_at: created_ms.time().or_else(|| created_secs.time()),
        conversation_id: metadata.text().and_then(|metadata| {
            let [id] = pick(&metadata, ["conversation_id"])?;
            ConversationId::given(&id.text()?).ok()
        }),
    })
}

/// A participant that came or went.
fn moved(participant: Raw<'_>, movement: Movement) -> RoomFact {
    let [
        sid,
        identity,
        kind,
        joined_ms,
        joined_secs,
        reason,
        attributes,
    ] = participant.pick([
        "sid",
        "identity",
        "kind",
        "joined_at_ms",
        "joined_at",
        "disconnect_reason",
        "attributes",
    ]);
    let [external, trunk, sip_code, agent_name, agent_id, agent] = attributes.pick([
        "sip.phoneNumber",
        "sip.trunkPhoneNumber",
        "sip.callStatusCode",
        "lk.agent.name",
        "agent_id",
        "agent.id",
    ]);
    let kind = kind.text().unwrap_or(Cow::Borrowed("STANDARD"));
    RoomFact::Participant {
        movement,
        sid: sid.text().map(Cow::into_owned),
        identity: identity.text().map(Cow::into_owned).unwrap_or_default(),
        kind: ParticipantKind::from(named(&kind, &KINDS)),
        joined_at: joined_ms.time().or_else(|| joined_secs.time()),
        reason: (movement == Movement::Left).then(|| disconnect_reason(reason)),
        sip_code: sip_code
            .integer()
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (100..=699).contains(code)),
        external_number: external.text().map(Cow::into_owned),
        trunk_number: trunk.text().map(Cow::into_owned),
        agent: agent_id
            .or(agent)
            .text()
            .or_else(|| agent_name.text())
            .map(Cow::into_owned),
    }
}

fn disconnect_reason(reason: Raw<'_>) -> DisconnectReason {
    let by_number = reason
        .integer()
        .and_then(|number| REASONS.get(usize::try_from(number).ok()?).copied());
    match (by_number, reason.text()) {
        (Some(name), _) => DisconnectReason::from(name),
        (None, Some(name)) => DisconnectReason::from(&*name),
        (None, None) => DisconnectReason::Unknown,
    }
}

/// The name of an enum's value that may be written as a number.
fn named<'a>(text: &'a str, names: &[(i64, &'static str)]) -> &'a str {
    let number: Option<i64> = text.parse().ok();
    names
        .iter()
        .find(|(value, _)| Some(*value) == number)
        .map_or(text, |(_, name)| *name)
}

/// An agent that took a job in the room: it tells which one, as an agent participant's attributes do.
fn employed(job: Raw<'_>) -> Option<RoomFact> {
    let [agent_name, state] = job.pick(["agent_name", "state"]);
    let [identity, started_at] = state.pick(["participant_identity", "started_at"]);
    Some(RoomFact::Participant {
        movement: Movement::Joined,
        sid: None,
        identity: identity.text().map(Cow::into_owned).unwrap_or_default(),
        kind: ParticipantKind::Agent,
        joined_at: started_at.integer().and_then(from_nanos),
        reason: None,
        sip_code: None,
        external_number: None,
        trunk_number: None,
        agent: Some(agent_name.text()?.into_owned()),
    })
}

/// The file of a recording, in the present field or the older one. Times are nanoseconds; 0 means
/// that no frame came, and so does a start at the very end.
fn recording(egress: Raw<'_>) -> Option<RoomFact> {
    let [results, file] = egress.pick(["file_results", "file"]);
    let [started_at, ended_at, location] =
        results
            .first()
            .or(file)
            .pick(["started_at", "ended_at", "location"]);
    let (start, end) = (started_at.integer(), ended_at.integer());
    let location = location.text().map(Cow::into_owned);
    let started_at = start.filter(|_| start != end).and_then(from_nanos);
    if started_at.is_none() && location.is_none() {
        return None;
    }
    Some(RoomFact::Recording {
        started_at,
        location,
    })
}

fn from_nanos(nanos: i64) -> Option<Timestamp> {
    (nanos > 0).then(|| Timestamp::from_millis(nanos / 1_000_000))
}

/// The agent that an event names: only the agent's own participant may.
fn agent_of(kind: &EventKind) -> Option<AgentId> {
    match kind {
        EventKind::Recorded(RoomFact::Participant {
            kind: ParticipantKind::Agent,
            agent: Some(agent),
            ..
        }) => AgentId::given(agent).ok(),
        _ => None,
    }
}

impl Webhooks for Sender {
    fn platform(&self) -> &'static str {
        super::NAME
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(jwt::HEADER)
    }

    fn verify(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), Refusal> {
        jwt::verify(
            delivery.headers,
            delivery.body,
            &self.keys,
            self.tolerance,
            now,
        )
    }

    fn explain(&self, delivery: Delivery<'_>, now: Timestamp) -> Vec<Check> {
        explain::jwt(
            delivery.headers,
            delivery.body,
            &self.keys,
            self.tolerance,
            now,
        )
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        self.event(delivery.payload(), received_at)
            .unwrap_or_else(|why| Classified::Unreadable(why.to_owned()))
    }
}

#[cfg(test)]
mod tests;
