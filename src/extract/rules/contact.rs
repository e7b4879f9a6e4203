//! Numbers to reach the caller at, typed or spoken.

use std::ops::{Range, RangeInclusive};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::ask::{Ask, corrects, identifier, is_no, is_yes};
use super::call::{Call, Note, Notes, Turn, lead, tail};
use super::vocabulary::{Likeness, ends_name, is_common, likeness};
use crate::memory::form;
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::{Run, Word, runs, words};

mod dictated;

static CUE: LazyLock<Regex> = pattern!(
    r"\b(?:phone|cell|mobile|telephone|call|reach|text|ring|use|try|contact|whatsapp|number|landline|ph)\b"
);
/// Numbers of another kind, by the word before them.
static OTHER_KIND: LazyLock<Regex> = pattern!(
    r"\b(?:order|booking|reservation|confirmation|ac|acc|acct|acc?ou\w+|claim|policy|case|ticket|invoice|customer|member|membership|tracking|reference|flight|room|ssn|social|card|serial|model|imei|zip|address|street|id|pin|code|fax)\b[^.!?]{0,24}$"
);
/// "My permit number": of whatever the word before it says.
static KIND: LazyLock<Regex> =
    pattern!(r"\b([a-z][a-z'-]*) (?:number|num|id|code|#)\b[^.!?]{0,24}$");
/// Words before "number" that leave it one to call.
const REACHING: [&str; 67] = [
    "a",
    "alternate",
    "alternative",
    "another",
    "back",
    "best",
    "better",
    "business",
    "call",
    "callback",
    "cell",
    "cellphone",
    "contact",
    "correct",
    "current",
    "daytime",
    "direct",
    "evening",
    "following",
    "fone",
    "former",
    "good",
    "handphone",
    "home",
    "is",
    "it",
    "it's",
    "its",
    "land",
    "landline",
    "line",
    "main",
    "mine",
    "mob",
    "mobile",
    "my",
    "new",
    "of",
    "office",
    "old",
    "on",
    "other",
    "our",
    "own",
    "personal",
    "ph",
    "phone",
    "previous",
    "primary",
    "reach",
    "regular",
    "right",
    "same",
    "second",
    "secondary",
    "tel",
    "telephone",
    "text",
    "that",
    "that's",
    "the",
    "this",
    "us",
    "usual",
    "whatsapp",
    "wireless",
    "work",
];
/// "555 0188 is my number."
static IS_MINE: LazyLock<Regex> = pattern!(
    r"^\W{0,3}(?:is|that's|thats) (?:my|the|our) (?:\w+ )?(?:number|phone|cell|mobile|landline)\b"
);
/// "Area code 415": the word names a part of the number itself.
static AREA_CODE: LazyLock<Regex> = pattern!(r"\barea code(?:'s| is)?\W*$");
/// Somebody else's number, or a number that no longer is.
static OTHERS: LazyLock<Regex> = pattern!(
    r"\b(?:his|her|their|your|(?:wife|husband|son|daughter|mother|father|office|store|company|partner|mom|mum|dad|brother|sister|boss|friend)'s|my (?:wife|husband|son|daughter|mother|father|partner|mom|mum|dad|brother|sister|boss|friend|neighbou?r|assistant|secretary|colleague|landlord|roommate))\b[^.!?]{0,30}$"
);
/// Behind somebody else's name, the caller's own again.
static OWN: LazyLock<Regex> = pattern!(r"\b(?:my|mine|me|our)\b[^.!?]{0,30}$");
static OLD: LazyLock<Regex> = pattern!(
    r"\b(?:old|previous|former)\b[^.!?]{0,24}$|\b(?:used to be|it's not|its not|is not|isn't|not)\b\W*$"
);
static DATE: LazyLock<Regex> = pattern!(r"^(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:19|20)\d\d");
static ACCOUNT: LazyLock<Regex> = pattern!(
    r"^[\s,]*(?:is )?(?:this |that |the |my |for )*(?:account|order|booking|policy|claim|card)"
);
/// Digits of a number that somebody can be called at.
const LENGTHS: RangeInclusive<usize> = 7..=15;

/// Numbers with their country's code, in a call whose language is not read.
pub(super) fn written(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        for run in runs(turn.text).into_iter().filter(|run| run.plus) {
            if let Some(value) = e164(&run, call.region) {
                let place = place_with_plus(turn.text, &run)..run.place.end;
                notes.push(Note::new(Slot::Phone, value, at, place, 0.8));
            }
        }
    }
}

/// The e-mail addresses must have been found: numbers are given beside them.
pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        phones(call, at, turn, notes);
        read_back(call, at, turn, notes);
    }
    dictated::find(call, notes);
}

/// How near an e-mail address stands to a number, where only the caller's side was written down:
/// who gives the one is asked for the other next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mail {
    /// In the same turn, the one before or the one after.
    Beside,
    /// One turn further.
    Near,
    Far,
}

impl Mail {
    fn of(call: &Call<'_>, at: usize, notes: &Notes) -> Self {
        let within = |turns: usize| {
            let mut near = at.saturating_sub(turns)..=at + turns;
            near.any(|turn| notes.gives(&Slot::Email, turn))
        };
        match (call.one_sided, within(1)) {
            (true, true) => Self::Beside,
            (true, false) if within(2) => Self::Near,
            _ => Self::Far,
        }
    }
}

fn phones(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let mut mail = None;
    let mut last: Option<(Value, usize)> = None;
    let mut before_it: Option<Run> = None;
    for mut run in runs(turn.text) {
        if let Some(whole) = before_it
            .as_ref()
            .and_then(|whole| mended(turn.text, whole, &run))
        {
            run = whole;
        }
        if !LENGTHS.contains(&run.digits.len()) {
            continue;
        }
        let mail = *mail.get_or_insert_with(|| Mail::of(call, at, notes));
        let before = lead(turn.text, run.place.start);
        let Some(confidence) = judge(call, mail, turn, before, &run) else {
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
            // A number that was mended holds the correction itself.
            Some((_, end)) => turn.text.get(*end..run.place.start).is_none_or(corrects),
            None => corrects(before) || is_no(turn.text),
        };
        if put_right {
            notes.correct(&Slot::Phone, at, quote.clone(), &value);
        }
        notes.push(Note::new(Slot::Phone, value.clone(), at, quote, confidence));
        last = Some((value, run.place.end));
        before_it = Some(run);
    }
}

/// "… oh one nine two. Sorry, oh one nine three": a few digits put the end of a number right.
fn mended(text: &str, whole: &Run, part: &Run) -> Option<Run> {
    let kept = whole.digits.len().checked_sub(part.digits.len())?;
    let short = (2..7).contains(&part.digits.len()) && part.place.start > whole.place.end;
    let between = text.get(whole.place.end..part.place.start)?;
    (short && kept >= 3 && between.len() < 40 && corrects(between)).then(|| Run {
        digits: format!("{}{}", &whole.digits[..kept], part.digits),
        place: whole.place.start..part.place.end,
        parts: part.parts.clone(),
        plus: whole.plus,
        spoken: part.spoken,
    })
}

/// How sure it is that a number is the caller's phone number; none if it is not.
fn judge(call: &Call<'_>, mail: Mail, turn: &Turn<'_>, before: &str, run: &Run) -> Option<f64> {
    let length = run.digits.len();
    let area = AREA_CODE.find(before);
    let before = area.map_or(before, |area| &before[..area.start()]);
    if OTHER_KIND.is_match(before) || is_of_another_kind(before) || is_anothers(before) {
        return None;
    }
    let asked = turn.answers(&Ask::For(Slot::Phone));
    let valid = e164(run, call.region).is_some();
    let after = tail(turn.text, run.place.end);
    let cue = area.is_some() || CUE.is_match(before) || IS_MINE.is_match(after);
    let lone = !cue && !asked;
    // A date is no number (05272018), nor is what stands behind the letters of a code (kjh 5896247560).
    if lone && (length == 8 || DATE.is_match(&run.digits)) {
        return None;
    }
    // In a call about money a number that nobody named is sooner an account or a card.
    let reach = call.about_reach || mail != Mail::Far || is_grouped(run);
    let unlikely = call.about_money || (call.one_sided && !reach);
    if lone && (unlikely || ACCOUNT.is_match(after)) {
        return None;
    }
    if is_code(before) {
        return None;
    }
    match (asked, cue, valid) {
        (true, _, true) => Some(0.95),
        (true, _, false) | (_, true, true) => Some(0.9),
        (_, true, false) => Some(0.8),
        _ if identifier(&turn.asked).is_some() => None,
        (_, _, true) if length >= 10 => Some(0.85),
        _ if length == 10 || (length == 11 && run.digits.starts_with('1')) => Some(0.6),
        // A digit was lost, or is too many.
        _ if mail == Mail::Beside && (9..=11).contains(&length) => Some(0.55),
        // An answer to a question that nobody wrote down.
        _ if call.one_sided && is_abroad(run) && is_alone(turn.text, run) => Some(0.55),
        _ => None,
    }
}

/// Whether a number is typed in the groups of a phone number: "860 342 1196", "860 3421196".
fn is_grouped(run: &Run) -> bool {
    let groups: Vec<usize> = run.parts.iter().map(|(_, digits)| *digits).collect();
    matches!(groups.as_slice(), [3, 3, 4] | [3, 7] | [1, 3, 3, 4])
}

/// Whether the word before "number" says that nobody can be called at it.
fn is_of_another_kind(before: &str) -> bool {
    KIND.captures(before)
        .and_then(|hit| hit.get(1))
        .is_some_and(|kind| {
            !REACHING
                .iter()
                .any(|word| kind.as_str().eq_ignore_ascii_case(word))
        })
}

/// Whether somebody else stands right before, and not the caller again behind them.
fn is_anothers(before: &str) -> bool {
    OTHERS
        .find(before)
        .is_some_and(|hit| !OWN.is_match(&before[hit.start() + "my ".len()..]))
}

/// Whether letters of a code stand right before: "kjh 5896247560", "b l d 2 6 0 0 4 1 8".
fn is_code(before: &str) -> bool {
    let near = words(before);
    let Some(last) = near.last() else {
        return false;
    };
    let gap = &before[last.place.end..];
    let letter = |word: Option<&Word<'_>>| {
        word.is_some_and(|word| {
            word.text.len() == 1 && word.text.bytes().all(|b| b.is_ascii_alphabetic())
        })
    };
    // "At a 415 number" and "call u 415 …" are no codes.
    let spelled = letter(Some(last))
        && (letter(near.len().checked_sub(2).and_then(|at| near.get(at)))
            || !["a", "i", "o", "u", "r", "n", "y", "k"]
                .iter()
                .any(|word| last.is(word)));
    if matches!(gap, " " | "-" | ", ") && spelled {
        return true;
    }
    matches!(gap, "" | " " | "-")
        && (2..=4).contains(&last.text.len())
        && last.text.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !matches!(
            last.text.to_ascii_lowercase().as_str(),
            "ph" | "num" | "fone" | "plus"
        )
        && likeness(last.text) == Likeness::Unknown
        && !ends_name(last.text)
}

/// Whether it is a number of some country, said with the country's code but without a `+`.
fn is_abroad(run: &Run) -> bool {
    let digits = run.digits.strip_prefix("00").unwrap_or(&run.digits);
    digits.len() >= 11
        && phonenumber::parse(None, format!("+{digits}"))
            .is_ok_and(|number| phonenumber::is_valid(&number))
}

/// Whether a turn says nothing but this number.
fn is_alone(text: &str, run: &Run) -> bool {
    let before = &text[..run.place.start];
    let after = &text[run.place.end..];
    !after.contains(char::is_alphanumeric) && words(before).iter().all(|word| is_common(word.text))
}

/// The number in the form of its slot.
fn normal(run: &Run, region: &str) -> String {
    form::phone(&spelled(run), region)
}

fn e164(run: &Run, region: &str) -> Option<String> {
    form::e164(&spelled(run), region)
}

fn spelled(run: &Run) -> String {
    let plus = if run.plus { "+" } else { "" };
    format!("{plus}{}", run.digits)
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

/// A place without the white space and commas at its ends.
pub(super) fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let inside = &text[place.clone()];
    let start = inside.len() - inside.trim_start_matches([' ', ',', ':', '-']).len();
    let end = inside.trim_end_matches([' ', ',', '.', ';', '!']).len();
    place.start + start.min(end)..place.start + end.max(start)
}
