//! Days and times of day in running text, counted from when they were said.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use jiff::{ToSpan, Zoned};
use regex::Regex;

use super::call::lead;
use crate::memory::pattern::pattern;
use crate::time::Timestamp;

mod clock;
mod day;

/// How a time binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    At,
    After,
    Before,
}

/// A day, a time of day, or both, where a text names them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct When {
    pub(super) place: Range<usize>,
    pub(super) date: Option<Date>,
    pub(super) time: Option<Time>,
    pub(super) bound: Bound,
    /// "In two hours": to the minute.
    exact: Option<Zoned>,
    /// "In the morning": an hour by name, which gives way to one by the clock.
    pub(super) vague: bool,
}

/// What may stand between a day and its time.
static BETWEEN: LazyLock<Regex> = pattern!(
    r"^[\s,]*(?:(?:at|on|around|about|after|before|by|from|in|of|the|this|for|sometime|any ?time|say|like|maybe|instead|past|until|till|any|between)\b[\s,]*)*$"
);
static AFTER: LazyLock<Regex> = pattern!(r"\b(?:after|past|from|later than)\s+(?:the\s+)?$");
static BEFORE: LazyLock<Regex> =
    pattern!(r"\b(?:before|by|until|till|no later than)\s+(?:the\s+)?$");
/// "Within five days" is the latest.
static WITHIN: LazyLock<Regex> = pattern!(r"^within\b");

/// The days and times that a text names, said at `now`.
pub(super) fn find(text: &str, now: &Zoned) -> Vec<When> {
    let mut pieces = day::find(text, now);
    let days: Vec<Range<usize>> = pieces.iter().map(|piece| piece.place.clone()).collect();
    let apart = |place: &Range<usize>| {
        !days
            .iter()
            .any(|day| day.start < place.end && place.start < day.end)
    };
    pieces.extend(
        clock::find(text)
            .into_iter()
            .filter(|piece| apart(&piece.place)),
    );
    pieces.sort_by_key(|piece| piece.place.start);
    let mut found: Vec<When> = Vec::new();
    for mut piece in pieces {
        let lead = lead(text, piece.place.start);
        if AFTER.is_match(lead) {
            piece.bound = Bound::After;
        } else if BEFORE.is_match(lead) || WITHIN.is_match(&text[piece.place.clone()]) {
            piece.bound = Bound::Before;
        }
        match found.last_mut() {
            Some(last) if joins(text, last, &piece) => {
                last.place.end = piece.place.end;
                last.date = last.date.or(piece.date);
                if last.time.is_none() || (last.vague && piece.time.is_some()) {
                    last.time = piece.time;
                    last.vague = piece.vague;
                }
                if piece.bound != Bound::At {
                    last.bound = piece.bound;
                }
            }
            _ => found.push(piece),
        }
    }
    found
}

fn joins(text: &str, last: &When, next: &When) -> bool {
    let complete = (last.date.is_some() && next.date.is_some())
        || (last.time.is_some() && next.time.is_some() && !last.vague)
        || last.exact.is_some()
        || next.exact.is_some();
    !complete && BETWEEN.is_match(&text[last.place.end..next.place.start])
}

impl When {
    fn day(place: Range<usize>, date: Date) -> Self {
        Self {
            place,
            date: Some(date),
            time: None,
            bound: Bound::At,
            exact: None,
            vague: false,
        }
    }

    fn clock(place: Range<usize>, time: Time) -> Self {
        Self {
            place,
            date: None,
            time: Some(time),
            bound: Bound::At,
            exact: None,
            vague: false,
        }
    }

    fn exact(place: Range<usize>, at: Zoned) -> Self {
        Self {
            place,
            date: Some(at.date()),
            time: Some(at.time()),
            bound: Bound::At,
            exact: Some(at),
            vague: false,
        }
    }

    /// The moment it is due, said at `now`: a day without a time at its end, a time without a day
    /// the next time that the clock shows it.
    pub(super) fn due(&self, now: &Zoned) -> Option<Timestamp> {
        if let Some(at) = &self.exact {
            return Some(Timestamp::from_jiff(at.timestamp()));
        }
        let (date, time) = self.settled(now)?;
        let time = time.unwrap_or_else(|| Time::constant(23, 59, 0, 0));
        let at = date
            .to_datetime(time)
            .to_zoned(now.time_zone().clone())
            .ok()?;
        Some(Timestamp::from_jiff(at.timestamp()))
    }

    fn settled(&self, now: &Zoned) -> Option<(Date, Option<Time>)> {
        match (self.date, self.time) {
            (Some(date), time) => Some((date, time)),
            (None, Some(time)) if time > now.time() => Some((now.date(), Some(time))),
            (None, Some(time)) => Some((now.date().checked_add(1.day()).ok()?, Some(time))),
            (None, None) => None,
        }
    }

    /// In words: "on 2026-03-04 after 14:00".
    pub(super) fn words(&self, now: &Zoned) -> String {
        let Some((date, time)) = self.settled(now) else {
            return String::new();
        };
        let bound = match self.bound {
            Bound::At => "at",
            Bound::After => "after",
            Bound::Before => "before",
        };
        match time {
            Some(time) => format!("on {date} {bound} {}", time.strftime("%H:%M")),
            None if self.bound == Bound::Before => format!("by {date}"),
            None if self.bound == Bound::After => format!("after {date}"),
            None => format!("on {date}"),
        }
    }
}

#[cfg(test)]
mod tests;
