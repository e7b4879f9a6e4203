//! What the caller likes, and what they can't do.

use std::sync::LazyLock;

use regex::Regex;

use super::call::{Call, Note, Notes, Turn, lead};
use crate::memory::pattern::{compile, pattern};
use crate::memory::slot::Slot;

const TIMES: &str = r"(?:early |late )?(?:mornings?|afternoons?|evenings?|nights?|weekends?|weekdays?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)(?: (?:mornings?|afternoons?|evenings?|nights?))?(?: (?:and|or) (?:mornings?|afternoons?|evenings?|weekends?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?))?";

/// A pattern around [`TIMES`].
fn with_times(text: &str) -> Regex {
    compile(&text.replace("TIMES", TIMES).replace("HOUR", HOUR))
}

const HOUR: &str = r"(?:after|before|until|between|from) (?:(?:\d{1,2}(?::\d\d)?|noon|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?: ?[ap]\.?m\.?| o'clock)?(?: (?:and|to|in the morning|in the evening|in the afternoon))?(?: \d{1,2}(?::\d\d)?(?: ?[ap]\.?m\.?)?)?|work|lunch|school)";

static PREFER_TIME: LazyLock<Regex> = LazyLock::new(|| {
    with_times(
        r"\b(?:(?:i|we|i'd|we'd|i would|would) (?:\w+ )?(?:prefer|rather have|rather do|like) (?:it |to come |to meet |appointments |calls |a call |to talk |to be called )?(?:in the |on )?(TIMES)|(TIMES) (?:works?|is|are|would be|suits?) (?:best|better|good|great|ideal|easiest|preferable|me)(?: for me| for us| best)?|(?:best|better) (?:time )?(?:for me )?(?:is|would be) (?:in the |on )?(TIMES))\b",
    )
});
static CAN_ONLY: LazyLock<Regex> = LazyLock::new(|| {
    with_times(
        r"\b(?:i|we) (?:can only|could only|can just) (?:do|come(?: in)?|make(?: it)?|talk|meet|be reached|take calls|be there|work with)? ?(?:in the |on |at )?(TIMES|HOUR)|\b(?:i'm|i am|we're|we are) only (?:available|free|home|around|reachable) (?:in the |on |at )?(TIMES|HOUR)|\bonly (?:call|ring|phone|contact|reach) me (?:in the |on |at )?(TIMES|HOUR)",
    )
});
static CANNOT: LazyLock<Regex> = LazyLock::new(|| {
    with_times(
        r"\b(?:i|we) (?:can't|cannot|can not|don't|couldn't) (?:do|come(?: in)?|make(?: it)?|talk|meet|work|take calls) (?:in the |on |at )?(TIMES|HOUR)|\b(?:i'm|i am|we're|we are) (?:not|never) (?:available|free|home|around|reachable|in) (?:in the |on |at )?(TIMES|HOUR)|\b(?:don't|do not|never) (?:call|ring|phone|contact) me (?:in the |on |at )?(TIMES|HOUR)|\b(TIMES) (?:don't|doesn't|do not|does not|won't) work(?: for me)?",
    )
});
static CHANNEL: LazyLock<Regex> = pattern!(
    r"\b(?:(?:please |just |could you |can you |would you |i'd rather you |you can )(?P<verb>e-?mail|text|message|call|whatsapp|write)(?: to)? (?:me|us)(?: (?:the details|it))? (?:instead|rather|from now on|in (?:the )?future)|(?:i|i'd|we|i would|we'd) (?:\w+ )?(?:prefer|rather use) (?:\w+ )?(?:to (?:be |get )?)?(?:contacted |reached )?(?:by |via |over |through |an |a )?(?P<noun>e-?mails?|emailed|texts?|text messages?|texted|sms|phone calls?|the phone|phone|calls|whatsapp|letters?|post|mail)(?: (?:over|to|instead)\b)?|(?P<best>e-?mail|text|texting|sms|phone|whatsapp) (?:is|works|would be) (?:best|better|easier|easiest|preferred)(?: for me)?)\b"
);
static LANGUAGE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:prefer|rather|like|want|need)(?: to)?(?: speak| talk| continue| have it| be served| do this| an? agent who speaks| someone who speaks)?(?: in)?|(?:can|could) (?:we|i|you) (?:speak|talk|continue|do this)(?: in)?|speak to someone (?:in|who speaks)) (spanish|french|german|italian|portuguese|mandarin|cantonese|chinese|japanese|korean|arabic|hindi|russian|polish|dutch|turkish|vietnamese|tagalog|english)\b"
);
static DIET: LazyLock<Regex> = pattern!(
    r"\b(?:i'm|i am|im|we're|we are|my (?:wife|husband|partner|family) (?:is|are)) (?:a |an |both |strictly |strict |mostly )*(vegetarians?|vegans?|pescatarians?|gluten[- ]free|dairy[- ]free|halal|kosher)\b|\bi (?:only eat|eat only|keep|eat) (halal|kosher|vegan|vegetarian|gluten[- ]free)\b|\bi (?:don't|do not|never) eat (meat|pork|beef|fish|seafood|dairy|gluten|eggs)\b"
);
static HUMAN: LazyLock<Regex> = pattern!(
    r"\b(?:speak|talk|talking|connect(?:ed)?|transfer(?:red)?) (?:me )?(?:to|with) (?:a |an |some )?(?:real |actual |live |human )+(?:person|human|agent|being|operator|representative|someone)?|\b(?:prefer|rather (?:speak|talk)) (?:to |with )*(?:a |an )?(?:real |live |human )*(?:person|human|human being)\b"
);
static SEAT: LazyLock<Regex> = pattern!(
    r"\b(?:prefer|like|want|need|always (?:take|sit in|fly)) (?:an? |the )?(window|aisle|middle)(?: seat|\b)"
);
static PREFER: LazyLock<Regex> = pattern!(
    r"\b(?:i|we) (?:always |usually |really |generally )?prefer (?:the |a |an )?([a-z][a-z' -]{2,40}?)(?:[.,!?;]|$| (?:please|over|to|if|but|and|because|when|for|instead)\b)"
);
/// A preference named in a question or denied is none.
static DENIED: LazyLock<Regex> =
    pattern!(r"\b(?:don't|do not|didn't|would you|do you|if you|not)\b[^.!?,]{0,16}$");

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        let mut put = |slot: Slot, cue: &Regex, confidence: f64, value: &dyn Fn(&str) -> String| {
            let Some(hit) = cue.captures(turn.text) else {
                return false;
            };
            let Some(whole) = hit.get(0) else {
                return false;
            };
            let said = hit
                .iter()
                .skip(1)
                .flatten()
                .next()
                .map_or("", |part| part.as_str());
            let place = super::contact::trimmed(turn.text, whole.range());
            if DENIED.is_match(lead(turn.text, place.start)) {
                return false;
            }
            let said = said.to_lowercase();
            // "9 am." ends a sentence, "9 a.m." does not.
            let said = if said.ends_with(".m.") {
                &said
            } else {
                said.trim_end_matches('.')
            };
            let value = value(said);
            notes.push(Note::new(slot, value, at, place, confidence));
            true
        };
        let mut known = put(Slot::TimeOfDay, &PREFER_TIME, 0.85, &plural);
        known |= put(Slot::Availability, &CAN_ONLY, 0.8, &|said| {
            format!("only {}", on(said))
        });
        known |= put(Slot::Availability, &CANNOT, 0.8, &|said| {
            format!("not {}", on(said))
        });
        known |= put(Slot::Channel, &CHANNEL, 0.85, &channel);
        known |= put(Slot::Language, &LANGUAGE, 0.8, &title);
        known |= put(Slot::Dietary, &DIET, 0.85, &diet);
        known |= put(Slot::AgentHuman, &HUMAN, 0.6, &|_| "person".to_owned());
        known |= put(Slot::Seat, &SEAT, 0.75, &|said| format!("{said} seat"));
        if !known {
            general(at, turn, notes);
        }
    }
}

/// "I prefer oat milk": the thing itself, if it is short enough to be one.
fn general(at: usize, turn: &Turn<'_>, notes: &mut Notes) {
    let Some(hit) = PREFER.captures(turn.text) else {
        return;
    };
    let (Some(whole), Some(said)) = (hit.get(0), hit.get(1)) else {
        return;
    };
    let parts: Vec<&str> = said.as_str().split_whitespace().collect();
    let no_thing = [
        "to", "that", "it", "this", "not", "you", "my", "one", "him", "her", "them", "if", "these",
        "those",
    ];
    let first = parts.first().copied().unwrap_or_default();
    if parts.len() > 4
        || no_thing.contains(&first)
        || DENIED.is_match(lead(turn.text, whole.start()))
    {
        return;
    }
    let value = said.as_str().trim().to_lowercase();
    let place = whole.start()..said.end();
    notes.push(Note::new(Slot::Product, value.as_str(), at, place, 0.6).about(value));
}

fn plural(said: &str) -> String {
    if said.ends_with('s') {
        said.to_owned()
    } else {
        format!("{said}s")
    }
}

fn on(said: &str) -> String {
    let timed = ["after", "before", "until", "between", "from"]
        .iter()
        .any(|lead| said.starts_with(lead));
    if timed {
        return said.to_owned();
    }
    let said = plural(said);
    if said.contains("day") && !said.contains("weekday") {
        return format!("on {said}");
    }
    match said.as_str() {
        "mornings" | "afternoons" | "evenings" => format!("in the {said}"),
        "nights" => "at night".to_owned(),
        _ => format!("on {said}"),
    }
}

fn channel(said: &str) -> String {
    match said.get(..4).unwrap_or(said) {
        "e-ma" | "emai" => "email",
        "text" | "mess" | "sms" => "text message",
        "what" => "WhatsApp",
        "lett" | "post" | "mail" | "writ" => "letter",
        _ => "phone",
    }
    .to_owned()
}

fn title(said: &str) -> String {
    let mut chars = said.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn diet(said: &str) -> String {
    match said {
        "meat" | "pork" | "beef" | "fish" | "seafood" | "dairy" | "gluten" | "eggs" => {
            format!("no {said}")
        }
        kind => kind.trim_end_matches('s').replace(' ', "-"),
    }
}
