//! Passwords: whatever is said to be one, or answers the question for one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Text;
use crate::memory::pattern::pattern;
use crate::memory::redact::Kind;

/// A password that is said where it is named. What follows may be quoted.
static PASSWORD: LazyLock<Regex> = pattern!(
    r#"\b(?:pass ?words?|pass ?phrase|memorable word|secret word|passwd|pwd|contrase[nñ]a|mot de passe|passwort|kennwort|senha)\b["'”]?\s*"#,
    r#"(?:(?:for|on) (?:my|the|your) \w+ )?"#,
    r#"(?:[:=]|\b(?:is|was|to|would be|will be|it's|being|es|est|ist|[eé])\b)[\s:]*["'“]?([^\s"“”]+(?: [^\s"“”,;!?]+)*)"#
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

impl Text<'_> {
    pub(super) fn passwords(&self, found: &mut Vec<(Range<usize>, Kind)>) {
        for said in PASSWORD.captures_iter(self.hidden) {
            let Some(value) = said.get(1) else { continue };
            if NO_PASSWORD.is_match(value.as_str()) {
                continue;
            }
            self.push_phrase(value.range(), found);
        }
    }

    /// A phrase up to the end of its clause, without the full stop.
    fn push_phrase(&self, place: Range<usize>, found: &mut Vec<(Range<usize>, Kind)>) {
        let phrase = &self.hidden[place.clone()];
        let end = CLAUSE
            .find(phrase)
            .map_or(phrase.len(), |stop| stop.start());
        let phrase =
            phrase[..end].trim_end_matches(['.', ',', '!', '?', '"', '\'', '”', ' ', '}', ']']);
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
