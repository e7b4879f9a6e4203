//! Times of day: "3 pm", "half past 11", "quarter to 2 in the afternoon", "three thirty", "noon".

use std::ops::Range;
use std::sync::LazyLock;

use jiff::civil::Time;
use regex::{Captures, Regex};

use super::When;
use crate::memory::pattern::pattern;
use crate::memory::spoken;

static CLOCK: LazyLock<Regex> = pattern!(
    r"\b(?:(?P<lead>at|after|before|by|around|about|until|till|from|past|between|for|say|make it|to)\s+)?",
    r"(?:(?:in the |the )?(?P<before>morning|afternoon|evening)(?: at| around)?\s+)?",
    r"(?:(?P<half>half past|half|quarter past|quarter after|quarter to|quarter til|quarter till|quarter of|a quarter past|a quarter to|\w+ (?:minutes )?past|\w+ (?:minutes )?to)\s+)?",
    r"(?P<hour>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)",
    r"(?:(?:\s?:\s?|\.)(?P<minute>[0-5]\d)|\s(?P<spoken>oh five|fifteen|thirty|twenty|forty|ten|fifty|forty[ -]five|twenty[ -]five|thirty[ -]five|fifty[ -]five|15|30|45|00)\b)?",
    "(?P<clock>\\s?o['’\"]?\\s?clock)?",
    r"(?:\s?(?P<half_day>am|pm|a\.m\.?|p\.m\.?|a m|p m)(?:\b|\s|$|[,.?!]))?",
    r"(?:,? (?:in the|at|this|tomorrow|today)?\s?(?P<part>morning|afternoon|evening|night)\b)?"
);
/// "Between 1 and 3", "8 to 10 am", "from nine till noon": whoever comes then comes from the first hour on.
static RANGE: LazyLock<Regex> = pattern!(
    r"\b(?P<lead>between|from)?\s*\b(?P<hour>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)",
    r"(?:\s?[:.]\s?(?P<minute>[0-5]\d))?(?:\s?(?P<half>am|pm|a\.m\.|p\.m\.|a m|p m))?",
    r"\s?(?P<joint>to|and|-|–|until|till)\s?",
    r"(?P<until>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon)",
    r"(?:\s?[:.]\s?[0-5]\d)?(?:\s?(?P<half_until>am|pm|a\.m\.|p\.m\.|a m|p m))?(?:\b|$)"
);
/// A day right before a range that nothing else marks: "Saturday the 21st, 8 to 10".
static DAY_BEFORE: LazyLock<Regex> =
    pattern!(r"(?:day|\d(?:st|nd|rd|th)|today|tomorrow|morning|afternoon)[\s,]*$");
static NAMED: LazyLock<Regex> = pattern!(
    r"\b(?P<name>noon|midday|mid-day|midnight|lunchtime|end of (?:the )?(?:business )?day|close of business)\b"
);
static PART: LazyLock<Regex> = pattern!(
    r"\b(?:in the|this|tomorrow|yesterday|mon|tues|wednes|thurs|fri|satur|sun)?(?:day)? ?\b(?P<part>morning|afternoon|evening|tonight)\b"
);

/// The times of day that a text names.
pub(super) fn find(text: &str) -> Vec<When> {
    let mut found: Vec<When> = RANGE
        .captures_iter(text)
        .filter_map(|hit| range(text, &hit))
        .collect();
    for when in CLOCK
        .captures_iter(text)
        .filter_map(|hit| clock(text, &hit))
    {
        if !found.iter().any(|one| overlap(&one.place, &when.place)) {
            found.push(when);
        }
    }
    for hit in NAMED.captures_iter(text) {
        let Some(name) = hit.name("name") else {
            continue;
        };
        let hour = match name.as_str().to_lowercase().as_str() {
            "midnight" => 0,
            name if name.starts_with("end") || name.starts_with("close") => 17,
            _ => 12,
        };
        add(&mut found, name.range(), hour);
    }
    for hit in PART.captures_iter(text) {
        let Some(part) = hit.name("part") else {
            continue;
        };
        let greeting = &text[..part.start()];
        if greeting.trim_end().to_lowercase().ends_with("good") {
            continue;
        }
        let hour = match part.as_str().to_lowercase().as_str() {
            "morning" => 9,
            "afternoon" => 13,
            _ => 18,
        };
        add(&mut found, part.range(), hour);
    }
    found
}

/// Adds a time by name, unless a time by the clock stands there.
fn add(found: &mut Vec<When>, place: Range<usize>, hour: i8) {
    let taken = |when: &When| overlap(&when.place, &place);
    // "good morning" and the "morning" of "11 in the morning" say nothing more.
    if let (false, Ok(time)) = (found.iter().any(taken), Time::new(hour, 0, 0, 0)) {
        found.push(When {
            vague: true,
            ..When::clock(place, time)
        });
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The first hour of a range. "Ten to four" is one time, and "four to six weeks" is none.
fn range(text: &str, hit: &Captures<'_>) -> Option<When> {
    let part = |name: &str| hit.name(name).map(|part| part.as_str().to_lowercase());
    let (start, end) = (hit.name("hour")?.start(), hit.get(0)?.end());
    let number = |text: &str| i8::try_from(spoken::small_number(text)?).ok();
    let hour = number(&part("hour")?)?;
    let until = part("until")?;
    let until = if until == "noon" { 12 } else { number(&until)? };
    let minute = part("minute").map_or(Some(0), |minute| minute.parse().ok())?;
    let lead = hit.name("lead").is_some();
    let (half, half_until) = (part("half"), part("half_until"));
    let marked = half.is_some() || half_until.is_some() || hit.name("minute").is_some();
    let joint = part("joint")?;
    let is_range = match joint.as_str() {
        "and" => lead && hit.name("lead")?.as_str().eq_ignore_ascii_case("between"),
        "to" if !lead && half.is_none() => {
            hour % 5 != 0 && (marked || DAY_BEFORE.is_match(&text[..start]))
        }
        _ => lead || marked || DAY_BEFORE.is_match(&text[..start]),
    };
    if !is_range || (followed_by_unit(text, end) && !marked) || hour > 23 {
        return None;
    }
    // "1 to 3 pm" begins at one in the afternoon, "11 to 2 pm" before noon.
    let half = half.or_else(|| half_until.filter(|_| hour < until || hour == 12));
    let hour = in_half_day(hour, half.as_deref(), None, minute > 0)?;
    Some(When::clock(start..end, Time::new(hour, minute, 0, 0).ok()?))
}

fn clock(text: &str, hit: &Captures<'_>) -> Option<When> {
    let part = |name: &str| hit.name(name).map(|part| part.as_str().to_lowercase());
    let whole = hit.get(0)?;
    let mut hour = i8::try_from(spoken::small_number(&part("hour")?)?).ok()?;
    let mut minute = match (part("minute"), part("spoken")) {
        (Some(minute), _) => minute.parse().ok()?,
        (None, Some(spoken)) => minutes(&spoken)?,
        (None, None) => 0,
    };
    let lead = part("lead");
    let marked = hit.name("minute").is_some()
        || hit.name("half_day").is_some()
        || hit.name("clock").is_some()
        || hit.name("part").is_some()
        || hit.name("before").is_some();
    let relative = part("half");
    let shift = relative.as_deref().and_then(offset);
    let anchored = lead
        .as_deref()
        .is_some_and(|lead| !matches!(lead, "for" | "to" | "say" | "make it" | "about"));
    let amount = followed_by_unit(text, whole.end());
    if (!marked && shift.is_none() && !anchored) || (amount && !marked) || hour > 23 {
        return None;
    }
    if relative.is_some() && shift.is_none() && !marked && !anchored {
        return None;
    }
    let day_part = part("part").or_else(|| part("before"));
    hour = in_half_day(
        hour,
        part("half_day").as_deref(),
        day_part.as_deref(),
        marked && hit.name("minute").is_some(),
    )?;
    if let Some(offset) = shift {
        let total = (i16::from(hour) * 60 + offset).rem_euclid(24 * 60);
        hour = i8::try_from(total / 60).ok()?;
        minute = i8::try_from(total % 60).ok()?;
    }
    let start = hit
        .name("before")
        .or_else(|| hit.name("half").filter(|_| shift.is_some()))
        .or_else(|| hit.name("hour"))?
        .start();
    let end = whole
        .as_str()
        .trim_end_matches([' ', ',', '?', '!', '.'])
        .len()
        + whole.start();
    Some(When::clock(start..end, Time::new(hour, minute, 0, 0).ok()?))
}

/// "Half past", "quarter to", "ten past": minutes from the hour.
fn offset(text: &str) -> Option<i16> {
    let text = text.trim_start_matches("a ");
    if text.starts_with("half") {
        return Some(30);
    }
    let sign = if text.ends_with("past") || text.ends_with("after") {
        1
    } else {
        -1
    };
    let first = text.split(' ').next()?;
    let minutes = if first == "quarter" {
        15
    } else {
        i16::try_from(spoken::small_number(first)?).ok()?
    };
    // "Eight to ten" is a while, not eight minutes.
    let counted = minutes % 5 == 0 || text.contains("minutes") || sign > 0;
    (minutes < 60 && counted).then_some(sign * minutes)
}

fn minutes(spoken: &str) -> Option<i8> {
    let text = spoken.strip_prefix("oh ").unwrap_or(spoken);
    i8::try_from(spoken::small_number(text)?)
        .ok()
        .filter(|minute| *minute < 60)
}

/// The hour of the day: as marked; else a bare 1 to 7 is in the afternoon, when people do business.
fn in_half_day(hour: i8, half: Option<&str>, part: Option<&str>, typed: bool) -> Option<i8> {
    let letter = half.and_then(|half| half.chars().next());
    let pm = letter == Some('p') || matches!(part, Some("afternoon" | "evening" | "night"));
    let am = letter == Some('a') || part == Some("morning");
    match hour {
        12 if am => Some(0),
        1..=11 if pm => Some(hour + 12),
        1..=7 if !am => Some(hour + 12),
        0..=23 => Some(hour),
        _ => None,
    }
    .filter(|_| typed || hour > 0)
}

/// "For 2 people", "at 3 percent", "after 5 minutes", "by 10 dollars": an amount, not a time.
fn followed_by_unit(text: &str, end: usize) -> bool {
    static UNIT: LazyLock<Regex> = pattern!(
        r"^(?:\d|[.:/%$-]\d|\s?(?:%|percent|people|persons?|adults?|guests?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|dollars?|bucks|miles?|degrees|times|star|bed|bath|of|st|nd|rd|th|more|other|different|main|street|road|items?|tickets?|passengers?)\b)"
    );
    UNIT.is_match(&text[end..])
}
