//! The closed set of slots that memory is kept in (`memory.md` §5).

use serde_json::Value;

use crate::conversation::open_enum;

open_enum! {
    /// Where a fact belongs. A slot of a later version survives a round trip as it came.
    pub enum Slot {
        /// The caller's name.
        Name = "identity.name",
        /// What the caller wants to be called.
        PreferredName = "identity.preferred_name",
        /// The company that the caller speaks for.
        Company = "identity.company",
        /// A number to reach the caller at: E.164 where valid, else its digits.
        Phone = "contact.phone",
        /// An e-mail address.
        Email = "contact.email",
        /// A street address.
        Address = "contact.address",
        /// The town.
        City = "contact.city",
        /// The postal code.
        Postcode = "contact.postcode",
        /// When the caller is best reached.
        BestTime = "contact.best_time",
        /// How the caller is best reached.
        PreferredChannel = "contact.preferred_channel",
        /// An account number.
        Account = "identifier.account",
        /// An order number.
        Order = "identifier.order",
        /// A booking reference.
        Booking = "identifier.booking",
        /// A claim number.
        Claim = "identifier.claim",
        /// A policy number.
        Policy = "identifier.policy",
        /// A case number.
        Case = "identifier.case",
        /// A ticket number.
        Ticket = "identifier.ticket",
        /// An invoice number.
        Invoice = "identifier.invoice",
        /// A customer or member number.
        Customer = "identifier.customer",
        /// A tracking number.
        Tracking = "identifier.tracking",
        /// A user name.
        Username = "identifier.username",
        /// The part of the day or week that suits the caller.
        TimeOfDay = "preference.time_of_day",
        /// How the caller likes to be written to or called.
        Channel = "preference.channel",
        /// The language that the caller wants to be served in.
        Language = "preference.language",
        /// What the caller likes among what is on offer, one per topic.
        Product = "preference.product",
        /// What the caller eats.
        Dietary = "preference.dietary",
        /// Whether the caller wants a person rather than a machine.
        AgentHuman = "preference.agent_human",
        /// Where the caller likes to sit.
        Seat = "preference.seat",
        /// When the caller can or can't.
        Availability = "constraint.availability",
        /// What the caller needs in order to take part.
        Accessibility = "constraint.accessibility",
        /// What the caller can spend.
        Budget = "constraint.budget",
        /// What the agent's side promised, one per action.
        AgentWill = "commitment.agent_will",
        /// What the caller promised, one per action.
        CallerWill = "commitment.caller_will",
        /// The caller is to be called back.
        Callback = "commitment.callback",
        /// A booked date, confirmed by the agent.
        Appointment = "appointment",
        /// A problem that is not solved, one per topic.
        IssueOpen = "issue.open",
        /// A problem that was, one per topic.
        IssueResolved = "issue.resolved",
        /// The caller does not want to be called.
        DoNotCall = "consent.do_not_call",
        /// The caller does not want text messages.
        OptOutSms = "consent.opt_out_sms",
        /// The caller does not want to be recorded.
        RecordingRefused = "consent.recording_refused",
        /// The caller does not want to be remembered: the value is `no`.
        RememberMe = "consent.memory",
        /// The language that the caller speaks.
        LanguageSpoken = "language.spoken",
        /// A machine answered.
        Voicemail = "line.voicemail",
        /// Somebody else has this number.
        WrongNumber = "line.wrong_number",
        /// Somebody spoke for the caller.
        ThirdParty = "line.third_party",
        /// Several people share this number.
        Shared = "line.shared",
        /// Free text in the third person; only from a language model.
        Fact = "fact",
    }
}

/// How many facts of a slot can hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One: the next value replaces it.
    One,
    /// One for each object: a topic, an action, a ticket.
    PerObject,
    /// As many as there are values.
    Many,
}

impl Slot {
    /// How many facts of this slot can hold at once.
    pub fn cardinality(&self) -> Cardinality {
        match self {
            Self::Phone | Self::Email | Self::Fact => Cardinality::Many,
            Self::Product
            | Self::AgentWill
            | Self::CallerWill
            | Self::Appointment
            | Self::IssueOpen
            | Self::IssueResolved => Cardinality::PerObject,
            other => match other.kind() {
                "identifier" | "constraint" => Cardinality::Many,
                "identity" | "contact" | "preference" | "consent" | "language" | "line"
                | "commitment" => Cardinality::One,
                _ => Cardinality::PerObject,
            },
        }
    }

    /// The part before the dot: `contact` of `contact.phone`.
    pub fn kind(&self) -> &str {
        let text = self.as_str();
        text.split_once('.').map_or(text, |(kind, _)| kind)
    }

    /// Whether it is a consent: it never ages, and no confidence or rank outweighs a revocation.
    pub fn is_consent(&self) -> bool {
        self.kind() == "consent"
    }

    /// Whether the rules find it best: it stands beside whatever a language model says alone.
    pub fn rules_know_best(&self) -> bool {
        self.is_consent() || self.kind() == "identifier"
    }

    /// Whether only the caller's own words can say it.
    pub fn is_callers_word(&self) -> bool {
        matches!(
            self.kind(),
            "identity" | "contact" | "identifier" | "preference" | "constraint" | "consent"
        )
    }

    /// The fact as one sentence in the third person.
    pub fn sentence(&self, value: &Value, object: &str) -> String {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self {
            Self::Name => format!("The caller's name is {text}."),
            Self::PreferredName => format!("The caller goes by {text}."),
            Self::Company => format!("The caller is with {text}."),
            Self::Phone => format!("The caller's phone number is {text}."),
            Self::Email => format!("The caller's e-mail address is {text}."),
            Self::Address => format!("The caller's address is {text}."),
            Self::City => format!("The caller lives in {text}."),
            Self::Postcode => format!("The caller's postal code is {text}."),
            Self::BestTime => format!("The caller is best reached {text}."),
            Self::PreferredChannel => format!("The caller is best reached by {text}."),
            Self::Username => format!("The caller's user name is {text}."),
            Self::Language => format!("The caller wants to be served in {text}."),
            Self::Channel => format!("The caller prefers contact by {text}."),
            Self::AgentHuman => "The caller prefers to speak with a person.".to_owned(),
            Self::Availability => format!("The caller is available {text}."),
            Self::Accessibility => format!("The caller needs {text}."),
            Self::AgentWill => format!("The agent will {text}."),
            Self::CallerWill => format!("The caller will {text}."),
            Self::Callback => {
                let when = text.strip_prefix("call back").unwrap_or(&text).trim();
                if when.is_empty() {
                    "The caller is to be called back.".to_owned()
                } else {
                    format!("The caller is to be called back {when}.")
                }
            }
            Self::Appointment => appointment(value),
            Self::IssueOpen => format!("The caller has an open issue: {text}."),
            Self::IssueResolved => format!("The caller's issue is resolved: {text}."),
            Self::DoNotCall => "The caller asked not to be called.".to_owned(),
            Self::OptOutSms => "The caller asked not to get text messages.".to_owned(),
            Self::RecordingRefused => "The caller asked not to be recorded.".to_owned(),
            Self::RememberMe => "The caller asked not to be remembered.".to_owned(),
            Self::LanguageSpoken => format!("The caller speaks {text}."),
            Self::Voicemail => "A voice mailbox answered this number.".to_owned(),
            Self::WrongNumber => "This number belongs to somebody else.".to_owned(),
            Self::ThirdParty => "Somebody else spoke for the caller.".to_owned(),
            Self::Shared => "Several people share this number.".to_owned(),
            Self::Fact => text,
            Self::Other(_) | Self::Product | Self::Budget => self.generic(&text, object),
            _ => match self.as_str().split_once('.') {
                Some(("identifier", what)) => format!("The caller's {what} number is {text}."),
                Some(("preference", _)) => format!("The caller prefers {text}."),
                _ => self.generic(&text, object),
            },
        }
    }

    fn generic(&self, text: &str, object: &str) -> String {
        let name = self.as_str();
        let topic = name.split_once('.').map_or(name, |(_, topic)| topic);
        let topic = if object.is_empty() { topic } else { object };
        let verb = match self.kind() {
            "preference" => "preference for",
            "constraint" => "limit on",
            _ => "entry for",
        };
        format!("The caller's {verb} {} is {text}.", topic.replace('_', " "))
    }
}

fn appointment(value: &Value) -> String {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    let mut sentence = "The caller has an appointment".to_owned();
    if let Some(title) = part("title") {
        sentence.push_str(" (");
        sentence.push_str(title);
        sentence.push(')');
    }
    if let Some(date) = part("date") {
        sentence.push_str(" on ");
        sentence.push_str(date);
    }
    if let Some(time) = part("time") {
        sentence.push_str(" at ");
        sentence.push_str(time);
    }
    sentence.push('.');
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_speaks_in_the_third_person() {
        for text in Slot::KNOWN {
            let slot = Slot::from(*text);
            assert!(!matches!(slot, Slot::Other(_)), "{text}");
            let sentence = slot.sentence(&Value::from("Something"), "topic");
            if slot != Slot::Fact {
                assert!(sentence.ends_with('.'), "{text}: {sentence}");
                assert_eq!(sentence.matches('.').count(), 1, "{text}: {sentence}");
            }
        }
    }

    #[test]
    fn sentences_read_well() {
        for (slot, value, sentence) in [
            (
                "contact.phone",
                "+14155550123",
                "The caller's phone number is +14155550123.",
            ),
            (
                "identifier.booking",
                "ABC123",
                "The caller's booking number is ABC123.",
            ),
            (
                "preference.time_of_day",
                "mornings",
                "The caller prefers mornings.",
            ),
            (
                "commitment.callback",
                "call back on 2026-03-04 at 15:00",
                "The caller is to be called back on 2026-03-04 at 15:00.",
            ),
            (
                "commitment.callback",
                "call back",
                "The caller is to be called back.",
            ),
        ] {
            assert_eq!(Slot::from(slot).sentence(&Value::from(value), ""), sentence);
        }
        let booked = serde_json::json!({"date": "2026-03-04", "time": "15:00", "title": null});
        assert_eq!(
            Slot::Appointment.sentence(&booked, ""),
            "The caller has an appointment on 2026-03-04 at 15:00."
        );
    }

    #[test]
    fn a_slot_of_a_later_version_survives() {
        let slot: Slot = serde_json::from_str("\"preference.shoe_size\"").unwrap();
        assert_eq!(slot, Slot::Other("preference.shoe_size".to_owned()));
        assert_eq!(
            serde_json::to_string(&slot).unwrap(),
            "\"preference.shoe_size\""
        );
        assert_eq!(slot.cardinality(), Cardinality::One);
        assert_eq!(Slot::from("future").cardinality(), Cardinality::PerObject);
        assert_eq!(
            slot.sentence(&Value::from("44"), ""),
            "The caller's preference for shoe size is 44."
        );
    }
}
