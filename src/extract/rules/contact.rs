//! How to reach the caller: numbers, typed or spoken, and addresses.

use std::ops::Range;
use std::sync::LazyLock;

use phonenumber::country;
use regex::Regex;
use serde_json::Value;

use super::ask::{Ask, corrects, identifier, is_no, is_yes};
use super::call::{Call, Note, Notes, Turn, lead, tail};
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::{Run, runs, words};

static CUE: LazyLock<Regex> = pattern!(
    r"\b(?:phone|cell|mobile|telephone|call|reach|text|ring|contact|whatsapp|number|landline|ph)\b"
);
/// Numbers of another kind, by the word before them.
static OTHER_KIND: LazyLock<Regex> = pattern!(
    r"\b(?:order|booking|reservation|confirmation|account|acct|claim|policy|case|ticket|invoice|customer|member|membership|tracking|reference|flight|room|ssn|social|card|serial|model|imei|zip|address|street|id|pin|code|fax)\b[^.!?]{0,24}$"
);
/// Somebody else's number, or a number that no longer is.
static OTHERS: LazyLock<Regex> = pattern!(
    r"\b(?:his|her|their|your|wife's|husband's|son's|daughter's|mother's|father's|office's|store's|company's)\b[^.!?,]{0,30}$"
);
static OLD: LazyLock<Regex> = pattern!(
    r"\b(?:old|previous|former)\b[^.!?]{0,24}$|\b(?:used to be|it's not|its not|is not|isn't|not)\b\W*$"
);
static DATE: LazyLock<Regex> = pattern!(r"^(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:19|20)\d\d");
/// Letters of a code right before its digits.
static CODE: LazyLock<Regex> = pattern!(r"(?:^|\s)[a-z]{2,4}[ -]?$");
static PH: LazyLock<Regex> = pattern!(
    r"(?:^|\s)(?:is|its|it's|at|no|num|ph|on|me|my|and|so|yes|yeah|ok|sure|the|cell|um|uh|to|plus|or|was|that|call|text|new|also|hey|hi|sir|not|dial|ring|try|for|use|here|well)[ -]?$"
);
static ACCOUNT: LazyLock<Regex> = pattern!(
    r"^[\s,]*(?:is )?(?:this |that |the |my |for )*(?:account|order|booking|policy|claim|card)"
);
static ADDRESS: LazyLock<Regex> = pattern!(
    r"\b(?:my|the|new|home|current|mailing|shipping|billing|street) (?:\w+ )?address(?:'s| is| to|:)? (?:is |to )?|\bi live at |\baddress is "
);
static STREET: LazyLock<Regex> = pattern!(
    r"\d|\b(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|square|terrace|apartment|apt|suite|nagar|colony|house|block)\b"
);
static ELECTRONIC: LazyLock<Regex> = pattern!(r"\b(?:e-?mail|mail|ip|web|internet)\b");
/// A turn that is nothing but a street address.
static BARE_ADDRESS: LazyLock<Regex> = pattern!(
    r"^(?:no |number )?\d{1,5} (?:[a-z]+ ){1,4}(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|way|nagar)\b[a-z0-9 ,#]*$"
);
static ADDRESS_ENDS: LazyLock<Regex> = pattern!(
    r"[.!?](?:\s|$)|,? (?:and|but) (?:my|i|the|can|could|please|change|update)\b|,? (?:thanks|thank you|please)\b"
);
static ADDRESS_LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|ok|okay|um|uh|it's|its|it is|that's|that is|of course|my|the|address|is|new)\b[\s,.:]*)+"
);
static ZIP: LazyLock<Regex> = pattern!(r"\b(?:zip|postal|post) ?(?:code)?(?:'s| is|:)? (?:is )?");

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        phones(call, at, turn, notes);
        read_back(call, at, turn, notes);
        address(call, at, turn, notes);
        postcode(at, turn, notes);
    }
}

fn phones(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let mut last: Option<(Value, usize)> = None;
    for run in runs(turn.text) {
        let before = lead(turn.text, run.place.start);
        let Some(confidence) = judge(call, turn, before, &run) else {
            continue;
        };
        let value = Value::from(normal(&run, call.region));
        let start = place_with_plus(turn.text, &run);
        let quote = start..run.place.end;
        if OLD.is_match(before) {
            let note = Note::new(Slot::Phone, value, at, quote, confidence);
            notes.push(note.op(Op::Retract));
            continue;
        }
        let put_right = match &last {
            Some((_, end)) => corrects(&turn.text[*end..run.place.start]),
            None => corrects(before) || is_no(turn.text),
        };
        if put_right {
            notes.correct(&Slot::Phone, at, quote.clone(), &value);
        }
        notes.push(Note::new(Slot::Phone, value.clone(), at, quote, confidence));
        last = Some((value, run.place.end));
    }
}

/// How sure it is that a number is the caller's phone number; none if it is not.
fn judge(call: &Call<'_>, turn: &Turn<'_>, before: &str, run: &Run) -> Option<f64> {
    let length = run.digits.len();
    if !(7..=15).contains(&length) || OTHER_KIND.is_match(before) || OTHERS.is_match(before) {
        return None;
    }
    let asked = turn.answers(&Ask::For(Slot::Phone));
    let valid = e164(run, call.region).is_some();
    let cue = CUE.is_match(before);
    let lone = !cue && !asked;
    // A date is no number (05272018), nor is what stands behind the letters of a code (kjh 5896247560).
    if lone && (length == 8 || DATE.is_match(&run.digits) || CODE.is_match(before)) {
        return None;
    }
    // In a call about money a number that nobody named is sooner an account or a card.
    let after = tail(turn.text, run.place.end);
    if lone && (call.about_money || ACCOUNT.is_match(after)) {
        return None;
    }
    if CODE.is_match(before) && !PH.is_match(before) {
        return None;
    }
    match (asked, cue, valid) {
        (true, _, true) => Some(0.95),
        (true, _, false) | (_, true, true) => Some(0.9),
        (_, true, false) => Some(0.8),
        _ if identifier(&turn.asked).is_some() => None,
        (_, _, true) if length >= 10 => Some(0.85),
        _ if length == 10 => Some(0.6),
        _ => None,
    }
}

/// E.164 where the number is valid in the region, or in the world with its `+`; else its digits,
/// with no country code guessed.
fn normal(run: &Run, region: &str) -> String {
    e164(run, region).unwrap_or_else(|| {
        let plus = if run.plus { "+" } else { "" };
        format!("{plus}{}", run.digits)
    })
}

fn e164(run: &Run, region: &str) -> Option<String> {
    let region: Option<country::Id> = region.parse().ok();
    let parsed = if run.plus {
        phonenumber::parse(None, format!("+{}", run.digits))
    } else {
        phonenumber::parse(region, &run.digits)
    };
    let number = parsed.ok().filter(phonenumber::is_valid)?;
    // Without a `+` a number belongs to the region, or it is not known where it belongs.
    let at_home = run.plus || number.country().id() == region;
    at_home.then(|| number.format().mode(phonenumber::Mode::E164).to_string())
}

fn place_with_plus(text: &str, run: &Run) -> usize {
    let trimmed = text[..run.place.start].trim_end_matches(['(', ' ']);
    if run.plus && trimmed.ends_with('+') {
        trimmed.len() - 1
    } else {
        run.place.start
    }
}

/// "That's 415 555 0123, right?" – "Yes."
fn read_back(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let Some((before, agent)) = call.before(at) else {
        return;
    };
    let (yes, no) = (is_yes(turn.text), is_no(turn.text));
    if yes == no {
        return;
    }
    let held: Vec<Note> = notes
        .held(&Slot::Phone, before)
        .into_iter()
        .cloned()
        .collect();
    for run in runs(agent.text)
        .into_iter()
        .filter(|run| run.digits.len() >= 7)
    {
        let same = |note: &&Note| {
            note.value
                .as_str()
                .is_some_and(|value| value.ends_with(&run.digits))
        };
        let Some(note) = held.iter().find(same) else {
            continue;
        };
        let quote = if yes {
            run.place.clone()
        } else {
            first_word(turn.text)
        };
        let (turn, also, op) = if yes {
            (before, at, Op::Confirm)
        } else {
            (at, before, Op::Retract)
        };
        let confidence = if yes { 0.6 } else { 0.8 };
        let again = Note::new(Slot::Phone, note.value.clone(), turn, quote, confidence);
        notes.push(again.op(op).also(also));
    }
}

fn first_word(text: &str) -> Range<usize> {
    words(text).first().map_or(0..0, |word| word.place.clone())
}

fn address(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let cue = ADDRESS
        .find_iter(turn.text)
        .find(|hit| {
            !ELECTRONIC.is_match(hit.as_str()) && !ELECTRONIC.is_match(lead(turn.text, hit.start()))
        })
        .map(|hit| hit.end());
    let asked = turn.answers(&Ask::For(Slot::Address));
    let start = match cue {
        Some(start) => start,
        None if asked => ADDRESS_LEAD.find(turn.text).map_or(0, |lead| lead.end()),
        None if call.one_sided && BARE_ADDRESS.is_match(turn.text.trim()) => 0,
        None => return,
    };
    let rest = tail(turn.text, start);
    let end = ADDRESS_ENDS
        .find(rest)
        .map_or(rest.len(), |hit| hit.start());
    let place = trimmed(turn.text, start..start + end);
    let text = &turn.text[place.clone()];
    let length = text.split_whitespace().count();
    let whole = STREET.find_iter(text).count() >= 1
        && text
            .bytes()
            .any(|byte| byte.is_ascii_digit() || byte == b' ');
    if (2..=16).contains(&length) && whole && !text.contains(['@', '?']) {
        notes.push(Note::new(Slot::Address, text, at, place, 0.75));
    }
}

fn postcode(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let asked = turn.answers(&Ask::For(Slot::Postcode));
    let from = match ZIP.find(turn.text) {
        Some(hit) => hit.end(),
        None if asked => 0,
        None => return,
    };
    let found = runs(tail(turn.text, from));
    if let Some(run) = found.iter().find(|run| matches!(run.digits.len(), 5 | 9)) {
        let place = from + run.place.start..from + run.place.end;
        notes.push(Note::new(
            Slot::Postcode,
            run.digits.as_str(),
            at,
            place,
            0.8,
        ));
    }
}

/// A place without the white space and commas at its ends.
pub(super) fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let inside = &text[place.clone()];
    let start = inside.len() - inside.trim_start_matches([' ', ',', ':', '-']).len();
    let end = inside.trim_end_matches([' ', ',', '.', ';', '!']).len();
    place.start + start.min(end)..place.start + end.max(start)
}
