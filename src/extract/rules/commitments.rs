//! What was promised: above all, that somebody calls back, and when.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::ask::{Ask, is_no, is_yes};
use super::call::{Call, Note, Notes, Turn, lead};
use super::dates::{self, When};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;

/// The caller asks to be called.
static CALL_ME: LazyLock<Regex> = pattern!(
    r"\b(?:(?:call|ring|phone) (?:me|us) back|(?:call|ring|phone|try) (?:me|us) (?:later|tomorrow|today|tonight|on|at|after|before|in|around|this|next|mon|tues|wednes|thurs|fri|satur|sun|any ?time)|(?:give|gimme) (?:me|us)? ?a (?:call|ring|call ?back|buzz)|(?:have|get|ask) (?:someone|somebody|him|her|them|\w+) (?:to )?(?:call|ring|phone) (?:me|us)|(?:i'd like|i would like|i want|i need|can i get|could i get|request|schedule|arrange) a (?:call ?back|return call|callback)|(?:please|can you|could you|would you|will you) (?:please )?(?:call|ring|phone) (?:me|us))\b"
);
/// The agent's side says that it will call.
static WILL_CALL: LazyLock<Regex> = pattern!(
    r"\b(?:(?:i'll|we'll|i will|we will|he'll|she'll|they'll|he will|she will|they will|going to|someone will|somebody will|\w+ will|\w+ (?:can|is going to)|let me|i can|we can) (?:then |also |definitely |personally |have (?:someone|somebody|\w+) )?(?:call|ring|phone) you(?: back)?|(?:i'll|we'll|will|i can|we can) (?:have (?:someone|somebody|\w+) )?give you a (?:call|ring|call ?back)|(?:expect|receive|get) a (?:call|call ?back|phone call) (?:back )?from|(?:i've|we've|i have|we have) (?:scheduled|arranged|set up|booked) (?:a|your|the) (?:call ?back|call))\b"
);
/// The agent proposes to call.
static SHALL_CALL: LazyLock<Regex> = pattern!(
    r"\b(?:shall|should|can|could|may|would you like|do you want|want) (?:i|we|us|me|someone|somebody|him|her|them)?(?: to)?(?: have (?:someone|somebody|\w+))? ?(?:call|ring|phone|give) you\b"
);
/// The caller says that they will call.
static I_CALL: LazyLock<Regex> = pattern!(
    r"\b(?:i'll|i will|i'm going to|i am going to|let me) (?:just )?(?:call|ring|phone)(?: you)?(?: guys)? (?:back|again|later|tomorrow|on|when|once)\b"
);
static AGENT_WILL: LazyLock<Regex> = pattern!(
    r"\b(?:i'll|we'll|i will|we will) (?:also |then |have (?:someone|somebody) )?((?:e-?mail|text|send|mail|ship|refund|follow up|get back to you|forward|arrange|process|escalate|expedite|resend|credit|reimburse|let you know)\b[^.!?;\n]{0,80})"
);
static CALLER_WILL: LazyLock<Regex> = pattern!(
    r"\b(?:i'll|i will|i am going to|i'm going to) (?:also |then |just )?((?:e-?mail|send|fax|upload|mail|pay|bring|return|sign|submit|drop off|pick up|get back to you|let you know)\b[^.!?;\n]{0,80})"
);
/// What makes a promise depend on something, or takes it back.
static UNLESS: LazyLock<Regex> = pattern!(
    r"\b(?:if|in case|unless)\b[^.!?]{0,80}$|\b(?:don't|do not|dont|stop|never|didn't|did not|won't|not to|no need to|have to|instead of)\b[^.!?,]{0,60}$"
);
static CLAUSE: LazyLock<Regex> = pattern!(
    r",? (?:and (?:i|we|you|my|then)|but|so|because|if|when you|once you)\b| (?:what's|where's|(?:what|which|where|how|can|could|may) (?:is|are|\w+ (?:number|address|name)|you|i|we))\b|, (?:is|does|okay|ok|alright)\b"
);
/// Words that end a proposal.
const NEAR: usize = 120;

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        requested(call, at, turn, notes);
        answered(call, at, turn, notes);
        if let Some(hit) = promised(turn, &I_CALL) {
            let when = when_after(call, turn, &hit);
            callback(call, at, turn, (&hit, when), Slot::CallerWill, notes);
        }
        others(call, at, turn, (&CALLER_WILL, Slot::CallerWill), notes);
    }
    for (at, turn) in call.agents() {
        if let Some(hit) = promised(turn, &WILL_CALL)
            && !turn.text[hit.end..].trim_end().ends_with('?')
        {
            let when = when_after(call, turn, &hit);
            callback(call, at, turn, (&hit, when), Slot::Callback, notes);
        }
        proposed(call, at, turn, notes);
        others(call, at, turn, (&AGENT_WILL, Slot::AgentWill), notes);
    }
}

/// A promise that depends on nothing.
fn promised(turn: &Turn<'_>, cue: &Regex) -> Option<Range<usize>> {
    cue.find_iter(turn.text)
        .find(|hit| !UNLESS.is_match(lead(turn.text, hit.start())))
        .map(|hit| hit.range())
}

/// "Call me back tomorrow at 3."
fn requested(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let Some(hit) = promised(turn, &CALL_ME) else {
        return;
    };
    let when = when_after(call, turn, &hit);
    let said = turn.text[hit.clone()].to_lowercase();
    // "Call me on my cell", "can you call me a cab": only a time, or "back", makes it a promise.
    let back = [
        "back", "again", "later", "a call", "a ring", "someone", "somebody", "a buzz", "callback",
    ]
    .iter()
    .any(|word| said.contains(word));
    if back || when.is_some() {
        callback(call, at, turn, (&hit, when), Slot::Callback, notes);
    }
}

/// "When should we call you?" – "Tomorrow at 3."
fn answered(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let general = turn.text.contains("best time") || turn.text.contains("Best time");
    if !turn.answers(&Ask::CallbackTime)
        || CALL_ME.is_match(turn.text)
        || is_no(turn.text)
        || general
    {
        return;
    }
    let now = call.local(turn);
    if let Some(when) = dates::find(turn.text, &now).into_iter().next() {
        let place = when.place.clone();
        callback(call, at, turn, (&place, Some(when)), Slot::Callback, notes);
    }
}

/// "Shall we call you tomorrow at 3?" – "Yes, please."
fn proposed(call: &Call<'_>, at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let Some(hit) = SHALL_CALL.find(turn.text) else {
        return;
    };
    let Some((answer, said)) = call.after(at) else {
        return;
    };
    if !turn.text.contains('?') || !is_yes(said.text) || turn.asked.contains(&Ask::CallbackTime) {
        return;
    }
    let own = when_after(call, said, &(0..0));
    let when = own.or_else(|| when_after(call, turn, &hit.range()));
    let now = call.local(turn);
    let note = note(
        turn,
        at,
        (&hit.range(), when.as_ref()),
        Slot::Callback,
        &now,
    );
    notes.push(note.also(answer));
}

fn when_after(call: &Call<'_>, turn: &Turn<'_>, hit: &Range<usize>) -> Option<When> {
    let now = call.local(turn);
    // A time that the cue itself begins ("call me tomorrow") counts too.
    let from = hit.start;
    let mut near = (hit.end + NEAR).min(turn.text.len());
    while !turn.text.is_char_boundary(near) {
        near -= 1;
    }
    let sentence = &turn.text[from..near];
    let end = sentence[hit.end - from..]
        .find(['?', '!', '\n'])
        .map_or(sentence.len(), |stop| hit.end - from + stop);
    let mut found = dates::find(&sentence[..end], &now);
    let mut when = if found.is_empty() {
        None
    } else {
        Some(found.remove(0))
    }?;
    when.place = when.place.start + from..when.place.end + from;
    Some(when)
}

fn callback(
    call: &Call<'_>,
    at: usize,
    turn: &Turn<'_>,
    (hit, when): (&Range<usize>, Option<When>),
    slot: Slot,
    notes: &mut Notes,
) {
    // "We'll call you then" says no more than what was agreed on.
    let known = notes
        .held(&slot, at)
        .iter()
        .any(|note| note.due_at.is_some());
    if when.is_some() || !known {
        let now = call.local(turn);
        notes.push(note(turn, at, (hit, when.as_ref()), slot, &now));
    }
}

fn note(
    turn: &Turn<'_>,
    at: usize,
    (hit, when): (&Range<usize>, Option<&When>),
    slot: Slot,
    now: &jiff::Zoned,
) -> Note {
    let end = when.map_or(hit.end, |when| {
        hit.end.max(when.place.end.min(turn.text.len()))
    });
    let value = match when {
        Some(when) => format!("call back {}", when.words(now)),
        None => "call back".to_owned(),
    };
    let object = if slot == Slot::CallerWill {
        "call back"
    } else {
        ""
    };
    let confidence = if when.is_some() { 0.9 } else { 0.8 };
    Note::new(slot, value, at, hit.start..end, confidence)
        .about(object)
        .due(when.and_then(|when| when.due(now)))
}

/// Other promises, as they were put.
fn others(
    call: &Call<'_>,
    at: usize,
    turn: &Turn<'_>,
    (cue, slot): (&Regex, Slot),
    notes: &mut Notes,
) {
    for hit in cue.captures_iter(turn.text) {
        let (Some(whole), Some(action)) = (hit.get(0), hit.get(1)) else {
            continue;
        };
        if UNLESS.is_match(lead(turn.text, whole.start()))
            || turn.text[whole.end()..].starts_with('?')
        {
            continue;
        }
        let text = action.as_str();
        let end = CLAUSE.find(text).map_or(text.len(), |stop| stop.start());
        let text = text[..end].trim_end_matches([' ', ',']);
        let now = call.local(turn);
        let when = dates::find(text, &now).into_iter().next();
        let what = when.as_ref().map_or(text, |when| &text[..when.place.start]);
        let other = match slot {
            Slot::CallerWill => "the agent",
            _ => "the caller",
        };
        let what = third_person(what.trim_end_matches([' ', ',']), other);
        let what = ["by", "on", "at", "in", "within"]
            .iter()
            .find_map(|tail| what.strip_suffix(&format!(" {tail}")))
            .unwrap_or(&what)
            .to_owned();
        let bare = ["it", "that", "this", "them", "so"]
            .iter()
            .any(|object| what.ends_with(&format!(" {object}")) && what.split(' ').count() == 2);
        if bare || what.split_whitespace().count() < 2 {
            continue;
        }
        let value = match &when {
            Some(when) => format!("{what} {}", when.words(&now)),
            None => what.clone(),
        };
        let quote = whole.start()..action.start() + end;
        let due = when.and_then(|when| when.due(&now));
        notes.push(
            Note::new(slot.clone(), value, at, quote, 0.7)
                .about(what)
                .due(due),
        );
    }
}

/// "Send you your receipt" as "send the caller the caller's receipt". `other` is who is spoken to.
fn third_person(text: &str, other: &str) -> String {
    text.split_whitespace()
        .map(|word| match word.to_lowercase().as_str() {
            "you" => other.to_owned(),
            "your" => format!("{other}'s"),
            "my" => "their".to_owned(),
            other => other.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}
