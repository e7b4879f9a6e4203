//! Whether a value follows from the words that are cited for it: the second gate, behind the quote's.
//!
//! A model may quote truly and still conclude falsely. Numbers and names must be said, and free text
//! must be made of the caller's words; what can't be checked so is dropped.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::conversation::{Message, Role};
use crate::memory::observation::Observation;
use crate::memory::pattern::pattern;
use crate::memory::redact::MARKERS;
use crate::memory::slot::Slot;
use crate::memory::spoken::{runs, single, words};

/// What a consent is about, in the caller's words.
static CONSENT: LazyLock<Regex> = pattern!(
    r"\b(?:call(?:s|ed|ing)?|contact\w*|phon\w+|dial\w*|ring\w*|text\w*|messag\w+|sms|list|record\w*|tap\w*|remember\w*|forget|memory|stor\w+|sav\w+|keep\w*|data|stop|unsubscribe\w*|opt\w*|bother\w*|reach\w*)\b"
);
/// What tells a day or an hour.
static WHEN: LazyLock<Regex> = pattern!(
    r"\d|\b(?:today|tonight|tomorrow|morning|noon|afternoon|evening|midnight|next|this|week\w*|month\w*|day|mon\w*|tue\w*|wed\w*|thu\w*|fri\w*|sat\w*|sun\w*|jan\w*|feb\w*|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*|first|second|third|\w+th|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
);
/// Words that sentences about callers are made of, which need not be said.
const FRAME: [&str; 44] = [
    "about", "agent", "also", "asked", "asks", "been", "call", "called", "caller", "calls",
    "customer", "does", "from", "given", "has", "have", "into", "like", "likes", "named", "need",
    "needs", "prefer", "prefers", "said", "says", "should", "that", "their", "them", "they",
    "this", "wanted", "wants", "was", "were", "will", "with", "would", "your", "issue", "problem",
    "back", "when",
];
/// Letters that words of one family share.
const STEM: usize = 4;

/// Whether the value follows from the cited messages.
pub(super) fn stands(said: &Observation, messages: &[Message]) -> bool {
    let cited = || {
        messages
            .iter()
            .filter(|message| said.message_ids.contains(&message.id))
    };
    let texts: Vec<&str> = cited().map(|message| message.content.as_str()).collect();
    let value = match &said.value {
        Value::String(text) => text.as_str(),
        Value::Object(parts) => parts.get("title").and_then(Value::as_str).unwrap_or(""),
        _ => return true,
    };
    if said.slot.is_consent() {
        return cited()
            .any(|message| message.role == Role::User && CONSENT.is_match(&message.content));
    }
    if said.due_at.is_some() && !texts.iter().any(|text| WHEN.is_match(text)) {
        return false;
    }
    match (&said.slot, said.slot.kind()) {
        // A booking without a title is its day, which was told.
        (Slot::Appointment, _) if value.is_empty() => true,
        (Slot::Phone | Slot::Postcode, _) | (_, "identifier") => is_spelt(value, &texts),
        (Slot::Email, _) => is_written(value, &texts),
        (_, "identity") | (Slot::City | Slot::Address, _) => {
            is_named(value, &texts) || is_written(value, &texts)
        }
        _ => retells(value, texts.iter().copied()),
    }
}

/// A number, or a code of digits and letters, however it was spoken.
fn is_spelt(value: &str, texts: &[&str]) -> bool {
    let wanted = squash(value);
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if wanted.is_empty() {
        return false;
    }
    texts.iter().any(|text| {
        // With or without the country's code, which the region says.
        let said = |digits_said: &str| {
            digits_said.contains(&digits)
                || (digits_said.len() >= 6 && digits.ends_with(digits_said))
        };
        if digits.len() == wanted.len() {
            return runs(text).iter().any(|run| said(&run.digits));
        }
        squash(text).contains(&wanted) || spoken(text).contains(&wanted)
    })
}

/// An address or name that is written together: "john dot smith at gmail dot com".
fn is_written(value: &str, texts: &[&str]) -> bool {
    let wanted = squash(value);
    !wanted.is_empty()
        && texts
            .iter()
            .any(|text| squash(text).contains(&wanted) || spoken(text).contains(&wanted))
}

/// Every word of it was said.
fn is_named(value: &str, texts: &[&str]) -> bool {
    let said: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| words(text))
        .map(|word| word.text.to_lowercase())
        .collect();
    let all = words(value);
    !all.is_empty()
        && all
            .iter()
            .all(|word| said.contains(&word.text.to_lowercase()))
}

/// Whether a text is made of the words of others: all of its numbers, and two in three of the words
/// that carry its meaning.
pub(super) fn retells<'a>(text: &str, others: impl Iterator<Item = &'a str>) -> bool {
    let mut stems = BTreeSet::new();
    let mut digits = String::new();
    for other in others {
        for word in words(other) {
            stems.insert(stem(word.text));
        }
        for run in runs(other) {
            digits.push(' ');
            digits.push_str(&run.digits);
        }
    }
    let free = MARKERS
        .iter()
        .fold(text.to_owned(), |text, marker| text.replace(marker, " "));
    let numbers_stand = words(&free)
        .iter()
        .filter(|word| word.text.chars().all(|c| c.is_ascii_digit()))
        .all(|word| digits.contains(word.text));
    let carrying: Vec<String> = words(&free)
        .iter()
        .map(|word| word.text.to_lowercase())
        .filter(|word| word.chars().count() >= STEM && !FRAME.contains(&word.as_str()))
        .collect();
    let said = carrying
        .iter()
        .filter(|word| stems.contains(&stem(word)))
        .count();
    let something = carrying.is_empty()
        && words(&free)
            .iter()
            .any(|word| stems.contains(&stem(word.text)));
    numbers_stand && (something || (!carrying.is_empty() && said * 3 >= carrying.len() * 2))
}

fn stem(word: &str) -> String {
    word.to_lowercase().chars().take(STEM).collect()
}

/// Letters and digits alone, in lower case.
fn squash(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The same of what is spelt out: digit words as digits, and without the names of signs.
fn spoken(text: &str) -> String {
    const SIGNS: [&str; 8] = [
        "at",
        "dot",
        "period",
        "point",
        "dash",
        "hyphen",
        "underscore",
        "slash",
    ];
    words(text)
        .iter()
        .map(|word| word.text.to_lowercase())
        .filter(|word| !SIGNS.contains(&word.as_str()))
        .map(|word| single(&word).map_or(word, str::to_owned))
        .collect()
}
