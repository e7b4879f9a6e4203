//! JSON as platforms write it. What `JSON.stringify` and `json.dumps` let through must not cost a call:
//! half a pair of surrogates, where text was cut within an emoji; numbers past every bound; objects
//! within objects without end.

use std::borrow::Cow;

use serde_json::Value;

/// Levels that are kept of what stands within one another; `serde_json` reads no more than 128.
const DEEPEST: usize = 100;

/// Reads a text as it is. Of one that can't be read so, half a pair is read as U+FFFD; a number that
/// no float can hold, and what stands too deep, as null.
pub(super) fn read(text: &[u8]) -> serde_json::Result<Value> {
    let value = serde_json::from_slice(text)
        .or_else(|error| serde_json::from_str(&mended(text)).map_err(|_| error))?;
    Ok(storable(value))
}

/// PostgreSQL has no place for U+0000: a call whose transcript holds one would never be stored.
fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(values) => values.into_iter().map(storable).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.replace('\0', "\u{fffd}"), storable(value)))
            .collect(),
        other => other,
    }
}

fn mended(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut mended = String::with_capacity(text.len());
    let (mut left, mut depth) = (&*text, 0_usize);
    while let Some(first) = left.chars().next() {
        let (token, rest) = left.split_at(length(left, first));
        let outside = depth;
        match first {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if outside.max(depth) <= DEEPEST {
            mended.push_str(&mend(token, first));
        } else if outside == DEEPEST {
            // Its brackets and all that is in them: one null.
            mended.push_str("null");
        }
        left = rest;
    }
    mended
}

/// The length of a string or a number, or of anything else one character's.
fn length(text: &str, first: char) -> usize {
    match first {
        '"' => {
            let mut is_escaped = false;
            let end = text.bytes().skip(1).position(|byte| {
                let ends = byte == b'"' && !is_escaped;
                is_escaped = byte == b'\\' && !is_escaped;
                ends
            });
            end.map_or(text.len(), |end| end + 2)
        }
        '-' | '0'..='9' => text
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(text.len()),
        _ => first.len_utf8(),
    }
}

fn mend(token: &str, first: char) -> Cow<'_, str> {
    match first {
        '"' if token.contains("\\u") => Cow::Owned(whole_pairs(token)),
        '-' | '0'..='9' if token.parse().is_ok_and(f64::is_infinite) => Cow::Borrowed("null"),
        _ => Cow::Borrowed(token),
    }
}

/// The string with each half of a pair replaced.
fn whole_pairs(text: &str) -> String {
    const UNIT: usize = "\\uD83D".len();
    let mut whole = String::with_capacity(text.len());
    let mut left = text;
    while let Some(at) = left.find('\\') {
        let (plain, escape) = left.split_at(at);
        whole.push_str(plain);
        let following = escape.get(UNIT..).and_then(unit);
        let taken = match (unit(escape), following) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * UNIT,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str("\\ufffd");
                left = escape.get(UNIT..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => UNIT,
            (None, _) => {
                let escaped = escape.chars().nth(1).map_or(0, char::len_utf8);
                1 + escaped
            }
        };
        let (kept, rest) = escape.split_at(taken);
        whole.push_str(kept);
        left = rest;
    }
    whole + left
}

/// The UTF-16 unit that a text's first escape stands for.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_read_as_it_is_stays_so() {
        let text = r#"{"a":"\ud83d\ude00 \\u \" \u0041","n":[1,-2.5e3,null,true]}"#;
        assert_eq!(
            read(text.as_bytes()).unwrap(),
            json!({"a": "😀 \\u \" A", "n": [1, -2500.0, null, true]})
        );
        assert_eq!(
            read(br#"{"a\u0000":"b\u0000"}"#).unwrap(),
            json!({"a\u{fffd}": "b\u{fffd}"})
        );
    }

    #[test]
    fn half_a_pair_costs_one_character() {
        for (half, is_read) in [
            (r"\ud83d", "\u{fffd}"),
            (r"\ude00", "\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
            (r"\\\ud83d", "\\\u{fffd}"),
            (r"\ud83dé\n", "\u{fffd}é\n"),
        ] {
            let text = format!(r#"{{"{half}":["{half}",1]}}"#);
            assert_eq!(
                read(text.as_bytes()).unwrap(),
                json!({is_read: [is_read, 1]}),
                "{half}"
            );
        }
    }

    #[test]
    fn what_no_value_holds_is_null() {
        assert_eq!(read(b"[1e400, -1e999 ,2]").unwrap(), json!([null, null, 2]));
        assert_eq!(read(b"{\"a\":\"\xff\"}").unwrap(), json!({"a": "\u{fffd}"}));
        let deep = format!(
            r#"{{"deep":{}"}}]{},"id":"x"}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        let deep = deep.replacen("\"}]", "\"}]\"", 1);
        let value = read(deep.as_bytes()).unwrap();
        assert_eq!(value["id"], "x");
        assert!(value["deep"][0][0].is_array());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "\"\\ud83d",
            "[\"\\",
            "{\"a\":\"\\u12\"}",
            "]]1e400",
            "nul",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in r#"[\[\]{}"\\ud8dce3+:, 0-9é-]{0,60}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(&read(text.as_bytes()).unwrap(), &value);
                // Mending what needs none changes nothing.
                prop_assert_eq!(&mended(text.as_bytes()), &text);
            } else {
                drop(read(text.as_bytes()));
            }
        }
    }
}
