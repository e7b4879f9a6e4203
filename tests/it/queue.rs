//! What every queue must do, in each database and on RabbitMQ.

use std::collections::BTreeSet;
use std::time::Duration;

use aftercall::event::{Message, Stage};
use aftercall::host::Clock;
use aftercall::id::{ConversationId, ConversationKey, Owner};
use aftercall::queue::Queue;
use aftercall::store::dead_letters::State;
use aftercall::store::dead_letters::{self, Kept};
use aftercall::time::Timestamp;
use aftercall::verdict::{Failure, Verdict};
use futures::future::join_all;

use tokio::sync::RwLockReadGuard;

use crate::backends::{self, Backend};
use crate::rabbit;

pub(crate) fn message(n: usize) -> Message {
    let key = ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(&format!("conv_{n}")).unwrap(),
    };
    Message::remember(key, 1)
}

/// A queue, and what it stands on.
struct Case {
    backend: Backend,
    queue: Queue,
    _peace: Option<RwLockReadGuard<'static, ()>>,
}

impl Case {
    fn now(&self) -> Timestamp {
        self.backend.host.now()
    }

    fn on_rabbit(&self) -> bool {
        self.queue.broker().is_some()
    }

    /// A wait: the broker's clock can't be moved by hand.
    fn a_while(&self) -> Duration {
        Duration::from_secs(if self.on_rabbit() { 1 } else { 30 })
    }

    /// The broker counts messages with some delay, and without those that somebody holds.
    async fn wait_for_depth(&self, stage: Stage, messages: i64) {
        let mut depth = None;
        for _ in 0..200 {
            depth = self.queue.depth(stage).await.ok();
            if depth.is_some_and(|depth| depth.messages == messages) || !self.on_rabbit() {
                break;
            }
            rabbit::real_sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(depth.unwrap().messages, messages);
    }

    async fn wait_for_letter(&self, of: &Message) -> Kept {
        for _ in 0..200 {
            let id = aftercall::id::of_content("dl_", &[&of.id]);
            let letter = self
                .backend
                .db
                .read(move |mut conn| {
                    Box::pin(async move { dead_letters::get(&mut conn, &id).await })
                })
                .await
                .unwrap();
            if let Some(letter) = letter {
                return letter;
            }
            rabbit::real_sleep(Duration::from_millis(50)).await;
        }
        panic!("no letter of {}", of.id);
    }
}

/// A fresh queue of each kind that is there.
async fn cases(test: &str) -> Vec<Case> {
    let mut cases = in_databases(test).await;
    if let Some(urls) = rabbit::urls() {
        let peace = rabbit::in_peace().await;
        let backend = backends::timed(&format!("{test}_mq")).await;
        let queue = rabbit::open(&backend, test, &urls);
        rabbit::wait_until_up(&queue).await;
        cases.push(Case {
            backend,
            queue,
            _peace: Some(peace),
        });
    }
    cases
}

async fn in_databases(test: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for backend in backends::all(test).await {
        let queue = Queue::in_database(backend.db.clone(), backend.host.clone(), true)
            .await
            .unwrap();
        assert!(matches!(backend.host.clock, Clock::Manual(_)));
        cases.push(Case {
            backend,
            queue,
            _peace: None,
        });
    }
    cases
}

pub(crate) fn why() -> Failure {
    Failure::platform("platform_unavailable", "no answer")
}

#[tokio::test]
async fn a_message_is_given_once_and_gone_when_done() {
    for case in cases("queue_once").await {
        let queue = &case.queue;
        queue.publish(message(1), case.now()).await.unwrap();
        if !case.on_rabbit() {
            // A second copy of a waiting message is the same message.
            queue.publish(message(1), case.now()).await.unwrap();
        }
        let mut taken = queue.take(Stage::Remember, 10).await.unwrap();
        assert_eq!(taken.len(), 1);
        let delivery = taken.pop().unwrap();
        assert_eq!(
            (delivery.attempt, delivery.message.clone()),
            (1, message(1))
        );
        queue.settle(delivery, Verdict::Done).await.unwrap();
        case.wait_for_depth(Stage::Remember, 0).await;
    }
}

#[tokio::test]
async fn stages_do_not_see_each_other() {
    for case in cases("queue_stages").await {
        let started = case.now();
        case.queue.publish(message(1), started).await.unwrap();
        case.wait_for_depth(Stage::Remember, 1).await;
        case.wait_for_depth(Stage::Deliver, 0).await;
        if !case.on_rabbit() {
            let depth = case.queue.depth(Stage::Remember).await.unwrap();
            assert_eq!(depth.oldest_at, Some(started));
        }
    }
}

#[tokio::test]
async fn nothing_is_given_before_it_is_due() {
    for case in cases("queue_due").await {
        let due_at = case.now().plus(case.a_while());
        case.queue.publish(message(1), due_at).await.unwrap();
        let taken = case.queue.take(Stage::Remember, 1).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert!(case.now() >= due_at);
    }
}

#[tokio::test]
async fn a_retry_counts_and_a_wait_does_not() {
    for case in cases("queue_verdicts").await {
        let queue = &case.queue;
        queue.publish(message(1), case.now()).await.unwrap();
        let after = case.a_while();
        for (verdict, next) in [
            (Verdict::Wait { after, why: why() }, 1),
            (Verdict::Retry { after, why: why() }, 2),
            (Verdict::Wait { after, why: why() }, 2),
            (Verdict::Retry { after, why: why() }, 3),
        ] {
            let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
            let before = case.now();
            queue.settle(delivery, verdict).await.unwrap();
            let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
            assert_eq!(delivery.attempt, next);
            assert!(case.now() >= before.plus(after));
            let back = Verdict::Wait {
                after: Duration::ZERO,
                why: why(),
            };
            queue.settle(delivery, back).await.unwrap();
        }
        let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        let spent = delivery
            .history
            .iter()
            .filter(|attempt| attempt.spent)
            .count();
        assert_eq!((spent, delivery.history.len()), (2, 8));
    }
}

#[tokio::test]
async fn a_parked_message_is_a_letter_and_leaves_the_queue() {
    for case in cases("queue_park").await {
        let queue = &case.queue;
        queue.publish(message(1), case.now()).await.unwrap();
        let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        queue
            .settle(delivery, Verdict::Park { why: why() })
            .await
            .unwrap();
        case.wait_for_depth(Stage::Remember, 0).await;
        let letter = case.wait_for_letter(&message(1)).await;
        assert_eq!(
            (letter.state.as_str(), letter.code.as_str()),
            ("dead", "platform_unavailable")
        );
        assert_eq!(letter.attempts.len(), 1);
        assert_eq!(Message::decode(&letter.body).unwrap(), message(1));
    }
}

#[tokio::test]
async fn a_success_resolves_the_letter_of_its_message() {
    for case in cases("queue_resolve").await {
        let queue = &case.queue;
        for verdict in [Verdict::Park { why: why() }, Verdict::Done] {
            queue.publish(message(1), case.now()).await.unwrap();
            let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
            queue.settle(delivery, verdict).await.unwrap();
            case.wait_for_letter(&message(1)).await;
        }
        assert_eq!(
            case.wait_for_letter(&message(1)).await.state,
            State::Resolved
        );
    }
}

#[tokio::test]
async fn takers_at_once_never_get_the_same_message() {
    for case in cases("queue_race").await {
        let all =
            futures::future::join_all((0..200).map(|n| case.queue.publish(message(n), case.now())));
        assert!(all.await.iter().all(Result::is_ok));
        let takers = (0..8).map(|_| {
            let queue = case.queue.clone();
            let patience = if case.on_rabbit() { 3 } else { 60 };
            async move {
                let mut seen = Vec::new();
                while seen.len() < 25 {
                    let taking = queue.take(Stage::Remember, 5);
                    let Ok(taken) =
                        tokio::time::timeout(Duration::from_secs(patience), taking).await
                    else {
                        break;
                    };
                    for delivery in taken.unwrap() {
                        seen.push(delivery.message.id.clone());
                        queue.settle(delivery, Verdict::Done).await.unwrap();
                    }
                }
                seen
            }
        });
        let mut seen: Vec<String> = futures::future::join_all(takers)
            .await
            .into_iter()
            .flatten()
            .collect();
        while seen.len() < 200 {
            for delivery in case.queue.take(Stage::Remember, 5).await.unwrap() {
                seen.push(delivery.message.id.clone());
                case.queue.settle(delivery, Verdict::Done).await.unwrap();
            }
        }
        assert_eq!(seen.len(), 200);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 200);
        case.wait_for_depth(Stage::Remember, 0).await;
    }
}

#[tokio::test]
async fn what_a_dead_worker_held_is_given_again_and_its_late_verdict_is_void() {
    for case in in_databases("queue_lease").await {
        let queue = &case.queue;
        queue.publish(message(1), case.now()).await.unwrap();
        let lost = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        case.backend.host.clock.sleep(Duration::from_mins(2)).await;
        let again = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        assert_eq!(again.attempt, 1, "a death is no attempt");
        queue
            .settle(lost, Verdict::Park { why: why() })
            .await
            .unwrap();
        case.wait_for_depth(Stage::Remember, 1).await;
        queue.settle(again, Verdict::Done).await.unwrap();
        case.wait_for_depth(Stage::Remember, 0).await;
    }
}

#[tokio::test]
async fn what_is_done_at_once_leaves_each_by_its_own_claim() {
    for case in in_databases("queue_acks").await {
        let queue = &case.queue;
        for n in 0..9 {
            queue.publish(message(n), case.now()).await.unwrap();
        }
        let mut lost = queue.take(Stage::Remember, 9).await.unwrap();
        case.backend.host.clock.sleep(Duration::from_mins(2)).await;
        let mut again = queue.take(Stage::Remember, 9).await.unwrap();
        for taken in [&mut lost, &mut again] {
            taken.sort_by(|one, other| one.message.id.cmp(&other.message.id));
        }
        // Who is the first goes away before it has an answer.
        tokio::select! {
            biased;
            settled = queue.settle(again.pop().unwrap(), Verdict::Done) => settled.unwrap(),
            () = std::future::ready(()) => {}
        }
        let late = lost.drain(..4);
        let own = again.drain(4..);
        let settled = late.chain(own).map(|one| queue.settle(one, Verdict::Done));
        for settled in join_all(settled).await {
            settled.unwrap();
        }
        let left = queue.depth(Stage::Remember).await.unwrap().messages;
        assert!((4..=5).contains(&left), "{left}");
        let settled = again.drain(..).map(|one| queue.settle(one, Verdict::Done));
        join_all(settled).await;
        case.backend.host.clock.sleep(Duration::from_mins(2)).await;
        if queue.depth(Stage::Remember).await.unwrap().messages > 0 {
            let left = queue.take(Stage::Remember, 9).await.unwrap();
            let ids: Vec<_> = left.iter().map(|one| &one.message.id).collect();
            assert_eq!(ids, [&message(8).id], "that of the one who went away");
        }
    }
}

#[tokio::test]
async fn a_message_that_kills_its_workers_is_parked() {
    for case in in_databases("queue_crash").await {
        let queue = &case.queue;
        queue.publish(message(1), case.now()).await.unwrap();
        for _ in 0..20 {
            assert_eq!(queue.take(Stage::Remember, 1).await.unwrap().len(), 1);
            case.backend.host.clock.sleep(Duration::from_mins(2)).await;
        }
        queue.publish(message(2), case.now()).await.unwrap();
        let next = queue.take(Stage::Remember, 1).await.unwrap();
        let ids: Vec<_> = next
            .iter()
            .map(|delivery| delivery.message.id.clone())
            .collect();
        assert_eq!(
            ids,
            [message(2).id],
            "the killer is parked, and its neighbour is given"
        );
        assert_eq!(
            case.wait_for_letter(&message(1)).await.code,
            "crashed_worker"
        );
    }
}

#[tokio::test]
async fn a_stopping_taker_comes_back_empty() {
    for case in cases("queue_stop").await {
        case.backend.host.stop.cancel();
        assert!(
            case.queue
                .take(Stage::Remember, 1)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
