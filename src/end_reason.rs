//! Why a call ended, how that is known, and the rule that settles it (product contract §6).

use serde::{Deserialize, Serialize};

use crate::conversation::{Status, open_enum};
use crate::id::EventId;
use crate::time::Timestamp;

open_enum! {
    /// The coarse reason a call ended: the first source document's values, and the two that its
    /// platform added later (`transferred`, `flow_budget_exhausted`). Unknown values stay as they came.
    pub enum EndReason {
        /// A machine answered and the message was left.
        VoicemailMessageLeft = "voicemail_message_left",
        /// A machine answered and we hung up.
        VoicemailHangup = "voicemail_hangup",
        /// A phone menu answered and we hung up.
        IvrHangup = "ivr_hangup",
        /// Mailbox full, or line disconnected.
        UnavailableHangup = "unavailable_hangup",
        /// The agent ended the call.
        AgentEnded = "agent_ended",
        /// Nobody spoke for too long.
        InactivityTimeout = "inactivity_timeout",
        /// The same words came again and again.
        LoopDetected = "loop_detected",
        /// The longest allowed call was over.
        MaxDurationReached = "max_duration_reached",
        /// The agent's flow spent its budget.
        FlowBudgetExhausted = "flow_budget_exhausted",
        /// Refused: too many calls at once.
        OverCapacity = "over_capacity",
        /// The caller's leg went away.
        CallerHangup = "caller_hangup",
        /// The call was handed on.
        Transferred = "transferred",
        /// Dialled: nobody picked up.
        DialNoAnswer = "dial_no_answer",
        /// Dialled: the line was busy.
        DialBusy = "dial_busy",
        /// Dialled: refused.
        DialRejected = "dial_rejected",
        /// Dialled: any other failure to connect.
        DialFailed = "dial_failed",
    }
}

impl EndReason {
    /// The `dial_*` reason of a SIP status code (first source document).
    pub fn of_sip_code(code: u16) -> Self {
        match code {
            408 | 480 | 487 => Self::DialNoAnswer,
            486 | 600 => Self::DialBusy,
            401 | 403 | 407 | 603 | 607 | 608 => Self::DialRejected,
            _ => Self::DialFailed,
        }
    }

    /// Whether the call never connected.
    pub fn is_dial(&self) -> bool {
        self.as_str().starts_with("dial_")
    }

    /// Whether nobody who could be remembered was on the line (product contract §7).
    pub fn leaves_nothing_to_remember(&self) -> bool {
        self.is_dial()
            || self.as_str().starts_with("voicemail_")
            || matches!(
                self,
                Self::IvrHangup | Self::UnavailableHangup | Self::OverCapacity
            )
    }
}

/// How the reason is known, weakest first: the order is the rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndReasonSource {
    /// Nobody said anything, and the call is over.
    Fallback,
    /// The caller's leg, or a SIP code, was seen.
    Observed,
    /// The platform's own word, or its vocabulary mapped.
    Platform,
}

impl EndReasonSource {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Observed => "observed",
            Self::Platform => "platform",
        }
    }

    /// Reads what [`EndReasonSource::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Fallback, Self::Observed, Self::Platform]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// What the platform itself said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformReason {
    /// Its word, or what its vocabulary maps to; none where the word maps to nothing.
    pub reason: Option<EndReason>,
    /// The word itself.
    pub raw: String,
}

/// What an event says of why its call ended, for platforms whose API does not say it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The platform's word.
    pub said: Option<PlatformReason>,
    /// What was seen: a SIP code, or the leg that hung up.
    pub seen: Option<EndReason>,
}

/// Something that was seen on the wire and says why the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it says: `caller_hangup` or one of `dial_*`.
    pub reason: EndReason,
    /// When it happened.
    pub at: Timestamp,
    /// The event that told of it.
    pub event_id: EventId,
}

/// All that is known about how a call ended.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// Where the call stands.
    pub status: &'a Status,
    /// Whether we placed it.
    pub outbound: bool,
    /// When the platform made the record.
    pub created_at: Timestamp,
    /// When the first user joined.
    pub started_at: Option<Timestamp>,
    /// How long it lasted.
    pub duration_ms: Option<i64>,
    /// What the newest fetch says.
    pub platform: Option<&'a PlatformReason>,
    /// What was seen, in any order.
    pub sightings: &'a [Sighting],
}

/// A settled reason, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settled {
    /// The reason and how it is known; none where nobody was there to hang up, or before the rollout.
    pub reason: Option<(EndReason, EndReasonSource)>,
    /// The platform's own word.
    pub raw: Option<String>,
}

/// Settles why a call ended. A reason is only replaced by one of the same or a higher rank.
///
/// `stored` is what was settled before. The outcome does not depend on the order in which the same
/// evidence is seen, as long as `evidence.platform` is of the newest fetch.
pub fn settle(stored: &Settled, evidence: &Evidence<'_>, fallback_since: Timestamp) -> Settled {
    let found = find(evidence, fallback_since);
    let keep = match (&stored.reason, &found) {
        (Some((_, known)), Some((_, new))) => known > new,
        (Some((_, known)), None) => *known > EndReasonSource::Fallback,
        (None, _) => false,
    };
    Settled {
        reason: if keep { stored.reason.clone() } else { found },
        raw: evidence
            .platform
            .map(|said| said.raw.clone())
            .or_else(|| stored.raw.clone()),
    }
}

/// The table of the contract, from the top; the first row that fits decides.
fn find(
    evidence: &Evidence<'_>,
    fallback_since: Timestamp,
) -> Option<(EndReason, EndReasonSource)> {
    let failed = *evidence.status == Status::Failed;
    let never_timed = evidence.duration_ms.is_none();
    let connected = !never_timed || evidence.started_at.is_some();
    let over = *evidence.status == Status::Completed || (failed && connected);
    let newest = |dial: bool| {
        evidence
            .sightings
            .iter()
            .filter(|seen| seen.reason.is_dial() == dial)
            .max_by_key(|seen| (seen.at, &seen.event_id))
            .map(|seen| (seen.reason.clone(), EndReasonSource::Observed))
    };
    if let Some(reason) = evidence.platform.and_then(|said| said.reason.clone()) {
        return Some((reason, EndReasonSource::Platform));
    }
    if let Some(hangup) = newest(false) {
        return Some(hangup);
    }
    if failed
        && never_timed
        && let Some(dial) = newest(true)
    {
        return Some(dial);
    }
    if evidence.created_at < fallback_since {
        return None;
    }
    if over {
        return Some((EndReason::CallerHangup, EndReasonSource::Fallback));
    }
    if failed && evidence.outbound {
        return Some((EndReason::DialFailed, EndReasonSource::Fallback));
    }
    None
}

#[cfg(test)]
mod tests;
