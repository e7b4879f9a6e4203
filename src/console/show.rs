//! Times, spans, numbers and addresses as pages show them.

use std::fmt::Write as _;
use std::time::Duration;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};

use super::Failure;
use crate::page::{Cursor, PageRequest};
use crate::time::{Timestamp, rough};

/// A whole page, or a part of one.
pub(super) fn page(template: &impl Template) -> Result<Response, Failure> {
    Ok(Html(template.render()?).into_response())
}

/// A moment: as a machine reads it, and as people do, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    /// RFC 3339.
    pub(super) exact: String,
    /// As `28 Nov, 23:31:05`, with the year where it is another one.
    pub(super) text: String,
    /// As `3 min ago`.
    pub(super) ago: String,
}

impl Moment {
    pub(super) fn of(at: Timestamp, now: Timestamp) -> Self {
        let utc = |at: Timestamp| at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
        let form = if utc(at).year() == utc(now).year() {
            "%-d %b, %H:%M:%S"
        } else {
            "%-d %b %Y, %H:%M:%S"
        };
        Self {
            exact: at.to_string(),
            text: utc(at).strftime(form).to_string(),
            ago: at.seen_from(now),
        }
    }
}

/// A moment as a browser's field for one says it, which is in UTC here, or as RFC 3339.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_jiff(zoned.timestamp()))
}

/// A latency: milliseconds below a second, then seconds, then what is rough.
pub(super) fn latency(millis: i64) -> String {
    let millis = u64::try_from(millis).unwrap_or(0);
    match millis {
        0..=999 => format!("{millis} ms"),
        1_000..=9_999 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        10_000..=119_999 => format!("{} s", millis / 1_000),
        _ => rough(Duration::from_millis(millis)),
    }
}

/// A place in a recording or a call, as `3:07`.
pub(super) fn clock(millis: i64) -> String {
    let secs = millis.max(0) / 1_000;
    if secs >= 3_600 {
        format!("{}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60)
    } else {
        format!("{}:{:02}", secs / 60, secs % 60)
    }
}

/// A number with its thousands set apart.
pub(super) fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        shown.push('−');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 letter`, `2 letters`.
pub(super) fn counted(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A text as part of a URL, path or query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// An address with those parameters that say something.
pub(super) fn href(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut join = '?';
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(address, "{join}{name}={}", encode(value));
        join = '&';
    }
    address
}

/// The pairs of a form (`application/x-www-form-urlencoded`).
pub(super) fn form_pairs(body: &[u8]) -> Vec<(String, String)> {
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            (half(), half())
        })
        .collect()
}

fn decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%');
        let escaped = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if let Some(byte) = escaped {
            bytes.push(byte);
            &after[2..]
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The part of a list that a cursor asks for; a cursor that is none begins at the beginning.
pub(super) fn request(cursor: &str, size: usize) -> PageRequest {
    PageRequest {
        size,
        after: Cursor::decode(cursor).ok(),
    }
}

/// Where the next part of a list is.
pub(super) fn next(path: &str, parameters: &[(&str, &str)], cursor: Option<&Cursor>) -> String {
    let Some(cursor) = cursor.map(Cursor::encode) else {
        return String::new();
    };
    let mut parameters = parameters.to_vec();
    parameters.push(("cursor", &cursor));
    href(path, &parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_browsers_write_them() {
        let at = "2026-02-01T09:30:00Z".parse().ok();
        for text in [
            "2026-02-01T09:30",
            "2026-02-01T09:30:00",
            "2026-02-01T10:30:00+01:00",
        ] {
            assert_eq!(moment(text), at, "{text}");
        }
        assert_eq!(moment("2026-02-01"), "2026-02-01T00:00:00Z".parse().ok());
        assert_eq!((moment(""), moment("today")), (None, None));
    }

    #[test]
    fn people_read_spans_and_numbers() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(
            (number(-12), number(999)),
            ("−12".to_owned(), "999".to_owned())
        );
        assert_eq!(latency(950), "950 ms");
        assert_eq!(latency(10_400), "10 s");
        assert_eq!(latency(2_340), "2.3 s");
        assert_eq!(
            (clock(187_400), clock(3_661_000)),
            ("3:07".into(), "1:01:01".into())
        );
    }

    #[test]
    fn what_is_put_into_an_address_stays_one_value() {
        let address = href("/console/x", &[("q", "a&b=c #<\"é"), ("empty", "")]);
        assert_eq!(address, "/console/x?q=a%26b%3Dc%20%23%3C%22%C3%A9");
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let pairs = form_pairs(b"a=1+2&b=%C3%A9%2B&c&d=%zz%4");
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("a", "1 2"), ("b", "é+"), ("c", ""), ("d", "%zz%4")]
        );
    }

    #[test]
    fn a_moment_says_how_long_ago_it_was() {
        let now = Timestamp::from_secs(1_780_000_000);
        let moment = Moment::of(now.minus(Duration::from_secs(200)), now);
        assert_eq!(moment.ago, "3 min ago");
        assert_eq!(
            Moment::of(now.plus(Duration::from_secs(5)), now).ago,
            "in 5 s"
        );
        assert_eq!(moment.text, "28 May, 20:23:20");
        assert_eq!(
            Moment::of(Timestamp::from_secs(0), now).text,
            "1 Jan 1970, 00:00:00"
        );
    }
}
