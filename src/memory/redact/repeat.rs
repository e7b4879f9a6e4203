//! Secrets that were found in a call, to be taken out wherever it repeats them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::find::is_made_up;
use super::{Kind, hide};
use crate::memory::spoken::runs;

/// Digits of a secret that is long enough to be known again.
const LONG_ENOUGH: usize = 4;

/// What may stand around a password in a sentence.
const AROUND: &[char] = &[
    '.', ',', ';', ':', '!', '?', '"', '\'', '“', '”', '(', ')', '[', ']', '{', '}',
];

/// The secrets found so far: numbers by their digits, and passwords that are no words of a language.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    numbers: BTreeMap<String, Kind>,
    passwords: BTreeSet<String>,
}

impl Secrets {
    /// Takes note of a secret.
    pub(super) fn learn(&mut self, text: &str, kind: Kind) {
        if kind == Kind::Password {
            let password = text.trim_matches(AROUND);
            if is_made_up(password) {
                self.passwords.insert(password.to_owned());
            }
            return;
        }
        let digits: String = runs(text).into_iter().map(|run| run.digits).collect();
        let year = digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"));
        if digits.len() >= LONG_ENOUGH && !year {
            self.numbers.entry(digits).or_insert(kind);
        }
    }

    /// The text without the numbers and words that are secrets as a whole.
    pub(super) fn hide(&self, text: &str) -> String {
        let text = self.hide_passwords(text);
        if self.numbers.is_empty() {
            return text.into_owned();
        }
        let mut hidden = String::with_capacity(text.len());
        let mut at = 0;
        for run in runs(&hide(&text)) {
            if let Some(kind) = self.numbers.get(&run.digits) {
                hidden.push_str(&text[at..run.place.start]);
                hidden.push_str(kind.marker());
                at = run.place.end;
            }
        }
        hidden.push_str(&text[at..]);
        hidden
    }

    fn hide_passwords<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.passwords.is_empty() {
            return Cow::Borrowed(text);
        }
        let pieces = text.split_inclusive(char::is_whitespace).map(|piece| {
            let word = piece.trim_end().trim_matches(AROUND);
            if self.passwords.contains(word) {
                Cow::Owned(piece.replacen(word, Kind::Password.marker(), 1))
            } else {
                Cow::Borrowed(piece)
            }
        });
        Cow::Owned(pieces.collect())
    }
}
