//! From the number of an attempt to the time until the next one. Pure: the dice are rolled outside.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// How far a delay may lie from its step, either way: many calls that failed together must not all
/// come back together.
const JITTER: f64 = 0.2;

/// A fixed list of delays; behind its end, giving up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    steps: &'static [Duration],
}

/// While the platform's API fails (product contract §6).
pub const FINALIZE: Schedule = Schedule {
    steps: &[
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_mins(1),
        Duration::from_mins(5),
        Duration::from_mins(15),
        Duration::from_mins(30),
    ],
};

/// While remembering fails: six attempts (product contract §11).
pub const REMEMBER: Schedule = Schedule {
    steps: &[
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_mins(1),
        Duration::from_mins(5),
    ],
};

/// While a language model fails to read a call: nobody waits for it, and the rules have spoken.
pub const READ: Schedule = Schedule {
    steps: &[
        Duration::from_secs(10),
        Duration::from_mins(1),
        Duration::from_mins(5),
        Duration::from_mins(15),
        Duration::from_hours(1),
        Duration::from_hours(3),
        Duration::from_hours(6),
        Duration::from_hours(12),
        Duration::from_hours(24),
    ],
};

/// While a CRM's endpoint fails: the delays after the first attempt, which is made at once
/// (product contract §9).
pub const DELIVER: Schedule = Schedule {
    steps: &[
        Duration::from_secs(5),
        Duration::from_mins(5),
        Duration::from_mins(30),
        Duration::from_hours(2),
        Duration::from_hours(5),
        Duration::from_hours(10),
        Duration::from_hours(14),
        Duration::from_hours(20),
        Duration::from_hours(24),
    ],
};

impl Schedule {
    /// How long to wait when `attempt` attempts have failed, the first being 1; none when it is time
    /// to give up. `dice` is a number in `0.0..1.0`.
    pub fn after(&self, attempt: u32, dice: f64) -> Option<Duration> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        self.steps.get(index).map(|step| spread(*step, dice))
    }

    /// How often is tried before giving up.
    pub fn attempts(&self) -> usize {
        self.steps.len() + 1
    }
}

/// The step, moved by up to [`JITTER`] either way.
fn spread(step: Duration, dice: f64) -> Duration {
    step.mul_f64(1.0 - JITTER + 2.0 * JITTER * dice.clamp(0.0, 1.0))
}

/// When a call is asked for again that its platform does not yet call over: 2, 5, 10, 20, 30 s after
/// each other, then every 30 s (product contract §6).
const NOT_OVER: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
];

/// How long after the first question the next one is due, when `elapsed` has passed since it; none
/// when `max_wait` is over. The last question comes at `max_wait` itself.
///
/// It follows from the time alone, not from a count of attempts, so that a message which waits out a
/// broker's absence, or is taken twice, doesn't shorten the wait.
pub fn not_over(elapsed: Duration, max_wait: Duration) -> Option<Duration> {
    if elapsed >= max_wait {
        return None;
    }
    let mut due = Duration::ZERO;
    for gap in NOT_OVER {
        due += gap;
        if due > elapsed {
            return Some(due.min(max_wait));
        }
    }
    let gap = NOT_OVER[NOT_OVER.len() - 1];
    let behind = elapsed.saturating_sub(due).as_secs() / gap.as_secs() + 1;
    let due = due.saturating_add(gap.saturating_mul(u32::try_from(behind).unwrap_or(u32::MAX)));
    Some(due.min(max_wait))
}

/// The waits of a supervisor that connects again to a database or broker: from 100 ms, doubling, to
/// 2 s, so that work resumes within 5 s of its return. It never gives up.
#[derive(Debug)]
pub struct Reconnect(ExponentialBackoff);

impl Reconnect {
    /// From the beginning: nothing has failed yet.
    pub fn new() -> Self {
        let mut backoff = ExponentialBackoff {
            initial_interval: Duration::from_millis(100),
            multiplier: 2.0,
            max_interval: Duration::from_secs(2),
            // No chance of its own, and no clock: the dice come from outside, and time is never up.
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        backoff.reset();
        Self(backoff)
    }

    /// The next wait. `dice` is a number in `0.0..1.0`.
    pub fn wait(&mut self, dice: f64) -> Duration {
        let step = self.0.next_backoff().unwrap_or(self.0.max_interval);
        spread(step, dice)
    }

    /// Connected: the next failure begins with the shortest wait again.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: f64 = 0.5;

    fn secs(schedule: &Schedule) -> Vec<u64> {
        (1..)
            .map_while(|attempt| schedule.after(attempt, MIDDLE))
            .map(|delay| delay.as_secs())
            .collect()
    }

    #[test]
    fn the_schedules_are_the_contracts() {
        assert_eq!(secs(&FINALIZE), [1, 5, 15, 60, 300, 900, 1800]);
        assert_eq!(secs(&REMEMBER), [1, 5, 15, 60, 300]);
        assert_eq!(REMEMBER.attempts(), 6);
        assert_eq!(READ.attempts(), 10);
        assert_eq!(
            secs(&DELIVER),
            [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
        );
        assert_eq!(FINALIZE.after(0, MIDDLE), None);
        assert_eq!(FINALIZE.after(u32::MAX, MIDDLE), None);
    }

    #[test]
    fn a_call_that_is_not_over_is_asked_for_at_fixed_times() {
        let max_wait = Duration::from_mins(10);
        let mut elapsed = Duration::ZERO;
        let mut asked = Vec::new();
        while let Some(due) = not_over(elapsed, max_wait) {
            asked.push(due.as_secs());
            elapsed = due;
        }
        assert_eq!(asked[..8], [2, 7, 17, 37, 67, 97, 127, 157]);
        assert_eq!(asked[asked.len() - 2..], [577, 600]);
        assert_eq!(
            not_over(Duration::from_secs(8), max_wait)
                .unwrap()
                .as_secs(),
            17
        );
        assert_eq!(
            not_over(Duration::ZERO, Duration::from_secs(1)),
            Some(Duration::from_secs(1))
        );
        assert_eq!(not_over(max_wait, max_wait), None);
        assert_eq!(not_over(Duration::MAX, max_wait), None);
    }

    #[test]
    fn a_supervisor_starts_fast_and_never_gives_up() {
        let mut reconnect = Reconnect::new();
        let waits: Vec<u128> = (0..9).map(|_| reconnect.wait(MIDDLE).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000]);
        reconnect.reset();
        assert_eq!(reconnect.wait(MIDDLE).as_millis(), 100);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth(attempt in 1u32..8, dice in 0.0..1.0) {
            let middle = FINALIZE.after(attempt, MIDDLE).unwrap().as_secs_f64();
            let delay = FINALIZE.after(attempt, dice).unwrap().as_secs_f64();
            prop_assert!(delay >= middle * 0.8 - 1e-6 && delay <= middle * 1.2 + 1e-6);
        }

        #[test]
        fn the_next_question_lies_ahead(elapsed in 0u64..10_000, max in 0u64..10_000) {
            let elapsed = Duration::from_secs(elapsed);
            if let Some(due) = not_over(elapsed, Duration::from_secs(max)) {
                prop_assert!(due > elapsed && due <= elapsed + Duration::from_secs(30));
            }
        }
    }
}
