//! Whom the caller speaks for.

use std::sync::LazyLock;

use regex::Regex;

use super::call::{Call, Note, Notes, tail};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::words;

/// Words of a company's name at the most.
const LONGEST: usize = 4;

/// After this stands a company.
static SURE: LazyLock<Regex> = pattern!(
    r"\b(?:i work (?:for|at)|i represent|we represent|calling on behalf of|(?:my|our) company(?:'s name)? is|the company is(?: called)?|i own(?: a company called)?) "
);
/// After this stands a company or a place: its last word tells.
static MAYBE: LazyLock<Regex> = pattern!(r"\b(?:from|with|at) ");
static SUFFIX: LazyLock<Regex> = pattern!(
    r"^(?:inc|llc|ltd|limited|corp|corporation|gmbh|plc|co|company|group|holdings|partners|associates|logistics|industries|enterprises|solutions|systems|consulting|construction|realty|properties)$"
);

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        let sure = SURE.find_iter(turn.text).map(|hit| (hit.end(), true));
        let maybe = MAYBE.find_iter(turn.text).map(|hit| (hit.end(), false));
        let found = sure.chain(maybe).find_map(|(start, sure)| {
            let place = named(turn.text, start)?;
            let last = turn.text[place.clone()].rsplit(' ').next()?;
            (sure || SUFFIX.is_match(last.trim_end_matches('.'))).then_some(place)
        });
        if let Some(place) = found {
            let name = &turn.text[place.clone()];
            notes.push(Note::new(Slot::Company, name, at, place, 0.75));
        }
    }
}

/// The words in capitals that begin here.
fn named(text: &str, start: usize) -> Option<std::ops::Range<usize>> {
    let rest = tail(text, start);
    let mut end = 0;
    for word in words(rest).iter().take(LONGEST) {
        let gap = &rest[end..word.place.start];
        let capital = word
            .text
            .starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit());
        if !capital || !(gap.is_empty() || matches!(gap, " " | " & " | "-")) || word.text == "I" {
            break;
        }
        end = word.place.end;
    }
    (end > 1).then(|| start..start + end)
}
