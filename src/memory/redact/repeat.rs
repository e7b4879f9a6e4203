//! Secrets that were found in a call, to be taken out wherever it repeats them.

use std::collections::BTreeMap;

use super::{Kind, hide};
use crate::memory::spoken::runs;

/// Digits of a secret that is long enough to be known again.
const LONG_ENOUGH: usize = 4;

/// The numbers found so far, by their digits.
#[derive(Debug, Default)]
pub(super) struct Secrets(BTreeMap<String, Kind>);

impl Secrets {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of a secret.
    pub(super) fn learn(&mut self, text: &str, kind: Kind) {
        let digits: String = runs(text).into_iter().map(|run| run.digits).collect();
        let year = digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"));
        if digits.len() >= LONG_ENOUGH && !year && kind != Kind::Password {
            self.0.entry(digits).or_insert(kind);
        }
    }

    /// The text without the numbers that are secrets as a whole.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut at = 0;
        for run in runs(&hide(text)) {
            if let Some(kind) = self.0.get(&run.digits) {
                hidden.push_str(&text[at..run.place.start]);
                hidden.push_str(kind.marker());
                at = run.place.end;
            }
        }
        hidden.push_str(&text[at..]);
        hidden
    }
}
