//! Where the caller lives: street addresses, towns and postal codes.

use std::sync::LazyLock;

use regex::Regex;

use super::ask::Ask;
use super::call::{Call, NEAR, Note, Notes, Turn, head, lead, tail};
use super::contact::trimmed;
use super::vocabulary::{Likeness, ends_name, is_listed, likeness};
use crate::memory::pattern::{compile, pattern};
use crate::memory::slot::Slot;
use crate::memory::spoken::{Word, runs, words};

/// Words that streets and houses go by.
const STREETS: &str = r"(?:streets?|st|str|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl|square|sq|terrace|trail|circle|cir|crescent|close|parkway|pkwy|parkway|highway|hwy|plaza|row|grove|gardens?|heights|hills?|loop|pike|alley|mews|quay|wharf|cross|nagar|colony|layout|sector|estate)";
const HOUSES: &str = r"(?:apartments?|apt|suite|ste|unit|flat|floor|house|block|building|bldg|towers?|villas?|complex|mall|park|post|p\.?o\.? box)";

static CUE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:my|the|new|home|current|mailing|shipping|billing|delivery|street|correct|full) (?:\w+ )?add?ress(?: details)?(?:'s| is| to| as|:|,)*\b ?(?:(?:is|to|as|say|now) )*|(?:i|we)(?:'ve| have)? (?:just )?moved to |i(?: now)? live (?:at |on )|i(?:'m| am) (?:living|staying|located) at |address(?:'s| is|:) (?:now )?|(?:deliver|ship|send|mail)(?: it| that| this| them)? to |change (?:it|(?:(?:my|the) )?(?:\w+ )?add?ress) to |address to (?:change|update)(?: to| is)? |(?:my|our) new (?:place|house|home|apartment|flat)(?:'s| is| at|,|:)+ )"
);
static BARE_CUE: LazyLock<Regex> = pattern!(r"^(?:and |my |new |the )*address ");
static STREET: LazyLock<Regex> = LazyLock::new(|| compile(&format!(r"\b{STREETS}\b")));
static STREET_OR_HOUSE: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"\b(?:{STREETS}|{HOUSES})\b")));
/// Names of streets that go without one of these words.
const OWN: &str = r"(?:broadway|\w{3,}(?:street|road|avenue)|(?:street|road|avenue|lane|drive|boulevard|colony|nagar)[a-z]{2,})";
/// The number of a house, with "number" before it.
static NUMBERED: LazyLock<Regex> =
    pattern!(r"^(?:(?:no|number|house|door|flat|plot|#)\W{0,2} ?)*\d{1,5}[a-z]?\b");
static NUMBER_WORD: LazyLock<Regex> = pattern!(r"^(?:(?:no|number|house|door|flat|plot)\W{1,2})+");
/// A name, and what a street is called, behind a house's number.
static STREET_NEXT: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r"^(?: ?[a-z]\b| ?(?:st|nd|rd|th))?(?: ?(?:and a half|1/2),?)? (?:(?:\d{{1,3}} ?(?:st|nd|rd|th)|[a-z']{{3,}}|[nsew]|\d+)\.? ){{1,5}}{STREETS}\b|^ (?:[a-z']+ ){{0,3}}{OWN}\b"
    ))
});
/// The same wherever it stands in a text.
static STREET_IN: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r"\b\d{{1,5}}[a-z]? (?:[a-z']{{3,}} |[nsew]\.? ){{1,4}}{STREETS}\b"
    ))
});
/// What a street's name may begin with.
const COMPASS: [&str; 12] = [
    "north",
    "south",
    "east",
    "west",
    "northeast",
    "northwest",
    "southeast",
    "southwest",
    "n",
    "s",
    "e",
    "w",
];
/// A box at the post office has no street.
static BOX: LazyLock<Regex> = pattern!(r"^p\.? ?o\.? ?box \w");
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
/// "I'm at …": of a place that has a street.
static PLACE_CUE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:i'm|i am|we're|we are|im) (?:here )?(?:at|on)|mine's|mine is|ours is|(?:delivery|delivered|pick ?up)(?:,? please)?,? (?:to|at|from)) "
);
/// A caller who asks for this says the address sooner or later.
static CHANGE: LazyLock<Regex> = pattern!(
    r"\b(?:chang\w*|updat\w*|correct\w*|new|edit)\b[^.!?]{0,24}\badd?ress?\b|\badd?ress? (?:change|update)\b"
);
static ENDS: LazyLock<Regex> = pattern!(
    r"[.!?;](?:\s|$)|\x01|,? (?:that's|that is|not|in case)\b|,? (?:and|but) (?:my|i|the|can|could|please|change|update|ssn|ac|account|phone|number|it|its)\b|,? (?:thanks|thank you|please|this is|just|instead)\b|, (?:it's|its|it is|so|because|since|if|i|i'm|i'll|we|we're|he|she|they|which|ask for)\b|,? (?:ssn|social|phone|my|zip code is)\b"
);
/// A full stop that ends a word, and no sentence: "P.O. Box", "4 Main St. Paul".
static ABBREVIATED: LazyLock<Regex> =
    pattern!(r"\b(?:p|o|st|ste|ave|av|rd|apt|blvd|dr|ln|no|n|s|e|w|ft|mt)$");
static LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:(?:yes|yeah|sure(?: thing)?|ok|okay|um|uh|it's|its|it is|that's|that is|that would be|it would be|it should be|actually|sorry|of course|my|the|address|is|new|to|that's wrong|that is wrong|wrong|should be|at)\b|no[,.])[\s,.:]*)+"
);
/// "Is 12", "to 12": what stands before an address is no part of it.
static HEAD: LazyLock<Regex> = pattern!(
    r"^(?:no, |(?:is|to|as|at|its|it's|say|my|new|the|address|it should be)\b\W{0,2}\s*)+"
);
/// What leads to where somebody lives by now: "it was 2 High Street, but now it's 7 Low Road".
static NOW_AT: LazyLock<Regex> = pattern!(
    r"\b(?:now it's|now its|now it is|now at|now|it's now|moved to|changed to|(?:the )?new one(?:'s| is))[\s,:]+"
);
/// What leads to a house's number.
static LEADS_TO: LazyLock<Regex> =
    pattern!(r"\b(?:it's|its|it is|that's|that is|mine's|mine is|is|to|at|now|so)[\s,:]+");
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

/// Words of a house and its place that nothing else announces.
const LONGEST_HOUSE: usize = 8;

/// Words of a name before the address of the same breath.
const NAMES_BEFORE: usize = 4;

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    let changes = call
        .callers()
        .find(|(_, turn)| call.one_sided && CHANGE.is_match(turn.text))
        .map(|(at, _)| at);
    for (at, turn) in call.callers() {
        let expected = changes.is_some_and(|since| since < at);
        street(call, at, turn, expected, notes);
        postcode(at, turn, notes);
        // "In which city?" asks on only after a street.
        let street_before = at
            .checked_sub(2)
            .is_some_and(|before| notes.gives(&Slot::Address, before));
        let asked =
            turn.answers(&Ask::For(Slot::City)) || (street_before && turn.answers(&Ask::WhichCity));
        city(at, turn, asked, notes);
    }
}

/// Whether a text names a street with a house's number.
pub(super) fn names_street(text: &str) -> bool {
    STREET_IN.is_match(text)
}

/// How an address is announced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// In so many words.
    Yes,
    /// By what the call is about.
    Expected,
    /// Not at all.
    No,
}

fn street(call: &Call<'_>, at: usize, turn: &Turn<'_>, expected: bool, notes: &mut Notes) {
    let Some((start, announced, confidence)) = begins(call, turn, expected) else {
        return;
    };
    // "I have a new address. It's 77 Low Road."
    let start = start
        + OPENS
            .find(&turn.text[start..])
            .map_or(0, |opens| opens.end());
    let rest = tail(turn.text, start);
    let end = start + ends(rest);
    let start = start
        + HEAD
            .find(&turn.text[start..end])
            .map_or(0, |head| head.end());
    let place = trimmed(turn.text, start..end);
    let text = &turn.text[place.clone()];
    if is_address(text, announced) {
        if super::ask::corrects(turn.text) {
            notes.correct(&Slot::Address, at, place.clone(), &text.into());
        }
        notes.push(Note::new(Slot::Address, text, at, place, confidence));
    }
}

/// Where an address may begin, how it is announced, and how sure that makes it.
fn begins(call: &Call<'_>, turn: &Turn<'_>, expected: bool) -> Option<(usize, Announced, f64)> {
    let own = |hit: &regex::Match<'_>| {
        let before = lead(turn.text, hit.start());
        !ELECTRONIC.is_match(hit.as_str())
            && !ELECTRONIC.is_match(before)
            && !OTHERS.is_match(before)
    };
    if let Some(cue) = CUE.find_iter(turn.text).filter(own).last() {
        return Some((cue.end(), Announced::Yes, 0.8));
    }
    if let Some(cue) = BARE_CUE.find(turn.text) {
        return Some((cue.end(), Announced::No, 0.75));
    }
    if turn.answers(&Ask::For(Slot::Address)) {
        let start = to_house(turn.text, after_lead(turn.text));
        return Some((start, Announced::Yes, 0.7));
    }
    if let Some(cue) = PLACE_CUE.find(turn.text) {
        return Some((cue.end(), Announced::No, 0.7));
    }
    if turn.answers(&Ask::StreetRight) || turn.answers(&Ask::Whereabouts) {
        return Some((after_lead(turn.text), Announced::No, 0.7));
    }
    if !call.one_sided {
        return None;
    }
    let start = after_name(turn.text, after_lead(turn.text));
    let announced = if expected {
        Announced::Expected
    } else {
        Announced::No
    };
    Some((start, announced, 0.7))
}

fn after_lead(text: &str) -> usize {
    LEAD.find(text).map_or(0, |lead| lead.end())
}

/// "We moved, it's 77 Low Road": behind the words that lead to the house, where an answer begins with
/// something else.
fn to_house(text: &str, from: usize) -> usize {
    let begins = |at: usize| house(&text[at..]).is_some() || BOX.is_match(&text[at..]);
    let near = head(&text[from..], NEAR);
    let now = NOW_AT.find_iter(near).map(|lead| from + lead.end());
    if let Some(at) = now.filter(|at| begins(*at)).last() {
        return at;
    }
    let leads = LEADS_TO.find_iter(near).map(|lead| from + lead.end());
    std::iter::once(from)
        .chain(leads)
        .find(|at| begins(*at))
        .unwrap_or(from)
}

/// "Ann Lee 23 Park Lane": behind the name, if a house's number follows it.
fn after_name(text: &str, from: usize) -> usize {
    let words = words(head(&text[from..], NEAR));
    let is_name = |word: &&Word<'_>| {
        word.text.chars().all(char::is_alphabetic)
            && matches!(likeness(word.text), Likeness::Name | Likeness::Unknown)
    };
    let named = words.iter().take(NAMES_BEFORE).take_while(is_name).count();
    match words.get(named) {
        Some(word) if named > 0 && word.text.starts_with(|c: char| c.is_ascii_digit()) => {
            from + word.place.start
        }
        _ => from,
    }
}

/// Where what follows an address begins.
fn ends(rest: &str) -> usize {
    ENDS.find_iter(rest)
        .find(|hit| !(hit.as_str().starts_with('.') && ABBREVIATED.is_match(&rest[..hit.start()])))
        .map_or(rest.len(), |hit| hit.start())
}

/// The house's number that a text begins with: where it ends, and whether it is in words.
fn house(text: &str) -> Option<(usize, bool)> {
    if let Some(number) = NUMBERED.find(text) {
        return Some((number.end(), false));
    }
    let lead = NUMBER_WORD.find(text).map_or(0, |lead| lead.end());
    let run = runs(head(&text[lead..], NEAR)).into_iter().next()?;
    let begins = run.place.start == 0 && (2..=5).contains(&run.digits.len());
    begins.then_some((lead + run.place.end, true))
}

/// Whether a text has the parts of an address. One that nothing announced needs a number in front,
/// and a street or a state's postal code behind.
fn is_address(text: &str, announced: Announced) -> bool {
    let length = text.split_whitespace().count();
    if !(2..=18).contains(&length) || text.contains(['@', '?', '$']) || DAY.is_match(text) {
        return false;
    }
    let house = house(text);
    let typed = house.is_some_and(|(_, spoken)| !spoken);
    let state = STATE_AND_ZIP.is_match(text);
    if house.is_some_and(|(end, _)| STREET_NEXT.is_match(&text[end..]))
        || (typed && length >= 4 && state)
    {
        return true;
    }
    match announced {
        Announced::No => false,
        Announced::Expected => house.is_some_and(|(end, _)| is_place(&text[end..])),
        Announced::Yes => {
            STREET.is_match(text)
                || state
                || BOX.is_match(text)
                || (STREET_OR_HOUSE.is_match(text) && text.bytes().any(|b| b.is_ascii_digit()))
                || (typed && length >= 3)
                || house.is_some_and(|(end, _)| is_place(&text[end..]))
        }
    }
}

/// Whether what follows a house's number is a name, for want of a street's word: " jp nagar",
/// " Southeast Ankeny", not " minutes ago".
fn is_place(rest: &str) -> bool {
    let words = words(rest);
    let rare = |word: &&Word<'_>| {
        word.text.len() > 2
            && word.text.chars().all(char::is_alphabetic)
            && matches!(likeness(word.text), Likeness::Name | Likeness::Unknown)
    };
    let compass = |word: &Word<'_>| COMPASS.iter().any(|point| word.is(point));
    let begins = words
        .first()
        .is_some_and(|word| compass(word) || rare(&word) || is_initial(word));
    let common = words
        .iter()
        .filter(|word| is_listed(word.text) && !compass(word))
        .count();
    begins
        && rest.starts_with(' ')
        && words.len() <= LONGEST_HOUSE
        && words.iter().any(|word| rare(&word))
        && common * 2 <= words.len()
}

/// "44 w roja", "87 jp nagar", not "3 rd floor".
fn is_initial(word: &Word<'_>) -> bool {
    word.text.len() <= 2
        && !["st", "nd", "rd", "th", "am", "pm"]
            .iter()
            .any(|end| word.is(end))
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
    let found = runs(rest);
    if let Some(run) = found.iter().find(|run| matches!(run.digits.len(), 5 | 9)) {
        let place = from + run.place.start..from + run.place.end;
        let value = run.digits.as_str();
        notes.push(Note::new(Slot::Postcode, value, at, place, 0.8));
    }
}

/// "I live in Ann Arbor": up to three words, in capitals where the call has any.
fn city(at: usize, turn: &Turn<'_>, asked: bool, notes: &mut Notes) {
    let from = match CITY.find(turn.text) {
        Some(hit) if !turn.text[hit.end()..].starts_with("the ") => hit.end(),
        None if asked => after_lead(turn.text),
        _ => return,
    };
    let rest = tail(turn.text, from);
    let begins = words(rest)
        .first()
        .is_some_and(|word| !is_listed(word.text));
    if !begins {
        return;
    }
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
            "four eighteen Wexford Lane, apartment two C",
            "fifty five Broadway, second floor",
            "54 sara streetusa",
        ] {
            assert!(is_address(text, Announced::No), "{text}");
        }
        for text in [
            "2 people",
            "the main street",
            "3 bedrooms and 2 baths",
            "12",
            "one way street",
            "87 jp nagar",
        ] {
            assert!(!is_address(text, Announced::No), "{text}");
        }
        for text in [
            "20865 us hwy 431 guntersville",
            "P.O. Box 1187",
            "Twelve oh seven Southeast Ankeny",
        ] {
            assert!(is_address(text, Announced::Yes), "{text}");
        }
        for text in ["a new one", "one moment please", "ten minutes away"] {
            assert!(!is_address(text, Announced::Yes), "{text}");
        }
        for text in ["87 jp nagar", "44 w roja pudhur", "421 e drachman"] {
            assert!(is_address(text, Announced::Expected), "{text}");
        }
        for text in ["10 june at noon", "295 e 19", "2 of them please"] {
            assert!(!is_address(text, Announced::Expected), "{text}");
        }
    }

    #[test]
    fn it_ends_where_something_else_begins() {
        for (text, address) in [
            ("P.O. Box 1187. My phone is", "P.O. Box 1187"),
            ("506 guinevere street that's g u i", "506 guinevere street"),
            ("17 Alder Court, not seventy", "17 Alder Court"),
        ] {
            assert_eq!(&text[..ends(text)], address);
        }
    }
}
