//! What was booked: counted only when the agent says that it succeeded.

use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use regex::Regex;
use serde_json::json;

use super::call::{Call, Note, Notes, Speaker};
use super::dates;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;

/// The agent says that it is booked.
static DONE: LazyLock<Regex> = pattern!(
    r"\b(?:(?:has|have|is|are|was|were|been|it's|it is|you're|you are|your \w+'s|all) (?:now |all |been |successfully |already )*(?:made|booked|confirmed|scheduled|reserved|set(?: up)?|successful|complete|done|fixed|arranged)|(?:i've|i have|we've|we have|i|just) (?:now |just |successfully |already |gone ahead and )*(?:made|booked|confirmed|scheduled|reserved|set up|placed|arranged)|(?:reservation|booking|appointment|table|visit|tour|viewing|meeting)(?: is| was| has been)? (?:successfully |now )?(?:made|booked|confirmed|scheduled|reserved|set|successful|complete|done|all set)|successfully (?:been )?(?:booked|scheduled|reserved|made|confirmed)|(?:i|we) got (?:the|your) (?:appointment|reservation|table|booking)|(?:reservation|booking) (?:success|went through))\b"
);
/// The same words that say it is not.
static NOT_DONE: LazyLock<Regex> = pattern!(
    r"\b(?:not|n't|unable|unsuccessful|unsuccessfully|failed|fail|couldn't|could not|cannot|can't|wasn't|sorry|apolog\w+|unfortunately|unavailable|no longer|problem|trouble|issue|error|went wrong|cancel(?:l?ed)?)\b"
);
/// Nor do these: "please confirm that the booking is done for three".
static NOT_YET: LazyLock<Regex> = pattern!(
    r"\b(?:confirm(?:ing|ation)? (?:that|the|me|you|your|if|a|details)|please confirm|ensure|verify|make sure|once|before|when|if|let me|should i|shall i|would|want|regretfully|prefer\w*)\b"
);
/// What is being booked: without it "it's done" books nothing.
static KIND: LazyLock<Regex> = pattern!(
    r"\b(reservation|table|appointment|visit|viewing|tour|meeting|haircut|consultation|inspection|delivery|pickup|demo|booking|book|schedule|reserve)\b"
);
static ASKS: LazyLock<Regex> = pattern!(
    r"\b(?:confirm|confirming|would you like|do you want|you want|you'd like|shall i|should i|how about|is that|right|correct|reserve|book|schedul\w+|set up)\b"
);

/// What is on the table.
#[derive(Default)]
struct Plan {
    kind: Option<&'static str>,
    date: Option<Date>,
    time: Option<Time>,
}

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    let mut plan = Plan::default();
    for (at, turn) in call.turns.iter().enumerate() {
        let now = call.local(turn);
        let kind = KIND
            .find_iter(turn.text)
            .find_map(|kind| title(&kind.as_str().to_lowercase()));
        plan.kind = kind.or(plan.kind);
        let agent = turn.speaker == Speaker::Agent;
        let done = agent.then(|| done(turn.text)).flatten();
        for when in dates::find(turn.text, &now) {
            // What an agent mentions in passing (opening hours, the weather) is no plan.
            let proposes = ASKS.is_match(turn.text) || NOT_DONE.is_match(turn.text);
            if agent && done.is_none() && !proposes {
                continue;
            }
            plan.date = when.date.or(plan.date);
            if !when.vague || plan.time.is_none() {
                plan.time = when.time.or(plan.time);
            }
        }
        let (Some(quote), Some(date), Some(kind)) = (done, plan.date, plan.kind) else {
            continue;
        };
        let time = plan.time.map(|time| time.strftime("%H:%M").to_string());
        let value = json!({"date": date.to_string(), "time": time, "title": kind});
        let object = format!("{kind} {date}");
        let zone = now.time_zone().clone();
        let starts = date
            .to_datetime(plan.time.unwrap_or(Time::constant(23, 59, 0, 0)))
            .to_zoned(zone);
        let due = starts
            .ok()
            .map(|at| crate::time::Timestamp::from_jiff(at.timestamp()));
        notes.push(
            Note::new(Slot::Appointment, value, at, quote, 0.85)
                .about(object)
                .due(due),
        );
        // "For that day" may follow; the hour does not carry over.
        plan = Plan {
            date: Some(date),
            ..Plan::default()
        };
    }
}

/// Where a turn says that it is booked, in a sentence that does not say the opposite.
fn done(text: &str) -> Option<std::ops::Range<usize>> {
    let mut from = 0;
    for sentence in text.split_inclusive(['.', '!', '?']) {
        let place = from..from + sentence.len();
        from = place.end;
        if sentence.ends_with('?') || NOT_DONE.is_match(sentence) || NOT_YET.is_match(sentence) {
            continue;
        }
        if let Some(hit) = DONE.find(sentence) {
            return Some(place.start + hit.start()..place.start + hit.end());
        }
    }
    None
}

fn title(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "table" | "reservation" => "reservation",
        "visit" | "viewing" | "tour" => "visit",
        "appointment" | "haircut" | "consultation" => "appointment",
        "meeting" => "meeting",
        "inspection" => "inspection",
        "delivery" => "delivery",
        "pickup" => "pickup",
        "demo" => "demo",
        "booking" => "booking",
        _ => return None,
    })
}
