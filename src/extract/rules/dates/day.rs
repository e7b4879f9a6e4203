//! Days: "tomorrow", "next Tuesday", "the 5th", "March 3rd", "in two weeks".

use std::sync::LazyLock;

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan, Zoned};
use regex::{Captures, Regex};

use super::When;
use crate::memory::pattern::pattern;
use crate::memory::spoken;

static NEAR: LazyLock<Regex> = pattern!(
    r"\b(?:the )?(?:(?P<after>day after tomorrow)|(?P<tomorrow>tomorrow|tmrw)|(?P<today>today|tonight|later today))\b"
);
static WEEKDAY: LazyLock<Regex> = pattern!(
    r"\b(?:(?P<which>next|this|coming|this coming|following)\s+)?(?P<day>mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\b(?:,?\s+(?P<week>next week|this week|week))?"
);
static WEEKEND: LazyLock<Regex> = pattern!(
    r"\b(?:(?P<weekend>(?:this|the|next) weekend)|(?P<week>next week)|(?P<month>next month)|(?P<end>(?:the )?end of (?:the|this) week))\b"
);
static AHEAD: LazyLock<Regex> = pattern!(
    r"\b(?:in|within)\s+(?:about |around |like )?(?P<amount>an?|half an|a couple(?: of)?|\d{1,3}|\w+(?:[ -]\w+)?)\s+(?P<unit>minute|min|hour|hr|day|week|month)s?\b|\b(?P<before>an?|\d{1,3}|\w+)\s+(?P<unit2>minute|hour|day|week|month)s? (?:from (?:now|today)|later)\b"
);
static MONTH_DAY: LazyLock<Regex> = pattern!(
    r"\b(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?\s+(?:the\s+)?(?P<day>\d{1,2}(?:st|nd|rd|th)?|[a-z]+(?:[ -][a-z]+)?)\b(?:,?\s+(?P<year>20\d\d))?"
);
static DAY_MONTH: LazyLock<Regex> = pattern!(
    r"\b(?:the\s+)?(?P<day>\d{1,2}(?:\s?(?:st|nd|rd|th))?|first|second|third|[a-z]+(?:th|st)|[a-z]+ty[ -][a-z]+)\s+(?:day )?(?:of\s+)?(?P<month>jan(?:uary)?|feb(?:ruary)?|march|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b(?:,?\s+(?P<year>20\d\d))?"
);
static OF_MONTH: LazyLock<Regex> = pattern!(
    r"\b(?:the\s+)?(?P<day>\d{1,2})(?:st|nd|rd|th)\b(?: of (?:this|the|next) month)?|\bthe (?P<word>first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty[ -]\w+|thirtieth|thirty[ -]first)\b(?: of (?:this|the|next) month)?"
);
static NUMERIC: LazyLock<Regex> = pattern!(
    r"\b(?:(?P<year>20\d\d)-(?P<month>\d{2})-(?P<day>\d{2})|(?P<m>\d{1,2})/(?P<d>\d{1,2})(?:/(?P<y>20\d\d|\d\d))?)\b"
);
static NOT_AHEAD: LazyLock<Regex> =
    pattern!(r"^\s*(?:street|st\b|avenue|ave\b|floor|time|one\b|of all)");

/// The days that a text names.
pub(super) fn find(text: &str, now: &Zoned) -> Vec<When> {
    let today = now.date();
    let mut found: Vec<When> = Vec::new();
    let mut add = |when: Option<When>| {
        let Some(when) = when else { return };
        let taken = found
            .iter()
            .any(|held| held.place.start < when.place.end && when.place.start < held.place.end);
        if !taken && !NOT_AHEAD.is_match(&text[when.place.end..]) {
            found.push(when);
        }
    };
    for hit in AHEAD.captures_iter(text) {
        add(ahead(&hit, now));
    }
    for hit in NUMERIC.captures_iter(text) {
        add(numeric(&hit, today).and_then(|date| at(&hit, date)));
    }
    for pattern in [&MONTH_DAY, &DAY_MONTH] {
        for hit in pattern.captures_iter(text) {
            add(month_day(&hit, today));
        }
    }
    for hit in NEAR.captures_iter(text) {
        let days = if hit.name("after").is_some() {
            2
        } else {
            i64::from(hit.name("tomorrow").is_some())
        };
        let date = today.checked_add(days.days()).ok();
        add(date.and_then(|date| at(&hit, date)));
    }
    for hit in WEEKDAY.captures_iter(text) {
        add(weekday(&hit, today));
    }
    for hit in OF_MONTH.captures_iter(text) {
        add(of_month(&hit, today));
    }
    for hit in WEEKEND.captures_iter(text) {
        add(span(&hit, today).and_then(|date| at(&hit, date)));
    }
    found
}

fn at(hit: &Captures<'_>, date: Date) -> Option<When> {
    Some(When::day(hit.get(0)?.range(), date))
}

fn ahead(hit: &Captures<'_>, now: &Zoned) -> Option<When> {
    let amount = hit.name("amount").or_else(|| hit.name("before"))?;
    let unit = hit
        .name("unit")
        .or_else(|| hit.name("unit2"))?
        .as_str()
        .to_lowercase();
    let place = hit.get(0)?.range();
    let amount = amount.as_str().to_lowercase();
    if amount == "half an" && unit.starts_with('h') {
        return Some(When::exact(place, now.checked_add(30.minutes()).ok()?));
    }
    let count = match amount.as_str() {
        "a" | "an" => 1,
        "a couple" | "a couple of" => 2,
        "a few" => 3,
        text => spoken::small_number(text)?,
    };
    let span: Span = match unit.as_str() {
        "minute" | "min" => count.minutes(),
        "hour" | "hr" => count.hours(),
        "day" => count.days(),
        "week" => count.weeks(),
        _ => count.months(),
    };
    let then = now.checked_add(span).ok()?;
    if matches!(unit.as_str(), "minute" | "min" | "hour" | "hr") {
        return Some(When::exact(place, then));
    }
    Some(When::day(place, then.date()))
}

fn numeric(hit: &Captures<'_>, today: Date) -> Option<Date> {
    let number = |name: &str| {
        hit.name(name)
            .and_then(|part| part.as_str().parse::<i16>().ok())
    };
    if let (Some(year), Some(month), Some(day)) = (number("year"), number("month"), number("day")) {
        return Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok();
    }
    let (month, day) = (
        i8::try_from(number("m")?).ok()?,
        i8::try_from(number("d")?).ok()?,
    );
    match number("y") {
        Some(year) => Date::new(if year < 100 { year + 2000 } else { year }, month, day).ok(),
        None => coming(today, month, day),
    }
}

fn month_day(hit: &Captures<'_>, today: Date) -> Option<When> {
    let month = month(&hit.name("month")?.as_str().to_lowercase())?;
    let said = hit.name("day")?;
    let mut end = hit.get(0)?.end();
    let mut text = said.as_str().to_lowercase();
    let day = ordinal(&text).or_else(|| {
        // "March fifth works": only the first word belongs to it.
        let first = text.split([' ', '-']).next()?.to_owned();
        end = said.start() + first.len();
        text = first;
        ordinal(&text)
    })?;
    let date = match hit.name("year").and_then(|year| year.as_str().parse().ok()) {
        Some(year) => Date::new(year, month, day).ok()?,
        None => coming(today, month, day)?,
    };
    Some(When::day(hit.get(0)?.start()..end, date))
}

/// This year's day, or next year's if it has passed.
fn coming(today: Date, month: i8, day: i8) -> Option<Date> {
    let date = Date::new(today.year(), month, day).ok()?;
    if date >= today {
        Some(date)
    } else {
        Date::new(today.year() + 1, month, day).ok()
    }
}

fn of_month(hit: &Captures<'_>, today: Date) -> Option<When> {
    let whole = hit.get(0)?;
    let day = match hit.name("day") {
        Some(day) => day.as_str().parse().ok()?,
        None => ordinal(&hit.name("word")?.as_str().to_lowercase())?,
    };
    let later = whole.as_str().to_lowercase().ends_with("next month");
    // "The second" alone is more often a choice than a day.
    let chosen = hit.name("word").is_some() && !whole.as_str().ends_with("month") && day <= 4;
    let date = Date::new(today.year(), today.month(), day).ok();
    let date = match date {
        Some(date) if date >= today && !later => Some(date),
        _ => {
            let next = today.first_of_month().checked_add(1.month()).ok()?;
            Date::new(next.year(), next.month(), day).ok()
        }
    };
    date.filter(|_| !chosen)
        .map(|date| When::day(whole.range(), date))
}

/// "Friday" is the next one; "next Friday" the one of next week, which begins on Monday.
fn weekday(hit: &Captures<'_>, today: Date) -> Option<When> {
    let said = hit.name("day")?;
    let day = match said.as_str().to_lowercase().get(..3)? {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        _ => Weekday::Sunday,
    };
    // "sat", "sun", "wed" and "mar" alone are other words.
    let whole = hit.get(0)?;
    let short = whole.as_str().len() == said.as_str().len()
        && matches!(said.as_str(), "sat" | "sun" | "wed" | "mon");
    if short {
        return None;
    }
    let next_week = hit
        .name("which")
        .is_some_and(|which| which.as_str().eq_ignore_ascii_case("next"))
        || hit
            .name("week")
            .is_some_and(|week| week.as_str().eq_ignore_ascii_case("next week"));
    let monday = today
        .checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days())
        .ok()?;
    let date = if next_week {
        monday
            .checked_add((7 + i64::from(day.to_monday_zero_offset())).days())
            .ok()?
    } else {
        let ahead = (7 + day.to_monday_zero_offset() - today.weekday().to_monday_zero_offset()) % 7;
        let ahead = if ahead == 0 { 7 } else { ahead };
        today.checked_add(i64::from(ahead).days()).ok()?
    };
    at(hit, date)
}

fn span(hit: &Captures<'_>, today: Date) -> Option<Date> {
    let since_monday = i64::from(today.weekday().to_monday_zero_offset());
    let monday = today.checked_sub(since_monday.days()).ok()?;
    if let Some(weekend) = hit.name("weekend") {
        let later = weekend.as_str().to_lowercase().starts_with("next");
        return monday.checked_add((if later { 12 } else { 5 }).days()).ok();
    }
    if hit.name("week").is_some() {
        return monday.checked_add(7.days()).ok();
    }
    if hit.name("end").is_some() {
        return monday.checked_add(4.days()).ok();
    }
    today.first_of_month().checked_add(1.month()).ok()
}

fn month(text: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let at = MONTHS.iter().position(|month| text.starts_with(month))?;
    i8::try_from(at + 1).ok()
}

/// The day of the month that an ordinal or a number names.
fn ordinal(text: &str) -> Option<i8> {
    const FIRST: [&str; 20] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    if !digits.is_empty() {
        return digits.parse().ok().filter(|day| (1..=31).contains(day));
    }
    let of = |word: &str| {
        FIRST
            .iter()
            .position(|known| *known == word)
            .and_then(|at| i8::try_from(at + 1).ok())
    };
    if let Some(day) = of(text) {
        return Some(day);
    }
    if text == "thirtieth" {
        return Some(30);
    }
    if let Some((tens, unit)) = text.split_once([' ', '-'])
        && let Some(unit) = of(unit)
    {
        return match tens {
            "twenty" if unit < 10 => Some(20 + unit),
            "thirty" if unit == 1 => Some(31),
            _ => None,
        };
    }
    let number = i8::try_from(spoken::small_number(text)?).ok()?;
    (1..=31).contains(&number).then_some(number)
}
