//! What an agent's turn asks for: it tells how the answer is to be read.

use std::sync::LazyLock;

use regex::Regex;

use super::address::names_street;
use crate::memory::pattern::{compile, pattern};
use crate::memory::slot::Slot;

/// Something that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A value of this slot.
    For(Slot),
    /// The last name, after the first.
    Surname,
    /// The first name, after the last.
    GivenName,
    /// A city, which may be any.
    WhichCity,
    /// Where the caller is, which may be a street.
    Whereabouts,
    /// Whether the street that is named is the right one.
    StreetRight,
    /// When to call back.
    CallbackTime,
}

static NAME: LazyLock<Regex> = pattern!(
    r"\byour (?:full |first |last |sur|given |complete )*name\b|\bwho (?:am i|do i have|is this|is calling|is speaking|are you|may i)|\bwho's (?:calling|this|speaking)\b",
    r"|\b(?:may|can|could) i (?:have|get|ask) (?:a|the|your)? ?(?:full |first |last )*name\b|\b(?:what|which) name\b|\bname and (?:your )?(?:\w+ )?(?:number|phone|e-?mail|address)|^\W*(?:and )?(?:the |your )?(?:full |last |first )?name\?|\bname (?:on the|for the|please|under)|\bspeaking (?:with|to)\?"
);
static SURNAME: LazyLock<Regex> = pattern!(r"\b(?:last|sur|family) ?name\b");
static FIRST_NAME: LazyLock<Regex> = pattern!(r"\b(?:first|given|full)\b");
static GIVEN_NAME: LazyLock<Regex> = pattern!(r"\b(?:first|given) names?\b");
static PHONE: LazyLock<Regex> = pattern!(
    r"\b(?:phone|cell|mobile|telephone|callback|call back|call-back|contact|best) (?:phone )?number\b|\b(?:number|where) (?:can|should|could|do|may) (?:i|we|they|someone|he|she) (?:best )?(?:call|reach|text|ring|contact)|\bnumber to (?:call|reach|text)|\byour (?:phone|number|cell|mobile)\b|\ban? (?:\w+ )?(?:phone|mobile|cell|landline|telephone)\b"
);
static EMAIL: LazyLock<Regex> = pattern!(r"\be-?mail\b");
static ADDRESS: LazyLock<Regex> = pattern!(
    r"\b(?:your|the|new|home|street|mailing|shipping|delivery|billing|current) (?:\w+ )?address\b|\bwhere (?:should|shall|do|can|would|may) (?:we|i|they|he|she|you) (?:\w+ ){0,3}(?:deliver\w*|ship\w*|send|sent|mail\w*|bring)\b|^\W*(?:and )?(?:\w+ )?address\W*$"
);
static WHEREABOUTS: LazyLock<Regex> = pattern!(
    r"\bwhere(?:'s|s)? ?(?:abouts)? (?:are|is) (?:you|the (?:car|vehicle|house|property))\b|\bwhere from\b|\bpick(?:ing)?(?: you)? ?up (?:from|address|location)\b"
);
static POSTCODE: LazyLock<Regex> = pattern!(r"\b(?:zip|postal|post) ?codes?\b|\bzip\b");
static CITY: LazyLock<Regex> = pattern!(
    r"\b(?:your (?:city|town)|city and (?:the |your )?(?:state|zip)|(?:city|town|where) (?:do|are) you (?:live|living|reside|located|based)|(?:city|town) you live)\b"
);
static WHICH_CITY: LazyLock<Regex> = pattern!(r"\b(?:which|what|the) (?:city|town)\b");
static CALLBACK: LazyLock<Regex> = pattern!(
    r"\b(?:when|what (?:day|time|date))\b[^?.!]{0,50}\b(?:call|ring|phone|reach|contact) you\b|\b(?:good|best|better|convenient) (?:time|day)\b[^?.!]{0,40}\b(?:call|ring|phone|reach|contact)"
);
/// "And your service address": a question without a verb, as recognition writes it.
static FRAGMENT: LazyLock<Regex> = pattern!(
    r"^\W*(?:(?:ok|okay|and|alright|all right|great|thanks|thank you|perfect|sure|so|now|then|got it)\b\W*)*(?:(?:your|the|a|an|any)(?: [a-z'-]+){1,6}|(?:[a-z'-]+ ){0,2}(?:name|surname|number|address|e-?mail|zip|postcode|code|id))\W*$"
);
/// What no such question has.
static STATES: LazyLock<Regex> = pattern!(
    r"\b(?:is|are|was|were|has|have|had|will|would|been|be|updated?|changed?|saved?|set|on file|ready)\b"
);
/// A statement about it is not a question for it.
static ASKING: LazyLock<Regex> = pattern!(
    r"\?|^\W*(?:(?:and|so|ok|okay|alright|then|great|thanks)\b\W*)*(?:what|which|where|when|who|how|whats|whos|wheres)\b|\b(?:what|which|whats) (?:\w+ ){0,3}(?:name|number|address|e-?mail|zip|phone)\b|\b(?:please|can you|could you|may i|can i|could i|i need|i'll need|i will need|we need|tell me|provide|give me|let me have|let me get|confirm|verify|share|spell|what is|what's|i have to ask)\b"
);

static IDENTIFIERS: LazyLock<Vec<(Slot, Regex)>> = LazyLock::new(|| {
    [
        (Slot::Order, r"\b(?:order|purchase)(?: \w+)? (?:number|id|no|code|reference)\b"),
        (
            Slot::Booking,
            r"\b(?:booking|reservation|confirmation|record locator|pnr)(?: \w+)?(?: (?:number|id|no|code|reference|locator)\b|\b\?)",
        ),
        (Slot::Claim, r"\bclaim(?: \w+)? (?:number|id|no)\b|\byour (?:own )?claim\?"),
        (Slot::Policy, r"\bpolicy(?: \w+)? (?:number|id|no)\b|\byour (?:own )?policy\?"),
        (Slot::Case, r"\bcase(?: \w+)? (?:number|id|no)\b"),
        (Slot::Ticket, r"\bticket(?: \w+)? (?:number|id|no)\b"),
        (Slot::Invoice, r"\binvoice(?: \w+)? (?:number|id|no)\b"),
        (Slot::Customer, r"\b(?:customer|member|membership|client|patient|loyalty|student|employee)(?: \w+)? (?:number|id|no)\b"),
        (Slot::Tracking, r"\btracking(?: \w+)? (?:number|id|no|code)\b"),
        (Slot::Account, r"\b(?:account|loan)(?: \w+)? (?:number|id|no)\b|\bnumber (?:of|on|for) (?:your|the) account\b|\byour (?:own )?account\?"),
    ]
    .into_iter()
    .map(|(slot, text)| (slot, compile(text)))
    .collect()
});

/// Where a sentence ends.
static SENTENCE: LazyLock<Regex> = pattern!(r"[.!?]+(?:\s+|$)");

/// What an agent's words ask for, each sentence by itself: of "I've opened claim number 12. What is
/// your phone number?" only the second one asks.
pub(super) fn asks(text: &str) -> Vec<Ask> {
    let mut asked: Vec<Ask> = Vec::new();
    let mut from = 0;
    let ends = SENTENCE.find_iter(text).map(|end| end.end());
    for end in ends.chain([text.len()]) {
        let found = asks_in(&text[from..end]);
        asked.extend(
            found
                .into_iter()
                .filter(|ask| !asked.contains(ask))
                .collect::<Vec<_>>(),
        );
        from = end;
    }
    // "It goes to 7 Low Road, is that right?"
    if !asked.contains(&Ask::For(Slot::Address)) && text.contains('?') && names_street(text) {
        asked.push(Ask::StreetRight);
    }
    asked
}

fn asks_in(text: &str) -> Vec<Ask> {
    let fragment = FRAGMENT.is_match(text) && !STATES.is_match(text);
    if !fragment && !ASKING.is_match(text) {
        return Vec::new();
    }
    let mut asked = Vec::new();
    for (slot, cue) in [
        (Slot::Name, &NAME),
        (Slot::Email, &EMAIL),
        (Slot::Address, &ADDRESS),
        (Slot::Postcode, &POSTCODE),
        (Slot::City, &CITY),
    ] {
        if cue.is_match(text) {
            asked.push(Ask::For(slot));
        }
    }
    if SURNAME.is_match(text) && !FIRST_NAME.is_match(text) {
        asked.push(Ask::Surname);
    } else if GIVEN_NAME.is_match(text) {
        asked.push(Ask::GivenName);
    }
    if WHICH_CITY.is_match(text) {
        asked.push(Ask::WhichCity);
    }
    if WHEREABOUTS.is_match(text) {
        asked.push(Ask::Whereabouts);
    }
    let phone = PHONE.is_match(text);
    for (slot, cue) in IDENTIFIERS.iter() {
        // "The phone number on the account" is no account's.
        if cue.is_match(text) && !(phone && *slot == Slot::Account) {
            asked.push(Ask::For(slot.clone()));
        }
    }
    if phone {
        asked.push(Ask::For(Slot::Phone));
    }
    if CALLBACK.is_match(text) {
        asked.push(Ask::CallbackTime);
    }
    // "What is your email address" asks for no street.
    if asked.contains(&Ask::For(Slot::Email)) {
        asked.retain(|ask| *ask != Ask::For(Slot::Address));
    }
    asked
}

/// Whether an identifier was asked for, and which.
pub(super) fn identifier(asked: &[Ask]) -> Option<&Slot> {
    asked.iter().find_map(|ask| match ask {
        Ask::For(slot) if slot.kind() == "identifier" => Some(slot),
        _ => None,
    })
}

static YES: LazyLock<Regex> = pattern!(
    r"^\W*(?:yes|yeah|yep|yup|correct|right|that's (?:right|correct|it|fine|good|great|perfect)|that is (?:right|correct|fine|good|great|perfect)|exactly|sure|ok|okay|perfect|sounds (?:good|great|perfect)|please do|absolutely|of course|that works|works for me|great|fine|mm-?hmm|uh-?huh|you got it|that would be (?:great|good|fine|perfect))\b"
);
static NO: LazyLock<Regex> = pattern!(
    r"^\W*(?:no|nope|nah|not quite|incorrect|wrong|that's (?:wrong|not right|incorrect|not correct)|that is (?:wrong|not right|incorrect))\b"
);
static SORRY: LazyLock<Regex> = pattern!(
    r"\b(?:sorry|actually|i mean|i meant|correction|scratch that|my mistake|my bad|oops|wait|make that|make a change|change it to|let me correct|wrong|not \d)\b|^\W*no\b"
);

/// Whether a turn begins by agreeing.
pub(super) fn is_yes(text: &str) -> bool {
    YES.is_match(text)
}

/// Whether a turn begins by disagreeing.
pub(super) fn is_no(text: &str) -> bool {
    NO.is_match(text)
}

/// Whether words put something right.
pub(super) fn corrects(text: &str) -> bool {
    SORRY.is_match(text)
}
