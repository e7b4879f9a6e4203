//! What the caller needs in order to take part, what they can spend, and when to reach them.

use std::sync::LazyLock;

use regex::Regex;

use super::call::{Call, Note, Notes, lead};
use super::contact::trimmed;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;

static ACCESS: LazyLock<Regex> = pattern!(
    r"\b(?:i(?:'m| am) (?:in a|using a) (wheelchair)|i (?:use|need) a (wheelchair|walker)|(?:needs? to be|must be|is it) (wheelchair accessible)|i(?:'m| am) (deaf|hard of hearing|blind|visually impaired)|i (?:need|require|would need|will need) (?:an? |the )?(interpreter|sign language interpreter|large print|step[- ]free access|elevator access|ground floor (?:room|unit)))\b"
);
static BUDGET: LazyLock<Regex> = pattern!(
    r"\b(?:my budget is|(?:i|we) have a budget of|(?:i|we) (?:can't|cannot|can not|don't want to|couldn't) (?:spend|pay|afford) more than|(?:no|not) more than|(?:i|we) can (?:only )?(?:spend|pay|afford)(?: up to)?|maximum (?:of|is)) (?:about |around |up to )?(\$ ?\d[\d,]*(?:\.\d\d)?(?: (?:a|per) (?:month|week|night|person|year))?|\d[\d,]* (?:dollars|euros|pounds|bucks)(?: (?:a|per) (?:month|week|night|person|year))?)"
);
static BEST_TIME: LazyLock<Regex> = pattern!(
    r"\b(?:(?:the )?best time to (?:reach|call|get|catch) (?:me|us) (?:is|would be)|(?:you can|please|best to) (?:reach|catch) (?:me|us)|i(?:'m| am) (?:usually|normally|generally) (?:free|home|available|reachable)) (?:in the |on |at )?((?:(?:weekday|weekend|early|late|monday|tuesday|wednesday|thursday|friday|saturday|sunday) ?)?(?:mornings?|afternoons?|evenings?|nights?)|weekdays|weekends|(?:after|before|between|around) (?:\d{1,2}(?::\d\d)? ?(?:[ap]\.?m\b)?|noon|work|lunch|school)(?: and \d{1,2}(?::\d\d)? ?(?:[ap]\.?m\b)?)?)"
);

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        for (slot, cue, confidence) in [
            (Slot::Accessibility, &ACCESS, 0.8),
            (Slot::Budget, &BUDGET, 0.75),
            (Slot::BestTime, &BEST_TIME, 0.8),
        ] {
            let Some(hit) = cue.captures(turn.text) else {
                continue;
            };
            let said = hit.iter().skip(1).flatten().next();
            let (Some(whole), Some(said)) = (hit.get(0), said) else {
                continue;
            };
            let place = trimmed(turn.text, whole.range());
            let value = said.as_str().trim().to_lowercase();
            if !lead(turn.text, place.start).trim_end().ends_with("if") {
                notes.push(Note::new(slot, value, at, place, confidence));
            }
        }
    }
}
