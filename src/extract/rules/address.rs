//! Where the caller lives: street addresses, towns and postal codes.

use std::sync::LazyLock;

use regex::Regex;

use super::ask::Ask;
use super::call::{Call, Note, Notes, Turn, lead, tail};
use super::contact::trimmed;
use super::vocabulary::{Likeness, ends_name, likeness};
use crate::memory::pattern::{compile, pattern};
use crate::memory::slot::Slot;
use crate::memory::spoken::words;

/// Words that streets and houses go by.
const STREETS: &str = r"(?:streets?|st|str|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl|square|sq|terrace|trail|circle|cir|crescent|close|parkway|pkwy|parkway|highway|hwy|plaza|row|grove|gardens?|heights|hills?|loop|pike|alley|mews|quay|wharf|cross|nagar|colony|layout|sector|estate)";
const HOUSES: &str = r"(?:apartments?|apt|suite|ste|unit|flat|floor|house|block|building|bldg|towers?|villas?|complex|mall|park|post|p\.?o\.? box)";

static CUE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:my|the|new|home|current|mailing|shipping|billing|delivery|street|correct|full) (?:\w+ )?add?ress(?: details)?(?:'s| is| to| as|:|,)*\b ?(?:(?:is|to|as|say|now) )*|(?:i|we)(?:'ve| have)? (?:just )?moved to |i(?: now)? live (?:at |on )|i(?:'m| am) (?:living|staying|located) at |address(?:'s| is|:) (?:now )?|(?:deliver|ship|send|mail)(?: it| that| this| them)? to |change (?:it|(?:my|the)(?: \w+)? address) to )"
);
static BARE_CUE: LazyLock<Regex> = pattern!(r"^(?:and |my |new |the )*address ");
static STREET: LazyLock<Regex> = LazyLock::new(|| compile(&format!(r"\b{STREETS}\b")));
static STREET_OR_HOUSE: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"\b(?:{STREETS}|{HOUSES})\b")));
/// The number of a house, with "number" before it.
static NUMBERED: LazyLock<Regex> =
    pattern!(r"^(?:(?:no|number|house|door|flat|plot|#)\W{0,2} ?)*\d{1,5}[a-z]?\b");
/// A number, a name, and what a street is called.
static NUMBERED_STREET: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r"^(?:(?:no|number|house|door|flat|plot|#)\W{{0,2}} ?)*\d{{1,5}}(?:[a-z]| ?(?:st|nd|rd|th))? (?:(?:\d{{1,3}} ?(?:st|nd|rd|th)|[a-z']{{3,}}|[nsew]|\d+)\.? ){{1,5}}{STREETS}\b"
    ))
});
/// "23 rd June 2018" is a day.
static DAY: LazyLock<Regex> = pattern!(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|march|april|june|july|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b|\bnot \d"
);
/// The end of an address in the United States: "NY 10010".
static STATE_AND_ZIP: LazyLock<Regex> = pattern!(r"\b[a-z]{2} \d{5}\W*$");
static ELECTRONIC: LazyLock<Regex> =
    pattern!(r"\b(?:e-?mail|emaill|mail id|ip|web|internet|mac)\b");
static OTHERS: LazyLock<Regex> = pattern!(
    r"\b(?:your|his|her|their|old|previous|wrong|store|office|company|hotel|restaurant)\W*$"
);
static ENDS: LazyLock<Regex> = pattern!(
    r"[.!?;](?:\s|$)|\x01|,? (?:and|but) (?:my|i|the|can|could|please|change|update|ssn|ac|account|phone|number|it|its)\b|,? (?:thanks|thank you|please|this is|just|instead)\b|,? (?:ssn|social|phone|my|zip code is)\b"
);
static LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|ok|okay|um|uh|it's|its|it is|that's|that is|that would be|it would be|it should be|actually|sorry|of course|my|the|address|is|new|to)\b[\s,.:]*)+"
);
/// "Is 12", "to 12": what stands before an address is no part of it.
static HEAD: LazyLock<Regex> = pattern!(
    r"^(?:no, |(?:is|to|as|at|its|it's|say|my|new|the|address|it should be)\b\W{0,2}\s*)+"
);
/// What may stand between the word and the address.
static OPENS: LazyLock<Regex> =
    pattern!(r"^[\s.,:]+(?:(?:it's|its|it is|that's|that is|the new one is)\b\s*)?");
static POSTCODE_CUE: LazyLock<Regex> =
    pattern!(r"\b(?:zip|postal|post) ?(?:code)?(?:'s| is|:)? (?:is )?");
/// Postal codes of the United States, the United Kingdom and Canada.
static POSTCODE: LazyLock<Regex> =
    pattern!(r"\b(?:\d{5}(?:-\d{4})?|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}|[a-z]\d[a-z] ?\d[a-z]\d)\b");
static CITY: LazyLock<Regex> = pattern!(
    r"\b(?:(?:i|we)(?: now| currently)? (?:live|reside) in|(?:i'm|i am|we're|we are) (?:based|living|located) in|my (?:city|town|home ?town) is) (?:the (?:city|town) of )?"
);

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        street(call, at, turn, notes);
        postcode(at, turn, notes);
        city(at, turn, notes);
    }
}

fn street(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let cue = CUE
        .find_iter(turn.text)
        .filter(|hit| {
            let before = lead(turn.text, hit.start());
            !ELECTRONIC.is_match(hit.as_str())
                && !ELECTRONIC.is_match(before)
                && !OTHERS.is_match(before)
        })
        .last()
        .map(|hit| (hit.end(), 0.8));
    let asked = turn.answers(&Ask::For(Slot::Address));
    let found = cue
        .or_else(|| BARE_CUE.find(turn.text).map(|hit| (hit.end(), 0.75)))
        .or_else(|| (asked || call.one_sided).then(|| (after_lead(turn.text), 0.7)));
    let Some((start, confidence)) = found else {
        return;
    };
    // "I have a new address. It's 77 Low Road."
    let start = start
        + OPENS
            .find(&turn.text[start..])
            .map_or(0, |opens| opens.end());
    let rest = tail(turn.text, start);
    let end = start + ENDS.find(rest).map_or(rest.len(), |hit| hit.start());
    let start = start
        + HEAD
            .find(&turn.text[start..end])
            .map_or(0, |head| head.end());
    let place = trimmed(turn.text, start..end);
    let text = &turn.text[place.clone()];
    if is_address(text, cue.is_some() || asked) {
        if super::ask::corrects(turn.text) {
            notes.correct(&Slot::Address, at, place.clone(), &text.into());
        }
        notes.push(Note::new(Slot::Address, text, at, place, confidence));
    }
}

fn after_lead(text: &str) -> usize {
    LEAD.find(text).map_or(0, |lead| lead.end())
}

/// Whether a text has the parts of an address. One that nothing announced needs a number in front,
/// and a street or a state's postal code behind.
fn is_address(text: &str, announced: bool) -> bool {
    let length = text.split_whitespace().count();
    if !(2..=18).contains(&length) || text.contains(['@', '?', '$']) {
        return false;
    }
    if DAY.is_match(text) {
        return false;
    }
    let numbered = NUMBERED.is_match(text);
    let street = STREET.is_match(text);
    let state = STATE_AND_ZIP.is_match(text);
    if announced {
        return street
            || state
            || (STREET_OR_HOUSE.is_match(text) && text.bytes().any(|byte| byte.is_ascii_digit()))
            || (numbered && length >= 3);
    }
    NUMBERED_STREET.is_match(text) || (numbered && length >= 4 && state)
}

fn postcode(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let asked = turn.answers(&Ask::For(Slot::Postcode));
    let from = match POSTCODE_CUE.find(turn.text) {
        Some(hit) => hit.end(),
        None if asked => 0,
        None => return,
    };
    let rest = tail(turn.text, from);
    if let Some(code) = POSTCODE.find(rest) {
        let value = code.as_str().to_uppercase();
        let place = from + code.start()..from + code.end();
        notes.push(Note::new(Slot::Postcode, value, at, place, 0.8));
        return;
    }
    let found = crate::memory::spoken::runs(rest);
    if let Some(run) = found.iter().find(|run| matches!(run.digits.len(), 5 | 9)) {
        let place = from + run.place.start..from + run.place.end;
        let value = run.digits.as_str();
        notes.push(Note::new(Slot::Postcode, value, at, place, 0.8));
    }
}

/// "I live in Ann Arbor": up to three words, in capitals where the call has any.
fn city(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let from = match CITY.find(turn.text) {
        Some(hit) if !turn.text[hit.end()..].starts_with("the ") => hit.end(),
        None if turn.answers(&Ask::For(Slot::City)) => after_lead(turn.text),
        _ => return,
    };
    let rest = tail(turn.text, from);
    let capitals =
        turn.text.contains(char::is_uppercase) && turn.text.contains(['.', ',', '?', '!']);
    let mut end = 0;
    for (taken, word) in words(rest).iter().enumerate().take(3) {
        let gap = &rest[end..word.place.start];
        let named = word.text.starts_with(char::is_uppercase)
            || (!capitals && (taken == 0 || likeness(word.text) == Likeness::Unknown));
        let plain = word.text.chars().all(|c| c.is_alphabetic() || c == '\'');
        if !(gap.is_empty() || gap == " ") || !named || !plain || ends_name(word.text) {
            break;
        }
        end = word.place.end;
    }
    let place = from..from + end;
    if end > 2 && !STREET.is_match(&turn.text[place.clone()]) {
        let value = titled(&turn.text[place.clone()]);
        notes.push(Note::new(Slot::City, value, at, place, 0.75));
    }
}

fn titled(text: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(chars).collect()
        })
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address() {
        for text in [
            "12 Main Street",
            "4 park lane apt 3 boston ma 02110",
            "77 low rd",
        ] {
            assert!(is_address(text, false), "{text}");
        }
        for text in [
            "2 people",
            "the main street",
            "3 bedrooms and 2 baths",
            "12",
        ] {
            assert!(!is_address(text, false), "{text}");
        }
        assert!(is_address("20865 us hwy 431 guntersville", true));
        assert!(!is_address("a new one", true));
    }
}
