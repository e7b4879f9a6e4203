//! Why an ElevenLabs call ended: `termination_reason`, which is free text without a published list,
//! and `failure_reason` of a call that never began (`platforms.md` §5.1).

use crate::end_reason::EndReason;

/// What the text of `termination_reason` means; none where it is none of those that were seen.
pub(super) fn of_termination(text: &str) -> Option<EndReason> {
    let text = text.to_lowercase();
    let has = |words: &[&str]| words.iter().all(|word| text.contains(word));
    // What a tool was called for comes before that a tool was called.
    Some(if has(&["voicemail"]) {
        EndReason::VoicemailHangup
    } else if has(&["transfer"]) {
        EndReason::Transferred
    } else if has(&["max", "duration"]) {
        EndReason::MaxDurationReached
    } else if has(&["inactivity"]) || has(&["silence"]) {
        EndReason::InactivityTimeout
    } else if has(&["end_call tool"]) {
        EndReason::AgentEnded
    } else if has(&["ended by remote party"])
        || has(&["client disconnected"])
        || text.starts_with("client:user")
    {
        EndReason::CallerHangup
    } else {
        return None;
    })
}

/// What `failure_reason` means; `unknown` means nothing.
pub(super) fn of_failure(word: &str) -> Option<EndReason> {
    match word {
        "busy" => Some(EndReason::DialBusy),
        "no-answer" => Some(EndReason::DialNoAnswer),
        _ => None,
    }
}

/// What the carrier's own word for a failed call means.
pub(super) fn of_call_status(word: &str) -> Option<EndReason> {
    match word {
        "busy" => Some(EndReason::DialBusy),
        "no-answer" => Some(EndReason::DialNoAnswer),
        "failed" | "canceled" => Some(EndReason::DialFailed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_that_were_seen_are_understood() {
        for (text, reason) in [
            ("end_call tool was called.", Some("agent_ended")),
            ("Call ended by remote party", Some("caller_hangup")),
            ("Client disconnected: 1000", Some("caller_hangup")),
            ("Client disconnected: 1005", Some("caller_hangup")),
            ("client:user", Some("caller_hangup")),
            (
                "Max conversation duration reached",
                Some("max_duration_reached"),
            ),
            (
                "Conversation ended due to inactivity",
                Some("inactivity_timeout"),
            ),
            ("silence timeout", Some("inactivity_timeout")),
            (
                "voicemail_detection tool was called.",
                Some("voicemail_hangup"),
            ),
            ("transfer_to_number tool was called.", Some("transferred")),
            ("Something new", None),
            ("", None),
        ] {
            let found = of_termination(text);
            assert_eq!(found.as_ref().map(EndReason::as_str), reason, "{text}");
        }
    }
}
