//! Retell's `disconnection_reason` in our words (`platforms.md` §5.1).

use crate::end_reason::EndReason;

/// What the word maps to; none for errors of the platform's own, which say nothing of who hung up,
/// and for words that are new.
pub(super) fn of(word: &str) -> Option<EndReason> {
    Some(match word {
        "user_hangup" | "transfer_cancelled" => EndReason::CallerHangup,
        "agent_hangup" | "scam_detected" | "manual_stopped" => EndReason::AgentEnded,
        "call_transfer" | "transfer_bridged" | "call_take_over" => EndReason::Transferred,
        "voicemail_reached" => EndReason::VoicemailHangup,
        "ivr_reached" => EndReason::IvrHangup,
        "inactivity" => EndReason::InactivityTimeout,
        "max_duration_reached" => EndReason::MaxDurationReached,
        "concurrency_limit_reached" | "no_concurrency_fallback" => EndReason::OverCapacity,
        "dial_busy" => EndReason::DialBusy,
        "dial_no_answer" | "error_user_not_joined" | "registered_call_timeout" => {
            EndReason::DialNoAnswer
        }
        "dial_failed"
        | "invalid_destination"
        | "telephony_provider_unavailable"
        | "sip_routing_error"
        | "no_valid_payment" => EndReason::DialFailed,
        "telephony_provider_permission_denied" | "user_declined" | "marked_as_spam" => {
            EndReason::DialRejected
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_documents_is_mapped_or_left_open() {
        for (word, reason) in [
            ("user_hangup", Some("caller_hangup")),
            ("agent_hangup", Some("agent_ended")),
            ("call_transfer", Some("transferred")),
            ("transfer_bridged", Some("transferred")),
            ("call_take_over", Some("transferred")),
            ("transfer_cancelled", Some("caller_hangup")),
            ("voicemail_reached", Some("voicemail_hangup")),
            ("ivr_reached", Some("ivr_hangup")),
            ("inactivity", Some("inactivity_timeout")),
            ("max_duration_reached", Some("max_duration_reached")),
            ("concurrency_limit_reached", Some("over_capacity")),
            ("no_concurrency_fallback", Some("over_capacity")),
            ("dial_busy", Some("dial_busy")),
            ("dial_failed", Some("dial_failed")),
            ("dial_no_answer", Some("dial_no_answer")),
            ("invalid_destination", Some("dial_failed")),
            ("telephony_provider_unavailable", Some("dial_failed")),
            ("sip_routing_error", Some("dial_failed")),
            ("no_valid_payment", Some("dial_failed")),
            (
                "telephony_provider_permission_denied",
                Some("dial_rejected"),
            ),
            ("user_declined", Some("dial_rejected")),
            ("marked_as_spam", Some("dial_rejected")),
            ("scam_detected", Some("agent_ended")),
            ("manual_stopped", Some("agent_ended")),
            ("error_user_not_joined", Some("dial_no_answer")),
            ("registered_call_timeout", Some("dial_no_answer")),
            ("error_llm_websocket_open", None),
            ("error_llm_websocket_lost_connection", None),
            ("error_llm_websocket_runtime", None),
            ("error_llm_websocket_corrupt_payload", None),
            ("error_no_audio_received", None),
            ("error_asr", None),
            ("error_retell", None),
            ("error_unknown", None),
            ("something_new", None),
        ] {
            assert_eq!(of(word).as_ref().map(EndReason::as_str), reason, "{word}");
        }
    }
}
