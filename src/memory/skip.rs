//! Which calls leave nothing to remember (product contract §7).

use std::fmt;

use crate::conversation::{Conversation, Message, Role};
use crate::end_reason::EndReason;
use crate::memory::caller::CallerKey;

/// Why a call is not remembered. Its text is stable: it stands in timelines and in `memory.reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Nobody who could be remembered was on the line: the reason that the call ended for.
    Ended(EndReason),
    /// The caller withheld who they are.
    Nobody,
    /// The caller never spoke.
    Silent,
    /// What calls until now say about this caller was forgotten.
    Forgotten,
}

impl SkipReason {
    /// The stable text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ended(reason) => reason.as_str(),
            Self::Nobody => "nobody called",
            Self::Silent => "the caller said nothing",
            Self::Forgotten => "memory was forgotten",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why this call is not remembered, or none if it is.
///
/// A call of nobody is not remembered, but its consents are still told: [`SkipReason::Nobody`] comes
/// last, so that it alone means "there were words".
pub fn why_skipped(
    conversation: &Conversation,
    messages: &[Message],
    caller: Option<&CallerKey>,
) -> Option<SkipReason> {
    let ended = conversation.end_reason.as_ref();
    if let Some(reason) = ended.filter(|reason| reason.leaves_nothing_to_remember()) {
        return Some(SkipReason::Ended(reason.clone()));
    }
    let spoke = messages
        .iter()
        .any(|message| message.role == Role::User && !message.content.trim().is_empty());
    if !spoke {
        return Some(SkipReason::Silent);
    }
    caller.is_none().then_some(SkipReason::Nobody)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, ConversationId, MessageId};
    use crate::time::Timestamp;

    fn call(reason: Option<&str>) -> Conversation {
        let mut call = Conversation::blank(
            ConversationId::new("c").unwrap(),
            AgentId::new("a").unwrap(),
            Timestamp::from_secs(0),
        );
        call.end_reason = reason.map(EndReason::from);
        call
    }

    fn said(role: Role, content: &str) -> Message {
        Message {
            id: MessageId::new("m").unwrap(),
            role,
            content: content.to_owned(),
            tool_name: None,
            tool_args: None,
            tool_result: None,
            started_at: None,
            ended_at: None,
        }
    }

    #[test]
    fn the_rules_of_the_contract() {
        let caller = CallerKey::of("livekit", "+14155550123");
        let spoken = [said(Role::Assistant, "Hi."), said(Role::User, "Hello.")];
        let silent = [said(Role::Assistant, "Hi."), said(Role::User, " ")];
        let why = |reason, messages: &[Message], caller: Option<&CallerKey>| {
            why_skipped(&call(reason), messages, caller).map(|why| why.to_string())
        };
        for reason in [
            "voicemail_message_left",
            "voicemail_hangup",
            "ivr_hangup",
            "unavailable_hangup",
            "over_capacity",
            "dial_busy",
            "dial_failed",
        ] {
            let skipped = why(Some(reason), &spoken, caller.as_ref());
            assert_eq!(skipped.as_deref(), Some(reason));
        }
        for reason in [
            None,
            Some("caller_hangup"),
            Some("transferred"),
            Some("new"),
        ] {
            assert_eq!(why(reason, &spoken, caller.as_ref()), None);
        }
        let silence = Some("the caller said nothing".to_owned());
        assert_eq!(why(None, &silent, caller.as_ref()), silence);
        assert_eq!(why(None, &[], None), silence);
        assert_eq!(why(None, &spoken, None).as_deref(), Some("nobody called"));
    }
}
