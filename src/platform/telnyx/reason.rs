//! Telnyx's `hangup_cause` and `hangup_source` in our words (`platforms.md` §5.1).

use crate::end_reason::EndReason;
use crate::platform::line::Direction;

/// Whether a call that ended for this cause had been answered; none where the cause does not say.
pub(super) fn was_answered(cause: &str) -> Option<bool> {
    match cause {
        "normal_clearing" | "time_limit" => Some(true),
        "user_busy" | "no_answer" | "timeout" | "call_rejected" | "not_found"
        | "originator_cancel" => Some(false),
        _ => None,
    }
}

/// What the cause maps to; none where it takes knowing who is who, and that is not known.
pub(super) fn of(
    cause: &str,
    source: Option<&str>,
    direction: Option<Direction>,
) -> Option<EndReason> {
    Some(match (cause, direction) {
        ("normal_clearing", Some(direction)) => return of_leg(source?, direction),
        ("user_busy", _) => EndReason::DialBusy,
        ("no_answer" | "timeout", _) | ("originator_cancel", Some(Direction::Outbound)) => {
            EndReason::DialNoAnswer
        }
        ("call_rejected", _) => EndReason::DialRejected,
        ("not_found", _) => EndReason::DialFailed,
        ("time_limit", _) => EndReason::MaxDurationReached,
        ("originator_cancel", Some(Direction::Inbound)) => EndReason::CallerHangup,
        _ => return None,
    })
}

/// Whose leg hung up: the external one is `caller` of an inbound call, `callee` of an outbound one.
pub(super) fn of_leg(source: &str, direction: Direction) -> Option<EndReason> {
    let is_external = match (source, direction) {
        ("caller", Direction::Inbound) | ("callee", Direction::Outbound) => true,
        ("callee", Direction::Inbound) | ("caller", Direction::Outbound) => false,
        _ => return None,
    };
    Some(if is_external {
        EndReason::CallerHangup
    } else {
        EndReason::AgentEnded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_mapped_or_left_open() {
        let inbound = Some(Direction::Inbound);
        let outbound = Some(Direction::Outbound);
        for (cause, source, direction, reason) in [
            ("normal_clearing", "caller", inbound, Some("caller_hangup")),
            ("normal_clearing", "callee", inbound, Some("agent_ended")),
            ("normal_clearing", "callee", outbound, Some("caller_hangup")),
            ("normal_clearing", "caller", outbound, Some("agent_ended")),
            ("normal_clearing", "unknown", inbound, None),
            ("normal_clearing", "caller", None, None),
            ("user_busy", "callee", outbound, Some("dial_busy")),
            ("no_answer", "callee", None, Some("dial_no_answer")),
            ("timeout", "unknown", outbound, Some("dial_no_answer")),
            ("call_rejected", "caller", None, Some("dial_rejected")),
            ("not_found", "unknown", outbound, Some("dial_failed")),
            (
                "time_limit",
                "unknown",
                inbound,
                Some("max_duration_reached"),
            ),
            (
                "originator_cancel",
                "caller",
                outbound,
                Some("dial_no_answer"),
            ),
            (
                "originator_cancel",
                "caller",
                inbound,
                Some("caller_hangup"),
            ),
            ("originator_cancel", "caller", None, None),
            ("unspecified", "unknown", inbound, None),
        ] {
            let mapped = of(cause, Some(source), direction);
            assert_eq!(
                mapped.as_ref().map(EndReason::as_str),
                reason,
                "{cause} {source}"
            );
        }
        assert_eq!(of("normal_clearing", None, inbound), None);
    }
}
