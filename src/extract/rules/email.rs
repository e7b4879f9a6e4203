//! E-mail addresses: typed, spoken ("john dot smith at gmail dot com", "j-o-h-n"), and with the
//! punctuation lost ("sam 27 gmailcom").

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::ask::{Ask, corrects, is_no};
use super::call::{Call, Note, Notes, Turn, lead};
use super::vocabulary::is_common;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::{self, Word};

static TYPED: LazyLock<Regex> =
    pattern!(r"\b[a-z0-9](?:[a-z0-9._%+-]*[a-z0-9_])?@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b");
/// The part behind the "at".
static DOMAIN: LazyLock<Regex> = pattern!(
    r"\b(?:at|@)(?: sign)?\s+((?:[a-z0-9-]+(?:\s?\.\s?|\s(?:dot|period|point|dash|hyphen)\s))+(?:com|net|org|edu|gov|io|co|us|uk|de|fr|ca|in|au|info|biz|me|ai|dev|app|eu)(?:\s?\.\s?uk|\sdot uk)?)\b"
);
/// What is left of an address without its punctuation ends so.
static LOST: LazyLock<Regex> = pattern!(r"^([a-z0-9._-]+?)\.?(com|net|org|edu|co|in)$");
/// Mail providers, the longer of two that end alike first.
const PROVIDERS: [&str; 26] = [
    "rediffmail",
    "protonmail",
    "googlemail",
    "hotmail",
    "fastmail",
    "sbcglobal",
    "bellsouth",
    "earthlink",
    "comcast",
    "verizon",
    "outlook",
    "charter",
    "icloud",
    "ymail",
    "gmail",
    "yahoo",
    "yandex",
    "live",
    "mail",
    "msn",
    "aol",
    "att",
    "cox",
    "mac",
    "gmx",
    "email",
];
/// The providers that are misheard and mistyped most; by one letter they are still known.
const MISHEARD: [&str; 4] = ["gmail", "yahoo", "hotmail", "outlook"];
/// Where a spoken address begins behind.
const BEGINS: [&str; 37] = [
    "email's", "e-mail's", "at", "is", "it's", "its", "email", "e-mail", "mail", "address", "me",
    "to", "that's", "thats", "yes", "yeah", "sure", "okay", "ok", "my", "and", "id", "um", "uh",
    "so", "use", "the", "with", "for", "it", "on", "be", "was", "please", "no", "sorry",
    "actually",
];
static OTHERS: LazyLock<Regex> =
    pattern!(r"\b(?:his|her|their|your|wife's|husband's)\b[^.!?,]{0,24}$");

/// Addresses as they are typed, in a call whose language is not read.
pub(super) fn written(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        for (value, place, confidence) in typed(turn) {
            notes.push(Note::new(Slot::Email, value, at, place, confidence));
        }
    }
}

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        let mut found = typed(turn);
        found.extend(said(turn));
        if found.is_empty() {
            found.extend(lost(turn));
        }
        for (value, place, confidence) in found {
            if OTHERS.is_match(lead(turn.text, place.start)) {
                continue;
            }
            let asked = turn.answers(&Ask::For(Slot::Email));
            let value = Value::from(value);
            if corrects(lead(turn.text, place.start)) || is_no(turn.text) {
                notes.correct(&Slot::Email, at, place.clone(), &value);
            }
            let confidence = if asked { confidence + 0.05 } else { confidence };
            notes.push(Note::new(Slot::Email, value, at, place, confidence));
        }
    }
}

type Found = (String, Range<usize>, f64);

fn typed(turn: &Turn<'_>) -> Vec<Found> {
    TYPED
        .find_iter(turn.text)
        .map(|hit| (hit.as_str().to_lowercase(), hit.range(), 0.93))
        .collect()
}

fn said(turn: &Turn<'_>) -> Vec<Found> {
    DOMAIN
        .captures_iter(turn.text)
        .filter_map(|hit| {
            let (whole, domain) = (hit.get(0)?, hit.get(1)?);
            let (local, start) = local(turn.text, whole.start())?;
            let mut name = domain.as_str().to_lowercase();
            for dot in [" dot ", " period ", " point ", ". ", " ."] {
                name = name.replace(dot, ".");
            }
            for dash in [" dash ", " hyphen "] {
                name = name.replace(dash, "-");
            }
            let name = name.replace(' ', "");
            Some((format!("{local}@{name}"), start..whole.end(), 0.9))
        })
        .collect()
}

/// The part before the "at", read backwards to where the address begins.
fn local(text: &str, until: usize) -> Option<(String, usize)> {
    let near = lead(text, until);
    let offset = until - near.len();
    let words = spoken::words(near);
    let mut start = words.len();
    let mut end = near.len();
    while let Some(word) = start.checked_sub(1).map(|before| &words[before]) {
        let gap = &near[word.place.end..end];
        let apart = gap.contains(['?', '!', ':', ';']) || gap.contains(". ");
        let joint = ["dot", "underscore", "dash", "hyphen", "period", "plus"]
            .iter()
            .any(|joint| word.is(joint));
        if apart
            || (!joint && BEGINS.iter().any(|begin| word.is(begin)))
            || words.len() - start >= 24
        {
            break;
        }
        start -= 1;
        end = word.place.start;
    }
    let mut local = String::new();
    let mut rest = &words[start..];
    while let Some(word) = rest.first() {
        let (piece, taken) = piece(rest);
        local.push_str(&piece);
        // A typed dot or hyphen between two words stays.
        if let Some(next) = rest.get(taken) {
            let gap = &near[rest[taken - 1].place.end..next.place.start];
            match gap {
                "." | "_" => local.push_str(gap),
                "-" if word.text.len() > 1 => local.push('-'),
                _ => {}
            }
        }
        rest = &rest[taken..];
    }
    // "Sam, s a m, at …" spells what was said.
    let half = local.len() / 2;
    if half >= 3 && local.is_char_boundary(half) && local[..half] == local[half..] {
        local.truncate(half);
    }
    let sound = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with(['.', '-'])
        && !local.ends_with('.')
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte));
    sound.then(|| {
        (
            local,
            offset + words.get(start).map_or(near.len(), |word| word.place.start),
        )
    })
}

/// What one spoken piece stands for, and how many words it takes.
fn piece(words: &[Word<'_>]) -> (String, usize) {
    let word = words[0].text.to_lowercase();
    let next = words.get(1).map(|next| next.text.to_lowercase());
    match word.as_str() {
        "dot" | "period" | "point" => return (".".to_owned(), 1),
        "underscore" => return ("_".to_owned(), 1),
        "dash" | "hyphen" | "minus" => return ("-".to_owned(), 1),
        "plus" => return ("+".to_owned(), 1),
        "double" | "triple" => {
            if let Some(next) = next
                .as_ref()
                .filter(|next| next.len() == 1 || spoken::single(next).is_some())
            {
                let digit = spoken::single(next).map_or(next.as_str(), |digit| digit);
                return (digit.repeat(if word == "double" { 2 } else { 3 }), 2);
            }
        }
        _ => {}
    }
    // "oh" is a letter or a digit; beside letters it is a word of the name.
    if word != "o"
        && word != "oh"
        && let Some(digits) = spoken::runs(&word).first().map(|run| run.digits.clone())
        && word.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        if let (Some(tens), Some(unit)) = (
            digits.strip_suffix('0'),
            next.as_deref().and_then(spoken::single),
        ) && digits.len() == 2
            && digits != "10"
        {
            return (format!("{tens}{unit}"), 2);
        }
        return (digits, 1);
    }
    (word, 1)
}

/// "sam 27 gmailcom": what is left when recognition drops the punctuation of a known provider. The
/// provider stays as it was heard: `gamil.com` may be a mistake, or may be somebody's.
fn lost(turn: &Turn<'_>) -> Vec<Found> {
    let words = spoken::words(turn.text);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let lower = word.text.to_lowercase();
        let Some((local, domain)) = provider(&lower) else {
            continue;
        };
        let mut first = at;
        let mut local = local.to_owned();
        let digits = |word: &Word<'_>| word.text.bytes().all(|byte| byte.is_ascii_digit());
        // Digits, and the word before them, belong to it.
        while let Some(before) = first.checked_sub(1).map(|before| &words[before]) {
            let begins = BEGINS.iter().any(|begin| before.is(begin));
            let joins = digits(before) && before.text.len() <= 4
                || digits(&words[first])
                || local.is_empty();
            if begins || !joins || at - first >= 4 {
                break;
            }
            local.insert_str(0, &before.text.to_lowercase());
            first -= 1;
        }
        if local.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            let place = words[first].place.start..word.place.end;
            found.push((format!("{local}@{domain}"), place, 0.7));
        }
    }
    found
}

/// What stands before a known provider, and its domain: "ann" and "gmail.com" of "anngmailcom".
fn provider(word: &str) -> Option<(&str, String)> {
    if word.len() < 6 || is_common(word) {
        return None;
    }
    let parts = LOST.captures(word)?;
    let (name, top) = (parts.get(1)?.as_str(), parts.get(2)?.as_str());
    let rare_top = matches!(top, "in" | "co" | "edu");
    let exact = PROVIDERS
        .iter()
        .find_map(|provider| Some((name.strip_suffix(provider)?, *provider)));
    if let Some((local, provider)) = exact {
        let short = provider.len() < 4 && local.len() < 2;
        let local = local.trim_end_matches(['.', '@']);
        return (!(short || rare_top && provider.len() < 5))
            .then(|| (local, format!("{provider}.{top}")));
    }
    if rare_top || !name.is_ascii() {
        return None;
    }
    let near = MISHEARD.iter().flat_map(|provider| {
        [provider.len(), provider.len() - 1, provider.len() + 1]
            .into_iter()
            .filter_map(move |length| {
                let cut = name.len().checked_sub(length)?;
                let heard = &name[cut..];
                let starts = heard.as_bytes()[0] == provider.as_bytes()[0];
                (starts && strsim::osa_distance(heard, provider) == 1).then_some(cut)
            })
    });
    let cut = near.min()?;
    let (local, heard) = name.split_at(cut);
    Some((local, format!("{heard}.{top}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_address() {
        for (word, expected) in [
            ("anngmailcom", Some(("ann", "gmail.com"))),
            ("gmailcom", Some(("", "gmail.com"))),
            ("anngamilcom", Some(("ann", "gamil.com"))),
            ("bobcomcastnet", Some(("bob", "comcast.net"))),
            ("ann.leeyahoo.com", Some(("ann.lee", "yahoo.com"))),
            ("internet", None),
            ("welcome", None),
            ("telecom", None),
            ("login", None),
            ("somewherecom", None),
        ] {
            let found = provider(word);
            let found = found
                .as_ref()
                .map(|(local, domain)| (*local, domain.as_str()));
            assert_eq!(found, expected, "{word}");
        }
    }
}
