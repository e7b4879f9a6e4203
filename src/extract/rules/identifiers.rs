//! Numbers that things go by: orders, bookings, claims. Read only behind the word that names them,
//! or in answer to the question.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::ask::{corrects, identifier};
use super::call::{Call, Note, Notes, Turn, lead, tail};
use super::spelling;
use super::vocabulary::{Likeness, ends_name, is_surname, likeness};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::{self, Word};

/// Words of a code at the most.
const LONGEST_CODE: usize = 24;

/// Words of a name that may stand before a code.
const NAMES_BEFORE: usize = 4;

/// What is said for the signs between the parts of a code.
const JOINTS: [&str; 3] = ["dash", "hyphen", "slash"];

/// Digits of an account number are fewer.
const LONGEST_ACCOUNT: usize = 13;

/// Digits of an account that is not called a number are more.
const SHORTEST_ACCOUNT: usize = 5;

static CUE: LazyLock<Regex> = pattern!(
    r"\b(order|purchase|booking|reservation|confirmation|conformation|account|acct|ac|acc|claim|cliam|clm|policy|case|ticket|invoice|customer|member|membership|patient|student|tracking|record locator|pnr|reference|meter|permit|application|incident|docket|waybill|container|load|frequent flyer|loyalty|rewards?)(?: (?:confirmation|conformation|reference|id))?(?: (?:number|no|num|numbers?|nubmer|id|code|reference|ref|locator))?(?: (?:for|of|on) \w+ \w+)?(?:'s| is|:|,|#| #)?\s*(?:it's |its |is )?"
);
/// A cue without one of these needs digits and letters behind it: "my order is late".
static NUMBER: LazyLock<Regex> =
    pattern!(r"\b(?:number|no|num|nubmer|id|code|reference|ref|locator|pnr|ac|acc|acct|#)\b|#");
/// "My number is a 7 k 9": what it numbers is what the call is about.
static ANY_NUMBER: LazyLock<Regex> =
    pattern!(r"\b(?:number|no|id|code|reference|book no)(?:'s| is|:)?(?: it's| its)? ");
/// Somebody else's number.
static OTHERS: LazyLock<Regex> = pattern!(
    r"\b(?:friend|brother|sister|mother|father|wife|husband|son|daughter|his|her|their|your|another|someone|somebody)(?:'?s)?\b[^.!?]{0,20}$"
);
static BARE_LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|ok|okay|oh|sorry|no|it's|its|it is|that is|that's|sir|here|the number is|please make a note of it)\b[\s,.:!-]*)+"
);
static INSURED: LazyLock<Regex> = pattern!(r"\b(?:claim|policy)\b");
static BOOKED: LazyLock<Regex> = pattern!(
    r"\b(?:booking|boarding pass|boarding|seats?|flight|reservation|ticket|check[- ]?in)\b"
);
static ORDERED: LazyLock<Regex> =
    pattern!(r"\b(?:my order|an order|order (?:status|number)|package|parcel|shipment)\b");

static USERNAME: LazyLock<Regex> =
    pattern!(r"\b(?:my )?user ?(?:name|id)(?:'s| is|:) ([a-z0-9][a-z0-9._-]{2,30})\b");

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    let topic = topic(call);
    for (at, turn) in call.callers() {
        let found = named(turn);
        let found = if found.is_empty() {
            asked(turn)
                .or_else(|| generic(turn, topic.as_ref()))
                .or_else(|| bare(call, turn, topic.as_ref()))
                .into_iter()
                .collect()
        } else {
            found
        };
        for (slot, value, place, confidence) in found {
            let value = Value::from(value);
            if corrects(turn.text) {
                notes.correct(&slot, at, place.clone(), &value);
            }
            notes.push(Note::new(slot, value, at, place, confidence));
        }
        if let Some(name) = USERNAME.captures(turn.text).and_then(|hit| hit.get(1)) {
            let value = name.as_str();
            notes.push(Note::new(Slot::Username, value, at, name.range(), 0.75));
        }
    }
}

/// What it is, its value, where it stands, and how sure that is.
type Found = (Slot, String, Range<usize>, f64);

/// Behind the words that name them.
fn named(turn: &Turn<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for hit in CUE.captures_iter(turn.text) {
        let (Some(whole), Some(word)) = (hit.get(0), hit.get(1)) else {
            continue;
        };
        let numbered = NUMBER.is_match(whole.as_str());
        let found_at = code_at(turn.text, whole.end(), numbered);
        let Some((value, place)) = found_at.or_else(|| code_after(turn.text, whole.end())) else {
            continue;
        };
        let place = whole.start()..place.end;
        let used = found.iter().any(|(_, _, used, _)| used.end > place.start);
        let slot = slot(&word.as_str().to_lowercase());
        // So long an account number is a card's, and so short a one the end of something.
        let few = !numbered && value.len() < SHORTEST_ACCOUNT;
        let card = slot == Slot::Account && (few || value.len() >= LONGEST_ACCOUNT);
        if !used && !card && !OTHERS.is_match(lead(turn.text, whole.start())) {
            found.push((slot, value, place, 0.85));
        }
    }
    found
}

/// In answer to the question.
fn asked(turn: &Turn<'_>) -> Option<Found> {
    let slot = identifier(&turn.asked)?;
    let (value, place) = code_in(turn.text)?;
    Some((slot.clone(), value, place, 0.85))
}

/// "My number is a 7 k 9", in a call about something that has a number.
fn generic(turn: &Turn<'_>, topic: Option<&Topic>) -> Option<Found> {
    let topic = topic?;
    let hit = ANY_NUMBER.find(turn.text)?;
    let (value, place) = code_at(turn.text, hit.end(), false)?;
    let slot = topic.slot(&value);
    is_plain_code(&value).then(|| (slot, value, hit.start()..place.end, 0.7))
}

/// What the caller's own words say that the call is about.
#[derive(Clone, Copy, Debug)]
enum Topic {
    Insurance,
    Booking,
    Order,
}

impl Topic {
    /// What a code is in such a call.
    fn slot(self, code: &str) -> Slot {
        let digits = code.bytes().filter(u8::is_ascii_digit).count();
        match self {
            Self::Insurance if digits >= 8 => Slot::Policy,
            Self::Insurance => Slot::Claim,
            Self::Booking => Slot::Booking,
            Self::Order => Slot::Order,
        }
    }
}

fn topic(call: &Call<'_>) -> Option<Topic> {
    let speaks_of = |what: &Regex| call.callers().any(|(_, turn)| what.is_match(turn.text));
    match (speaks_of(&INSURED), speaks_of(&BOOKED), speaks_of(&ORDERED)) {
        (true, false, _) => Some(Topic::Insurance),
        (false, true, _) => Some(Topic::Booking),
        (false, false, true) => Some(Topic::Order),
        _ => None,
    }
}

/// Where only the caller's side was written down: letters and digits that answer a question nobody
/// wrote down, with nothing else in the turn but a name before them.
fn bare(call: &Call<'_>, turn: &Turn<'_>, topic: Option<&Topic>) -> Option<Found> {
    if !call.one_sided {
        return None;
    }
    let topic = topic?;
    let start = BARE_LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let words = spoken::words(&turn.text[start..]);
    let named = |word: &Word<'_>| {
        word.text.len() > 2
            && word.text.chars().all(char::is_alphabetic)
            && (matches!(likeness(word.text), Likeness::Name | Likeness::Unknown)
                || is_surname(word.text))
            || word.is("and")
    };
    let leading = words
        .iter()
        .take(NAMES_BEFORE)
        .take_while(|word| named(word));
    let (lead, (value, taken)) = (0..=leading.count())
        .filter_map(|lead| Some((lead, code(words.get(lead..)?)?)))
        .find(|(_, (value, _))| is_plain_code(value))?;
    let words = &words[lead..];
    let next = words.get(taken);
    let ended = next.is_none_or(|next| ends_name(next.text));
    if !ended {
        return None;
    }
    let place = start + words[0].place.start..start + words[taken - 1].place.end;
    Some((topic.slot(&value), value, place, 0.6))
}

/// Whether letters and digits look like a code where nothing announced one: not "bmw 2016", not
/// "sep 8", not digits alone.
fn is_plain_code(value: &str) -> bool {
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = value.len() - letters;
    let month = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ]
    .iter()
    .any(|month| value.starts_with(month));
    let year = value.ends_with(|c: char| c.is_ascii_digit())
        && value.len() > 4
        && value.get(value.len() - 4..).is_some_and(|end| {
            (end.starts_with("19") || end.starts_with("20"))
                && end.bytes().all(|b| b.is_ascii_digit())
        });
    (1..=5).contains(&letters)
        && digits >= 2
        && value.len() >= 5
        && !month
        && !(year && digits == 4)
}

fn slot(word: &str) -> Slot {
    match word {
        "order" | "purchase" | "load" => Slot::Order,
        word if word.starts_with("ac") => Slot::Account,
        "meter" => Slot::Account,
        "claim" | "cliam" | "clm" => Slot::Claim,
        "policy" => Slot::Policy,
        "case" | "reference" | "permit" | "application" | "incident" | "docket" => Slot::Case,
        "ticket" => Slot::Ticket,
        "invoice" => Slot::Invoice,
        "customer" | "member" | "membership" | "patient" | "student" | "frequent flyer"
        | "loyalty" | "reward" | "rewards" => Slot::Customer,
        "tracking" | "waybill" | "container" => Slot::Tracking,
        _ => Slot::Booking,
    }
}

/// The code that begins here.
fn code_at(text: &str, from: usize, numbered: bool) -> Option<(String, Range<usize>)> {
    let words = spoken::words(tail(text, from));
    let lead = words.iter().position(|word| {
        !["is", "it's", "its", "the", "number"]
            .iter()
            .any(|lead| word.is(lead))
            && !is_hesitation(word)
    })?;
    let (code, taken) = code(&words[lead..])?;
    let letters = code.bytes().any(|byte| byte.is_ascii_alphabetic());
    let start = from + words[lead].place.start;
    let end = from + words[lead + taken - 1].place.end;
    let gap = text[from..start].trim_matches([' ', ':', ',', '#']).len();
    let next = words.get(lead + taken);
    // "Order 4512" ends; "order 2000 shares" goes on.
    let ended = next
        .is_none_or(|next| ends_name(next.text) || text[end..].starts_with(['.', ',', '?', '!']));
    let enough = numbered
        || (letters && code.len() >= 5)
        || code.len() >= 6
        || (gap == 0 && ended && code.len() >= 4);
    (gap <= 10 && enough).then_some((code, start..end))
}

/// "My ticket from last week was INC 00482": later in the sentence, if nothing but a code looks so.
fn code_after(text: &str, from: usize) -> Option<(String, Range<usize>)> {
    let rest = tail(text, from);
    let end = rest.find(['.', '?', '!', ';']).unwrap_or(rest.len());
    let words = spoken::words(&rest[..end]);
    (0..words.len()).find_map(|at| {
        let capitals = words[at].text.len() > 1
            && words[at]
                .text
                .bytes()
                .take(2)
                .all(|byte| byte.is_ascii_uppercase());
        let (code, taken) = capitals.then(|| code(&words[at..])).flatten()?;
        let digits = code.bytes().filter(u8::is_ascii_digit).count();
        let place = words[at].place.start..words[at + taken - 1].place.end;
        (digits >= 3 && digits < code.len()).then_some((code, from + place.start..from + place.end))
    })
}

/// The longest code in an answer, or the last where it is put right.
fn code_in(text: &str) -> Option<(String, Range<usize>)> {
    let words = spoken::words(text);
    let put_right = corrects(text);
    let mut best: Option<(String, Range<usize>)> = None;
    let mut at = 0;
    while at < words.len() {
        if let Some((code, taken)) = code(&words[at..]) {
            let place = words[at].place.start..words[at + taken - 1].place.end;
            if best
                .as_ref()
                .is_none_or(|(held, _)| held.len() < code.len() + usize::from(put_right))
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
    let mut at = 0;
    while at < words.len().min(LONGEST_CODE) {
        let word = &words[at];
        let joint = JOINTS.iter().any(|joint| word.is(joint)) || is_hesitation(word);
        if at > 0
            && joint
            && words
                .get(at + 1)
                .is_some_and(|next| piece(std::slice::from_ref(next)).is_some())
        {
            at += 1;
            continue;
        }
        let far = at > 0 && word.place.start - words[at - 1].place.end > 2;
        let Some((mut piece, taken)) = piece(&words[at..]).filter(|_| !far) else {
            break;
        };
        if word.is("o") && !counts(words, at) {
            "O".clone_into(&mut piece);
        }
        code.push_str(&piece);
        at += taken;
    }
    let sound =
        code.len() >= 3 && code.len() <= 24 && code.bytes().any(|byte| byte.is_ascii_digit());
    sound.then(|| (code.to_ascii_uppercase(), at))
}

/// "Um", which is no part of a code.
fn is_hesitation(word: &Word<'_>) -> bool {
    ["um", "umm", "uh", "uhh", "uhm", "erm", "hmm"]
        .iter()
        .any(|filler| word.is(filler))
}

/// Whether an "o" is a zero: among digits in words it is, and among typed ones a letter.
fn counts(words: &[Word<'_>], at: usize) -> bool {
    let spoken = |at: Option<usize>| {
        let digit = at.and_then(|at| words.get(at)).map(|word| word.text);
        digit.is_some_and(|text| text.len() > 1 && spoken::single(text).is_some())
    };
    spoken(at.checked_sub(1)) || spoken(at.checked_add(1))
}

/// What the next word of a code stands for, and how many words it takes.
fn piece(words: &[Word<'_>]) -> Option<(String, usize)> {
    let word = words.first()?.text;
    if !word.is_ascii() {
        return None;
    }
    if word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some((word.to_owned(), 1));
    }
    if is_hesitation(&words[0]) {
        return None;
    }
    let next = words.get(1).map(|next| next.text);
    if let (Some(times), Some(digit)) = (spoken::repeat(word), next.and_then(spoken::single)) {
        return Some((digit.repeat(times), 2));
    }
    if let Some(run) = spoken::runs(word).first() {
        return Some((run.digits.clone(), 1));
    }
    if let Some(letters) = spelling::letters(words) {
        return Some(letters);
    }
    if let Some(letter) = spelling::of_alphabet(word) {
        return Some((letter.to_string(), 1));
    }
    let letters = word.len() <= 5 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let rare = likeness(word) == Likeness::Unknown && !ends_name(word);
    // "AN 3390": in capitals right before digits a word is none.
    let capitals = (2..=4).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_uppercase())
        && words.get(1).is_some_and(|next| {
            next.place.start - words[0].place.end == 1
                && (JOINTS.iter().any(|joint| next.is(joint))
                    || next.text.starts_with(|c: char| c.is_ascii_digit()))
        });
    (letters && (rare || capitals)).then(|| (word.to_owned(), 1))
}
