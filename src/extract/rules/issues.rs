//! What does not work, and what works again: one issue a topic.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::call::{Call, Note, Notes, Speaker, Turn, head, lead};
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;

/// Issues that are open at once at the most.
const MOST_OPEN: usize = 20;

/// Bytes of an issue's description.
const LONGEST: usize = 80;

/// "My internet is not working", "the dishwasher keeps leaking".
static BROKEN: LazyLock<Regex> = pattern!(
    r"\b(?:my|our|the)(?: new| old| whole)? (?P<topic>[a-z][a-z-]+(?: [a-z-]+){0,2}?)(?:'s| is| are| was| were| has| have| has been| have been)?(?: still| just| now| also| suddenly| completely| constantly)* ",
    r"(?:(?:not|n't|isn't|aren't|wasn't|doesn't|don't|won't|didn't|hasn't|haven't|never|stopped|can't|cannot)(?: yet| ever)? (?:working|work|start|starting|turn on|turning on|open|load|loading|connect|connecting|charge|charging|arrived?|come|came|shown? up|been delivered|been shipped|been refunded|updating|responding|heating|cooling)|stopped working|keeps? (?:dropping|crashing|freezing|disconnecting|restarting|leaking|making|cutting out|shutting)|(?:broken|cracked|damaged|down|late|delayed|missing|leaking|defective|frozen|overheating|dead)\b)"
);
/// "I was charged twice", "I can't log in".
static WRONGED: LazyLock<Regex> = pattern!(
    r"\bi(?:'ve| have| was| got| am|'m)?(?: still| just| been)* (?:(?:not|never|haven't|hasn't|didn't|don't)(?: yet| ever| yet)? (?:received?|gotten|get|got) (?:my|the|a|any) (?P<late>[a-z]+(?: [a-z]+){0,1})|(?P<charge>double[- ]charged|charged twice|overcharged|billed twice|billed wrong(?:ly)?|charged (?:a|an|the|for) (?:\w+ )?(?:fee|wrong amount))|(?:can't|cannot|can not|couldn't|could not|unable to|not able to) (?P<access>log ?in(?:to)?(?: to)?(?: my \w+)?|sign in|access (?:my|the) \w+|get online|connect to (?:the |my )?\w+|get into my \w+))"
);
/// "A problem with my order".
static TROUBLE: LazyLock<Regex> = pattern!(
    r"\b(?:problems?|issues?|trouble|errors?) (?:with|on|in) (?:my|our|the) (?P<topic>[a-z]+(?: [a-z]+){0,1})"
);
static MENDED: LazyLock<Regex> = pattern!(
    r"\b(?:(?:has|have|is|are|was|were|been|i've|we've|i have|we have|all)(?: now| been| just| successfully| already)* (?:fixed|resolved|solved|sorted(?: out)?|corrected|restored|unlocked|refunded|replaced|back (?:up|online|on)|working again)|(?:it|that|everything|they)(?:'s| is| are)? (?:works?|working|fixed|back|solved) (?:now|again)|(?:it|that) (?:works|worked|fixed it|solved it|did it|did the trick))\b"
);
/// "My internet is working again": an issue of an earlier call.
static WORKS_AGAIN: LazyLock<Regex> = pattern!(
    r"\b(?:my|our|the) (?P<topic>[a-z]+(?: [a-z]+){0,1}?)(?:'s| is| are)(?: now| all)* (?:working again|fixed now|back (?:up|online|on)|working now)\b"
);
static DENIED: LazyLock<Regex> = pattern!(
    r"n't\b|\b(?:not|never|will|would|should|once|when|if|until|before|can|could|to be|sure|hope)\b"
);
/// What ends a topic.
const NO_TOPIC: [&str; 34] = [
    "i", "you", "he", "she", "it", "we", "they", "that", "which", "who", "and", "but", "is", "are",
    "was", "has", "have", "because", "since", "so", "on", "in", "for", "with", "to", "from", "of",
    "at", "still", "just", "now", "thing", "problem", "issue",
];

/// An issue that is open.
struct Open {
    topic: String,
    text: String,
}

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    let mut open: Vec<Open> = Vec::new();
    for (at, turn) in call.turns.iter().enumerate() {
        if let Some((topic, place)) = works_again(turn) {
            open.retain(|issue| issue.topic != topic);
            close(&topic, &topic, at, &place, notes);
            continue;
        }
        if turn.speaker == Speaker::Caller {
            opened(at, turn, &mut open, notes);
        }
        if let Some(place) = mended(turn)
            && let Some(issue) = open.pop()
        {
            close(&issue.topic, &issue.text, at, &place, notes);
        }
    }
}

fn opened(at: usize, turn: &Turn<'_>, open: &mut Vec<Open>, notes: &mut Notes) {
    let found = [&BROKEN, &WRONGED, &TROUBLE]
        .into_iter()
        .find_map(|cue| cue.captures(turn.text));
    let Some(hit) = found else { return };
    let Some((topic, place)) = topic(&hit) else {
        return;
    };
    let asks = turn.text[place.end..]
        .split_inclusive(['.', '!', '?'])
        .next()
        .is_some_and(|rest| rest.ends_with('?'));
    if asks || open.len() >= MOST_OPEN || open.iter().any(|issue| issue.topic == topic) {
        return;
    }
    let text = described(&turn.text[place.clone()]);
    let note = Note::new(Slot::IssueOpen, text.as_str(), at, place, 0.7);
    notes.push(note.about(topic.clone()));
    open.push(Open { topic, text });
}

/// The topic, and the place of the whole statement.
fn topic(hit: &Captures<'_>) -> Option<(String, Range<usize>)> {
    let place = hit.get(0)?.range();
    let named = |name: &str| hit.name(name).map(|part| part.as_str().to_lowercase());
    let topic = if let Some(access) = named("access") {
        access
    } else if named("charge").is_some() {
        "charge".to_owned()
    } else {
        named("topic").or_else(|| named("late"))?
    };
    let words: Vec<&str> = topic
        .split_whitespace()
        .take_while(|word| !NO_TOPIC.contains(word))
        .collect();
    if words.is_empty() {
        return None;
    }
    let topic_said = words.join(" ");
    // "I never got the email you promised": what follows the topic is no part of it.
    let late = hit.name("late").map(|late| late.start() + topic_said.len());
    Some((topic_said, place.start..late.unwrap_or(place.end)))
}

/// The caller's words in small letters and the third person, without whose it is.
fn described(text: &str) -> String {
    let text = head(text, LONGEST).to_lowercase();
    let text = text.trim_end_matches(['.', ',', ' ']);
    let text = [
        "my ",
        "our ",
        "the ",
        "i was ",
        "i got ",
        "i've been ",
        "i have been ",
        "i am ",
        "i'm ",
        "i ",
    ]
    .iter()
    .find_map(|whose| text.strip_prefix(whose))
    .unwrap_or(text);
    text.split(' ')
        .map(|word| if word == "my" { "their" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

fn works_again(turn: &Turn<'_>) -> Option<(String, Range<usize>)> {
    let hit = WORKS_AGAIN.captures(turn.text)?;
    let (topic, place) = topic(&hit)?;
    let open = DENIED.is_match(lead(turn.text, place.start)) || turn.text.trim_end().ends_with('?');
    (!open).then_some((topic, place))
}

fn mended(turn: &Turn<'_>) -> Option<Range<usize>> {
    let mut from = 0;
    for sentence in turn.text.split_inclusive(['.', '!', '?', ',']) {
        let start = from;
        from += sentence.len();
        if sentence.ends_with('?') || DENIED.is_match(sentence) {
            continue;
        }
        if let Some(hit) = MENDED.find(sentence) {
            return Some(start + hit.start()..start + hit.end());
        }
    }
    None
}

fn close(topic: &str, text: &str, at: usize, place: &Range<usize>, notes: &mut Notes) {
    let again = Note::new(Slot::IssueOpen, text, at, place.clone(), 0.75);
    notes.push(again.op(Op::Retract).about(topic));
    let solved = Note::new(Slot::IssueResolved, text, at, place.clone(), 0.75);
    notes.push(solved.about(topic));
}
