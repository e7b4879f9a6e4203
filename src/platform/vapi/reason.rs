//! Vapi's `endedReason` in our words (`platforms.md` §5.1). There are over five hundred, most of them
//! the same error of another provider, so they are matched by rule.

use crate::end_reason::EndReason;

/// What the word maps to; none where the call was deleted before it was placed, and for words that
/// are new.
pub(super) fn of(word: &str) -> Option<EndReason> {
    whole(word)
        .or_else(|| connecting(word))
        .or_else(|| beginning(word))
}

/// Words that mean one thing each.
fn whole(word: &str) -> Option<EndReason> {
    Some(match word {
        "call.ringing.sip-inbound-caller-hungup-before-call-connect"
        | "customer-did-not-give-microphone-permission"
        | "call.in-progress.twilio-completed-call"
        | "call.in-progress.sip-completed-call"
        | "vonage-completed"
        | "vonage-disconnected"
        | "phone-call-provider-closed-websocket"
        | "worker-shutdown" => EndReason::CallerHangup,
        "assistant-said-end-call-phrase" | "manually-canceled" => EndReason::AgentEnded,
        "assistant-forwarded-call"
        | "call.ringing.hook-executed-transfer"
        | "assistant-request-returned-forwarding-phone-number" => EndReason::Transferred,
        "voicemail" => EndReason::VoicemailHangup,
        "silence-timed-out" => EndReason::InactivityTimeout,
        "exceeded-max-duration" => EndReason::MaxDurationReached,
        "call.start.error-subscription-concurrency-limit-reached" => EndReason::OverCapacity,
        "customer-busy" => EndReason::DialBusy,
        "customer-did-not-answer" => EndReason::DialNoAnswer,
        "vonage-rejected" => EndReason::DialRejected,
        "twilio-failed-to-connect-call"
        | "vonage-failed-to-connect-call"
        | "twilio-reported-customer-misdialed" => EndReason::DialFailed,
        _ => return None,
    })
}

/// Errors of dialling, whose SIP code stands in the word.
fn connecting(word: &str) -> Option<EndReason> {
    if word.contains("sip-408") || word.contains("sip-480") {
        Some(EndReason::DialNoAnswer)
    } else if word.contains("sip-403") || word.contains("sip-407") {
        Some(EndReason::DialRejected)
    } else if word.contains("sip-503") || word.ends_with("failed-to-connect") {
        Some(EndReason::DialFailed)
    } else {
        None
    }
}

/// Families, by how their words begin.
fn beginning(word: &str) -> Option<EndReason> {
    const FAMILIES: [(&str, EndReason); 9] = [
        ("customer-ended-call", EndReason::CallerHangup),
        ("assistant-ended-call", EndReason::AgentEnded),
        ("call.ending.hook-executed-", EndReason::AgentEnded),
        ("call.start.error-", EndReason::DialFailed),
        ("call-start-error-", EndReason::DialFailed),
        ("assistant-not-", EndReason::DialFailed),
        ("assistant-request-", EndReason::DialFailed),
        ("pipeline-error-", EndReason::CallerHangup),
        ("call.in-progress.error-", EndReason::CallerHangup),
    ];
    FAMILIES
        .into_iter()
        .find(|(family, _)| word.starts_with(family))
        .map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::platform::tests::shared_fixture;

    #[test]
    fn each_rule_holds() {
        for (word, reason) in [
            ("customer-ended-call", "caller_hangup"),
            ("customer-ended-call-during-transfer", "caller_hangup"),
            (
                "call.ringing.sip-inbound-caller-hungup-before-call-connect",
                "caller_hangup",
            ),
            (
                "customer-did-not-give-microphone-permission",
                "caller_hangup",
            ),
            ("assistant-ended-call-with-hangup-task", "agent_ended"),
            ("assistant-said-end-call-phrase", "agent_ended"),
            ("manually-canceled", "agent_ended"),
            ("call.ending.hook-executed-say", "agent_ended"),
            ("assistant-forwarded-call", "transferred"),
            ("call.ringing.hook-executed-transfer", "transferred"),
            (
                "assistant-request-returned-forwarding-phone-number",
                "transferred",
            ),
            ("voicemail", "voicemail_hangup"),
            ("silence-timed-out", "inactivity_timeout"),
            ("exceeded-max-duration", "max_duration_reached"),
            (
                "call.start.error-subscription-concurrency-limit-reached",
                "over_capacity",
            ),
            ("customer-busy", "dial_busy"),
            ("customer-did-not-answer", "dial_no_answer"),
            (
                "call.in-progress.error-providerfault-outbound-sip-408-request-timeout",
                "dial_no_answer",
            ),
            (
                "call.in-progress.error-providerfault-outbound-sip-480-temporarily-unavailable",
                "dial_no_answer",
            ),
            (
                "call.in-progress.error-providerfault-outbound-sip-403-forbidden",
                "dial_rejected",
            ),
            (
                "call.in-progress.error-providerfault-outbound-sip-407-proxy-authentication-required",
                "dial_rejected",
            ),
            ("vonage-rejected", "dial_rejected"),
            ("twilio-failed-to-connect-call", "dial_failed"),
            ("twilio-reported-customer-misdialed", "dial_failed"),
            (
                "call.in-progress.error-providerfault-outbound-sip-503-service-unavailable",
                "dial_failed",
            ),
            (
                "call.in-progress.error-sip-outbound-call-failed-to-connect",
                "dial_failed",
            ),
            (
                "call.ringing.error-sip-inbound-call-failed-to-connect",
                "dial_failed",
            ),
            ("call.start.error-get-assistant", "dial_failed"),
            (
                "call-start-error-neither-assistant-nor-server-set",
                "dial_failed",
            ),
            ("assistant-not-found", "dial_failed"),
            ("assistant-request-failed", "dial_failed"),
            ("call.in-progress.twilio-completed-call", "caller_hangup"),
            ("worker-shutdown", "caller_hangup"),
            ("pipeline-error-openai-llm-failed", "caller_hangup"),
            (
                "call.in-progress.error-vapifault-worker-died",
                "caller_hangup",
            ),
        ] {
            assert_eq!(of(word).unwrap().as_str(), reason, "{word}");
        }
        for word in ["scheduled-call-deleted", "call-deleted", "hangup", ""] {
            assert_eq!(of(word), None, "{word}");
        }
    }

    #[test]
    fn hardly_a_known_word_is_left_open() {
        let Some(words) = shared_fixture("vapi_ended_reasons.txt") else {
            return;
        };
        let words = String::from_utf8(words).unwrap();
        let open: BTreeSet<&str> = words
            .split_whitespace()
            .filter(|word| of(word).is_none())
            .collect();
        let expected = BTreeSet::from([
            "assistant-join-timed-out",
            "call-deleted",
            "call.forwarding.operator-busy",
            "call.ringing.hook-executed-say",
            "phone-call-provider-bypass-enabled-but-no-call-received",
            "scheduled-call-deleted",
        ]);
        assert_eq!(open, expected);
    }
}
