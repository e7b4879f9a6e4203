//! How spans of time, sizes and addresses are written in settings.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// A span of time such as `10s`, `5m`, `1h 30m`, `90d` (a day is 24 hours) or `0`.
pub fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a span of time such as \"10s\", \"5m\", \"90d\" or \"0\"";
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    if text.trim().parse::<i64>().is_ok() {
        return Err(format!("{text:?} has no unit; {EXPECTED}"));
    }
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| format!("{text:?} is none; {EXPECTED}"))
}

/// The same, but not nothing.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        span => Ok(span),
    }
}

/// A span of time that is not shorter than `least`.
pub(super) fn at_least(least: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    within(least, Duration::MAX)
}

/// A span of time from `least` to `most`.
pub(super) fn within(least: Duration, most: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        span if span < least => Err(format!("must be at least {least:?}")),
        span if span > most => Err(format!("must be at most {most:?}")),
        span => Ok(span),
    }
}

/// A number of bytes such as `1MiB`, `512KiB` or `1048576`, and more than nothing.
pub(super) fn size(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, usize); 6] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let text = text.trim();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
    number
        .trim()
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("{text:?} is no size; expected one such as \"1MiB\" or \"512KiB\""))
}

/// The largest body that can be allowed: each is held in memory whole.
const MAX_BODY: usize = 256 << 20;

/// The size of a body, which fits into memory.
pub(super) fn body(text: &str) -> Result<usize, String> {
    match size(text)? {
        bytes if bytes > MAX_BODY => Err(format!("must be at most {}MiB", MAX_BODY >> 20)),
        bytes => Ok(bytes),
    }
}

/// An address to listen on: `127.0.0.1:8080`, `[::]:8080` or `localhost:8080`.
pub fn listen(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err(format!(
            "{text:?} is no address; expected host and port such as \"127.0.0.1:8080\""
        )),
    }
}

/// The base URL of an API, without a slash at its end.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    // The text is not repeated: what stands before an `@` may be a password.
    let expected = || "expected a URL such as \"https://api.speechify.ai\"".to_owned();
    let uri: http::Uri = text.parse().map_err(|_| expected())?;
    let web = matches!(uri.scheme_str(), Some("https" | "http"));
    let authority = uri.authority().map(http::uri::Authority::as_str);
    match authority {
        Some(authority) if authority.contains('@') => {
            Err("must not carry a user or password; use api.token".to_owned())
        }
        Some(_) if web && uri.query().is_none() => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(expected()),
    }
}

/// The URL that a platform posts to, as the platform knows it: no query, for that is each request's own.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let uri = text.parse::<http::Uri>().ok();
    let whole = uri.filter(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.authority().is_some()
            && uri.query().is_none()
    });
    whole.map(|_| text.to_owned()).ok_or_else(|| {
        "expected the URL set on the platform's side, without its query, such as \
         \"https://example.com/webhooks/acme\""
            .to_owned()
    })
}

/// A time zone by its IANA name.
pub(super) fn zone(text: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(text).map_err(|_| {
        format!("{text:?} is no known time zone; expected one such as \"America/Los_Angeles\"")
    })
}

/// A region of telephone numbers: two letters of ISO 3166.
pub(super) fn region(text: &str) -> Result<String, String> {
    match text.parse::<phonenumber::country::Id>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "{text:?} is no known region; expected two capital letters such as \"US\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time() {
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("10s", 10),
            ("5m", 300),
            ("1h 30m", 5400),
            ("90d", 90 * 86_400),
            ("2w", 14 * 86_400),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "10", "-5s", "5s ago", "soon", "1mo", "1y"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn spans_of_time_have_bounds() {
        let span = within(Duration::from_millis(100), Duration::from_secs(4));
        assert_eq!(span("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(span("4s"), Ok(Duration::from_secs(4)));
        for (text, why) in [
            ("0", "more than 0"),
            ("1ms", "at least 100ms"),
            ("10s", "at most 4s"),
            ("soon", "expected a span of time"),
        ] {
            assert!(span(text).unwrap_err().contains(why), "{text}");
        }
        assert!(at_least(Duration::from_secs(1))("999ms").is_err());
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1MiB", 1_048_576),
            ("512 KiB", 524_288),
            ("2MB", 2_000_000),
            ("77", 77),
            ("77B", 77),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "1.5MiB", "MiB", "1XiB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(body("256MiB"), Ok(MAX_BODY));
        assert!(body("257MiB").unwrap_err().contains("at most 256MiB"));
    }

    #[test]
    fn addresses_and_places() {
        assert!(listen("127.0.0.1:0").is_ok() && listen("[::1]:80").is_ok());
        assert!(listen("8080").is_err() && listen(":8080").is_err() && listen("a:70000").is_err());
        assert_eq!(base_url("https://a.b/c/"), Ok("https://a.b/c".to_owned()));
        for text in ["a.b", "ftp://a.b", "https://a.b?x=1", ""] {
            assert!(base_url(text).is_err(), "{text}");
        }
        let refused = base_url("https://user:planted@a.b").unwrap_err();
        assert!(!refused.contains("planted"));
        assert!(zone("America/Los_Angeles").is_ok() && zone("Mars/Olympus").is_err());
        assert!(region("US").is_ok() && region("us").is_err() && region("USA").is_err());
    }
}
