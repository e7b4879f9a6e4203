//! Phone numbers dictated in groups, a turn each, while the agent says "mhm" or repeats the group.

use std::ops::Range;

use super::{LENGTHS, e164, normal};
use crate::extract::rules::ask::{Ask, asks};
use crate::extract::rules::call::{Call, Note, Notes, Speaker};
use crate::memory::slot::Slot;
use crate::memory::spoken::{Run, besides, runs, words};

/// Digits of the first group at the most: more are a number by themselves.
const FIRST_GROUP: usize = 6;

/// Digits of any other group at the most.
const LATER_GROUP: usize = 8;

/// Digits of a number that is whole although it is not valid in the region.
const WHOLE: usize = 10;

/// Words of an agent's turn that only acknowledges a group.
const ACKNOWLEDGEMENT: usize = 6;

/// What is said beside a group.
const LEADS: [&str; 24] = [
    "um", "uh", "er", "sure", "okay", "ok", "yes", "yeah", "yep", "well", "so", "and", "then",
    "it", "it's", "its", "is", "that's", "the", "area", "code", "my", "number", "next",
];

/// What was dictated so far.
#[derive(Default)]
struct Dictation {
    digits: String,
    /// The turns, and where their digits stand.
    groups: Vec<(usize, Range<usize>)>,
}

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    let mut open = Dictation::default();
    for (at, turn) in call.turns.iter().enumerate() {
        if turn.speaker == Speaker::Agent {
            if !open.groups.is_empty() && !acknowledges(turn.text) {
                end(call, std::mem::take(&mut open), notes);
            }
            continue;
        }
        let begins = open.groups.is_empty();
        let asked = turn.answers(&Ask::For(Slot::Phone));
        let most = if begins { FIRST_GROUP } else { LATER_GROUP };
        match group(turn.text).filter(|(digits, _)| digits.len() <= most) {
            Some((digits, place)) if asked || !begins => {
                open.digits.push_str(&digits);
                open.groups.push((at, place));
            }
            _ => end(call, std::mem::take(&mut open), notes),
        }
    }
    end(call, open, notes);
}

/// The digits of a turn that says nothing else, and where they stand.
fn group(text: &str) -> Option<(String, Range<usize>)> {
    let (words, runs) = (words(text), runs(text));
    let place = runs.first()?.place.start..runs.last()?.place.end;
    let alone = besides(&words, &runs).all(|word| LEADS.iter().any(|lead| word.is(lead)));
    alone.then(|| (runs.iter().map(|run| run.digits.as_str()).collect(), place))
}

/// Whether the agent waits for more: "mhm", or the group again.
fn acknowledges(text: &str) -> bool {
    let (words, runs) = (words(text), runs(text));
    let digits: usize = runs.iter().map(|run| run.digits.len()).sum();
    digits <= FIRST_GROUP
        && besides(&words, &runs).take(ACKNOWLEDGEMENT + 1).count() <= ACKNOWLEDGEMENT
        && asks(text).is_empty()
}

fn end(call: &Call<'_>, dictation: Dictation, notes: &mut Notes) {
    let Dictation { digits, mut groups } = dictation;
    let Some((last, place)) = groups.pop().filter(|_| !groups.is_empty()) else {
        return;
    };
    let run = Run {
        place: place.clone(),
        parts: Vec::new(),
        plus: false,
        spoken: true,
        digits,
    };
    let whole = run.digits.len() >= WHOLE && LENGTHS.contains(&run.digits.len());
    if !whole && e164(&run, call.region).is_none() {
        return;
    }
    let note = Note::new(Slot::Phone, normal(&run, call.region), last, place, 0.85);
    let note = groups
        .into_iter()
        .fold(note, |note, (turn, _)| note.also(turn));
    notes.push(note);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_nothing_but_digits() {
        for (text, digits) in [
            ("sure, it's two one two", Some("212")),
            (
                "um eight one three area code then five six two",
                Some("813562"),
            ),
            ("7 3 6", Some("736")),
            ("I have two dogs", None),
            ("mhm", None),
        ] {
            assert_eq!(
                group(text).map(|(digits, _)| digits).as_deref(),
                digits,
                "{text}"
            );
        }
    }

    #[test]
    fn an_agent_who_asks_on_ends_it() {
        for text in [
            "mhm",
            "Two one two, okay.",
            "Go ahead.",
            "Uh-huh, and the rest?",
        ] {
            assert!(acknowledges(text), "{text}");
        }
        for text in [
            "So that's 212-736-5019?",
            "And what is your account number?",
            "Let me see whether I can find you in our system first.",
        ] {
            assert!(!acknowledges(text), "{text}");
        }
    }
}
