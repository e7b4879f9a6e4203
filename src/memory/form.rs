//! The one form that values of a slot have, whoever says them: two spellings of a number are one fact.

use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use phonenumber::Mode;
use phonenumber::country;
use regex::Regex;
use serde_json::{Value, json};

use super::pattern::pattern;
use super::slot::Slot;

/// A number as people write it.
static PHONE: LazyLock<Regex> = pattern!(r"^\+?[\s(]*(?:[0-9][\s().\-/]*){7,15}$");
static EMAIL: LazyLock<Regex> =
    pattern!(r"^[^\s@<>(),;:]+@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$");

/// Whether a value has the form of its slot, or what form that is. Says nothing of the value itself.
pub fn check(slot: &Slot, value: &Value) -> Result<(), &'static str> {
    match slot {
        Slot::Appointment => match appointment(value) {
            Some(_) => Ok(()),
            None => Err("must be {\"date\":\"YYYY-MM-DD\",\"time\":\"HH:MM\",\"title\":…}"),
        },
        _ => match (slot, value.as_str().map(str::trim)) {
            (_, None) => Err("must be text"),
            (Slot::Phone, Some(text)) if !PHONE.is_match(text) => {
                Err("must be a phone number of 7 to 15 digits, as +14155550123")
            }
            (Slot::Email, Some(text)) if !EMAIL.is_match(text) => {
                Err("must be an e-mail address, as ana@example.com")
            }
            (_, Some(_)) => Ok(()),
        },
    }
}

/// A value in the form that extraction gives it. What has not the form of its slot stays.
pub fn normal(slot: &Slot, value: Value, region: &str) -> Value {
    match (slot, &value) {
        (Slot::Appointment, _) => appointment(&value).unwrap_or(value),
        (Slot::Phone, Value::String(text)) => Value::from(phone(text, region)),
        (Slot::Email, Value::String(text)) => Value::from(text.trim().to_lowercase()),
        (_, Value::String(text)) => Value::from(text.trim()),
        _ => value,
    }
}

/// E.164 where the number is valid in the region, or in the world with its `+`; else its digits, with
/// no country's code guessed.
pub fn phone(text: &str, region: &str) -> String {
    e164(text, region).unwrap_or_else(|| {
        let plus = if is_abroad(text) { "+" } else { "" };
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        format!("{plus}{digits}")
    })
}

/// The number in E.164, where it is valid.
pub fn e164(text: &str, region: &str) -> Option<String> {
    let region: Option<country::Id> = region.parse().ok();
    let number = phonenumber::parse(region, text)
        .ok()
        .filter(phonenumber::is_valid)?;
    // Without a `+` a number belongs to the region, or it is not known where it belongs.
    let is_known = is_abroad(text) || number.country().id() == region;
    is_known.then(|| number.format().mode(Mode::E164).to_string())
}

fn is_abroad(text: &str) -> bool {
    text.trim_start().starts_with('+')
}

fn appointment(value: &Value) -> Option<Value> {
    let parts = value.as_object()?;
    let known = ["date", "time", "title"];
    if parts.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let text = |name: &str| match parts.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.trim())),
        Some(_) => None,
    };
    let date: Date = text("date")??.parse().ok()?;
    let time = match text("time")? {
        Some(time) => Some(Time::strptime("%H:%M", time).ok()?),
        None => None,
    };
    Some(json!({
        "date": date.to_string(),
        "time": time.map(|time| time.strftime("%H:%M").to_string()),
        "title": text("title")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_gets_the_form_that_extraction_gives_it() {
        for (slot, said, kept) in [
            (
                "contact.phone",
                json!("415 555 2671"),
                json!("+14155552671"),
            ),
            (
                "contact.phone",
                json!(" (415) 555-2671"),
                json!("+14155552671"),
            ),
            (
                "contact.phone",
                json!("+44 20 7946 0958"),
                json!("+442079460958"),
            ),
            ("contact.phone", json!("555-2671"), json!("5552671")),
            (
                "contact.email",
                json!("Ana@Example.COM "),
                json!("ana@example.com"),
            ),
            ("identity.name", json!(" Ana Lopez "), json!("Ana Lopez")),
            (
                "appointment",
                json!({"date": "2026-03-04", "time": "9:30"}),
                json!({"date": "2026-03-04", "time": "09:30", "title": null}),
            ),
        ] {
            let slot = Slot::from(slot);
            assert_eq!(check(&slot, &said), Ok(()), "{said}");
            let once = normal(&slot, said, "US");
            assert_eq!(once, kept);
            assert_eq!(normal(&slot, once, "US"), kept);
        }
    }

    #[test]
    fn what_has_not_the_form_is_refused() {
        for (slot, said) in [
            ("contact.phone", json!("ask her")),
            ("contact.phone", json!("12345")),
            ("contact.phone", json!("٥٥٥٢٦٧١")),
            ("contact.phone", json!("1234567890123456")),
            ("contact.phone", json!("+1 415 555 2671 or 2672")),
            ("contact.email", json!("not an email")),
            ("contact.email", json!("ana@host")),
            ("contact.email", json!("a b@example.com")),
            ("identity.name", json!(7)),
            ("appointment", json!("tomorrow")),
            ("appointment", json!({"date": "tomorrow"})),
            ("appointment", json!({"date": "2026-03-04", "time": "noon"})),
            ("appointment", json!({"date": "2026-03-04", "title": 7})),
            (
                "appointment",
                json!({"date": "2026-03-04", "place": "here"}),
            ),
        ] {
            assert!(check(&Slot::from(slot), &said).is_err(), "{slot} {said}");
        }
    }
}
