//! A moment in Unix milliseconds, written in JSON as RFC 3339 in UTC with milliseconds and `Z`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, to the millisecond: what the databases store and the API prints (product contract §8).
/// Every one can be printed and read again: what lies outside of the years -9999 to 9999 is cut to
/// the first or last that can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text was not an RFC 3339 date and time, or lies outside the years -9999 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time such as 2026-01-31T09:30:00Z")]
pub struct NotATime;

/// The first millisecond that can be printed.
const FIRST: i64 = -377_705_023_201_000;

/// The last.
const LAST: i64 = 253_402_207_200_999;

impl Timestamp {
    /// The moment so many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < FIRST {
            FIRST
        } else if millis > LAST {
            LAST
        } else {
            millis
        })
    }

    /// The moment so many seconds after 1970-01-01T00:00:00Z.
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and so much later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(by)))
    }

    /// This moment and so much earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this is; nothing when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// How long ago it was or when it will be, as people say it: `3 min ago`, `in 5 s`.
    pub fn seen_from(self, now: Self) -> String {
        if self > now {
            format!("in {}", rough(self.since(now)))
        } else {
            format!("{} ago", rough(now.since(self)))
        }
    }

    /// The same moment in the calendar's own type, for zones and dates.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// The moment a calendar's value names, cut to the millisecond.
    pub fn from_jiff(at: jiff::Timestamp) -> Self {
        Self::from_millis(at.as_millisecond())
    }
}

/// A span of time, to the one unit that matters.
pub fn rough(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0..=59 => format!("{secs} s"),
        60..=3_599 => format!("{} min", secs / 60),
        3_600..=172_799 => format!("{} h", secs / 3_600),
        _ => format!("{} d", secs / 86_400),
    }
}

fn millis(by: Duration) -> i64 {
    i64::try_from(by.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<jiff::Timestamp>()
            .map(Self::from_jiff)
            .map_err(|_| NotATime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_milliseconds_and_z() {
        let at: Timestamp = "2025-10-14T13:00:02.4179+00:00".parse().unwrap();
        assert_eq!(at.to_string(), "2025-10-14T13:00:02.417Z");
        assert_eq!(
            Timestamp::from_secs(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            "2025-10-14T15:00:02+02:00".parse(),
            Ok(Timestamp::from_secs(1_760_446_802))
        );
    }

    #[test]
    fn people_say_how_long_ago_it_was() {
        let now = Timestamp::from_secs(1_780_000_000);
        assert_eq!(
            now.minus(Duration::from_secs(200)).seen_from(now),
            "3 min ago"
        );
        assert_eq!(now.seen_from(now), "0 s ago");
        assert_eq!(now.plus(Duration::from_hours(5)).seen_from(now), "in 5 h");
        assert_eq!(rough(Duration::from_hours(49)), "2 d");
    }

    #[test]
    fn every_moment_can_be_printed_and_read() {
        let ends = [jiff::Timestamp::MIN, jiff::Timestamp::MAX];
        assert_eq!(ends.map(jiff::Timestamp::as_millisecond), [FIRST, LAST]);
        let far = Duration::MAX;
        for at in [
            Timestamp::from_millis(i64::MAX),
            Timestamp::from_millis(i64::MIN),
            Timestamp::from_secs(i64::MAX),
            Timestamp::from_secs(0).plus(far),
            Timestamp::from_secs(0).minus(far),
        ] {
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }

    #[test]
    fn says_what_is_no_time() {
        for text in ["", "yesterday", "2025-10-14", "2025-10-14T13:00:02"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn a_span_is_never_negative() {
        let early = Timestamp::from_millis(1_000);
        assert_eq!(
            early.since(early.plus(Duration::from_secs(1))),
            Duration::ZERO
        );
        assert_eq!(
            early.plus(Duration::from_secs(1)).since(early),
            Duration::from_secs(1)
        );
    }
}
