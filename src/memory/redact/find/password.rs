//! Passwords: whatever is said to be one, or answers the question for one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Text;
use crate::memory::pattern::pattern;
use crate::memory::redact::Kind;
use crate::memory::spoken::{self, Word};

/// A password that is said where it is named. What follows may be quoted.
static PASSWORD: LazyLock<Regex> = pattern!(
    r#"\b(?:pass ?words?|pass ?phrase|memorable word|secret word|passwd|pwd|contrase[nñ]a|mot de passe|passwort|kennwort|senha)\b["'”]?\s*"#,
    r#"(?:(?:for|on) (?:my|the|your) \w+ )?"#,
    r#"(?:[:=]|\b(?:is|was|to|would be|will be|it's|being|es|est|ist|[eé])\b)[\s:]*["'“]?([^\s"“”]+(?: [^\s"“”,;!?]+)*)"#
);

/// A word right behind "password".
static BARE: LazyLock<Regex> = pattern!(
    r#"\b(?:pass ?words?|pass ?phrase|passwd|pwd|contrase[nñ]a|passwort|kennwort|senha)\s+["'“]?"#,
    r#"([^\s"“”,;!?]+)"#
);

/// What follows "the password is" and is none.
static NO_PASSWORD: LazyLock<Regex> = pattern!(
    r"^(?:not|no|wrong|incorrect|invalid|expired|correct|required|working|reset|being|too|",
    r"case|the|a|an|my|your|our|in|on|at|something|anything|what|forgotten|still|also|never|",
    r"always|on|there|here|login|log|access|get|change|update|protected|needed|locked|gone|lost|",
    r"be|it|that|this|them|i|you|we|null|none|true|false)\b"
);

/// Where a password's phrase ends.
static CLAUSE: LazyLock<Regex> =
    pattern!(r"[.,;!?](?:\s|$)|\n|\s(?:and|but|so|because|if|can|could|is|please)\s");

/// What a caller says before the answer, or instead of it.
static PREAMBLE: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|ok|okay|um|uh|well|so|alright|of course|it's|its|it is|that's|",
    r"that is|that would be|this is|i think|i believe|my|the|pass ?word|pass ?phrase|is)\b[\s,.:]*)*"
);
static NO_ANSWER: LazyLock<Regex> = pattern!(
    r"^(?:no\b|nope|not|i (?:don|can|forg|do|am|lost|have|need|want|never)|i'm|why|what|",
    r"sorry|hold|one (?:sec|mom)|just|let me|wait|hang|can |could |give|thank|hello|correct|right)|\?"
);

/// Words by which a password is spelled out.
const SPELLING: [&str; 34] = [
    "capital",
    "caps",
    "upper",
    "uppercase",
    "lower",
    "lowercase",
    "case",
    "small",
    "big",
    "letter",
    "letters",
    "number",
    "digit",
    "symbol",
    "dash",
    "hyphen",
    "minus",
    "plus",
    "underscore",
    "dot",
    "period",
    "point",
    "at",
    "sign",
    "hash",
    "hashtag",
    "pound",
    "dollar",
    "percent",
    "ampersand",
    "star",
    "asterisk",
    "exclamation",
    "mark",
];

/// What comes behind a password and is none of it.
const CLOSING: [&str; 14] = [
    "thanks", "thank", "please", "yes", "yeah", "ok", "okay", "right", "correct", "sorry", "no",
    "that's", "got", "bye",
];

/// How far behind one piece of a password the end of the next is looked for, in bytes.
const PIECE: usize = 64;

impl Text<'_> {
    pub(super) fn passwords(&self, found: &mut Vec<(Range<usize>, Kind)>) {
        for said in PASSWORD.captures_iter(self.hidden) {
            let Some(value) = said.get(1) else { continue };
            if NO_PASSWORD.is_match(value.as_str()) {
                continue;
            }
            self.push_phrase(value.range(), found);
        }
        for said in BARE.captures_iter(self.hidden) {
            let Some(value) = said.get(1) else { continue };
            let word = value.as_str().trim_end_matches(['.', '\'', '’', ')', ':']);
            if is_made_up(word) && !word.contains('@') {
                found.push((value.start()..value.start() + word.len(), Kind::Password));
            }
        }
    }

    /// A phrase up to the end of its clause, without the full stop.
    fn push_phrase(&self, place: Range<usize>, found: &mut Vec<(Range<usize>, Kind)>) {
        let phrase = &self.hidden[place.clone()];
        let end = CLAUSE
            .find(phrase)
            .map_or(phrase.len(), |stop| stop.start());
        let end = spelled_until(&self.hidden[place.start..], end);
        let phrase = self.hidden[place.start..place.start + end]
            .trim_end_matches(['.', ',', '!', '?', '"', '\'', '”', ' ', '}', ']']);
        let start = phrase.find(|c: char| c != '\u{1}').unwrap_or(phrase.len());
        let plain = &phrase[start..];
        let stop = plain.find('\u{1}').unwrap_or(plain.len());
        let plain = plain[..stop].trim_end();
        if plain.chars().any(char::is_alphanumeric) {
            let from = place.start + start;
            found.push((from..from + plain.len(), Kind::Password));
        }
    }

    pub(super) fn password_answer(&self, found: &mut Vec<(Range<usize>, Kind)>) {
        let trimmed = self.hidden.trim_start();
        let lead = self.hidden.len() - trimmed.len();
        let start = lead + PREAMBLE.find(trimmed).map_or(0, |hit| hit.end());
        let answer = &self.hidden[start..];
        if !NO_ANSWER.is_match(answer) && !self.hidden.contains('?') {
            self.push_phrase(start..self.hidden.len(), found);
        }
    }
}

/// Where a password ends that is spelled out in pieces: "capital T, tiger43, dash".
fn spelled_until(text: &str, first: usize) -> usize {
    let mut end = first;
    if text[..end].contains('\u{1}') {
        return end;
    }
    let spelled = spoken::words(&text[..end]).iter().any(names_a_letter);
    while text[end..].starts_with(',') {
        let from = end + 1;
        let rest = &text[from..text.floor_char_boundary(from + PIECE)];
        let stop = CLAUSE.find(rest).map_or(rest.len(), |stop| stop.start());
        let words = spoken::words(&rest[..stop]);
        let goes_on = match words.as_slice() {
            [] => false,
            [word] if spelled => !CLOSING.iter().any(|closing| word.is(closing)),
            words => words.iter().all(is_spelled),
        };
        if !goes_on {
            break;
        }
        end = from + stop;
    }
    end
}

fn names_a_letter(word: &Word<'_>) -> bool {
    SPELLING.iter().any(|spelling| word.is(spelling))
}

fn is_spelled(word: &Word<'_>) -> bool {
    names_a_letter(word)
        || word.text.chars().nth(1).is_none()
        || word.text.contains(|c: char| c.is_ascii_digit())
        || spoken::single(word.text).is_some()
}

/// Whether no language has such a word: letters with digits, signs or capitals in between.
pub(in crate::memory::redact) fn is_made_up(word: &str) -> bool {
    let inner_capital = word
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let odd = |c: char| c.is_ascii_digit() || "@#$%^&*_+=~!".contains(c);
    word.chars().count() >= 5
        && !word.contains(char::is_whitespace)
        && word.contains(char::is_alphabetic)
        && (inner_capital || word.contains(odd))
}
