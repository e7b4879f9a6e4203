//! Where in one text the secrets stand.

use std::ops::{Range, RangeInclusive};

use super::Kind;
use super::cue::{Expected, Wanted, cues, is_other_number};
use crate::memory::spoken::{Run, Word, besides, runs, words};

mod card;
mod password;

pub(super) use password::is_made_up;

/// Words between a cue and its number.
const WINDOW: usize = 10;

/// Words that lead from a cue to its number without changing the subject.
const GLUE: [&str; 46] = [
    "is", "are", "was", "it", "its", "it's", "that's", "thats", "number", "numbers", "no", "num",
    "the", "my", "your", "last", "four", "4", "digits", "digit", "of", "in", "ending", "ends",
    "ended", "with", "as", "to", "would", "be", "code", "pin", "for", "card", "this", "on", "file",
    "here", "um", "uh", "ok", "okay", "sure", "and", "me", "us",
];

/// What a caller says before a number that was asked for.
const PREAMBLE: [&str; 17] = [
    "yes", "yeah", "yep", "well", "so", "alright", "right", "please", "sir", "ma'am", "course",
    "think", "i", "believe", "then", "next", "rest",
];

/// Words by which a street is known, and how far before its postal code they stand.
const STREETS: [&str; 14] = [
    "street",
    "st",
    "road",
    "rd",
    "avenue",
    "ave",
    "lane",
    "ln",
    "drive",
    "dr",
    "boulevard",
    "blvd",
    "court",
    "way",
];
const STREET_WITHIN: usize = 8;

/// Everything that must go from a text whose markers are hidden: in order, without overlap.
pub(super) fn spans(hidden: &str, expected: &Expected) -> Vec<(Range<usize>, Kind)> {
    let text = Text {
        hidden,
        words: words(hidden),
        runs: runs(hidden),
    };
    let mut found = Vec::new();
    text.cards(&mut found);
    text.hyphenated(&mut found);
    text.announced(&mut found);
    text.passwords(&mut found);
    text.answers(expected, &mut found);
    found.sort_by_key(|(span, kind): &(Range<usize>, Kind)| (span.start, *kind));
    let mut apart: Vec<(Range<usize>, Kind)> = Vec::new();
    for (span, kind) in found {
        match apart.last_mut() {
            Some((last, _)) if span.start < last.end => last.end = last.end.max(span.end),
            _ => apart.push((span, kind)),
        }
    }
    apart
}

struct Text<'a> {
    hidden: &'a str,
    words: Vec<Word<'a>>,
    runs: Vec<Run>,
}

impl Text<'_> {
    /// `123-45-6789` is nothing else in the United States.
    fn hyphenated(&self, found: &mut Vec<(Range<usize>, Kind)>) {
        for run in &self.runs {
            for three in run.parts.windows(3) {
                let lengths = [three[0].1, three[1].1, three[2].1];
                let hyphen = |a: &Range<usize>, b: &Range<usize>| {
                    matches!(&self.hidden[a.end..b.start], "-" | "–" | "‑")
                };
                if lengths == [3, 2, 4]
                    && hyphen(&three[0].0, &three[1].0)
                    && hyphen(&three[1].0, &three[2].0)
                {
                    found.push((three[0].0.start..three[2].0.end, Kind::Ssn));
                }
            }
        }
    }

    /// Numbers and codes beside the words that announce them.
    fn announced(&self, found: &mut Vec<(Range<usize>, Kind)>) {
        for (kind, cue) in cues(self.hidden) {
            if kind == Kind::Password {
                continue;
            }
            self.after(kind, cue.end, found);
            self.before(kind, cue.start, found);
            if kind == Kind::Code {
                self.mixed_after(cue.end, found);
            }
        }
    }

    fn after(&self, kind: Kind, from: usize, found: &mut Vec<(Range<usize>, Kind)>) {
        let first = self.runs.partition_point(|run| run.place.start < from);
        for run in self.runs[first..].iter().take(4) {
            let between = self.between(from, run.place.start);
            if between.len() > WINDOW || is_other_number(between) {
                return;
            }
            if self.counts_digits(run) {
                continue;
            }
            let tight = between.len() < WINDOW && between.iter().all(is_glue);
            let length = run.digits.len();
            let dated = is_year(run)
                && between.last().is_some_and(|word| word.is("in"))
                && !between
                    .iter()
                    .any(|word| word.is("ending") || word.is("ends"));
            if dated {
                return;
            }
            let fits = if tight {
                tight_lengths(kind).contains(&length)
            } else {
                loose_lengths(kind).contains(&length) && !is_year(run)
            };
            if fits {
                found.push((run.place.clone(), kind));
                return;
            }
            if let Some(end) = leading(run, tight_lengths(kind)).filter(|_| tight) {
                found.push((run.place.start..end, kind));
                return;
            }
        }
    }

    /// "1234 is my PIN."
    fn before(&self, kind: Kind, until: usize, found: &mut Vec<(Range<usize>, Kind)>) {
        let next = self.runs.partition_point(|run| run.place.end <= until);
        let Some(run) = next.checked_sub(1).and_then(|last| self.runs.get(last)) else {
            return;
        };
        let between = self.between(run.place.end, until);
        let says = between
            .first()
            .is_some_and(|word| ["is", "was", "for", "as"].iter().any(|glue| word.is(glue)));
        let fits = loose_lengths(kind).contains(&run.digits.len());
        if says && between.len() <= 4 && between.iter().all(is_glue) && fits {
            found.push((run.place.clone(), kind));
        }
    }

    /// A code of letters and digits: "the verification code is G7K2Q9".
    fn mixed_after(&self, from: usize, found: &mut Vec<(Range<usize>, Kind)>) {
        let first = self.words.partition_point(|word| word.place.start < from);
        let code = self.words[first..]
            .iter()
            .take(WINDOW)
            .find(|word| !is_glue(word))
            .filter(|word| is_mixed(word.text));
        if let Some(code) = code {
            found.push((code.place.clone(), Kind::Code));
        }
    }

    /// What the agent has just asked for.
    fn answers(&self, expected: &Expected, found: &mut Vec<(Range<usize>, Kind)>) {
        if expected.has(Kind::Password) {
            self.password_answer(found);
        }
        let only_digits = self.only_digits();
        for Wanted { kind, given } in expected.wanted() {
            if *kind == Kind::Password || (*given && !only_digits) {
                continue;
            }
            for run in &self.runs {
                let length = run.digits.len();
                let year = is_year(run) && !only_digits;
                let fits = (loose_lengths(*kind).contains(&length) && !year)
                    || (only_digits && tight_lengths(*kind).contains(&length))
                    || (only_digits && *kind == Kind::Card && length >= 3);
                let first = self
                    .words
                    .partition_point(|word| word.place.start < run.place.start);
                let lead = &self.words[first.saturating_sub(4)..first];
                if fits
                    && !is_other_number(lead)
                    && !self.counts_digits(run)
                    && !self.is_postcode(run, first)
                {
                    found.push((run.place.clone(), *kind));
                }
            }
            if *kind == Kind::Code {
                let mixed = self.words.iter().find(|word| is_mixed(word.text));
                found.extend(mixed.map(|word| (word.place.clone(), Kind::Code)));
            }
        }
    }

    /// Whether a turn says nothing but numbers: "sure, it's 6789", not "843 Garden Drive".
    fn only_digits(&self) -> bool {
        besides(&self.words, &self.runs)
            .all(|word| is_glue(word) || PREAMBLE.iter().any(|lead| word.is(lead)))
    }

    /// "12 Main Street, Albany 12208" ends with a postal code, whatever was asked before.
    fn is_postcode(&self, run: &Run, first: usize) -> bool {
        let street = |word: &Word<'_>| STREETS.iter().any(|street| word.is(street));
        (5..=6).contains(&run.digits.len())
            && self.words[first.saturating_sub(STREET_WITHIN)..first]
                .iter()
                .any(street)
    }

    fn between(&self, from: usize, to: usize) -> &[Word<'_>] {
        let first = self.words.partition_point(|word| word.place.start < from);
        let last = self.words.partition_point(|word| word.place.start < to);
        &self.words[first..last.max(first)]
    }

    /// "Four" in "the last four digits" tells how many, and is none of them.
    fn counts_digits(&self, run: &Run) -> bool {
        if run.parts.len() > 1 || run.digits.len() > 2 {
            return false;
        }
        let at = self
            .words
            .partition_point(|word| word.place.start < run.place.start);
        let before = at.checked_sub(1).map(|before| &self.words[before]);
        let after = self.words.get(at + 1);
        before.is_some_and(|word| ["last", "first", "final"].iter().any(|cue| word.is(cue)))
            || after.is_some_and(|word| {
                ["digit", "digits", "numbers"]
                    .iter()
                    .any(|cue| word.is(cue))
            })
    }
}

/// Lengths of a number right behind its cue.
fn tight_lengths(kind: Kind) -> RangeInclusive<usize> {
    match kind {
        Kind::Card => 4..=30,
        Kind::Cvv => 3..=9,
        Kind::Ssn => 4..=12,
        Kind::Pin => 3..=12,
        Kind::Code => 4..=10,
        // Known by its words, not by its digits.
        Kind::Password => 0..=0,
    }
}

/// Lengths of a number near its cue, with other words between.
fn loose_lengths(kind: Kind) -> RangeInclusive<usize> {
    match kind {
        Kind::Card => 12..=30,
        Kind::Cvv => 3..=4,
        Kind::Ssn => 4..=9,
        Kind::Pin => 4..=6,
        Kind::Code => 4..=8,
        // Known by its words, not by its digits.
        Kind::Password => 0..=0,
    }
}

/// The end of the longest beginning of a run, in whole parts, that fits.
fn leading(run: &Run, lengths: RangeInclusive<usize>) -> Option<usize> {
    let starts = offsets(&run.parts);
    (1..starts.len())
        .rev()
        .find(|parts| lengths.contains(&starts[*parts]))
        .map(|parts| run.parts[parts - 1].0.end)
}

/// How many digits stand before each part, and before the end.
fn offsets(parts: &[(Range<usize>, usize)]) -> Vec<usize> {
    let mut at = 0;
    let mut offsets = vec![0];
    for (_, length) in parts {
        at += length;
        offsets.push(at);
    }
    offsets
}

fn is_glue(word: &Word<'_>) -> bool {
    GLUE.iter().any(|glue| word.is(glue))
}

fn is_mixed(word: &str) -> bool {
    let tail = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let counts = ["am", "pm", "st", "nd", "rd", "th", "hrs", "min"];
    !counts
        .iter()
        .any(|suffix| tail.eq_ignore_ascii_case(suffix))
        && (4..=10).contains(&word.len())
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a number may be a year: "1984", "nineteen eighty four", not "one nine eight four".
fn is_year(run: &Run) -> bool {
    run.digits.len() == 4
        && run.parts.len() < 4
        && (run.digits.starts_with("19") || run.digits.starts_with("20"))
}
