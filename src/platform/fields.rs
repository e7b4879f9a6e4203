//! Takes the fields of a platform's JSON object one by one, whatever form they come in. A value that
//! can't be read as what is asked for is left in place, so that nothing a platform says is lost.

use jiff::fmt::rfc2822;
use serde_json::{Map, Value};

use super::json;
use super::pick::{cut, possible, storable, unix, whole};
use crate::conversation::Presence;
use crate::time::Timestamp;

/// The fields that have not been taken yet.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// All of an object's.
    pub(super) fn new(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// Puts a field back, or another in its place.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// A text that is not empty, or a number or a truth as one, left in its place.
    pub(super) fn peek(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(text)
    }

    /// What nobody took, without nulls.
    pub(super) fn rest(mut self) -> Map<String, Value> {
        self.0.retain(|_, value| !value.is_null());
        self.0
    }

    /// Takes the field if `read` can read it.
    fn take<T>(&mut self, key: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let taken = read(self.0.get(key)?)?;
        self.0.remove(key);
        Some(taken)
    }

    /// The same, keeping absent, null and filled apart.
    fn take_or_null<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Presence<T> {
        match self.0.get(key) {
            None => Presence::Absent,
            Some(Value::Null) => Presence::Null,
            Some(_) => self.take(key, read).map_or(Presence::Null, Presence::Value),
        }
    }

    /// A text that is not empty, or a number or a truth as one.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        if self.0.get(key).and_then(Value::as_str) == Some("") {
            self.0.remove(key);
        }
        self.take(key, text)
    }

    /// The same, keeping absent and null apart; an empty text counts as null.
    pub(super) fn text_or_null(&mut self, key: &str) -> Presence<String> {
        if self.0.get(key).and_then(Value::as_str) == Some("") {
            self.0.insert(key.to_owned(), Value::Null);
        }
        self.take_or_null(key, text)
    }

    /// A text as it is; of another value its JSON.
    pub(super) fn prose(&mut self, key: &str) -> String {
        match self.0.remove(key) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => storable(text.into()).into_owned(),
            Some(other) => other.to_string(),
        }
    }

    /// A whole number, as a number or as text; a fraction is cut.
    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        self.take(key, integer)
    }

    /// How many there are of something: a whole number that is not negative.
    pub(super) fn count(&mut self, key: &str) -> Option<i64> {
        self.take(key, |value| integer(value).filter(|count| *count >= 0))
    }

    /// How long something lasted, in milliseconds, told in units of so many. Nothing lasts less than no
    /// time, and no call a year.
    pub(super) fn lasted(&mut self, key: &str, unit_ms: f64) -> Option<i64> {
        self.take(key, |value| {
            scaled(value, unit_ms).filter(|ms| (0..=LONGEST_MS).contains(ms))
        })
    }

    /// The same in whole seconds; a fraction is cut.
    pub(super) fn seconds(&mut self, key: &str) -> Option<i64> {
        self.take(key, |value| {
            integer(value).filter(|secs| (0..=LONGEST_MS / 1_000).contains(secs))
        })
    }

    /// An amount of dollars, as cents.
    pub(super) fn cents(&mut self, key: &str) -> Option<i64> {
        self.take(key, |value| scaled(value, 100.0))
    }

    /// A moment: RFC 3339, without an offset in UTC, RFC 2822, or Unix seconds or milliseconds.
    pub(super) fn time(&mut self, key: &str) -> Option<Timestamp> {
        self.take(key, time)
    }

    /// Any value.
    pub(super) fn value(&mut self, key: &str) -> Presence<Value> {
        match self.0.remove(key) {
            None => Presence::Absent,
            Some(Value::Null) => Presence::Null,
            Some(value) => Presence::Value(value),
        }
    }

    /// Any value; null where there is none.
    pub(super) fn any(&mut self, key: &str) -> Value {
        self.0.remove(key).unwrap_or_default()
    }

    /// A list.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<Value>> {
        self.take(key, |value| value.as_array().cloned())
    }

    /// An object.
    pub(super) fn object(&mut self, key: &str) -> Option<Map<String, Value>> {
        self.take(key, |value| value.as_object().cloned())
    }

    /// The same, keeping absent and null apart.
    pub(super) fn object_or_null(&mut self, key: &str) -> Presence<Map<String, Value>> {
        self.take_or_null(key, |value| value.as_object().cloned())
    }

    /// A list of objects, keeping absent, null and empty apart.
    pub(super) fn objects_or_null(&mut self, key: &str) -> Presence<Vec<Map<String, Value>>> {
        self.take_or_null(key, |value| {
            value
                .as_array()?
                .iter()
                .map(|element| element.as_object().cloned())
                .collect()
        })
    }
}

/// The object that a payload is, fit to be stored.
pub(super) fn object_of(payload: &[u8]) -> Option<Map<String, Value>> {
    match json::read(payload).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// The object that a payload holds under this name.
pub(super) fn object_at(payload: &[u8], key: &str) -> Option<Map<String, Value>> {
    match object_of(payload)?.remove(key)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(storable(text.into()).into_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// No call lasts longer, in milliseconds: a year.
const LONGEST_MS: i64 = 366 * 86_400_000;

fn integer(value: &Value) -> Option<i64> {
    whole(&text(value)?)
}

/// A number times `factor`, rounded to a whole one.
fn scaled(value: &Value, factor: f64) -> Option<i64> {
    let number: f64 = text(value)?.trim().parse().ok()?;
    cut((number * factor).round())
}

fn time(value: &Value) -> Option<Timestamp> {
    if let Some(number) = integer(value) {
        return unix(number);
    }
    written(value.as_str()?.trim()).and_then(possible)
}

fn written(text: &str) -> Option<Timestamp> {
    if let Ok(at) = rfc2822::parse(text) {
        return Some(Timestamp::from_jiff(at.timestamp()));
    }
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Timestamp::from_jiff(zoned.timestamp()))
    })
}
