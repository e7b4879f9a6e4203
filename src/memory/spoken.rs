//! Words and numbers as they are typed and spoken, with their places in the text.
//!
//! "four one five, double five oh" is one run of the digits `415550`, and so is "415-550".

use std::ops::Range;

/// A word: letters, digits and inner apostrophes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// As it stands.
    pub text: &'a str,
    /// Where it stands, in bytes.
    pub place: Range<usize>,
}

impl Word<'_> {
    /// Whether it is this word, in any case.
    pub fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let inner = matches!(char, '\'' | '’')
            && start.is_some()
            && chars.peek().is_some_and(|(_, next)| next.is_alphabetic());
        if char.is_alphanumeric() || inner {
            start.get_or_insert(at);
        } else if let Some(from) = start.take() {
            found.push(word(text, from..at));
        }
    }
    if let Some(from) = start {
        found.push(word(text, from..text.len()));
    }
    found
}

fn word(text: &str, place: Range<usize>) -> Word<'_> {
    Word {
        text: &text[place.clone()],
        place,
    }
}

/// A number as it was said in one breath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its digits.
    pub digits: String,
    /// Where it stands in the text, in bytes.
    pub place: Range<usize>,
    /// Its parts: each the place of what was said, and how many digits that is.
    pub parts: Vec<(Range<usize>, usize)>,
    /// Whether a `+` stands before it, or "plus" was said.
    pub plus: bool,
    /// Whether any of it is in words.
    pub spoken: bool,
}

/// The numbers of a text, in order: digits and digit words with nothing between them but
/// separators ("-", ".", "dash") and hesitation ("um"). A digit word alone, as in "no one", is a
/// run too: whoever reads a run judges by its length.
pub fn runs(text: &str) -> Vec<Run> {
    let words = words(text);
    let mut found: Vec<Run> = Vec::new();
    let mut open: Option<Run> = None;
    let mut at = 0;
    while at < words.len() {
        if let Some((number, taken)) = number(&words[at..]) {
            let place = words[at].place.start..words[at + taken - 1].place.end;
            let spoken = !words[at].text.starts_with(|c: char| decimal(c).is_some());
            match &mut open {
                Some(run) if joins(text, run.place.end, place.start) => {
                    run.place.end = place.end;
                    run.digits.push_str(&number);
                    run.parts.push((place, number.len()));
                    run.spoken |= spoken;
                }
                _ => {
                    found.extend(open.take());
                    open = Some(begin(text, &words, at, number, place, spoken));
                }
            }
            at += taken;
        } else {
            if !is_filler(words[at].text) {
                found.extend(open.take());
            }
            at += 1;
        }
    }
    found.extend(open);
    found
        .into_iter()
        .filter_map(|run| without_ohs(text, run))
        .collect()
}

/// The words of a text that are no part of its numbers.
pub fn besides<'a>(words: &'a [Word<'a>], runs: &'a [Run]) -> impl Iterator<Item = &'a Word<'a>> {
    let mut runs = runs.iter().peekable();
    words.iter().filter(move |word| {
        while runs
            .next_if(|run| run.place.end <= word.place.start)
            .is_some()
        {}
        runs.peek()
            .is_none_or(|run| word.place.start < run.place.start)
    })
}

/// "Oh, 415 555 0123. Oh, and …": an "oh" that punctuation, or typed digits behind it, sets apart
/// is no zero.
fn without_ohs(text: &str, mut run: Run) -> Option<Run> {
    let is_oh = |part: &(Range<usize>, usize)| {
        ["oh", "o"]
            .iter()
            .any(|oh| text[part.0.clone()].eq_ignore_ascii_case(oh))
    };
    let apart = |gap: &str| gap.contains(['.', ',', '…']);
    while run.parts.len() > 1 && is_oh(&run.parts[0]) {
        let next = &run.parts[1];
        let typed = next.1 > 1 && text.as_bytes()[next.0.start].is_ascii_digit();
        if !typed && !apart(&text[run.parts[0].0.end..next.0.start]) {
            break;
        }
        run.parts.remove(0);
        run.digits.remove(0);
    }
    while let [.., before, last] = run.parts.as_slice() {
        if !is_oh(last) || !apart(&text[before.0.end..last.0.start]) {
            break;
        }
        run.parts.pop();
        run.digits.pop();
    }
    run.place = run.parts.first()?.0.start..run.parts.last()?.0.end;
    Some(run)
}

fn begin(
    text: &str,
    words: &[Word<'_>],
    at: usize,
    digits: String,
    place: Range<usize>,
    spoken: bool,
) -> Run {
    let before = text[..place.start].trim_end_matches(['(', ' ']);
    let said = at
        .checked_sub(1)
        .is_some_and(|before| words[before].is("plus"));
    Run {
        plus: before.ends_with('+') || said,
        parts: vec![(place.clone(), digits.len())],
        digits,
        place,
        spoken,
    }
}

/// Whether what stands between two numbers keeps them one: separators and fillers, no more than a
/// speaker puts between two groups.
fn joins(text: &str, end: usize, start: usize) -> bool {
    let between = &text[end..start];
    let named = between.to_ascii_lowercase().replace("area code", " ");
    between.len() <= 24
        && named
            .split(|c: char| {
                c.is_whitespace()
                    || is_unseen(c)
                    || matches!(
                        c,
                        '-' | '–' | '—' | '‑' | '−' | '_' | '.' | ',' | '/' | '(' | ')' | '…'
                    )
            })
            .all(|piece| piece.is_empty() || is_filler(piece))
}

/// A digit of any script that people type numbers in, as ASCII's.
fn decimal(char: char) -> Option<char> {
    // Where the ten digits of a script begin: ASCII's, Arabic's two, Devanagari's, Bengali's, Thai's
    // and the wide ones of East Asia.
    const ZEROS: [u32; 7] = [0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10];
    ZEROS
        .iter()
        .filter_map(|zero| u32::from(char).checked_sub(*zero))
        .find_map(|digit| char::from_digit(digit, 10))
}

/// Characters that nobody sees: soft hyphens, marks of direction, spaces without width.
fn is_unseen(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    )
}

fn is_filler(word: &str) -> bool {
    [
        "um", "uh", "er", "uhm", "erm", "hmm", "ah", "dash", "hyphen", "space", "then",
    ]
    .iter()
    .any(|filler| word.eq_ignore_ascii_case(filler))
}

/// The number that begins here, in digits, and how many words it takes.
fn number(words: &[Word<'_>]) -> Option<(String, usize)> {
    let first = words[0].text;
    if let Some(digits) = first.chars().map(decimal).collect() {
        return Some((digits, 1));
    }
    let next = words.get(1).filter(|next| adjoins(&words[0], next));
    if let Some(times) = repeat(first) {
        let digit = next.and_then(|next| single(next.text))?;
        return Some((digit.repeat(times), 2));
    }
    if let Some(tens) = tens(first) {
        // "forty two" is 42; "forty oh two" is 40 and 02.
        return Some(
            match next
                .and_then(|next| single(next.text))
                .filter(|unit| *unit != "0")
            {
                Some(unit) => (format!("{tens}{unit}"), 2),
                None => (format!("{tens}0"), 1),
            },
        );
    }
    let small = single(first).or_else(|| teen(first))?;
    match next.map(|next| next.text.to_ascii_lowercase()).as_deref() {
        Some("hundred") => Some((format!("{small}00"), 2)),
        Some("thousand") => Some((format!("{small}000"), 2)),
        _ => Some((small.to_owned(), 1)),
    }
}

/// Whether one word follows another with only a space or a hyphen between.
fn adjoins(first: &Word<'_>, next: &Word<'_>) -> bool {
    next.place.start - first.place.end == 1
}

/// How often a word repeats what follows it: "double five".
pub fn repeat(word: &str) -> Option<usize> {
    match word.to_ascii_lowercase().as_str() {
        "double" => Some(2),
        "triple" | "treble" => Some(3),
        "quadruple" => Some(4),
        _ => None,
    }
}

/// A digit, as it is typed or spoken.
pub fn single(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "0" | "zero" | "oh" | "o" | "nought" | "naught" => "0",
        "1" | "one" => "1",
        "2" | "two" => "2",
        "3" | "three" => "3",
        "4" | "four" => "4",
        "5" | "five" => "5",
        "6" | "six" => "6",
        "7" | "seven" => "7",
        "8" | "eight" => "8",
        "9" | "nine" | "niner" => "9",
        _ => return None,
    })
}

fn teen(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "ten" => "10",
        "eleven" => "11",
        "twelve" => "12",
        "thirteen" => "13",
        "fourteen" => "14",
        "fifteen" => "15",
        "sixteen" => "16",
        "seventeen" => "17",
        "eighteen" => "18",
        "nineteen" => "19",
        _ => return None,
    })
}

fn tens(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "twenty" => "2",
        "thirty" => "3",
        "forty" | "fourty" => "4",
        "fifty" => "5",
        "sixty" => "6",
        "seventy" => "7",
        "eighty" => "8",
        "ninety" => "9",
        _ => return None,
    })
}

/// A small whole number, as it is typed or spoken: "three", "12", "forty-five".
pub fn small_number(text: &str) -> Option<i64> {
    let found = runs(text);
    let [run] = found.as_slice() else { return None };
    let whole = run.place == (0..text.len()) && run.parts.len() == 1 && run.digits.len() <= 3;
    whole.then(|| run.digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
