//! How fast a job sends, and when it stops by itself: rules without I/O.

use std::time::Duration;

use crate::store::replays::{Job, Status};
use crate::time::Timestamp;

/// Verdicts that the failure rate of a running job is taken from (product contract §11).
pub(super) const WINDOW: i64 = 50;

/// Letters that go first unless somebody says otherwise.
const CANARY: u32 = 10;

/// Letters on their way at the most, whatever the rate: what fails is seen before more is sent.
const IN_FLIGHT: (f64, f64) = (50.0, 5_000.0);

/// How many of so many letters go first unless somebody says otherwise. One letter is its own.
pub fn usual_canary(letters: i64) -> u32 {
    if letters > 1 { CANARY } else { 0 }
}

/// A token bucket: letters that may be sent now.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    tokens: f64,
    filled_at: Timestamp,
}

impl Bucket {
    /// A bucket that lets one letter go at once.
    pub(super) fn new(rate: f64, now: Timestamp) -> Self {
        Self {
            rate,
            tokens: 1.0,
            filled_at: now,
        }
    }

    /// How many letters may be sent now. What a second of standing still has saved up, at the most.
    pub(super) fn available(&mut self, now: Timestamp) -> i64 {
        self.tokens += self.rate * now.since(self.filled_at).as_secs_f64();
        self.tokens = self.tokens.min(self.rate.max(1.0));
        self.filled_at = now;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rates are bounded: a bucket holds thousands at the most"
        )]
        let whole = self.tokens.floor() as i64;
        whole
    }

    /// Letters were sent.
    pub(super) fn take(&mut self, letters: i64) {
        self.tokens -= as_f64(letters);
    }

    /// How long until the next letter may be sent.
    pub(super) fn next(&self) -> Duration {
        let missing = (1.0 - self.tokens).max(0.0) / self.rate;
        Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX)
    }
}

/// How many more letters may be on their way.
pub(super) fn room(job: &Job) -> i64 {
    let (least, most) = IN_FLIGHT;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is clamped to thousands"
    )]
    let cap = job.plan.rate.clamp(least, most) as i64;
    let room = cap - job.in_flight();
    if job.in_canary {
        room.min(job.canary_left)
    } else {
        room
    }
}

/// What the verdicts so far make of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdicts {
    /// Since the canary set out: all, and those that failed.
    pub(super) canary: (i64, i64),
    /// The latest of them, [`WINDOW`] at the most: all, and those that failed.
    pub(super) last: (i64, i64),
    /// Whether letters are still to be sent.
    pub(super) left: bool,
}

/// Moves a running job on: past its canary, to its end, or to a stop.
pub(super) fn judge(job: &mut Job, verdicts: Verdicts, now: Timestamp) {
    if job.status != Status::Running {
        return;
    }
    let limit = job.plan.stop_at_failure_rate;
    let passes = |failed: i64, of: i64| of > 0 && as_f64(failed) > limit * as_f64(of);
    let idle = job.in_flight() == 0;
    if job.in_canary {
        let (judged, failed) = verdicts.canary;
        // It need not be waited for to its end, once too many have failed of all that it can be.
        let to_come = job.canary_left.min(job.total - job.sent).max(0);
        let size = judged + job.in_flight() + to_come;
        let over = idle && (job.canary_left == 0 || !verdicts.left);
        if passes(failed, if over { judged } else { size }) {
            let of = match judged {
                1 if size == 1 => "the only canary letter".to_owned(),
                1 => format!("the first of {size} canary letters"),
                _ if failed == judged && judged < size => {
                    format!("the first {judged} of {size} canary letters")
                }
                _ if judged < size => {
                    format!("{failed} of the first {judged} of {size} canary letters")
                }
                _ => format!("{failed} of the {judged} canary letters"),
            };
            return end(job, Status::Stopped, stopped(&of), now);
        }
        if over {
            job.in_canary = false;
            if job.plan.canary_only {
                return end(job, Status::Completed, String::new(), now);
            }
        }
    }
    let (judged, failed) = verdicts.last;
    if judged >= WINDOW && passes(failed, judged) {
        let of = format!("{failed} of the last {judged} letters");
        end(job, Status::Stopped, stopped(&of), now);
    } else if idle && !verdicts.left {
        end(job, Status::Completed, String::new(), now);
    }
}

fn end(job: &mut Job, status: Status, reason: String, now: Timestamp) {
    job.status = status;
    job.reason = reason;
    job.updated_at = now;
    if status.is_over() {
        job.finished_at = Some(now);
    }
}

/// As `3 of the first 5 of 10 canary letters failed again: …`.
fn stopped(letters: &str) -> String {
    format!("{letters} failed again: mend the cause, then resume")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of letters stay far below 2^52"
)]
fn as_f64(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dead_letters::State;
    use crate::store::replays::Plan;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    /// A job whose canary of five has had so many verdicts, all of them failures.
    fn failing(total: i64, sent: i64, failed: i64) -> Job {
        Job {
            id: "replay_1".to_owned(),
            status: Status::Running,
            reason: String::new(),
            filter: "{}".to_owned(),
            agents: Vec::new(),
            plan: Plan {
                rate: 10.0,
                canary: 5,
                canary_only: false,
                stop_at_failure_rate: 0.1,
                state: State::Dead,
            },
            total,
            sent,
            succeeded: 0,
            failed,
            passed_over: 0,
            canary_left: 5 - sent,
            in_canary: true,
            judged_from: 0,
            created_by: "token_1".to_owned(),
            created_at: NOW,
            updated_at: NOW,
            finished_at: None,
        }
    }

    fn reason(mut job: Job) -> String {
        let verdicts = Verdicts {
            canary: (job.done(), job.failed),
            last: (job.done(), job.failed),
            left: job.sent < job.total,
        };
        judge(&mut job, verdicts, NOW);
        assert_eq!(job.status, Status::Stopped);
        job.reason
    }

    #[test]
    fn ten_of_several_letters_go_first() {
        let wanted = [(0, 0), (1, 0), (2, 10), (50_000, 10)];
        for (letters, canary) in wanted {
            assert_eq!(usual_canary(letters), canary, "{letters}");
        }
    }

    #[test]
    fn the_reason_says_how_many_were_judged_and_of_how_many() {
        for (job, told) in [
            (failing(40, 1, 1), "the first of 5 canary letters"),
            (failing(40, 5, 3), "the first 3 of 5 canary letters"),
            (failing(40, 5, 5), "5 of the 5 canary letters"),
            (failing(2, 2, 1), "the first of 2 canary letters"),
            (failing(1, 1, 1), "the only canary letter"),
        ] {
            let told = format!("{told} failed again: mend the cause, then resume");
            assert_eq!(reason(job), told);
        }
    }

    #[test]
    fn a_running_job_stops_by_its_last_verdicts() {
        let job = Job {
            in_canary: false,
            canary_left: 0,
            ..failing(400, 60, 50)
        };
        let told = "50 of the last 50 letters failed again: mend the cause, then resume";
        assert_eq!(reason(job), told);
    }
}
