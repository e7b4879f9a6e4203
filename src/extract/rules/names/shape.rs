//! Where a name begins and ends, and which words look like one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::extract::rules::call::tail;
use crate::extract::rules::spelling::spelled;
use crate::extract::rules::vocabulary::{
    Likeness, ends_name, is_common, is_listed, is_surname, likeness,
};
use crate::memory::pattern::pattern;
use crate::memory::spoken::{self, Word};

/// Words of a name at the most.
const LONGEST: usize = 4;

/// Bytes between a name and its spelling.
const SPELLED_WITHIN: usize = 30;

/// "It's May" is a month.
const MONTHS: [&str; 4] = ["april", "may", "june", "august"];

static AT_DOMAIN: LazyLock<Regex> = pattern!(r"^at [\w-]+(?: dot |\.)[a-z]");

/// The name that begins at a place: no more than [`LONGEST`] words that look like one. With `judge`
/// nothing but the words themselves says that it is a name.
pub(super) fn name_at(text: &str, start: usize, judge: bool) -> Option<(String, Range<usize>)> {
    let rest = tail(text, start);
    let words = spoken::words(rest);
    let lead = words
        .iter()
        .take(2)
        .take_while(|word| is_filler(word))
        .count();
    let words = &words[lead..];
    let mut taken: Vec<&Word<'_>> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let gap = taken.last().map_or(&rest[..word.place.start], |last| {
            &rest[last.place.end..word.place.start]
        });
        let begins = taken.is_empty();
        let lettered = |c: char| c.is_alphabetic() || matches!(c, '\'' | '’');
        let counted = taken.iter().filter(|word| !is_particle(word)).count();
        if counted == LONGEST
            || is_possessive(word)
            || (!begins && is_letter(word) && words.get(at + 1).is_some_and(is_letter))
            || !((begins && lead > 0) || joined(gap, &taken))
            || !word.text.chars().all(lettered)
            || ends_name(word.text)
            || word.is("dot")
            || begins_code(word, words.get(at + 1), begins)
            || !fits(rest, word, words.get(at + 1), begins, judge)
        {
            break;
        }
        taken.push(word);
    }
    let (first, last) = (taken.first()?, taken.last()?);
    let next = words.get(taken.len());
    let initials = taken.iter().all(|word| word.text.chars().count() < 2);
    if initials
        || next.is_some_and(|next| goes_on(rest, last, next))
        || (judge && is_phrase(text, rest, first, last, next))
    {
        return None;
    }
    let place = start + first.place.start..start + last.place.end;
    let name: Vec<String> = taken.iter().map(|word| title(word.text)).collect();
    let name = spelled_after(text, place.end, &name).unwrap_or(name);
    Some((written(rest, &taken, &name), place))
}

/// The parts of a name with what stands between them: a space, or the hyphen of a double one.
fn written(rest: &str, taken: &[&Word<'_>], name: &[String]) -> String {
    let mut whole = String::new();
    for (at, part) in name.iter().enumerate() {
        if at > 0 {
            let gap = &rest[taken[at - 1].place.end..taken[at].place.start];
            whole.push(if gap == "-" { '-' } else { ' ' });
        }
        whole.push_str(part);
    }
    whole
}

/// "Consuelo Ibarra de la Cruz" has three names.
fn is_particle(word: &Word<'_>) -> bool {
    [
        "de", "la", "del", "da", "dos", "di", "van", "von", "der", "den", "bin", "al", "el",
    ]
    .iter()
    .any(|particle| word.is(particle))
}

/// Two of them begin a spelling.
fn is_letter(word: &Word<'_>) -> bool {
    word.text.chars().count() == 1
}

/// "This is Cal's Auto Body": nobody's own name.
fn is_possessive(word: &Word<'_>) -> bool {
    let text = word.text.to_lowercase();
    text.len() > 3 && (text.ends_with("'s") || text.ends_with("’s"))
}

fn is_filler(word: &Word<'_>) -> bool {
    [
        "um", "uh", "actually", "just", "called", "sir", "as", "mr", "mrs", "ms", "miss", "mister",
    ]
    .iter()
    .any(|filler| word.is(filler))
}

/// Whether what stands before a word lets it belong to the name.
fn joined(gap: &str, taken: &[&Word<'_>]) -> bool {
    let Some(last) = taken.last() else {
        return gap
            .chars()
            .all(|c| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ':'));
    };
    matches!(gap, " " | "-" | "  ") || (gap == ". " && last.text.len() <= 2)
}

/// "Ann gdf 459", "Ann d 25 g 87": letters right before digits are a code's. So is a lost address.
fn begins_code(word: &Word<'_>, next: Option<&Word<'_>>, first: bool) -> bool {
    let numbered = next.is_some_and(|next| next.text.starts_with(|c: char| c.is_ascii_digit()));
    let short = word.text.len() <= 4 && likeness(word.text) != Likeness::Name;
    let lost = ["com", "net", "org"]
        .iter()
        .any(|end| word.text.len() > 6 && word.text.to_lowercase().ends_with(end));
    let rare = !first || likeness(word.text) == Likeness::Unknown;
    lost || (rare && numbered && short)
}

/// Whether a word can be part of a name, by what it is elsewhere.
fn fits(rest: &str, word: &Word<'_>, next: Option<&Word<'_>>, first: bool, judge: bool) -> bool {
    let pronoun_next = next.is_some_and(|next| {
        ["i", "we", "you"].iter().any(|one| next.is(one)) && !is_apart(rest, word, next)
    });
    let capital = |text: &str| text.starts_with(char::is_uppercase);
    match (likeness(word.text), first) {
        (Likeness::Name | Likeness::Unknown, _) => true,
        (Likeness::Either, true) => {
            let open = next.is_none_or(|next| is_apart(rest, word, next) || follows_name(next));
            !judge || (open && !MONTHS.iter().any(|month| word.is(month)))
        }
        (Likeness::Either, false) => !pronoun_next,
        // "My name is Church."
        (Likeness::Word, true) => !judge && capital(word.text) && rest.contains(char::is_lowercase),
        (Likeness::Word, false) => {
            let proper = capital(word.text) && rest.contains(char::is_lowercase);
            (is_surname(word.text) || proper || !is_listed(word.text)) && !pronoun_next
        }
    }
}

/// Whether a word may stand behind one that is a name or a word: "Mark Lee", not "rich enough".
fn follows_name(next: &Word<'_>) -> bool {
    let rare = matches!(likeness(next.text), Likeness::Name | Likeness::Unknown);
    ends_name(next.text)
        || is_surname(next.text)
        || (rare && next.text.chars().all(char::is_alphabetic))
}

/// Whether punctuation sets two words apart.
fn is_apart(rest: &str, word: &Word<'_>, next: &Word<'_>) -> bool {
    rest[word.place.end..next.place.start].contains([',', '.', '!', ';', ':'])
}

/// "It's john dot smith at gmail dot com" is an address.
fn goes_on(rest: &str, last: &Word<'_>, next: &Word<'_>) -> bool {
    ["dot", "underscore"].iter().any(|joint| next.is(joint))
        || AT_DOMAIN.is_match(&rest[next.place.start..])
        || matches!(&rest[last.place.end..next.place.start], "." | "_" | "@")
}

/// "I'm Ann from Leeds" ends; "I'm so tired" never began. A name that is known for one needs no
/// such doubt, and one in small letters in a text that has capitals is none.
fn is_phrase(
    text: &str,
    rest: &str,
    first: &Word<'_>,
    last: &Word<'_>,
    next: Option<&Word<'_>>,
) -> bool {
    if likeness(first.text) == Likeness::Name {
        return false;
    }
    let cut = next.is_some_and(|next| {
        !is_apart(rest, last, next) && !ends_name(next.text) && is_common(next.text)
    });
    let lower = !first.text.starts_with(char::is_uppercase);
    let sentence_case = text.starts_with(char::is_uppercase) && text.contains(['.', ',', '?']);
    cut || (lower && sentence_case)
}

/// "Jon, J O H N": the letters decide how the last word that resembles them is written.
pub(super) fn spelled_after(text: &str, from: usize, name: &[String]) -> Option<Vec<String>> {
    let (word, place) = spelled(tail(text, from))?;
    if place.start > SPELLED_WITHIN {
        return None;
    }
    let at = name
        .iter()
        .rposition(|part| strsim::jaro_winkler(&part.to_lowercase(), &word) > 0.75)?;
    let mut name = name.to_vec();
    name[at] = title(&word);
    Some(name)
}

/// A word as names are written, unless it has a form of its own.
fn title(word: &str) -> String {
    let own = word.chars().any(char::is_lowercase) && word.chars().any(char::is_uppercase);
    if own {
        return word.to_owned();
    }
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first
            .to_uppercase()
            .chain(chars.flat_map(char::to_lowercase))
            .collect()
    })
}
