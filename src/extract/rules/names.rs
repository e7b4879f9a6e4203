//! What the caller is called: by their own words, in answer to the question, and put right.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::ask::{Ask, corrects, is_no, is_yes};
use super::call::{Call, Note, Notes, Turn, lead, tail};
use super::spelling::spelled;
use super::vocabulary::{Likeness, likeness};
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;

mod shape;

use shape::{name_at, spelled_after};

/// Turns into a call until which a rare word alone is taken for a name.
const UNKNOWN_UNTIL: usize = 6;

const VOWELS: [char; 6] = ['a', 'e', 'i', 'o', 'u', 'y'];

/// After this a name stands, whatever it is.
static SURE: LazyLock<Regex> = pattern!(
    r"\b(?:my|the) ?(?:full |complete |given )?name(?:'s| ?is| was|s)?,? (?:is )?|\bname(?:'s| is|:) |\bmy name,? |myself |\bfull ?name |\bname (?:for|on) (?:the|my|this) \w+(?:'s| is| would be) "
);
static FIRST: LazyLock<Regex> = pattern!(r"\bfirst name(?:'s| is|:)? (?:is )?");
static LAST: LazyLock<Regex> = pattern!(r"\b(?:last|sur|family) ?name(?:'s| is|:)? (?:is )?");
/// After this a name stands if the words look like one.
static MAYBE: LazyLock<Regex> = pattern!(
    r"\b(?:this is|i am|i'm|iam|im|it's|it is|you're (?:speaking|talking) (?:with|to)|you are (?:speaking|talking) (?:with|to)|under(?: the name(?: of)?)?|named me(?: as)?|name of) (?:called )?"
);
static SPEAKING: LazyLock<Regex> = pattern!(
    r"^\W*(?:(?:(?:yes|yeah|hi|hello|hey|um|uh|good (?:morning|afternoon|evening))[\s,.]+(?:\w+, )?)+|this is )?([\w'’-]+(?: [\w'’-]+){0,2}) (?:speaking|here|calling)\b"
);
static CALL_ME: LazyLock<Regex> = pattern!(
    r"\b(?:(?:you can|just|please|everyone|everybody|people|they|friends) calls? me|i go by|i prefer to be called) "
);
/// What comes before a bare answer.
static LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|yep|sure|ok|okay|um|uh|oh|well|hi|hello|of course|certainly|it's|its|it is|that's|that is|this is|i'm|i am|iam|sir|the name is|name is|name's|name|my|is|actually|no|sorry)\b[\s,.:!-]*)+"
);
static BARE_LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|of course|it's|its|it is|the name is|name is|(?:full ?|first ?)?name|mr|mrs|ms)\b[\s,.:!-]*)+"
);
/// What may follow a bare name: something else that was asked for with it.
static WITH_NAME: LazyLock<Regex> = pattern!(
    r"^[\s,.;]*(?:$|\x01|and\b|my\b|is my (?:full )?name|ssn\b|social|\d{10}\b|\d{3}[ -]\d{3}|(?:phone|mobile|cell|contact|e-?mail|mail|address|account|ac|acc|booking|confirmation|conformation|policy|claim|order|card|credit|zip|dob|id|number|no|last (?:four|4))\b)"
);
/// After a name that is known for one, a number may follow too.
static NUMBER_NEXT: LazyLock<Regex> =
    pattern!(r"^[\s,.;]*(?:[a-z]{1,4} ?)?\d[\da-z]*(?: [\da-z]{1,4})*\b");
/// "Kavi 45 gmailcom" is an e-mail address.
static LOST_ADDRESS: LazyLock<Regex> = pattern!(r"^[\s,.;]*\w*(?:com|net|org|mail|yahoo)\b");
/// Somebody else's name.
static OTHERS: LazyLock<Regex> = pattern!(
    r"\b(?:his|her|their|your|wife's|husband's|son's|daughter's|mother's|father's|boss's|company|business|user|pet|dog's|cat's|brand|street|middle|maiden|product|file|hotel|screen|domain)\W*$|\bwhat(?:'s| is)\W*$"
);
pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        let held = notes
            .held(&Slot::Name, at)
            .first()
            .map(|note| (*note).clone());
        let known = held.as_ref().is_some_and(|held| held.confidence >= 0.7);
        if let Some(name) = other_part(turn, held.as_ref()) {
            notes.correct(
                &Slot::Name,
                at,
                name.place.clone(),
                &name.text.as_str().into(),
            );
            let note = Note::new(Slot::Name, name.text, at, name.place, name.confidence);
            notes.push(
                held.into_iter()
                    .fold(note, |note, held| note.also(held.turn)),
            );
        } else if let Some(name) = stated(call, at, turn, known) {
            assert(call, notes, at, &name);
        }
        spelled_out(at, turn, notes);
        preferred(at, turn, notes);
        read_back(call, at, turn, notes);
    }
}

/// A name found in a turn.
struct Name {
    text: String,
    place: Range<usize>,
    confidence: f64,
}

fn stated(call: &Call<'_>, at: usize, turn: &Turn<'_>, known: bool) -> Option<Name> {
    let whole = parts(turn).or_else(|| introduced(turn, &SURE, false, 0.9));
    whole
        .or_else(|| answer(turn))
        .or_else(|| introduced(turn, &MAYBE, true, 0.8))
        .or_else(|| speaking(turn))
        .or_else(|| if known { None } else { bare(call, at, turn) })
}

/// "First name Ann, last name Lee."
fn parts(turn: &Turn<'_>) -> Option<Name> {
    let first = introduced(turn, &FIRST, false, 0.85);
    let last = introduced(turn, &LAST, false, 0.75);
    match (first, last) {
        (Some(first), Some(last)) => Some(Name {
            text: format!("{} {}", first.text, last.text),
            place: first.place.start.min(last.place.start)..first.place.end.max(last.place.end),
            confidence: 0.85,
        }),
        (first, last) => first.or(last),
    }
}

fn introduced(turn: &Turn<'_>, cue: &Regex, judge: bool, confidence: f64) -> Option<Name> {
    cue.find_iter(turn.text).find_map(|hit| {
        if OTHERS.is_match(lead(turn.text, hit.start())) {
            return None;
        }
        let (text, place) = name_at(turn.text, hit.end(), judge)?;
        let (text, place) = whole(turn.text, &text, &place).unwrap_or((text, place));
        Some(Name {
            text,
            place: hit.start()..place.end,
            confidence,
        })
    })
}

fn speaking(turn: &Turn<'_>) -> Option<Name> {
    let said = SPEAKING.captures(turn.text)?;
    let place = said.get(1)?.range();
    let (text, name) = name_at(turn.text, place.start, true)?;
    (name.end == place.end).then(|| Name {
        text,
        place: said.get(0).map_or(name.clone(), |whole| whole.range()),
        confidence: 0.85,
    })
}

/// The answer to "may I have your name".
fn answer(turn: &Turn<'_>) -> Option<Name> {
    let asked = turn.answers(&Ask::For(Slot::Name)) || turn.answers(&Ask::Surname);
    if !asked || turn.text.contains('?') {
        return None;
    }
    let start = LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let (text, place) = name_at(turn.text, start, true)?;
    let (text, place) = whole(turn.text, &text, &place).unwrap_or((text, place));
    Some(Name {
        text,
        place,
        confidence: 0.85,
    })
}

/// "Bond. James Bond.": the last name first, then all of it.
fn whole(text: &str, part: &str, place: &Range<usize>) -> Option<(String, Range<usize>)> {
    let gap = text[place.end..].len() - text[place.end..].trim_start_matches(['.', ',', ' ']).len();
    let again = name_at(text, place.end + gap, true)?;
    (gap > 1 && extends(&again.0, part)).then_some(again)
}

/// "And your last name?" – "Asante.": it belongs behind the name that is held. "And your first name?"
/// – "Emiko.": before it, if that is none.
fn other_part(turn: &Turn<'_>, held: Option<&Note>) -> Option<Name> {
    let held = held?.value.as_str().filter(|name| !name.contains(' '))?;
    let given = !turn.answers(&Ask::Surname);
    if given && (!turn.answers(&Ask::GivenName) || likeness(held) == Likeness::Name) {
        return None;
    }
    let name = answer(turn)?;
    let sole = !name.text.contains(' ') && name.text != held;
    sole.then(|| Name {
        text: if given {
            format!("{} {held}", name.text)
        } else {
            format!("{held} {}", name.text)
        },
        ..name
    })
}

/// Where only the caller's side was written down, a turn that is nothing but a name, and what was
/// asked for with it, answers a question that nobody wrote down.
fn bare(call: &Call<'_>, at: usize, turn: &Turn<'_>) -> Option<Name> {
    if !call.one_sided {
        return None;
    }
    // "Hello Alex" and "ok Alex" are said to the agent.
    let start = BARE_LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let (text, place) = name_at(turn.text, start, true)?;
    let rest = tail(turn.text, place.end);
    let parts: Vec<&str> = text.split(' ').collect();
    let known = parts.iter().any(|part| likeness(part) == Likeness::Name);
    let plausible = known || ((1..UNKNOWN_UNTIL).contains(&at) && is_pronounced(&parts));
    let alone = WITH_NAME.is_match(rest);
    let numbered = (known || parts.len() > 1)
        && NUMBER_NEXT
            .find(rest)
            .is_some_and(|number| !LOST_ADDRESS.is_match(&rest[number.end()..]));
    let confidence = if known || parts.len() > 1 { 0.7 } else { 0.6 };
    (plausible && (alone || numbered)).then_some(Name {
        text,
        place,
        confidence,
    })
}

/// Whether rare words sound like a name rather than a code or a lost address.
fn is_pronounced(parts: &[&str]) -> bool {
    parts.iter().any(|part| part.len() >= 3)
        && parts
            .iter()
            .all(|part| part.len() >= 2 && part.to_lowercase().contains(VOWELS))
}

fn assert(call: &Call<'_>, notes: &mut Notes, at: usize, name: &Name) {
    let turn = &call.turns[at];
    let value = serde_json::Value::from(name.text.as_str());
    let held = notes
        .held(&Slot::Name, at)
        .first()
        .map(|note| (*note).clone());
    if let Some(held) = held.filter(|held| held.value != value) {
        let denied = call.before(at).is_some() && is_no(turn.text);
        let put_right = (corrects(turn.text) || denied) && name.confidence > 0.7;
        let shorter = held.value.as_str().unwrap_or_default();
        let fuller = extends(&name.text, shorter);
        // What was guessed gives way to what was said.
        let surer = held.confidence < 0.7 && name.confidence > held.confidence;
        let answered = name.confidence >= 0.85 && turn.answers(&Ask::For(Slot::Name));
        if extends(shorter, &name.text) {
            return;
        }
        if put_right || fuller || surer {
            notes.correct(&Slot::Name, at, name.place.clone(), &value);
        } else if !answered {
            // Another name without a word of correction is more often somebody else's.
            return;
        }
    }
    notes.push(Note::new(
        Slot::Name,
        value,
        at,
        name.place.clone(),
        name.confidence,
    ));
}

/// Whether a name says more than another: "Ann Lee" than "Ann".
fn extends(long: &str, short: &str) -> bool {
    let parts: Vec<&str> = long.split(' ').collect();
    parts.len() > short.split(' ').count() && short.split(' ').all(|part| parts.contains(&part))
}

/// "How do you spell your last name?" – "C O N N E R."
fn spelled_out(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    if !turn.answers(&Ask::For(Slot::Name)) && !turn.answers(&Ask::Surname) {
        return;
    }
    let start = LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let letters = spelled(tail(turn.text, start)).filter(|(_, place)| place.start == 0);
    let Some((_, letters)) = letters else {
        return;
    };
    let held = notes
        .held(&Slot::Name, at)
        .first()
        .map(|note| (*note).clone());
    let Some(name) = held.as_ref().and_then(|held| held.value.as_str()) else {
        return;
    };
    let parts: Vec<String> = name.split(' ').map(str::to_owned).collect();
    let Some(spelled) = spelled_after(turn.text, start, &parts) else {
        return;
    };
    let value = serde_json::Value::from(spelled.join(" "));
    let place = start..start + letters.end;
    notes.correct(&Slot::Name, at, place.clone(), &value);
    notes.push(Note::new(Slot::Name, value, at, place, 0.9));
}

fn preferred(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    for hit in CALL_ME.find_iter(turn.text) {
        let Some((text, place)) = name_at(turn.text, hit.end(), true) else {
            continue;
        };
        let place = hit.start()..place.end;
        notes.push(Note::new(Slot::PreferredName, text, at, place, 0.8));
    }
}

/// "Is that Ann Lee?" – "Yes." raises what the caller has said; "No" takes it back.
fn read_back(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let Some((before, agent)) = call
        .before(at)
        .filter(|(_, agent)| agent.text.contains('?'))
    else {
        return;
    };
    let Some(held) = notes
        .held(&Slot::Name, before)
        .first()
        .map(|note| (*note).clone())
    else {
        return;
    };
    let Some(name) = held.value.as_str() else {
        return;
    };
    let Some(start) = agent.text.to_lowercase().find(&name.to_lowercase()) else {
        return;
    };
    let Some(quote) = agent
        .text
        .get(start..start + name.len())
        .map(|_| start..start + name.len())
    else {
        return;
    };
    if is_yes(turn.text) && agent.text.len() < 120 {
        let note = Note::new(Slot::Name, name, before, quote, 0.6);
        notes.push(note.op(Op::Confirm).also(at));
    }
}
