//! The words that announce a secret, and what an answer is expected to hold.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{HIDDEN, Kind, hide};
use crate::memory::pattern::{compile, pattern};
use crate::memory::spoken::{self, Word};

/// User turns that an unanswered question lasts for: a card is dictated in groups.
const PATIENCE: u8 = 6;

/// Words of a turn that only acknowledges.
const ACKNOWLEDGEMENT: usize = 8;

/// Words of a question that only asks to go on: "Yes?"
const NUDGE: usize = 3;

static CUES: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    [
        (
            Kind::Card,
            r"(?:credit|debit|gift|bank|payment)\s?card|credit (?:no|number|num)|card\s?(?:number|no|num|ending|ends|is)|cc\s?(?:number|num|no)|tarjeta(?: de (?:cr[eé]dito|d[eé]bito))?|carte (?:bancaire|de cr[eé]dit|bleue)|kreditkarten?(?:nummer)?|carta di credito|cart[aã]o de cr[eé]dito|visa|master\s?card|amex|american express|long number|(?:16|sixteen)[ -]digits?",
        ),
        (
            Kind::Cvv,
            r"cvv2?|cvc2?|cv2|csc|cid code|card verification|security code|(?:three|3|four|4)[ -]digits? (?:code )?on the (?:back|front)|(?:numbers|digits) on the (?:back|front)",
        ),
        (
            Kind::Ssn,
            r"ssn?|s s n|socials?|social security|social insurance|itin|tax ?(?:payer)? ?id|national insurance|seguro social|s[eé]curit[eé] sociale|sozialversicherungs(?:nummer)?|codice fiscale",
        ),
        (Kind::Password, r"pass ?words?|pass ?phrase|memorable word|secret word|passwd|pwd|contrase[nñ]a|mot de passe|passwort|kennwort|senha"),
        (Kind::Pin, r"pins?|p\.i\.n|pin ?(?:code|number)|pass ?code|access code|door code|gate code"),
        (
            Kind::Code,
            r"otp|one[ -]time (?:pass ?word|pass ?code|code|pin)|(?:verification|authenti[a-z]+|auth|security|login|sign[ -]in|2fa|two[ -]factor|sms|text) code|\w+[ -]digit code|code (?:that )?(?:i|you|we|they) (?:just |have |had )?(?:sent|texted|e-?mailed|got|received|gave)|(?:sent|texted|e-?mailed|send|text|sending|texting) (?:to )?you(?:r \w+)? (?:\w+ ){0,4}code|code (?:from|in) (?:the|your|my) (?:text|sms|app|e-?mail|message)",
        ),
    ]
    .into_iter()
    .map(|(kind, cue)| (kind, compile(&format!(r"\b(?:{cue})\b"))))
    .collect()
});

/// "Social media" is no number.
static NO_CUE: LazyLock<Regex> =
    pattern!(r"^social (?:media|club|event|network|worker|services?)\b");

/// "My card number is …": the next turn holds it. "I lost my card" announces nothing.
static ANNOUNCES: LazyLock<Regex> = pattern!(
    r"^\W*(?:(?:number|no|num|code|digits)\W*)?(?:is|are|was|ends? (?:with|in)|would be|here|follows|:)\W*(?:um|uh)?\W*$"
);
static NUMBERED: LazyLock<Regex> = pattern!(
    r"\b(?:number|no|num|code|pin|ssn?|social|social security|otp|pass ?word|cvv|cvc|ending|ends|is)$"
);
static ENDS: LazyLock<Regex> = pattern!(r"^\W*(?:number|no|num)?\W*$");

/// A request to say something once more, which does not name it.
static AGAIN: LazyLock<Regex> = pattern!(
    r"\b(?:(?:repeat|say|spell|read|give me|tell me) ",
    r"(?:it|that|them|this|those|the (?:numbers?|digits|code|last \w+|first \w+))\b|",
    r"(?:did|could|can)(?:n['’]?t| ?not) (?:quite )?(?:catch|get|hear|understand|make out) ",
    r"(?:that|it|you|all)\b|once more|one more time|come again|pardon|",
    r"(?:repeat|again)(?:,? please)?\W*$)"
);
static ELSEWHERE: LazyLock<Regex> = pattern!(r"\b(?:names?|e-?mails?)\b");

/// Words that say that a number is of another kind.
const OTHER_NUMBERS: [&str; 32] = [
    "phone",
    "cell",
    "mobile",
    "telephone",
    "call",
    "reach",
    "zip",
    "postcode",
    "postal",
    "order",
    "booking",
    "confirmation",
    "reference",
    "account",
    "claim",
    "policy",
    "invoice",
    "flight",
    "room",
    "street",
    "address",
    "born",
    "birthday",
    "birth",
    "date",
    "dated",
    "year",
    "since",
    "tracking",
    "ticket",
    "case",
    "extension",
];

/// Where a text (its markers hidden) announces a secret, in order.
pub(super) fn cues(hidden: &str) -> Vec<(Kind, Range<usize>)> {
    let mut found: Vec<(Kind, Range<usize>)> = CUES
        .iter()
        .flat_map(|(kind, cue)| cue.find_iter(hidden).map(|hit| (*kind, hit.range())))
        .collect();
    found.retain(|(_, place)| !NO_CUE.is_match(&hidden[place.start..]));
    found.sort_by_key(|(kind, place)| (place.start, *kind));
    found
}

/// Whether any of these words says that the number is of another kind.
pub(super) fn is_other_number(words: &[Word<'_>]) -> bool {
    words
        .iter()
        .any(|word| OTHER_NUMBERS.iter().any(|other| word.is(other)))
}

/// What the next turn of the caller is expected to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    wanted: Vec<Wanted>,
    /// What was given last, and may be asked for once more.
    settled: Vec<Kind>,
    turns: u8,
}

/// A secret that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    /// It was given, and may go on: a card is dictated in groups. Only a turn of nothing but digits
    /// does; "43 Garden Drive" is something else.
    pub(super) given: bool,
}

impl Expected {
    /// Whether such a secret is expected.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.wanted.iter().any(|wanted| wanted.kind == kind)
    }

    /// What is expected.
    pub(super) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// Exactly these kinds.
    pub(super) fn of(text: &str) -> Self {
        let mut kinds: Vec<Kind> = cues(&hide(text))
            .into_iter()
            .map(|(kind, _)| kind)
            .collect();
        kinds.dedup();
        let wanted = |kind| Wanted { kind, given: false };
        Self {
            wanted: kinds.into_iter().map(wanted).collect(),
            settled: Vec::new(),
            turns: PATIENCE,
        }
    }

    /// The agent has spoken: what it asks for is expected, and what it asked for before is not,
    /// unless it only acknowledged.
    pub(super) fn asked(&mut self, said: &str) {
        let asked = Self::of(said);
        if asked.wanted.is_empty() && asks_again(said) {
            self.renew();
            return;
        }
        let question = said
            .split_inclusive(['?', '.', '!'])
            .rfind(|sentence| sentence.ends_with('?'));
        let words = spoken::words(said).len();
        // "I sent you a code. What is your order number?" asks for the order number.
        let elsewhere = question.is_some_and(|question| {
            cues(&hide(question)).is_empty() && is_other_number(&spoken::words(question))
        });
        if !asked.wanted.is_empty() && !elsewhere {
            *self = asked;
        } else if elsewhere || words > ACKNOWLEDGEMENT || (question.is_some() && words > NUDGE) {
            *self = Self::default();
        }
    }

    /// What was asked for last is expected once more, given or not.
    fn renew(&mut self) {
        let given = self.wanted.iter().map(|wanted| wanted.kind);
        let mut kinds: Vec<Kind> = given.chain(self.settled.iter().copied()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let wanted = |kind| Wanted { kind, given: false };
        self.wanted = kinds.into_iter().map(wanted).collect();
        self.turns = PATIENCE;
    }

    /// The caller has spoken (the text is redacted): an answer settles the question, except that a
    /// card and a social security number may go on. "My PIN is …" announces the next turn.
    pub(super) fn answered(&mut self, said: &str) {
        self.turns = self.turns.saturating_sub(1);
        if self.turns == 0 {
            *self = Self::default();
        }
        for wanted in &mut self.wanted {
            wanted.given |= said.contains(wanted.kind.marker());
        }
        let given = self.wanted.iter().filter(|wanted| wanted.given);
        let given: Vec<Kind> = given.map(|wanted| wanted.kind).collect();
        if !given.is_empty() {
            self.settled = given;
        }
        self.wanted
            .retain(|wanted| !wanted.given || goes_on(wanted.kind));
        let hidden = hide(said);
        if let Some((kind, place)) = cues(&hidden).pop() {
            let (cue, rest) = (&hidden[place.clone()], &hidden[place.end..]);
            let announced =
                ANNOUNCES.is_match(rest) || (NUMBERED.is_match(cue) && ENDS.is_match(rest));
            // What stands behind it already, taken out, need not come.
            let given = rest.contains(HIDDEN);
            if announced && (!given || goes_on(kind)) {
                self.wanted.push(Wanted { kind, given });
                self.turns = PATIENCE;
            }
        }
    }
}

/// "Could you repeat it?": what was asked for before is asked for again.
fn asks_again(said: &str) -> bool {
    AGAIN.is_match(said) && !ELSEWHERE.is_match(said) && !is_other_number(&spoken::words(said))
}

/// Whether a secret is so long that it may take several turns.
fn goes_on(kind: Kind) -> bool {
    matches!(kind, Kind::Card | Kind::Ssn)
}
