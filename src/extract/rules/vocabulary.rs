//! Which words are names, which are words, and which are both.
//!
//! `words.txt` are the words that English speakers use most (ranked after the lists of `zxcvbn`, MIT)
//! and what callers of shops, airlines, banks and workshops speak of. `given_names.txt` are those of
//! the United States' census of 1990 (public domain), and names that are common elsewhere.
//! `surnames.txt` are words that the census has as surnames too.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

static WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| set(include_str!("vocabulary/words.txt")));
static GIVEN_NAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| set(include_str!("vocabulary/given_names.txt")));
static SURNAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| set(include_str!("vocabulary/surnames.txt")));

fn set(text: &'static str) -> HashSet<&'static str> {
    text.split_whitespace().collect()
}

/// Endings of words that are seldom names.
const ENDINGS: [&str; 13] = [
    "tion", "sion", "able", "ible", "ment", "ness", "less", "ful", "ous", "ive", "ism", "ology",
    "ical",
];

/// What a word is likely to be where a name could stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// A given name and no common word: "Priya".
    Name,
    /// A given name and a word: "Mark", "Rose", "Will".
    Either,
    /// A word: "order".
    Word,
    /// Neither is known: a rare name, or a rare word.
    Unknown,
}

/// What a word is likely to be.
pub(super) fn likeness(word: &str) -> Likeness {
    let bare = bare(word);
    match (
        GIVEN_NAMES.contains(bare.as_ref()),
        WORDS.contains(bare.as_ref()),
    ) {
        (true, false) => Likeness::Name,
        (true, true) => Likeness::Either,
        (false, true) => Likeness::Word,
        (false, false) if ends_like_word(&bare) => Likeness::Word,
        (false, false) => Likeness::Unknown,
    }
}

/// Whether a word is one of the common ones, whatever else it is.
pub(super) fn is_common(word: &str) -> bool {
    matches!(likeness(word), Likeness::Word | Likeness::Either)
}

/// Whether a word stands among the common ones as it is: "broken", but not "Brooks" for "brook".
pub(super) fn is_listed(word: &str) -> bool {
    WORDS.contains(bare(word).as_ref())
}

/// Whether a word is a surname too: "West", "Church".
pub(super) fn is_surname(word: &str) -> bool {
    SURNAMES.contains(bare(word).as_ref())
}

fn ends_like_word(word: &str) -> bool {
    let derived = ["ing", "ed", "ly", "er", "s"].iter().any(|ending| {
        word.strip_suffix(ending).is_some_and(|stem| {
            let doubled = stem.len() > 3
                && stem.as_bytes()[stem.len() - 1] == stem.as_bytes()[stem.len() - 2];
            stem.len() > 2
                && (WORDS.contains(stem)
                    || WORDS.contains(format!("{stem}e").as_str())
                    || (doubled && WORDS.contains(&stem[..stem.len() - 1])))
        })
    });
    derived || (word.len() > 5 && ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

/// In lower case, without apostrophes.
fn bare(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.to_lowercase().replace(['\'', '’'], ""))
}

/// Function words: where a name has ended, however it was introduced.
pub(super) fn ends_name(word: &str) -> bool {
    const ENDS: [&str; 79] = [
        "and",
        "is",
        "my",
        "with",
        "from",
        "calling",
        "here",
        "speaking",
        "i",
        "i'm",
        "im",
        "but",
        "the",
        "at",
        "for",
        "on",
        "to",
        "so",
        "number",
        "phone",
        "email",
        "booking",
        "policy",
        "claim",
        "account",
        "ssn",
        "social",
        "order",
        "sir",
        "madam",
        "please",
        "thanks",
        "thank",
        "you",
        "it",
        "it's",
        "that's",
        "thats",
        "of",
        "in",
        "not",
        "as",
        "can",
        "could",
        "would",
        "want",
        "need",
        "am",
        "was",
        "or",
        "who",
        "because",
        "confirmation",
        "last",
        "first",
        "name",
        "card",
        "credit",
        "no",
        "yes",
        "this",
        "ok",
        "ph",
        "num",
        "id",
        "a",
        "code",
        "ac",
        "acc",
        "mobile",
        "cell",
        "address",
        "conformation",
        "again",
        "ill",
        "i'll",
        "i've",
        "we",
        "mailto",
    ];
    ENDS.iter().any(|end| word.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_words_and_both() {
        for (word, likely) in [
            ("Priya", Likeness::Name),
            ("JOHN", Likeness::Name),
            ("Mark", Likeness::Either),
            ("will", Likeness::Either),
            ("order", Likeness::Word),
            ("don't", Likeness::Word),
            ("reconnecting", Likeness::Word),
            ("Zbigniew", Likeness::Unknown),
        ] {
            assert_eq!(likeness(word), likely, "{word}");
        }
        assert!(is_surname("West") && !is_surname("John"));
        assert!(is_common("Rose") && !is_common("Priya"));
        assert!(ends_name("Calling") && !ends_name("Lee"));
    }

    #[test]
    fn the_lists_are_lower_case_and_sorted() {
        for list in [
            include_str!("vocabulary/words.txt"),
            include_str!("vocabulary/given_names.txt"),
            include_str!("vocabulary/surnames.txt"),
        ] {
            let words: Vec<&str> = list.split_whitespace().collect();
            assert!(words.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(words.iter().all(|word| *word == word.to_lowercase()));
        }
    }
}
