//! Takes the few wanted fields out of a JSON object and passes over the rest, without building a tree
//! and without caring about what senders get wrong: keys given twice (the last counts), numbers
//! written as text, `snake_case` for `camelCase`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::time::Timestamp;

/// A field's value as it is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Raw<'a>(Option<&'a str>);

/// The wanted fields of the object, in the order asked for; none when the text is not one object.
pub(super) fn pick<'a, const N: usize>(json: &'a str, wanted: [&str; N]) -> Option<[Raw<'a>; N]> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = reader.deserialize_map(Fields { wanted }).ok()?;
    reader.end().ok()?;
    Some(found)
}

impl<'a> Raw<'a> {
    /// The wanted fields of the object that this value is; nothing of another value.
    pub(super) fn pick<const N: usize>(self, wanted: [&str; N]) -> [Raw<'a>; N] {
        self.0
            .and_then(|json| pick(json, wanted))
            .unwrap_or([Raw(None); N])
    }

    /// The first element of the list that this value is.
    pub(super) fn first(self) -> Raw<'a> {
        let list = self
            .0
            .and_then(|json| serde_json::from_str::<Vec<&RawValue>>(json).ok());
        Raw(list.and_then(|list| list.first().map(|first| first.get())))
    }

    /// This value, or the other where this one is absent or null.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_filled() { self } else { other }
    }

    /// Whether there is a value other than null.
    pub(super) fn is_filled(self) -> bool {
        !matches!(self.0, None | Some("null"))
    }

    /// Whether it is true, as a truth or as text.
    pub(super) fn is_true(self) -> bool {
        matches!(self.0, Some("true" | "\"true\""))
    }

    /// A text that is not empty, or a number's digits.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        let json = self.0?;
        let text = match json.as_bytes().first()? {
            b'"' => serde_json::from_str::<Text<'a>>(json).ok()?.0,
            b'-' | b'0'..=b'9' => Cow::Borrowed(json),
            _ => return None,
        };
        (!text.is_empty()).then(|| storable(text))
    }

    /// A whole number, as a number or as text; a fraction is cut.
    pub(super) fn integer(self) -> Option<i64> {
        whole(&self.text()?)
    }

    /// A moment as RFC 3339, or in Unix seconds or milliseconds; zero says nothing.
    pub(super) fn time(self) -> Option<Timestamp> {
        match self.integer() {
            Some(number) => unix(number),
            None => self.text()?.trim().parse().ok().and_then(possible),
        }
    }
}

/// A string that borrows where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Fields<'w, const N: usize> {
    wanted: [&'w str; N],
}

impl<'de, const N: usize> Visitor<'de> for Fields<'_, N> {
    type Value = [Raw<'de>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [Raw(None); N];
        while let Some(place) = map.next_key_seed(Place(&self.wanted))? {
            match place {
                Some(place) => found[place] = Raw(Some(map.next_value::<&RawValue>()?.get())),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a key into its place among the wanted ones.
struct Place<'w>(&'w [&'w str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| same(key, wanted)))
    }
}

/// Whether the two keys are one but for `camelCase` and `snake_case`.
fn same(key: &str, wanted: &str) -> bool {
    key == wanted || letters(key).eq(letters(wanted))
}

fn letters(key: &str) -> impl Iterator<Item = u8> {
    key.bytes()
        .filter(|byte| *byte != b'_')
        .map(|byte| byte.to_ascii_lowercase())
}

/// The text without U+0000, which PostgreSQL can't store: one such character in a transcript must not
/// keep a call from ever being written.
pub(super) fn storable(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        text
    }
}

/// A whole number; a fraction is cut.
pub(super) fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| cut(text.parse().ok()?))
}

/// The whole part of a number that is one of ours; of one past every bound nothing is known.
pub(super) fn cut(number: f64) -> Option<i64> {
    /// The first power of two that is too large.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is to be cut")]
    (number.abs() < BOUND).then_some(number as i64)
}

/// A moment in Unix seconds or milliseconds, told apart by size: as seconds, the smallest number read
/// as milliseconds would lie in the year 5138.
pub(super) fn unix(number: i64) -> Option<Timestamp> {
    possible(if number.unsigned_abs() < 100_000_000_000 {
        Timestamp::from_secs(number)
    } else {
        Timestamp::from_millis(number)
    })
}

/// A moment at which a call may have been: zero times of programming languages and times centuries ahead
/// say nothing.
pub(super) fn possible(at: Timestamp) -> Option<Timestamp> {
    /// 2200-01-01T00:00:00Z
    const END: Timestamp = Timestamp::from_secs(7_258_118_400);
    (Timestamp::from_secs(0) < at && at < END).then_some(at)
}

/// A name out of a body, made fit for logs and answers: the letters, digits and signs of event
/// names, and no more than 64 of them.
pub(super) fn printable(name: &str) -> String {
    let fit = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':') {
            c
        } else {
            '_'
        }
    };
    name.chars().take(64).map(fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_in_any_spelling_and_the_last_of_two() {
        let [time, name, gone] = pick(
            r#"{"createdAt":"17","created_at":18, "deep":[[{}]], "name":"a\"b"}"#,
            ["created_at", "name", "gone"],
        )
        .unwrap();
        assert_eq!(time.integer(), Some(18));
        assert_eq!(name.text().unwrap(), "a\"b");
        assert!(gone.text().is_none());
    }

    #[test]
    fn numbers_come_in_many_forms() {
        for (json, number) in [
            (r#"{"n":5}"#, Some(5)),
            (r#"{"n":"5"}"#, Some(5)),
            (r#"{"n":5.9}"#, Some(5)),
            (r#"{"n":1e3}"#, Some(1000)),
            (r#"{"n":1e30}"#, None),
            (r#"{"n":-1e300}"#, None),
            (r#"{"n":"NaN"}"#, None),
            (r#"{"n":""}"#, None),
            (r#"{"n":null}"#, None),
            (r#"{"n":[5]}"#, None),
            (r#"{"n":"five"}"#, None),
        ] {
            let [n] = pick(json, ["n"]).unwrap();
            assert_eq!(n.integer(), number, "{json}");
        }
    }

    #[test]
    fn a_time_at_which_nobody_called_is_none() {
        for (json, is_one) in [
            (r#"{"t":"2026-02-01T09:30:00Z"}"#, true),
            (r#"{"t":1769938200}"#, true),
            (r#"{"t":1769938200000}"#, true),
            (r#"{"t":0}"#, false),
            (r#"{"t":-5}"#, false),
            (r#"{"t":9223372036854775807}"#, false),
            (r#"{"t":"0001-01-01T00:00:00Z"}"#, false),
            (r#"{"t":"1970-01-01T00:00:00Z"}"#, false),
            (r#"{"t":"9999-12-31T00:00:00Z"}"#, false),
        ] {
            let [t] = pick(json, ["t"]).unwrap();
            assert_eq!(t.time().is_some(), is_one, "{json}");
        }
    }

    #[test]
    fn what_is_no_object_gives_nothing() {
        for json in [
            "",
            "[]",
            "null",
            "\"x\"",
            "{",
            r#"{"a":1}{"#,
            r#"{"a":1"#,
            "{\"a\":1}x",
        ] {
            assert!(pick(json, ["a"]).is_none(), "{json}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!(
            r#"{{"a":{}1{},"b":2}}"#,
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        let [a, b] = pick(&deep, ["a", "b"]).unwrap();
        assert_eq!(b.integer(), Some(2));
        assert!(a.text().is_none() && a.first().text().is_none());
        assert!(pick(&"{\"a\":".repeat(200_000), ["a"]).is_none());
    }

    #[test]
    fn no_text_has_a_character_that_can_not_be_stored() {
        let [name] = pick(r#"{"name":"a\u0000b"}"#, ["name"]).unwrap();
        assert_eq!(name.text().unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn names_are_made_fit_to_print() {
        assert_eq!(printable("call.ended\n\u{1b}[31m"), "call.ended___31m");
        assert_eq!(printable(&"x".repeat(900)).len(), 64);
    }
}
