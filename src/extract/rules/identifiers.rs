//! Numbers that things go by: orders, bookings, claims. Read only behind the word that names them,
//! or in answer to the question.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::ask::{corrects, identifier};
use super::call::{Call, Note, Notes, Turn, tail};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::{self, Word};

/// Digits of an account number are fewer.
const LONGEST_ACCOUNT: usize = 13;

static CUE: LazyLock<Regex> = pattern!(
    r"\b(order|purchase|booking|reservation|confirmation|account|acct|ac(?: no| number)|claim|policy|case|ticket|invoice|customer|member|membership|tracking|record locator|pnr)(?: (?:confirmation|reference|id))?(?: (?:number|no|num|id|code|reference|ref|locator))?(?: (?:for|of|on) \w+ \w+)?(?:'s| is|:|,|#| #)?\s*(?:it's |its |is )?"
);
/// A cue without one of these needs digits and letters behind it: "my order is late".
static NUMBER: LazyLock<Regex> =
    pattern!(r"\b(?:number|no|num|id|code|reference|ref|locator|pnr|#)\b|#");

static BARE_LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|ok|okay|oh|sorry|no|it's|its|it is|that is|that's|sir|here|the number is)\b[\s,.:!-]*)+"
);
static INSURED: LazyLock<Regex> = pattern!(r"\b(?:claim|policy)\b");
static BOOKED: LazyLock<Regex> =
    pattern!(r"\b(?:booking|boarding pass|seats?|flight|reservation|ticket|check[- ]?in)\b");

static USERNAME: LazyLock<Regex> =
    pattern!(r"\b(?:my )?user ?(?:name|id)(?:'s| is|:) ([a-z0-9][a-z0-9._-]{2,30})\b");

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        let mut used: Vec<Range<usize>> = Vec::new();
        for hit in CUE.captures_iter(turn.text) {
            let (Some(whole), Some(word)) = (hit.get(0), hit.get(1)) else {
                continue;
            };
            let numbered = NUMBER.is_match(whole.as_str());
            let Some((value, place)) = code_at(turn.text, whole.end(), numbered) else {
                continue;
            };
            if used
                .iter()
                .any(|used| used.start < place.end && place.start < used.end)
            {
                continue;
            }
            let slot = slot(&word.as_str().to_lowercase());
            // So long an account number is a card's.
            if slot == Slot::Account && value.len() >= LONGEST_ACCOUNT {
                continue;
            }
            note(notes, at, turn, slot, value, whole.start()..place.end, 0.85);
            used.push(place);
        }
        if used.is_empty()
            && let Some(slot) = identifier(&turn.asked)
            && let Some((value, place)) = code_in(turn.text)
        {
            note(notes, at, turn, slot.clone(), value, place, 0.85);
        }
        if used.is_empty()
            && call.one_sided
            && let Some((slot, value, place)) = bare(call, turn)
        {
            note(notes, at, turn, slot, value, place, 0.6);
        }
        if let Some(name) = USERNAME.captures(turn.text).and_then(|hit| hit.get(1)) {
            notes.push(Note::new(
                Slot::Username,
                name.as_str(),
                at,
                name.range(),
                0.75,
            ));
        }
    }
}

fn note(
    notes: &mut Notes,
    at: usize,
    turn: &Turn<'_>,
    slot: Slot,
    value: String,
    place: Range<usize>,
    confidence: f64,
) {
    let value = Value::from(value);
    if corrects(turn.text) {
        notes.correct(&slot, at, place.clone(), &value);
    }
    notes.push(Note::new(slot, value, at, place, confidence));
}

fn slot(word: &str) -> Slot {
    match word {
        "order" | "purchase" => Slot::Order,
        word if word.starts_with("ac") => Slot::Account,
        "claim" => Slot::Claim,
        "policy" => Slot::Policy,
        "case" => Slot::Case,
        "ticket" => Slot::Ticket,
        "invoice" => Slot::Invoice,
        "customer" | "member" | "membership" => Slot::Customer,
        "tracking" => Slot::Tracking,
        _ => Slot::Booking,
    }
}

/// Where only the caller's side was written down: a turn that is nothing but letters and digits,
/// in a call about something that has a number.
fn bare(call: &Call<'_>, turn: &Turn<'_>) -> Option<(Slot, String, Range<usize>)> {
    let start = BARE_LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let words = spoken::words(&turn.text[start..]);
    let (value, taken) = code(&words)?;
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let lettered = value.starts_with(|c: char| c.is_ascii_alphabetic());
    let digits = value.len() - letters;
    let worded = words[..taken].iter().any(|word| {
        word.text.len() == 4 && word.text.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let unlike =
        worded || words[taken - 1].text.len() == 4 && words[taken - 1].text.starts_with("20");
    if taken < words.len() || !lettered || letters > 4 || digits < 2 || value.len() < 5 || unlike {
        return None;
    }
    let insured = call.callers().any(|(_, turn)| INSURED.is_match(turn.text));
    let booked = call.callers().any(|(_, turn)| BOOKED.is_match(turn.text));
    let slot = match (insured, booked) {
        (true, false) if digits >= 8 => Slot::Policy,
        (true, false) => Slot::Claim,
        (false, true) => Slot::Booking,
        _ => return None,
    };
    let end = start + words[taken - 1].place.end;
    Some((slot, value, start + words[0].place.start..end))
}

/// The code that begins here.
fn code_at(text: &str, from: usize, numbered: bool) -> Option<(String, Range<usize>)> {
    let words = spoken::words(tail(text, from));
    let lead = words.iter().position(|word| {
        !["is", "it's", "its", "um", "uh", "the", "number"]
            .iter()
            .any(|lead| word.is(lead))
    })?;
    let (code, taken) = code(&words[lead..])?;
    let letters = code.bytes().any(|byte| byte.is_ascii_alphabetic());
    let start = from + words[lead].place.start;
    let end = from + words[lead + taken - 1].place.end;
    let near = text[from..start].trim_matches([' ', ':', ',', '#']).len() <= 10;
    (near && (numbered || (letters && code.len() >= 5) || code.len() >= 6))
        .then_some((code, start..end))
}

/// The longest code in an answer.
fn code_in(text: &str) -> Option<(String, Range<usize>)> {
    let words = spoken::words(text);
    let mut best: Option<(String, Range<usize>)> = None;
    let mut at = 0;
    while at < words.len() {
        if let Some((code, taken)) = code(&words[at..]) {
            let place = words[at].place.start..words[at + taken - 1].place.end;
            if best
                .as_ref()
                .is_none_or(|(held, _)| held.len() < code.len())
            {
                best = Some((code, place));
            }
            at += taken;
        } else {
            at += 1;
        }
    }
    best
}

/// Letters and digits as they are said of a code: "kyf 176", "g 75 f 34", "a b one two". At least
/// one digit and three characters; in upper case, without spaces.
fn code(words: &[Word<'_>]) -> Option<(String, usize)> {
    let mut code = String::new();
    let mut taken = 0;
    let mut end = 0;
    for (at, word) in words.iter().enumerate().take(16) {
        let typed = word.text.bytes().any(|byte| byte.is_ascii_digit());
        let digit = spoken::runs(word.text)
            .first()
            .filter(|_| word.text.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .map(|run| run.digits.clone());
        let letters = word.text.len() <= 4
            && word.text.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !super::vocabulary::is_common(word.text)
            && !super::vocabulary::ends_name(word.text);
        let spelled =
            word.text.len() == 1 && word.text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if at > 0 && word.place.start - words[at - 1].place.end > 2 {
            break;
        }
        if typed && word.text.is_ascii() {
            code.push_str(word.text);
        } else if let Some(digit) = digit {
            code.push_str(&digit);
        } else if spelled || letters {
            code.push_str(word.text);
        } else {
            break;
        }
        taken = at + 1;
        end = code.len();
    }
    code.truncate(end);
    let sound =
        code.len() >= 3 && code.len() <= 24 && code.bytes().any(|byte| byte.is_ascii_digit());
    sound.then(|| (code.to_ascii_uppercase(), taken))
}
