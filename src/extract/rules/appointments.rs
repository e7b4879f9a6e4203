//! What was booked: counted only when the agent says that it succeeded, and followed when it is
//! moved or cancelled.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use regex::Regex;
use serde_json::{Value, json};

use super::ask::{is_no, is_yes};
use super::call::{Call, Note, Notes, Speaker, Turn, lead};
use super::dates::{self, When};
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::time::Timestamp;

mod said;

use said::{Outcome, outcome};

/// What is being booked: without it "it's done" books nothing.
static KIND: LazyLock<Regex> = pattern!(
    r"\b(reservation|table|appointment|apointment|visit|viewing|tour|meeting|haircut|consultation|check-?up|cleaning|inspection|delivery|pickup|demo|booking|installation|repair|service)\b"
);
/// "You're booked in for Friday at 8": what is booked at a day and an hour needs no other word, unless
/// it is nothing that one comes to.
static BOOKED_FOR: LazyLock<Regex> = pattern!(
    r"\b(?:booked|scheduled|reserved|confirmed)(?: in)? (?:for|on|at)\b|\b(?:got|have|put) you down for\b|\b(?:you're|you are|youre) (?:all set|down|on the (?:schedule|calendar|books)) (?:for|on|at)\b|\b(?:moved|rescheduled|changed|switched|pushed) to\b"
);
static NO_VISIT: LazyLock<Regex> = pattern!(
    r"\b(?:payments?|transfers?|refunds?|orders?|bills?|charges?|subscriptions?|deliver\w+|packages?|parcels?|shipments?|flights?|trains?|buses|bus|hotel|rooms?|cars?|tickets?|seats?|rides?|cabs?|callback|call ?back|credit|debit|update|upgrade|activation|cancellation)\b"
);
/// What an agent says of a date when it is a plan, and not opening hours or the weather.
static PROPOSES: LazyLock<Regex> = pattern!(
    r"\b(?:confirm\w*|would you like|do you want|you want|you'd like|you would like|shall i|should i|how about|what about|is that|right|correct|reserv\w+|book\w*|schedul\w+|set up|verify|available|opening|slot|offer|mov\w+|chang\w+|resched\w+|unable|couldn't|could not|not able|sorry)\b"
);
/// The caller agrees, wherever in the turn: "I confirm it. Give me their number."
static AGREES: LazyLock<Regex> = pattern!(
    r"\b(?:yes|yeah|yea|yep|yup|correct|right|confirm(?:ed)?|sounds (?:good|great|perfect|fine)|that works|works for me|go ahead|please do|perfect|okay|ok|sure|fine|alright|exactly|great|good|cool|ideal|that's the plan)\b"
);
/// A booking that exists is to be moved or cancelled.
static MOVES: LazyLock<Regex> =
    pattern!(r"\b(?:mov|chang|resched|re-sched|switch|push|shift|cancel|postpon)\w*");
/// Where it is moved from: "my appointment on Monday".
static FROM: LazyLock<Regex> = pattern!(
    r"\b(?:from|(?:my|your|the) (?:\w+ )?(?:appointment|reservation|booking|visit|table|meeting)(?: \w+){0,2} (?:for|on|at)|(?:scheduled|booked|reserved|set) (?:for|on|at))\s*(?:the )?$"
);

/// What is on the table.
#[derive(Default)]
struct Plan {
    kind: Option<&'static str>,
    date: Option<Date>,
    time: Option<Time>,
    /// The caller has agreed to it, and nothing has come between.
    agreed: bool,
    /// What the agent named last, until the caller agrees to it.
    offer: Option<When>,
    /// The date that a booking is moved from or cancelled at.
    old: Option<Date>,
}

/// A booking of this call that still stands.
struct Booked {
    value: Value,
    object: String,
}

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    let mut plan = Plan::default();
    let mut booked: Vec<Booked> = Vec::new();
    for (at, turn) in call.turns.iter().enumerate() {
        let kind = KIND
            .find_iter(turn.text)
            .find_map(|kind| title(&kind.as_str().to_lowercase()));
        plan.kind = kind.or(plan.kind);
        match turn.speaker {
            Speaker::Caller => hear(&mut plan, call, turn),
            Speaker::Agent => match outcome(turn.text, plan.agreed) {
                Some((Outcome::Booked, quote)) => {
                    take(&mut plan, call, turn, true);
                    plan.kind = plan.kind.or_else(|| visit(call, turn));
                    book(&mut plan, call, (at, quote), &mut booked, notes);
                }
                Some((Outcome::Moved, quote)) => {
                    take(&mut plan, call, turn, true);
                    plan.kind = plan.kind.or_else(|| visit(call, turn));
                    let old = booked.pop().or_else(|| plan.old.map(|old| on(old, &plan)));
                    if let Some(old) = old.filter(|_| plan.date.is_some()) {
                        take_back(old, (at, quote.clone()), notes);
                    }
                    book(&mut plan, call, (at, quote), &mut booked, notes);
                }
                Some((Outcome::Cancelled, quote)) => {
                    take(&mut plan, call, turn, true);
                    let date = plan.old.or(plan.date);
                    let old = booked.pop().or_else(|| date.map(|date| on(date, &plan)));
                    if let Some(old) = old {
                        take_back(old, (at, quote), notes);
                    }
                    plan = Plan::default();
                }
                Some((Outcome::Failed, _)) => {
                    plan.agreed = false;
                    take(&mut plan, call, turn, PROPOSES.is_match(turn.text));
                }
                None => take(&mut plan, call, turn, PROPOSES.is_match(turn.text)),
            },
        }
    }
}

/// What is booked where nobody named it, if it has a day and an hour.
fn visit(call: &Call<'_>, turn: &Turn<'_>) -> Option<&'static str> {
    let timed = || {
        let found = dates::find(turn.text, &call.local(turn));
        found.iter().any(|when| when.date.is_some()) && found.iter().any(|when| when.time.is_some())
    };
    (BOOKED_FOR.is_match(turn.text) && !NO_VISIT.is_match(turn.text) && timed())
        .then_some("appointment")
}

/// The caller's dates are the plan; a yes makes the agent's offer the plan.
fn hear(plan: &mut Plan, call: &Call<'_>, turn: &Turn<'_>) {
    let agrees = !is_no(turn.text) && (is_yes(turn.text) || AGREES.is_match(turn.text));
    if let Some(offer) = plan.offer.take().filter(|_| agrees) {
        put(plan, &offer);
    }
    let now = call.local(turn);
    for when in dates::find(turn.text, &now) {
        if is_old(turn, &when) {
            plan.old = when.date;
        } else {
            put(plan, &when);
        }
    }
    plan.agreed = agrees && plan.date.is_some();
}

/// What the agent says of dates: part of the plan where it proposes, else an offer.
fn take(plan: &mut Plan, call: &Call<'_>, turn: &Turn<'_>, proposes: bool) {
    let now = call.local(turn);
    plan.offer = None;
    for when in dates::find(turn.text, &now) {
        if is_old(turn, &when) {
            plan.old = plan.old.or(when.date);
        } else if proposes {
            put(plan, &when);
        } else if when.date.is_some() {
            plan.offer = Some(when);
        }
    }
}

/// Whether it is the date of a booking that is to be moved or cancelled.
fn is_old(turn: &Turn<'_>, when: &When) -> bool {
    when.date.is_some()
        && MOVES.is_match(turn.text)
        && FROM.is_match(lead(turn.text, when.place.start))
}

fn put(plan: &mut Plan, when: &When) {
    plan.date = when.date.or(plan.date);
    if !when.vague || plan.time.is_none() {
        plan.time = when.time.or(plan.time);
    }
}

fn book(
    plan: &mut Plan,
    call: &Call<'_>,
    (at, quote): (usize, Range<usize>),
    booked: &mut Vec<Booked>,
    notes: &mut Notes,
) {
    let (Some(date), Some(kind)) = (plan.date, plan.kind) else {
        return;
    };
    let time = plan.time.map(|time| time.strftime("%H:%M").to_string());
    let value = json!({"date": date.to_string(), "time": time, "title": kind});
    let object = format!("{kind} {date}");
    let zone = call.local(&call.turns[at]).time_zone().clone();
    let starts = date
        .to_datetime(plan.time.unwrap_or(Time::constant(23, 59, 0, 0)))
        .to_zoned(zone);
    let due = starts.ok().map(|at| Timestamp::from_jiff(at.timestamp()));
    notes.push(
        Note::new(Slot::Appointment, value.clone(), at, quote, 0.85)
            .about(object.clone())
            .due(due),
    );
    booked.push(Booked { value, object });
    // "For that day" may follow; the hour does not carry over.
    *plan = Plan {
        date: Some(date),
        ..Plan::default()
    };
}

/// A booking of an earlier call, as far as this one names it.
fn on(date: Date, plan: &Plan) -> Booked {
    let kind = plan.kind.unwrap_or("appointment");
    Booked {
        value: json!({"date": date.to_string(), "time": null, "title": kind}),
        object: format!("{kind} {date}"),
    }
}

fn take_back(old: Booked, (at, quote): (usize, Range<usize>), notes: &mut Notes) {
    let note = Note::new(Slot::Appointment, old.value, at, quote, 0.85);
    notes.push(note.op(Op::Retract).about(old.object));
}

fn title(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "table" | "reservation" => "reservation",
        "visit" | "viewing" | "tour" => "visit",
        "appointment" | "apointment" | "haircut" | "consultation" | "checkup" | "check-up"
        | "cleaning" => "appointment",
        "meeting" => "meeting",
        "inspection" => "inspection",
        "delivery" => "delivery",
        "pickup" => "pickup",
        "demo" => "demo",
        "booking" => "booking",
        "installation" => "installation",
        "repair" => "repair",
        "service" => "service",
        _ => return None,
    })
}
