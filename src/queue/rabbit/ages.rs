//! How old the messages in the broker are, as far as this process can tell: the broker does not say.
//!
//! A queue gives its oldest message first: what waits in it is younger than what is in somebody's hand,
//! and each process knows the messages in its own, and those that it has put off. Only while nobody takes
//! from a queue is nothing known of what waits there, but since when that is so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::Stage;
use crate::time::Timestamp;

/// How long a message that was put off may take to come back from its delay.
const SLACK: Duration = Duration::from_secs(2);

/// What is known, by stage.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages(Arc<[Mutex<Known>; Stage::ALL.len()]>);

#[derive(Debug, Default)]
struct Known {
    next: u64,
    in_hand: HashMap<u64, Message>,
    /// When the queue was last seen empty, or somebody was seen taking from it.
    attended_at: Option<Timestamp>,
    /// Whether messages wait that nobody takes.
    is_left: bool,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    enqueued_at: Timestamp,
    /// Where it is not in hand any more: until when it is put off.
    until: Option<Timestamp>,
}

/// A message's place among those in hand: it ends with the last of its holders.
#[derive(Debug)]
pub(super) struct Place {
    ages: Ages,
    stage: Stage,
    number: u64,
}

impl Ages {
    /// A message has come into our hands.
    pub(super) fn hold(&self, stage: Stage, enqueued_at: Timestamp) -> Arc<Place> {
        let mut known = self.known(stage);
        let number = known.next;
        known.next += 1;
        let message = Message {
            enqueued_at,
            until: None,
        };
        known.in_hand.insert(number, message);
        drop(known);
        Arc::new(Place {
            ages: self.clone(),
            stage,
            number,
        })
    }

    /// So many messages wait in a stage's queue now, and so many take from it.
    pub(super) fn look(&self, stage: Stage, waiting: i64, takers: u32, now: Timestamp) {
        let mut known = self.known(stage);
        known.is_left = waiting > 0 && takers == 0;
        if !known.is_left || known.attended_at.is_none() {
            known.attended_at = Some(now);
        }
    }

    /// When the oldest message of a stage was made durable, as far as we know.
    pub(super) fn oldest_at(&self, stage: Stage, now: Timestamp) -> Option<Timestamp> {
        let mut known = self.known(stage);
        known
            .in_hand
            .retain(|_, message| message.until.is_none_or(|until| until.plus(SLACK) > now));
        let left = known.attended_at.filter(|_| known.is_left);
        let in_hand = known.in_hand.values().map(|message| message.enqueued_at);
        in_hand.chain(left).min()
    }

    fn known(&self, stage: Stage) -> MutexGuard<'_, Known> {
        // Plain values, each written whole: whoever panicked left them so.
        self.0[stage as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The message has gone back to the broker, to come again then.
    pub(super) fn put_off(&self, until: Timestamp) {
        if let Some(message) = self.ages.known(self.stage).in_hand.get_mut(&self.number) {
            message.until = Some(until);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.ages.known(self.stage);
        let ended = known
            .in_hand
            .get(&self.number)
            .is_some_and(|message| message.until.is_none());
        if ended {
            known.in_hand.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);
    const STAGE: Stage = Stage::Finalize;

    fn later(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    #[test]
    fn what_is_in_hand_is_known_until_it_is_let_go() {
        let ages = Ages::default();
        let old = ages.hold(STAGE, NOW);
        let young = ages.hold(STAGE, later(5));
        assert_eq!(ages.oldest_at(STAGE, later(9)), Some(NOW));
        assert_eq!(ages.oldest_at(Stage::Deliver, later(9)), None);
        let held_twice = Arc::clone(&old);
        drop(old);
        assert_eq!(ages.oldest_at(STAGE, later(9)), Some(NOW));
        drop(held_twice);
        assert_eq!(ages.oldest_at(STAGE, later(9)), Some(later(5)));
        drop(young);
        assert_eq!(ages.oldest_at(STAGE, later(9)), None);
    }

    #[test]
    fn what_is_put_off_is_known_until_it_must_be_back() {
        let ages = Ages::default();
        let place = ages.hold(STAGE, NOW);
        place.put_off(later(30));
        drop(place);
        assert_eq!(ages.oldest_at(STAGE, later(30)), Some(NOW));
        assert_eq!(ages.oldest_at(STAGE, later(32)), None);
    }

    #[test]
    fn a_queue_that_nobody_takes_from_grows_old() {
        let ages = Ages::default();
        ages.look(STAGE, 0, 0, NOW);
        assert_eq!(ages.oldest_at(STAGE, NOW), None);
        ages.look(STAGE, 3, 0, later(5));
        ages.look(STAGE, 4, 0, later(10));
        assert_eq!(ages.oldest_at(STAGE, later(10)), Some(NOW));
        // Whoever takes from it knows better.
        ages.look(STAGE, 4, 1, later(15));
        assert_eq!(ages.oldest_at(STAGE, later(15)), None);
        ages.look(STAGE, 4, 0, later(20));
        assert_eq!(ages.oldest_at(STAGE, later(20)), Some(later(15)));
        // One that is found so is as old as that, at least.
        ages.look(Stage::Deliver, 4, 0, later(20));
        assert_eq!(ages.oldest_at(Stage::Deliver, later(20)), Some(later(20)));
    }
}
