//! Who is on the line: a wrong number or somebody else's voice says nothing about the caller.

use std::sync::LazyLock;

use regex::Regex;

use super::call::{Call, Note, Notes};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;

/// A machine that answers speaks first.
const MACHINE_SPEAKS_BY: usize = 4;

static WRONG: LazyLock<Regex> = pattern!(
    r"\b(?:you|you've|you have|they|they've|this is|it's|it is|that's|think you)(?: \w+)?(?: got| have| dialed| dialled| called| reached)? (?:the|a) wrong number\b|^\W*(?:(?:sorry|no|oh|nope|uh)\b\W*)*(?:this is )?wrong number\b|\b(?:no one|nobody|no-one|there's no|there is no)(?: \w+){0,2} by that name\b"
);
/// The caller gave it wrong, or was given it: the line is right.
static GIVEN: LazyLock<Regex> = pattern!(
    r"\b(?:i|i've|i have|my|claim|order|account|policy|gave|given|wrote|entered|typed)\b[^.!?]{0,30}\bwrong number\b"
);
static THIRD: LazyLock<Regex> = pattern!(
    r"\b(?:on behalf of|(?:i'm|i am|this is) (?:his|her|their|the patient's|the customer's) (?:wife|husband|mother|mom|father|dad|son|daughter|brother|sister|assistant|secretary|carer|caretaker|neighbou?r|partner|friend|roommate|colleague|lawyer|attorney)|(?:calling|asking) for my (?:wife|husband|mother|mom|father|dad|son|daughter|brother|sister|boss|friend|partner|client)|(?:he|she) (?:is not|isn't|is n't|'s not) (?:here|home|available|in)(?: right now)?|(?:he's|she's) not (?:here|home|available|in)\b)"
);

/// A machine speaks.
static VOICEMAIL: LazyLock<Regex> = pattern!(
    r"\b(?:leave (?:a|your|me a) (?:brief |short |detailed )?message|(?:after|at) the (?:tone|beep)|you(?:'ve| have) reached the (?:voice ?mail|mailbox)|(?:voice ?mail|mail)box (?:is full|of)|record your message|forwarded to (?:an automatic |a )?voice(?:mail| message))\b"
);
static SHARED: LazyLock<Regex> = pattern!(
    r"\b(?:this is (?:a|our) (?:shared|family|common|house) (?:phone|line|number)|(?:we|my \w+ and i|all of us)(?: all)? share (?:this|the same|a|one) (?:phone|line|number)|this (?:phone|line|number) is shared|(?:everyone|everybody) (?:here|in the (?:house|office)) uses this (?:phone|line|number)|(?:calling|this is)(?: you)? (?:from|on) my (?:wife|husband|mother|mom|father|dad|son|daughter|brother|sister|friend|neighbou?r|roommate|boss|coworker)'?s (?:phone|cell|number|mobile|line))\b"
);

/// What is known about who is on the line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    wrong: bool,
    third: bool,
    machine: bool,
}

impl Line {
    /// Whether such a fact would be about somebody else.
    pub(super) fn silences(self, slot: &Slot) -> bool {
        match slot.kind() {
            "identity" => self.wrong || self.third || self.machine,
            "contact" | "identifier" | "preference" | "constraint" | "commitment" | "issue" => {
                self.wrong || self.machine
            }
            _ => false,
        }
    }
}

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) -> Line {
    let mut line = Line::default();
    for (at, turn) in call.callers() {
        if let Some(hit) = WRONG.find(turn.text)
            && !GIVEN.is_match(turn.text)
            && !turn.text.trim_end().ends_with('?')
        {
            line.wrong = true;
            notes.push(Note::new(Slot::WrongNumber, "true", at, hit.range(), 0.85));
        }
        if let Some(hit) = VOICEMAIL.find(turn.text)
            && at < MACHINE_SPEAKS_BY
            && !turn.text.trim_end().ends_with('?')
        {
            line.machine = true;
            notes.push(Note::new(Slot::Voicemail, "true", at, hit.range(), 0.8));
        }
        if let Some(hit) = SHARED.find(turn.text) {
            notes.push(Note::new(Slot::Shared, "true", at, hit.range(), 0.75));
        }
        if let Some(hit) = THIRD.find(turn.text) {
            line.third = true;
            notes.push(Note::new(Slot::ThirdParty, "true", at, hit.range(), 0.75));
        }
    }
    line
}
