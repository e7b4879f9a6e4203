//! What the caller is called: by their own words, in answer to the question, and put right.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::ask::{Ask, corrects, is_no, is_yes};
use super::call::{Call, Note, Notes, Turn, lead, tail};
use super::vocabulary::{ends_name, is_common};
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::{self, Word};

/// Words of a name at the most.
const LONGEST: usize = 4;

/// After this a name stands, whatever it is.
static SURE: LazyLock<Regex> = pattern!(
    r"\b(?:my|the) (?:full |complete |given )?name(?:'s| is| was|s)?,? (?:is )?|\bname(?:'s| is|:) |\bmy name,? |\bmyself "
);
static FIRST: LazyLock<Regex> = pattern!(r"\bfirst name(?:'s| is|:)? (?:is )?");
static LAST: LazyLock<Regex> = pattern!(r"\b(?:last|sur|family) ?name(?:'s| is|:)? (?:is )?");
/// After this a name stands if the words look like one.
static MAYBE: LazyLock<Regex> = pattern!(
    r"\b(?:this is|i am|i'm|iam|im|it's|it is|you're speaking (?:with|to)|you are speaking (?:with|to)) (?:called )?"
);
static SPEAKING: LazyLock<Regex> = pattern!(
    r"^\W*(?:(?:yes|yeah|hi|hello|hey|this is)[\s,.]+)?([\w'’-]+(?: [\w'’-]+){0,2}) (?:speaking|here)\b"
);
static CALL_ME: LazyLock<Regex> = pattern!(
    r"\b(?:(?:you can|just|please|everyone|everybody|people|they|friends) calls? me|i go by|i prefer to be called) "
);
/// What comes before a bare answer.
static LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|yep|sure|ok|okay|um|uh|oh|well|hi|hello|of course|certainly|it's|its|it is|that's|that is|this is|i'm|i am|iam|sir|the name is|name is|name's|name|my|is|actually|no|sorry)\b[\s,.:!-]*)+"
);
static BARE_LEAD: LazyLock<Regex> = pattern!(
    r"^(?:(?:yes|yeah|sure|ok|okay|it's|its|it is|the name is|name is|name)\b[\s,.:!-]*)+"
);
/// Somebody else's name.
static OTHERS: LazyLock<Regex> = pattern!(
    r"\b(?:his|her|their|your|wife's|husband's|son's|daughter's|mother's|father's|boss's|company|business|user|pet|dog's|cat's|brand|street|middle|maiden|product|file|hotel|screen|domain)\W*$|\bwhat(?:'s| is)\W*$"
);
static AT_DOMAIN: LazyLock<Regex> = pattern!(r"^at [\w-]+(?: dot |\.)[a-z]");
/// Letters said one by one.
static SPELLED: LazyLock<Regex> = pattern!(r"(?:^|[\s,:])([a-z](?:(?:[\s.,-]{1,2}|-)[a-z]\b){2,})");

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        let known = !notes.held(&Slot::Name, at).is_empty();
        if let Some(name) = stated(call, at, turn, known) {
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
        .or_else(|| introduced(turn, &MAYBE, true, 0.8))
        .or_else(|| speaking(turn))
        .or_else(|| answer(turn))
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
    if !turn.answers(&Ask::For(Slot::Name)) || turn.text.contains('?') {
        return None;
    }
    let start = LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let (text, place) = name_at(turn.text, start, true)?;
    Some(Name {
        text,
        place,
        confidence: 0.85,
    })
}

/// Where only the caller's side was written down, a turn that is nothing but a name early in the
/// call answers a question that nobody wrote down.
fn bare(call: &Call<'_>, at: usize, turn: &Turn<'_>) -> Option<Name> {
    if !call.one_sided || !(1..6).contains(&at) {
        return None;
    }
    // "Hello Alex" greets the agent.
    let start = BARE_LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let (text, place) = name_at(turn.text, start, true)?;
    let rest = spoken::words(tail(turn.text, place.end));
    let alone = rest.is_empty() || rest[0].is("and") || rest.iter().any(|word| word.is("ssn"));
    let plausible = text
        .split(' ')
        .all(|word| word.len() >= 2 || text.contains(' '))
        && text.split(' ').any(|word| word.len() >= 3)
        && !text.to_lowercase().ends_with("com");
    (alone && plausible).then_some(Name {
        text,
        place,
        confidence: 0.6,
    })
}

/// The name that begins at a place: words that look like one, no more than [`LONGEST`]. With
/// `judge`, a word that is common anyway is no name.
fn name_at(text: &str, start: usize, judge: bool) -> Option<(String, Range<usize>)> {
    let rest = tail(text, start);
    let words = spoken::words(rest);
    let mut taken: Vec<&Word<'_>> = Vec::new();
    for word in &words {
        let gap = taken.last().map_or(&rest[..word.place.start], |last| {
            &rest[last.place.end..word.place.start]
        });
        let joined = if taken.is_empty() {
            gap.chars()
                .all(|c| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ':'))
        } else {
            matches!(gap, " " | "-" | ". " | "  ")
                && !(gap == ". " && taken.last().is_some_and(|last| last.text.len() > 2))
        };
        let letters = word
            .text
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, '\'' | '’'));
        let ended = ends_name(word.text) || word.is("dot") || (judge && is_common(word.text));
        if !joined || !letters || ended || taken.len() == LONGEST {
            break;
        }
        taken.push(word);
    }
    // "I'm Ann from Leeds" ends; "I'm so tired" never began; "I am looking" neither.
    let (first, last) = (taken.first()?, taken.last()?);
    let next = words.get(taken.len());
    let cut = next.is_some_and(|next| {
        judge
            && !rest[last.place.end..next.place.start].contains([',', '.', '!'])
            && !ends_name(next.text)
            && is_common(next.text)
    });
    // "It's john dot smith at gmail dot com" is an address.
    let address = next.is_some_and(|next| {
        ["dot", "underscore"].iter().any(|joint| next.is(joint))
            || AT_DOMAIN.is_match(&rest[next.place.start..])
    });
    let single_letter = taken.iter().all(|word| word.text.chars().count() < 2);
    let lower = !first.text.starts_with(char::is_uppercase);
    let sentence_case = text.starts_with(char::is_uppercase) && text.contains(['.', ',', '?']);
    if single_letter || address || (judge && (cut || (lower && sentence_case))) {
        return None;
    }
    let place = start + first.place.start..start + last.place.end;
    let mut name = taken
        .iter()
        .map(|word| title(word.text))
        .collect::<Vec<_>>();
    if let Some(spelled) = spelled_after(text, place.end, &name) {
        name = spelled;
    }
    Some((name.join(" "), place))
}

/// "Jon, J O N": the letters decide how the last word that resembles them is written.
fn spelled_after(text: &str, from: usize, name: &[String]) -> Option<Vec<String>> {
    let letters = SPELLED
        .captures(tail(text, from))?
        .get(1)
        .filter(|hit| hit.start() <= 30)?;
    let word: String = letters
        .as_str()
        .chars()
        .filter(|c| c.is_alphabetic())
        .collect();
    let at = name.iter().rposition(|part| {
        strsim::jaro_winkler(&part.to_lowercase(), &word.to_lowercase()) > 0.75
    })?;
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

fn assert(call: &Call<'_>, notes: &mut Notes, at: usize, name: &Name) {
    let turn = &call.turns[at];
    let value = serde_json::Value::from(name.text.as_str());
    let held = notes
        .held(&Slot::Name, at)
        .first()
        .map(|note| note.value.clone());
    if let Some(held) = held {
        let sure = name.confidence > 0.7;
        let denied = call.before(at).is_some() && is_no(turn.text);
        if held != value && (corrects(turn.text) || denied) && sure {
            notes.correct(&Slot::Name, at, name.place.clone(), &value);
        } else if held != value && (name.confidence < 0.85 || !turn.answers(&Ask::For(Slot::Name)))
        {
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

/// "How do you spell your last name?" – "C O N N E R."
fn spelled_out(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let start = LEAD.find(turn.text).map_or(0, |lead| lead.end());
    let Some(letters) = SPELLED
        .captures(tail(turn.text, start))
        .and_then(|hit| hit.get(1))
    else {
        return;
    };
    let held = notes
        .held(&Slot::Name, at)
        .first()
        .map(|note| (*note).clone());
    let Some(name) = held.as_ref().and_then(|held| held.value.as_str()) else {
        return;
    };
    if !turn.answers(&Ask::For(Slot::Name)) || letters.start() > 0 {
        return;
    }
    let parts: Vec<String> = name.split(' ').map(str::to_owned).collect();
    let Some(spelled) = spelled_after(turn.text, start, &parts) else {
        return;
    };
    let value = serde_json::Value::from(spelled.join(" "));
    let place = start..start + letters.end();
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
