//! The two ends of a phone call: who called whom, and which of them is the caller we know.

use crate::conversation::{Conversation, Transport};

/// Who placed the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The external party.
    Inbound,
    /// The workspace.
    Outbound,
}

impl Direction {
    /// Reads the words that carriers have for it: `inbound`, `incoming`, `outbound-api`, ….
    pub(super) fn read(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        if word.starts_with("in") {
            Some(Self::Inbound)
        } else if word.starts_with("out") {
            Some(Self::Outbound)
        } else {
            None
        }
    }
}

/// A phone call's ends, as the platform names them.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Who placed it; none where the platform does not say.
    pub(super) direction: Option<Direction>,
    /// Who placed it.
    pub(super) from: Option<String>,
    /// Who was called.
    pub(super) to: Option<String>,
}

impl Line {
    /// The external party: who placed the call, unless the workspace did.
    pub(super) fn external(&self) -> Option<&str> {
        match self.direction {
            Some(Direction::Outbound) => self.to.as_deref(),
            Some(Direction::Inbound) | None => self.from.as_deref(),
        }
    }

    /// Writes the ends into the record. The caller is the external party.
    pub(super) fn write(self, call: &mut Conversation) {
        call.transport = match self.direction {
            Some(Direction::Inbound) => Transport::SipInbound,
            Some(Direction::Outbound) => Transport::SipOutbound,
            None => Transport::Phone,
        };
        if call.caller_identity.is_empty() {
            self.external()
                .unwrap_or_default()
                .clone_into(&mut call.caller_identity);
        }
        call.from_number = self.from.filter(|end| is_e164(end));
        call.to_number = self.to.filter(|end| is_e164(end));
    }
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(is_international)
}

/// A country's code and a number behind it, digits alone.
fn is_international(digits: &str) -> bool {
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number with the plus sign that Vonage and Plivo leave out of theirs, as they document: other
/// ends, as SIP addresses and withheld numbers, stay as they came.
pub(super) fn with_plus(number: String) -> String {
    if is_international(&number) {
        format!("+{number}")
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, ConversationId};
    use crate::time::Timestamp;

    fn written(direction: Option<Direction>, from: &str, to: &str) -> Conversation {
        let id = ConversationId::new("c").unwrap();
        let agent = AgentId::new("a").unwrap();
        let mut call = Conversation::blank(id, agent, Timestamp::from_secs(0));
        let line = Line {
            direction,
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
        };
        line.write(&mut call);
        call
    }

    #[test]
    fn the_caller_is_the_external_party() {
        let (theirs, ours) = ("+14155550123", "+18005550100");
        let inbound = written(Some(Direction::Inbound), theirs, ours);
        assert_eq!(inbound.caller_identity, theirs);
        assert_eq!(inbound.transport, Transport::SipInbound);
        let outbound = written(Some(Direction::Outbound), ours, theirs);
        assert_eq!(outbound.caller_identity, theirs);
        assert_eq!(outbound.from_number.as_deref(), Some(ours));
        assert!(outbound.is_outbound());
        let unknown = written(None, theirs, ours);
        assert_eq!(unknown.caller_identity, theirs);
        assert_eq!(unknown.transport, Transport::Phone);
    }

    #[test]
    fn what_is_no_number_is_shown_as_the_caller_alone() {
        let call = written(Some(Direction::Inbound), "client:alice", "+18005550100");
        assert_eq!(call.caller_identity, "client:alice");
        assert_eq!(call.from_number, None);
    }

    #[test]
    fn a_plus_is_only_put_before_a_whole_number() {
        for (came, read) in [
            ("14155550123", "+14155550123"),
            ("+14155550123", "+14155550123"),
            ("anonymous", "anonymous"),
            ("911", "911"),
            ("0123456789", "0123456789"),
            ("sip:a@b", "sip:a@b"),
            ("", ""),
        ] {
            assert_eq!(with_plus(came.to_owned()), read);
        }
    }

    #[test]
    fn directions_have_many_words() {
        for word in ["inbound", "incoming", "INBOUND", "inboundPhoneCall"] {
            assert_eq!(Direction::read(word), Some(Direction::Inbound));
        }
        for word in ["outbound", "outgoing", "outbound-api", "outbound-dial"] {
            assert_eq!(Direction::read(word), Some(Direction::Outbound));
        }
        assert_eq!(Direction::read("trunking"), None);
    }
}
