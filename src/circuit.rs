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
    /// It takes our token, which lacks this scope, and so shows nothing of a call: the same.
    Lacking(&'static str),
    /// It asked us to rest until then.
    Paused(Timestamp),
}

impl CircuitState {
    /// Whether its work waits until somebody sees to our token.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Lacking(_))
    }

    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open | Self::Lacking(_) => "open",
            Self::Paused(_) => "paused",
        }
    }
}

/// The state of one source's circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    refusals: u32,
    /// The scope that our token lacks, as a single read has shown.
    lacks: Option<&'static str>,
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

    /// The API answered, and did not refuse our token. What a token may see is not known by that.
    pub fn answered(&mut self) {
        self.refusals = 0;
        self.probe_at = None;
    }

    /// The API showed a whole call.
    pub fn shown(&mut self) {
        self.lacks = None;
        self.answered();
    }

    /// The API showed a call without what our token may not see; answers how long the work waits.
    pub fn unscoped(&mut self, scope: &'static str, now: Timestamp) -> Duration {
        self.lacks = Some(scope);
        self.probe_at = Some(now.plus(PROBE_EVERY));
        PROBE_EVERY
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
        let paused = self.paused_until.filter(|until| now < *until);
        match (self.lacks, paused) {
            _ if self.refusals >= OPENS_AT => CircuitState::Open,
            (Some(scope), _) => CircuitState::Lacking(scope),
            (None, Some(until)) => CircuitState::Paused(until),
            (None, None) => CircuitState::Closed,
        }
    }

    /// Whether the API has refused us too often, or our token is known to be too weak.
    pub fn is_open(&self) -> bool {
        self.refusals >= OPENS_AT || self.lacks.is_some()
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
    fn a_token_that_lacks_a_scope_is_not_mended_by_a_list() {
        let mut circuit = Circuit::default();
        assert_eq!(circuit.unscoped("calls:read", NOW), PROBE_EVERY);
        assert_eq!(circuit.state(NOW), CircuitState::Lacking("calls:read"));
        assert!(circuit.admit(NOW).is_err());
        // The list is taken as the probe; the next one asks for a call again.
        assert_eq!(circuit.admit(later(60)), Ok(()));
        circuit.answered();
        assert!(circuit.is_open());
        assert_eq!(circuit.admit(later(60)), Ok(()));
        assert!(circuit.admit(later(60)).is_err(), "only one");
        circuit.shown();
        assert_eq!(circuit.state(later(60)), CircuitState::Closed);
        assert_eq!(circuit.admit(later(60)), Ok(()));
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
