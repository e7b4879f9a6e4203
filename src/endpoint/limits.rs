//! What may be said of an endpoint, whoever says it: a client of the API, or somebody at the console.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{ENDPOINT_DISABLED, EVENT_TYPES, EVERYTHING};

/// Deliveries at once unless the maker says otherwise.
pub const CONCURRENCY: u32 = 10;

/// Deliveries at once at the most.
pub const MAX_CONCURRENCY: u32 = 100;

/// The highest rate, in deliveries a second.
pub const MAX_RATE: u32 = 1000;

/// The longest URL, in bytes.
pub const MAX_URL: usize = 2000;

/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;

/// Headers of an endpoint at the most.
pub const MAX_HEADERS: usize = 20;

/// How long two secrets sign, unless told.
pub const OVERLAP: Duration = Duration::from_hours(24);

/// The longest that two secrets sign.
pub const MAX_OVERLAP: Duration = Duration::from_hours(30 * 24);

/// The longest value of a header, in bytes.
const MAX_HEADER: usize = 4 << 10;

/// Headers that are ours, or the connection's.
const RESERVED: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "proxy-authorization",
];

/// Whether there is such an event to subscribe to.
pub fn is_event(name: &str) -> bool {
    name == EVERYTHING || name == ENDPOINT_DISABLED || EVENT_TYPES.contains(&name)
}

/// A header as it is sent. What is wrong with one is told without its value.
pub fn header(name: &str, value: &str) -> Result<(String, String), String> {
    let known = HeaderName::try_from(name).map_err(|_| format!("{name:?} is no header's name"))?;
    if RESERVED.contains(&known.as_str()) || known.as_str().starts_with("webhook-") {
        return Err(format!("{known} is set by aftercall"));
    }
    if value.is_empty() || value.len() > MAX_HEADER || HeaderValue::try_from(value).is_err() {
        return Err(format!("{known} has a value that no header can carry"));
    }
    Ok((known.to_string(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_the_customers_or_it_is_ours() {
        assert_eq!(
            header("X-Key", "a b"),
            Ok(("x-key".to_owned(), "a b".to_owned()))
        );
        for (name, value) in [
            ("Host", "planted"),
            ("webhook-signature", "planted"),
            ("X Key", "planted"),
            ("X-Key", ""),
            ("X-Key", "planted\r\nX-Other: a"),
        ] {
            let why = header(name, value).unwrap_err();
            assert!(!why.contains("planted"), "{why}");
        }
        assert!(header("X-Key", &"x".repeat(MAX_HEADER + 1)).is_err());
    }

    #[test]
    fn events_are_known_by_name() {
        assert!(is_event("*") && is_event("memory.changed") && is_event("endpoint.disabled"));
        assert!(!is_event("endpoint.test") && !is_event(""));
    }
}
