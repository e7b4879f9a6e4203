//! Letters said one by one: "C O N N E R", "s as in sam", "sierra mike india", "double t".

use std::ops::Range;

use crate::memory::spoken::{self, Word};

/// Letters of a spelling at the most.
const LONGEST: usize = 40;

/// The alphabet of the ICAO, known from aviation and call centres.
const SPOKEN: [&str; 26] = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet",
    "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
    "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
];

/// The letter that one word of a spelling alphabet stands for.
pub(super) fn of_alphabet(word: &str) -> Option<char> {
    let word = match word.to_ascii_lowercase().as_str() {
        "alfa" => "alpha".to_owned(),
        "juliett" => "juliet".to_owned(),
        "whisky" => "whiskey".to_owned(),
        other => other.to_owned(),
    };
    SPOKEN
        .contains(&word.as_str())
        .then(|| word.chars().next())
        .flatten()
}

/// The letters that begin here, and how many words they take: "s", "s as in sam", "double t".
pub(super) fn letters(words: &[Word<'_>]) -> Option<(String, usize)> {
    let word = words.first()?.text;
    if let Some(times) = spoken::repeat(word) {
        let letter = single(words.get(1)?.text)?;
        return Some((letter.to_string().repeat(times), 2));
    }
    let letter = single(word)?;
    let says = |at: usize, text: &str| words.get(at).is_some_and(|word| word.is(text));
    let named = |at: usize| {
        words
            .get(at)
            .is_some_and(|word| word.text.len() > 1 && word.text.to_lowercase().starts_with(letter))
    };
    if says(1, "as") && says(2, "in") && named(3) {
        return Some((letter.to_string(), 4));
    }
    if (says(1, "for") || says(1, "like")) && named(2) {
        return Some((letter.to_string(), 3));
    }
    Some((letter.to_string(), 1))
}

fn single(word: &str) -> Option<char> {
    let mut chars = word.chars();
    let first = chars.next().filter(char::is_ascii_alphabetic)?;
    chars.next().is_none().then(|| first.to_ascii_lowercase())
}

/// The first spelling of at least three letters, in lower case, and where it stands.
pub(super) fn spelled(text: &str) -> Option<(String, Range<usize>)> {
    let words = spoken::words(text);
    let mut at = 0;
    while at < words.len() {
        let mut spelling = String::new();
        let mut end = at;
        while let Some((letters, taken)) = step(&words[end..]) {
            let apart = end > at && !joins(&text[words[end - 1].place.end..words[end].place.start]);
            if apart || spelling.len() >= LONGEST {
                break;
            }
            spelling.push_str(&letters);
            end += taken;
        }
        if spelling.len() >= 3 {
            return Some((spelling, words[at].place.start..words[end - 1].place.end));
        }
        at = end.max(at + 1);
    }
    None
}

fn step(words: &[Word<'_>]) -> Option<(String, usize)> {
    letters(words).or_else(|| Some((of_alphabet(words.first()?.text)?.to_string(), 1)))
}

fn joins(gap: &str) -> bool {
    gap.len() <= 3 && gap.chars().all(|c| matches!(c, ' ' | ',' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_one_by_one() {
        for (text, word) in [
            ("it's C O N N E R.", Some("conner")),
            ("c-o-n-n-e-r", Some("conner")),
            ("S as in Sam, M as in Mary, I, T, H", Some("smith")),
            ("s for sugar m i double t", Some("smitt")),
            ("sierra mike india tango hotel", Some("smith")),
            ("I am a person", None),
            ("my name is Ann", None),
        ] {
            assert_eq!(
                spelled(text).map(|(word, _)| word).as_deref(),
                word,
                "{text}"
            );
        }
    }

    #[test]
    fn its_place_is_that_of_the_letters() {
        let text = "Jon, J O H N please";
        assert_eq!(&text[spelled(text).unwrap().1], "J O H N");
    }
}
