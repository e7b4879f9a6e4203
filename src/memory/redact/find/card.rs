//! Payment card numbers: issuers, lengths and the check digit.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Text, offsets};
use crate::memory::pattern::pattern;
use crate::memory::redact::Kind;
use crate::memory::spoken::Run;

/// Digits of the shortest and of the longest card number.
const SHORTEST: usize = 14;
const LONGEST: usize = 19;

/// Typed in one piece, with whatever stuck to it.
static TYPED: LazyLock<Regex> = pattern!(r"\+?[0-9]{14,}");

/// What a speaker puts between two groups of a number without ending it.
static PAUSE: LazyLock<Regex> = pattern!(
    r"^(?:[\s,.…?!–—-]|\b(?:u[mh]+|uhm|er+m?|hmm|ah|and|then|next|okay|ok|so|well|like|you know|",
    r"i mean|i think|let me see|let's see|sorry|wait|hold on|yes|yeah|right|it's)\b)*$"
);
const LONGEST_PAUSE: usize = 40;

/// Numbers with nothing but pauses between them.
#[derive(Default)]
struct Chain {
    digits: String,
    parts: Vec<(Range<usize>, usize)>,
    /// For each part, how many parts there are up to the end of its breath.
    breaths: Vec<usize>,
}

impl Chain {
    fn push(&mut self, run: &Run) {
        self.digits.push_str(&run.digits);
        self.parts.extend(run.parts.iter().cloned());
        self.breaths.resize(self.parts.len(), self.parts.len());
    }
}

impl Text<'_> {
    /// Card numbers by issuer and check digit, wherever they stand. What follows in the same
    /// breath is the expiry date and the security code.
    pub(super) fn cards(&self, found: &mut Vec<(Range<usize>, Kind)>) {
        for chain in self.chains() {
            let starts = offsets(&chain.parts);
            let mut from = 0;
            while from + 1 < starts.len() {
                let end = (from + 1..starts.len().min(from + LONGEST + 1))
                    .rev()
                    .find(|end| is_card(&chain.digits[starts[from]..starts[*end]]));
                let Some(end) = end else {
                    from += 1;
                    continue;
                };
                let breath = chain.breaths[end - 1];
                let rest = starts[breath] - starts[end];
                let last = if rest <= 8 { breath } else { end };
                let place = chain.parts[from].0.start..chain.parts[last - 1].0.end;
                found.push((place, Kind::Card));
                from = last;
            }
        }
        let typed = TYPED.find_iter(self.hidden);
        let cards = typed.filter(|typed| is_card(typed.as_str()));
        found.extend(cards.map(|card| (card.range(), Kind::Card)));
    }

    fn chains(&self) -> Vec<Chain> {
        let mut chains = Vec::new();
        let mut open = Chain::default();
        let mut end = 0;
        for run in &self.runs {
            // A phone number from abroad.
            let is_phone = run.plus && run.digits.len() <= 15;
            if is_phone || !self.is_pause(end, run.place.start) {
                chains.push(std::mem::take(&mut open));
            }
            if !is_phone {
                open.push(run);
            }
            end = run.place.end;
        }
        chains.push(open);
        chains.retain(|chain| chain.digits.len() >= SHORTEST);
        chains
    }

    fn is_pause(&self, from: usize, to: usize) -> bool {
        to - from <= LONGEST_PAUSE && PAUSE.is_match(&self.hidden[from..to])
    }
}

/// Whether these digits are a payment card: an issuer's prefix and length, and the check digit.
fn is_card(digits: &str) -> bool {
    let prefix = |length: usize| {
        digits
            .get(..length)
            .and_then(|text| text.parse::<u32>().ok())
    };
    let (Some(one), Some(two), Some(three), Some(four)) =
        (prefix(1), prefix(2), prefix(3), prefix(4))
    else {
        return false;
    };
    let issued = match digits.len() {
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            one == 4
                || matches!(two, 51..=55 | 62 | 65 | 67)
                || matches!(three, 644..=649)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
        }
        17..=19 => one == 4 && digits.len() == 19 || two == 62,
        _ => false,
    };
    issued && luhn(digits)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            match (at % 2, digit * 2) {
                (0, _) => digit,
                (_, double) => double / 10 + double % 10,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
