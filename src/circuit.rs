//! A source's circuit: when its API refuses us or asks us to slow down, its work waits unspent.

use std::time::Duration;

use crate::time::Timestamp;

/// Refusals in a row that open the circuit (product contract §6).
const OPENS_AT: u32 = 5;

/// How often an open circuit lets one request through to see (product contract §6).
const PROBE_EVERY: Duration = Duration::from_mins(1);

/// How long a request waits that was refused while the circuit is still closed.
const REFUSED_WAIT: Duration = Duration::from_secs(2);

/// How long a source pauses that does not say how long (429 without `Retry-After`).
const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause that is taken from a platform (product contract §6).
const MAX_PAUSE: Duration = Duration::from_mins(15);

/// What a source's API does to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// It answers, or has not been asked yet.
    Closed,
    /// It refuses our token: one probe a minute goes out.
    Open,
    /// It asked us to rest until then.
    Paused(Timestamp),
}

impl CircuitState {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Paused(_) => "paused",
        }
    }
}

/// The state of one source's circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    refusals: u32,
    /// When the next probe may go out.
    probe_at: Option<Timestamp>,
    /// Until when the platform asked us to rest. An answer that was on its way does not end it.
    paused_until: Option<Timestamp>,
}

impl Circuit {
    /// Whether a request may go out now, or how long to wait. An open circuit lets one through a
    /// minute.
    pub fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        let closed = [self.probe_at, self.paused_until].into_iter().flatten();
        if let Some(until) = closed.max().filter(|until| now < *until) {
            return Err(until.since(now));
        }
        if self.is_open() {
            self.probe_at = Some(now.plus(PROBE_EVERY));
        }
        Ok(())
    }

    /// The API answered, and did not refuse our token.
    pub fn answered(&mut self) {
        self.refusals = 0;
        self.probe_at = None;
    }

    /// The API refused our token; answers how long the work waits.
    pub fn refused(&mut self, now: Timestamp) -> Duration {
        self.refusals = self.refusals.saturating_add(1);
        if self.is_open() {
            self.probe_at = Some(now.plus(PROBE_EVERY));
            PROBE_EVERY
        } else {
            REFUSED_WAIT
        }
    }

    /// The API asked us to slow down; answers how long the work waits.
    pub fn slowed(&mut self, after: Option<Duration>, now: Timestamp) -> Duration {
        let pause = after
            .unwrap_or(DEFAULT_PAUSE)
            .clamp(Duration::from_secs(1), MAX_PAUSE);
        let until = now.plus(pause);
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
        pause
    }

    /// How it stands at a moment.
    pub fn state(&self, now: Timestamp) -> CircuitState {
        match self.paused_until.filter(|until| now < *until) {
            _ if self.is_open() => CircuitState::Open,
            Some(until) => CircuitState::Paused(until),
            None => CircuitState::Closed,
        }
    }

    /// Whether the API has refused us too often.
    pub fn is_open(&self) -> bool {
        self.refusals >= OPENS_AT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn later(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    #[test]
    fn five_refusals_in_a_row_open_it() {
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            assert_eq!(circuit.refused(NOW), REFUSED_WAIT);
            assert_eq!(circuit.admit(NOW), Ok(()));
        }
        circuit.answered();
        for _ in 0..5 {
            circuit.refused(NOW);
        }
        assert!(circuit.is_open());
        assert_eq!(circuit.admit(later(59)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn an_open_one_lets_one_probe_through_a_minute() {
        let mut circuit = Circuit::default();
        for _ in 0..5 {
            circuit.refused(NOW);
        }
        assert_eq!(circuit.admit(later(60)), Ok(()));
        assert!(circuit.admit(later(60)).is_err(), "only one");
        circuit.answered();
        assert_eq!(circuit.admit(later(60)), Ok(()));
        assert!(!circuit.is_open());
    }

    #[test]
    fn a_pause_is_bounded_and_the_longest_wins() {
        let mut circuit = Circuit::default();
        assert_eq!(
            circuit.slowed(Some(Duration::from_hours(2)), NOW),
            MAX_PAUSE
        );
        circuit.slowed(Some(Duration::from_secs(5)), NOW);
        assert_eq!(circuit.admit(NOW), Err(MAX_PAUSE));
        assert_eq!(circuit.admit(NOW.plus(MAX_PAUSE)), Ok(()));
    }

    #[test]
    fn an_answer_that_was_on_its_way_does_not_end_a_pause() {
        let mut circuit = Circuit::default();
        circuit.slowed(Some(Duration::from_secs(30)), NOW);
        circuit.answered();
        assert_eq!(circuit.admit(NOW), Err(Duration::from_secs(30)));
        assert_eq!(circuit.admit(later(30)), Ok(()));
    }
}
