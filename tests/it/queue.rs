//! What every queue must do, on every backend.

use std::collections::BTreeSet;
use std::time::Duration;

use aftercall::event::{Message, Stage};
use aftercall::id::{ConversationId, ConversationKey, Owner};
use aftercall::queue::Queue;
use aftercall::store::dead_letters;
use aftercall::verdict::{Failure, Verdict};

use crate::backends::{self, Backend, START};

fn message(n: usize) -> Message {
    let key = ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(&format!("conv_{n}")).unwrap(),
    };
    Message::remember(key, 1)
}

async fn open(backend: &Backend) -> Queue {
    Queue::in_database(backend.db.clone(), backend.host.clone(), true)
        .await
        .unwrap()
}

fn why() -> Failure {
    Failure::platform("platform_unavailable", "no answer")
}

#[tokio::test]
async fn a_message_is_given_once_and_gone_when_done() {
    for backend in backends::all("queue_once").await {
        let queue = open(&backend).await;
        queue.publish(message(1), START).await.unwrap();
        queue.publish(message(1), START).await.unwrap();
        let mut taken = queue.take(Stage::Remember, 10).await.unwrap();
        assert_eq!(
            taken.len(),
            1,
            "a second copy of a waiting message is the same message"
        );
        let delivery = taken.pop().unwrap();
        assert_eq!(
            (delivery.attempt, delivery.message.clone()),
            (1, message(1))
        );
        queue.settle(delivery, Verdict::Done).await.unwrap();
        assert_eq!(queue.depth(Stage::Remember).await.unwrap().messages, 0);
    }
}

#[tokio::test]
async fn stages_do_not_see_each_other() {
    for backend in backends::all("queue_stages").await {
        let queue = open(&backend).await;
        queue.publish(message(1), START).await.unwrap();
        assert_eq!(queue.depth(Stage::Remember).await.unwrap().messages, 1);
        assert_eq!(queue.depth(Stage::Deliver).await.unwrap().messages, 0);
        assert_eq!(
            queue.depth(Stage::Remember).await.unwrap().oldest_at,
            Some(START)
        );
    }
}

#[tokio::test]
async fn nothing_is_given_before_it_is_due() {
    for backend in backends::all("queue_due").await {
        let queue = open(&backend).await;
        queue
            .publish(message(1), START.plus(Duration::from_secs(30)))
            .await
            .unwrap();
        let taken = queue.take(Stage::Remember, 1).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert!(backend.host.now() >= START.plus(Duration::from_secs(30)));
    }
}

#[tokio::test]
async fn a_retry_counts_and_a_wait_does_not() {
    for backend in backends::all("queue_verdicts").await {
        let queue = open(&backend).await;
        queue.publish(message(1), START).await.unwrap();
        let after = Duration::from_secs(5);
        for (verdict, next) in [
            (Verdict::Wait { after, why: why() }, 1),
            (Verdict::Retry { after, why: why() }, 2),
            (Verdict::Wait { after, why: why() }, 2),
            (Verdict::Retry { after, why: why() }, 3),
        ] {
            let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
            let before = backend.host.now();
            queue.settle(delivery, verdict).await.unwrap();
            let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
            assert_eq!(delivery.attempt, next);
            assert!(backend.host.now() >= before.plus(after));
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
    for backend in backends::all("queue_park").await {
        let queue = open(&backend).await;
        queue.publish(message(1), START).await.unwrap();
        let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        queue
            .settle(delivery, Verdict::Park { why: why() })
            .await
            .unwrap();
        assert_eq!(queue.depth(Stage::Remember).await.unwrap().messages, 0);
        let id = aftercall::id::of_content("dl_", &[&message(1).id]);
        let letter = backend
            .db
            .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (letter.state.as_str(), letter.code.as_str()),
            ("dead", "platform_unavailable")
        );
        assert_eq!(Message::decode(&letter.body).unwrap(), message(1));
    }
}

#[tokio::test]
async fn a_success_resolves_the_letter_of_its_message() {
    for backend in backends::all("queue_resolve").await {
        let queue = open(&backend).await;
        for verdict in [Verdict::Park { why: why() }, Verdict::Done] {
            queue.publish(message(1), START).await.unwrap();
            let delivery = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
            queue.settle(delivery, verdict).await.unwrap();
        }
        let dead = backend
            .db
            .read(|mut conn| Box::pin(async move { dead_letters::count_dead(&mut conn).await }))
            .await
            .unwrap();
        assert_eq!(dead, 0);
    }
}

#[tokio::test]
async fn takers_at_once_never_get_the_same_message() {
    for backend in backends::all("queue_race").await {
        let queue = open(&backend).await;
        for n in 0..200 {
            queue.publish(message(n), START).await.unwrap();
        }
        let takers = (0..8).map(|_| {
            let queue = queue.clone();
            async move {
                let mut seen = Vec::new();
                for _ in 0..5 {
                    for delivery in queue.take(Stage::Remember, 5).await.unwrap() {
                        seen.push(delivery.message.id.clone());
                        queue.settle(delivery, Verdict::Done).await.unwrap();
                    }
                }
                seen
            }
        });
        let seen: Vec<String> = futures::future::join_all(takers)
            .await
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(seen.len(), 200);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 200);
        assert_eq!(queue.depth(Stage::Remember).await.unwrap().messages, 0);
    }
}

#[tokio::test]
async fn what_a_dead_worker_held_is_given_again_and_its_late_verdict_is_void() {
    for backend in backends::all("queue_lease").await {
        let queue = open(&backend).await;
        queue.publish(message(1), START).await.unwrap();
        let lost = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        backend.host.clock.sleep(Duration::from_mins(2)).await;
        let again = queue.take(Stage::Remember, 1).await.unwrap().pop().unwrap();
        assert_eq!(again.attempt, 1, "a death is no attempt");
        queue
            .settle(lost, Verdict::Park { why: why() })
            .await
            .unwrap();
        assert_eq!(queue.depth(Stage::Remember).await.unwrap().messages, 1);
        queue.settle(again, Verdict::Done).await.unwrap();
        assert_eq!(queue.depth(Stage::Remember).await.unwrap().messages, 0);
    }
}

#[tokio::test]
async fn a_message_that_kills_its_workers_is_parked() {
    for backend in backends::all("queue_crash").await {
        let queue = open(&backend).await;
        queue.publish(message(1), START).await.unwrap();
        for _ in 0..20 {
            assert_eq!(queue.take(Stage::Remember, 1).await.unwrap().len(), 1);
            backend.host.clock.sleep(Duration::from_mins(2)).await;
        }
        queue.publish(message(2), backend.host.now()).await.unwrap();
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
        let id = aftercall::id::of_content("dl_", &[&message(1).id]);
        let letter = backend
            .db
            .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(letter.code, "crashed_worker");
    }
}

#[tokio::test]
async fn a_stopping_taker_comes_back_empty() {
    for backend in backends::all("queue_stop").await {
        let queue = open(&backend).await;
        backend.host.stop.cancel();
        assert!(queue.take(Stage::Remember, 1).await.unwrap().is_empty());
    }
}
