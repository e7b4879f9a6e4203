//! Moments as people give them to a command: the moment itself, or how long ago it was.

use crate::config;
use crate::host::Clock;
use crate::time::Timestamp;

/// Reads a flag such as `--since`: `2026-02-01T00:00:00Z`, or `24h` for this time yesterday.
pub(super) fn moment(text: &str) -> Result<Timestamp, &'static str> {
    before(text, Clock::System.now())
}

fn before(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    config::duration(text)
        .map(|ago| now.minus(ago))
        .map_err(|_| "expected a time such as 2026-02-01T00:00:00Z, or for how long, as 24h")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let day = NOW.minus(Duration::from_hours(24));
        assert_eq!(before("24h", NOW), Ok(day));
        assert_eq!(before(&day.to_string(), NOW), Ok(day));
        let why = before("yesterday", NOW).unwrap_err();
        assert!(why.contains("24h") && !why.contains("yesterday"), "{why}");
    }
}
