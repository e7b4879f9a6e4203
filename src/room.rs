//! What LiveKit's events tell about a room, and what follows for the caller's leg
//! (product contract §6; `platforms.md` §1.3, §1.5 and §5.1).

use serde::{Deserialize, Serialize};

use crate::conversation::open_enum;
use crate::end_reason::{EndReason, Sighting};
use crate::id::EventId;
use crate::time::Timestamp;

open_enum! {
    /// `ParticipantInfo.kind`; absent on the wire is `STANDARD`.
    pub enum ParticipantKind {
        /// A browser or SDK.
        Standard = "STANDARD",
        /// A phone.
        Sip = "SIP",
        /// The voice agent.
        Agent = "AGENT",
        /// The recorder.
        Egress = "EGRESS",
        /// A stream that comes in.
        Ingress = "INGRESS",
    }
}

open_enum! {
    /// `ParticipantInfo.disconnectReason`; absent on the wire is `UNKNOWN_REASON`.
    pub enum DisconnectReason {
        /// Not said.
        Unknown = "UNKNOWN_REASON",
        /// The participant hung up.
        ClientInitiated = "CLIENT_INITIATED",
        /// The callee did not answer.
        UserUnavailable = "USER_UNAVAILABLE",
        /// The callee refused, or was busy.
        UserRejected = "USER_REJECTED",
        /// The trunk failed.
        SipTrunkFailure = "SIP_TRUNK_FAILURE",
        /// It never came to a connection.
        JoinFailure = "JOIN_FAILURE",
        /// The signalling connection closed: a tab, or a network.
        SignalClose = "SIGNAL_CLOSE",
        /// Joined elsewhere under the same name; not an ending.
        DuplicateIdentity = "DUPLICATE_IDENTITY",
        /// Moved to another node; not an ending.
        Migration = "MIGRATION",
    }
}

/// What a participant did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Became active.
    Joined,
    /// Left, or gave up before it was connected.
    Left,
}

/// One fact about a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum RoomFact {
    /// A participant came or went.
    Participant {
        /// Which of the two.
        movement: Movement,
        /// The participant's session id (`PA_…`).
        sid: Option<String>,
        /// The participant's identity.
        identity: String,
        /// What it is.
        kind: ParticipantKind,
        /// When it joined.
        joined_at: Option<Timestamp>,
        /// Why it left.
        reason: Option<DisconnectReason>,
        /// The SIP status code of the leg, where the attributes carry one.
        sip_code: Option<u16>,
        /// `sip.phoneNumber`: the other party's number.
        external_number: Option<String>,
        /// `sip.trunkPhoneNumber`: our number.
        trunk_number: Option<String>,
        /// The agent's id, from an agent participant's attributes.
        agent: Option<String>,
    },
    /// A recording was finished.
    Recording {
        /// When its first frame was captured.
        started_at: Option<Timestamp>,
        /// Where it lies.
        location: Option<String>,
    },
}

/// A fact with the event that told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event.
    pub event_id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The fact.
    pub fact: RoomFact,
}

impl Told {
    /// When what it tells of began: a stay with its joining, a recording with its first frame.
    pub fn began_at(&self) -> Timestamp {
        match &self.fact {
            RoomFact::Participant { joined_at, .. } => *joined_at,
            RoomFact::Recording { started_at, .. } => *started_at,
        }
        .unwrap_or(self.at)
    }
}

/// What the facts of one room say about its call.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RoomStory {
    /// The caller's last departure, if it says why the call ended.
    pub sighting: Option<Sighting>,
    /// The caller's leg was a phone that hung up: nothing later can say otherwise, so no grace.
    pub sure: bool,
    /// The caller's identity.
    pub identity: Option<String>,
    /// The other party's number.
    pub external_number: Option<String>,
    /// Our number.
    pub trunk_number: Option<String>,
    /// When the caller joined first.
    pub started_at: Option<Timestamp>,
    /// When the caller left last.
    pub left_at: Option<Timestamp>,
    /// When the recording's first frame was captured.
    pub recording_started_at: Option<Timestamp>,
    /// Where the recording lies.
    pub recording_url: Option<String>,
    /// The agent, by its own participant's attributes.
    pub agent: Option<String>,
    /// The caller's leg is a phone.
    pub is_phone: bool,
}

struct Step<'a> {
    movement: Movement,
    sid: Option<&'a str>,
    identity: &'a str,
    kind: &'a ParticipantKind,
    at: Timestamp,
    event_id: &'a EventId,
    reason: Option<&'a DisconnectReason>,
    sip_code: Option<u16>,
    told: &'a RoomFact,
}

/// Reads the story out of a room's facts, which may come in any order and more than once.
///
/// The caller's leg is the participant whose identity is `caller_identity`, else the first phone,
/// else the first standard participant to join.
pub fn story(told: &[Told], caller_identity: &str) -> RoomStory {
    let mut steps: Vec<Step<'_>> = told.iter().filter_map(step).collect();
    steps.sort_by(|a, b| (a.at, a.movement, a.event_id).cmp(&(b.at, b.movement, b.event_id)));
    let mut story = RoomStory::default();
    tell_recording(&mut story, told);
    story.agent = told.iter().find_map(|one| match &one.fact {
        RoomFact::Participant {
            kind: ParticipantKind::Agent,
            agent,
            ..
        } => agent.clone(),
        _ => None,
    });
    let caller = steps
        .iter()
        .find(|step| !caller_identity.is_empty() && step.identity == caller_identity)
        .or_else(|| steps.iter().find(|step| *step.kind == ParticipantKind::Sip))
        .or_else(|| {
            steps
                .iter()
                .find(|step| *step.kind == ParticipantKind::Standard)
        });
    let Some(caller) = caller else { return story };
    let leg: Vec<&Step<'_>> = steps
        .iter()
        .filter(|step| step.identity == caller.identity)
        .collect();
    story.identity = Some(caller.identity.to_owned());
    story.is_phone = leg.iter().any(|step| *step.kind == ParticipantKind::Sip);
    story.started_at = leg
        .iter()
        .filter(|step| step.movement == Movement::Joined)
        .map(|step| step.at)
        .min();
    for step in &leg {
        if let RoomFact::Participant {
            external_number,
            trunk_number,
            ..
        } = step.told
        {
            story.external_number = story.external_number.or_else(|| external_number.clone());
            story.trunk_number = story.trunk_number.or_else(|| trunk_number.clone());
        }
    }
    if let Some(last) = last_departure(&leg) {
        story.left_at = Some(last.at);
        story.sighting = sighting(last);
        story.sure = story.is_phone
            && story
                .sighting
                .as_ref()
                .is_some_and(|s| s.reason == EndReason::CallerHangup);
    }
    story
}

fn step(told: &Told) -> Option<Step<'_>> {
    let RoomFact::Participant {
        movement,
        sid,
        identity,
        kind,
        joined_at,
        reason,
        sip_code,
        ..
    } = &told.fact
    else {
        return None;
    };
    let at = match movement {
        Movement::Joined => joined_at.unwrap_or(told.at),
        Movement::Left => told.at,
    };
    Some(Step {
        movement: *movement,
        sid: sid.as_deref(),
        identity,
        kind,
        at,
        event_id: &told.event_id,
        reason: reason.as_ref(),
        sip_code: *sip_code,
        told: &told.fact,
    })
}

fn tell_recording(story: &mut RoomStory, told: &[Told]) {
    let recording = told
        .iter()
        .filter_map(|one| match &one.fact {
            RoomFact::Recording {
                started_at,
                location,
            } => Some((one.at, &one.event_id, *started_at, location)),
            RoomFact::Participant { .. } => None,
        })
        .max_by_key(|(at, event_id, ..)| (*at, *event_id));
    if let Some((_, _, started_at, location)) = recording {
        story.recording_started_at = started_at;
        story.recording_url.clone_from(location);
    }
}

/// The leg's last departure, and none if it joined again later: a session that was opened no
/// earlier than the departure and never left. LiveKit cuts an event's time to the second, so a
/// re-join is known by its session id, not by the time alone.
fn last_departure<'a, 'b>(leg: &[&'a Step<'b>]) -> Option<&'a Step<'b>> {
    let last = leg
        .iter()
        .filter(|step| step.movement == Movement::Left && ends(step))
        .max_by_key(|step| (step.at, step.event_id))?;
    let left: Vec<Option<&str>> = leg
        .iter()
        .filter(|step| step.movement == Movement::Left)
        .map(|step| step.sid)
        .collect();
    let back = leg.iter().any(|step| {
        step.movement == Movement::Joined
            && step.at >= last.at
            && step.sid != last.sid
            && !left.contains(&step.sid)
    });
    if back { None } else { Some(last) }
}

fn ends(step: &Step<'_>) -> bool {
    !matches!(
        step.reason,
        Some(DisconnectReason::DuplicateIdentity | DisconnectReason::Migration)
    )
}

/// What a departure says by itself: a hang-up, or one of the `dial_*` reasons of `platforms.md`
/// §5.1. All else is silent, and the fallback decides.
fn sighting(step: &Step<'_>) -> Option<Sighting> {
    let reason = match step.reason? {
        DisconnectReason::ClientInitiated => EndReason::CallerHangup,
        DisconnectReason::UserUnavailable => EndReason::DialNoAnswer,
        DisconnectReason::UserRejected => match step.sip_code.map(EndReason::of_sip_code) {
            Some(EndReason::DialBusy) => EndReason::DialBusy,
            _ => EndReason::DialRejected,
        },
        DisconnectReason::SipTrunkFailure | DisconnectReason::JoinFailure => EndReason::DialFailed,
        _ => return None,
    };
    Some(Sighting {
        reason,
        at: step.at,
        event_id: step.event_id.clone(),
    })
}

#[cfg(test)]
mod tests;
