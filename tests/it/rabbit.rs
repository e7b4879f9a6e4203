//! The queue on RabbitMQ, where `AFTERCALL_TEST_AMQP_URL` names a broker whose queues may be made.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use aftercall::event::Stage;
use aftercall::host::{Clock, Host};
use aftercall::queue::rabbit::{self, BrokerState, Settings};
use aftercall::queue::{Delivery, Queue};
use aftercall::secret::Secret;
use aftercall::store::Db;
use aftercall::store::dead_letters::{self, Kept};
use aftercall::verdict::Verdict;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::backends::{self, Backend};
use crate::queue::message;

/// The broker of the tests.
pub(crate) fn urls() -> Option<String> {
    let urls = std::env::var("AFTERCALL_TEST_AMQP_URL").ok();
    if urls.is_none() {
        println!("skipped on RabbitMQ: AFTERCALL_TEST_AMQP_URL is not set");
    }
    urls
}

/// Time that no test can move: the broker's.
pub(crate) async fn real_sleep(time: Duration) {
    Clock::System.sleep(time).await;
}

/// What a test's exchanges and queues begin with.
pub(crate) fn prefix(test: &str) -> String {
    format!("test.{test}.{}", std::process::id())
}

/// A queue of the test's own.
pub(crate) fn open(backend: &Backend, test: &str, urls: &str) -> Queue {
    open_on(backend.db.clone(), &backend.host, test, urls)
}

/// The same on a host of its own: the broker's time is the machine's.
pub(crate) fn open_on(db: Db, host: &Host, test: &str, urls: &str) -> Queue {
    let settings = Settings {
        urls: Secret::new(urls).unwrap(),
        confirm_timeout: Duration::from_secs(1),
        prefetch: [64, 8, 16],
        prefix: prefix(test),
    };
    Queue::on_rabbit(&settings, db, host).unwrap()
}

pub(crate) async fn wait_until_up(queue: &Queue) {
    for _ in 0..600 {
        if queue.broker() == Some(BrokerState::Up) {
            return;
        }
        real_sleep(Duration::from_millis(50)).await;
    }
    panic!("the broker is not up: {:?}", queue.broker());
}

/// Tests that need the broker in peace share it; those that disturb it have it alone.
static PEACE: RwLock<()> = RwLock::const_new(());

/// Holds off whoever would disturb the broker.
pub(crate) async fn in_peace() -> RwLockReadGuard<'static, ()> {
    PEACE.read().await
}

/// Runs the broker's `rabbitmqctl`, which `AFTERCALL_TEST_RABBITMQCTL` names; `None` without it.
pub(crate) fn control(arguments: &[&str]) -> Option<()> {
    let Ok(command) = std::env::var("AFTERCALL_TEST_RABBITMQCTL") else {
        println!("skipped: AFTERCALL_TEST_RABBITMQCTL is not set");
        return None;
    };
    let ended = Command::new(command).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    Some(())
}

/// A connection of the test's own, to play with the broker.
pub(crate) async fn stranger(urls: &str) -> lapin::Channel {
    let connection = lapin::Connection::connect(urls, lapin::ConnectionProperties::default());
    connection.await.unwrap().create_channel().await.unwrap()
}

async fn take_one(queue: &Queue) -> Delivery {
    let taking = tokio::time::timeout(Duration::from_secs(15), queue.take(Stage::Remember, 1));
    taking.await.unwrap().unwrap().pop().unwrap()
}

async fn letter_of(backend: &Backend, message_id: &str) -> Kept {
    for _ in 0..200 {
        let id = aftercall::id::of_content("dl_", &[message_id]);
        let letter = backend
            .db
            .read(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
            .await
            .unwrap();
        if let Some(letter) = letter {
            return letter;
        }
        real_sleep(Duration::from_millis(50)).await;
    }
    panic!("no letter of {message_id}");
}

#[tokio::test]
async fn a_returned_message_is_not_confirmed_and_finds_its_queue_again() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let metrics = aftercall::telemetry::metrics();
    let backend = backends::timed("mq_returned").await;
    let queue = open(&backend, "returned", &urls);
    wait_until_up(&queue).await;
    let name = format!("{}.remember", prefix("returned"));
    stranger(&urls)
        .await
        .queue_delete(name.into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let all = (0..20).map(|n| queue.publish(message(n), backend.host.now()));
    let published = futures::future::join_all(all).await;
    assert!(published.iter().all(Result::is_ok));
    assert!(
        metrics
            .render()
            .contains("aftercall_broker_publishes_total{outcome=\"returned\"}")
    );
    let mut seen = BTreeSet::new();
    while seen.len() < 20 {
        let delivery = take_one(&queue).await;
        seen.insert(delivery.message.id.clone());
        queue.settle(delivery, Verdict::Done).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_becomes_a_letter() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let backend = backends::timed("mq_unreadable").await;
    let queue = open(&backend, "unreadable", &urls);
    wait_until_up(&queue).await;
    stranger(&urls)
        .await
        .basic_publish(
            format!("{}.work", prefix("unreadable")).into(),
            "remember".into(),
            BasicPublishOptions::default(),
            b"not a message",
            lapin::BasicProperties::default().with_message_id("m1".into()),
        )
        .await
        .unwrap();
    let taking = queue.take(Stage::Remember, 1);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), taking)
            .await
            .is_err()
    );
    let letter = letter_of(&backend, "m1").await;
    assert_eq!(
        (letter.code.as_str(), letter.stage.as_str()),
        ("unreadable_message", "remember")
    );
    assert_eq!(letter.body, "not a message");
}

#[tokio::test]
async fn a_message_that_kills_its_workers_is_parked() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let backend = backends::timed("mq_killer").await;
    let queue = open(&backend, "killer", &urls);
    wait_until_up(&queue).await;
    queue.publish(message(1), backend.host.now()).await.unwrap();
    for _ in 0..21 {
        let worker = open(&backend, "killer", &urls);
        drop(take_one(&worker).await);
        // Its connection goes, and with it what it held.
        drop(worker);
    }
    let survivor = open(&backend, "killer", &urls);
    queue.publish(message(2), backend.host.now()).await.unwrap();
    assert_eq!(take_one(&survivor).await.message, message(2));
    let letter = letter_of(&backend, &message(1).id).await;
    assert_eq!(letter.code, "crashed_worker");
    assert_eq!(letter.stage, "remember");
}

#[tokio::test]
async fn nothing_is_taken_while_the_database_is_away() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let backend = backends::timed("mq_no_database").await;
    let nowhere = Db::open("postgres://nobody@127.0.0.1:1/none", &backend.host)
        .await
        .unwrap();
    let queue = open_on(nowhere, &backend.host, "no_database", &urls);
    wait_until_up(&queue).await;
    for n in 0..3 {
        queue.publish(message(n), backend.host.now()).await.unwrap();
    }
    let taking = tokio::time::timeout(Duration::from_secs(4), queue.take(Stage::Remember, 1));
    assert!(taking.await.is_err());
    let worker = open(&backend, "no_database", &urls);
    for _ in 0..3 {
        let delivery = take_one(&worker).await;
        assert_eq!((delivery.attempt, delivery.history.len()), (1, 0));
        worker.settle(delivery, Verdict::Done).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_home_a_message_is_refused_in_time() {
    let backend = backends::timed("mq_homeless").await;
    let nowhere = Db::open("postgres://nobody@127.0.0.1:1/none", &backend.host)
        .await
        .unwrap();
    let queue = open_on(nowhere, &backend.host, "homeless", "amqp://127.0.0.1:1");
    for wait in [0, 10, 3600] {
        let due_at = backend.host.now().plus(Duration::from_secs(wait));
        let publishing = queue.publish(message(1), due_at);
        let published = tokio::time::timeout(Duration::from_secs(4), publishing).await;
        assert!(published.expect("an answer within 4 s").is_err());
    }
    assert_eq!(queue.broker(), Some(BrokerState::Away));
}

#[tokio::test]
async fn a_queue_of_another_making_is_named_with_its_argument() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let name = format!("{}.delay.5s", prefix("foreign"));
    let mut arguments = FieldTable::default();
    for (key, value) in [("x-queue-type", "quorum"), ("x-overflow", "reject-publish")] {
        arguments.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    stranger(&urls)
        .await
        .queue_declare(name.as_str().into(), options, arguments)
        .await
        .unwrap();
    let urls = Secret::new(urls).unwrap();
    let nodes = rabbit::inspect(&urls, &prefix("foreign")).await.unwrap();
    let error = nodes[0].found.as_ref().unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, rabbit::Error::Mismatch { .. }), "{told}");
    assert!(told.contains(&name) && told.contains("x-"), "{told}");
    assert!(!told.contains("guest:"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_broker_restarts() {
    const MESSAGES: usize = 2_000;
    let Some(urls) = urls() else { return };
    let _alone = PEACE.write().await;
    if control(&["status"]).is_none() {
        return;
    }
    let backend = backends::timed("mq_restart").await;
    let queue = open(&backend, "restart", &urls);
    wait_until_up(&queue).await;
    let publishing = {
        let (queue, host) = (queue.clone(), backend.host.clone());
        backend.host.spawn(async move {
            for n in 0..MESSAGES {
                queue.publish(message(n), host.now()).await.unwrap();
                real_sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let disturbing = backend.host.spawn(async {
        real_sleep(Duration::from_secs(1)).await;
        tokio::task::block_in_place(|| {
            control(&["stop_app"]);
            control(&["start_app"]);
        });
        Clock::System.now()
    });
    let mut seen = BTreeSet::new();
    let mut taken_at = Vec::new();
    let mut twice = 0;
    while seen.len() < MESSAGES {
        let taking = tokio::time::timeout(Duration::from_secs(40), queue.take(Stage::Remember, 8));
        let taken = taking
            .await
            .unwrap_or_else(|_| panic!("only {} came", seen.len()));
        taken_at.push(Clock::System.now());
        for delivery in taken.unwrap() {
            twice += usize::from(!seen.insert(delivery.message.id.clone()));
            queue.settle(delivery, Verdict::Done).await.unwrap();
        }
    }
    publishing.await.unwrap();
    let back_at = disturbing.await.unwrap();
    let resumed = taken_at.iter().find(|at| **at > back_at).unwrap();
    println!(
        "{MESSAGES} messages, {twice} twice, resumed after {:?}",
        resumed.since(back_at)
    );
    assert!(resumed.since(back_at) < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_costs_nothing_but_the_first_wait() {
    let Some(urls) = urls() else { return };
    let _alone = PEACE.write().await;
    let backend = backends::timed("mq_blocked").await;
    let queue = open(&backend, "blocked", &urls);
    wait_until_up(&queue).await;
    queue.publish(message(0), backend.host.now()).await.unwrap();
    let held = take_one(&queue).await;
    if control(&["set_vm_memory_high_watermark", "absolute", "1MiB"]).is_none() {
        return;
    }
    real_sleep(Duration::from_secs(3)).await;
    let mut waits = Vec::new();
    for n in 1..=5 {
        let started = Clock::System.now();
        queue.publish(message(n), backend.host.now()).await.unwrap();
        waits.push(Clock::System.now().since(started));
    }
    assert_eq!(queue.broker(), Some(BrokerState::Blocked));
    queue.settle(held, Verdict::Done).await.unwrap();
    control(&["set_vm_memory_high_watermark", "0.4"]);
    assert!(waits[0] < Duration::from_secs(4), "{waits:?}");
    assert!(
        waits[1..]
            .iter()
            .all(|wait| *wait < Duration::from_millis(500)),
        "{waits:?}"
    );
    let mut seen = BTreeSet::new();
    while seen.len() < 5 {
        let delivery = take_one(&queue).await;
        seen.insert(delivery.message.id.clone());
        queue.settle(delivery, Verdict::Done).await.unwrap();
    }
}

#[tokio::test]
async fn the_oldest_message_has_its_age_wherever_it_waits() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let backend = backends::timed("mq_ages").await;
    let queue = open(&backend, "ages", &urls);
    wait_until_up(&queue).await;
    let oldest = async || queue.depth(Stage::Remember).await.unwrap().oldest_at;
    assert_eq!(oldest().await, None);
    let now = || backend.host.now();
    let empty_until = now();
    queue.publish(message(1), now()).await.unwrap();
    let published = now();
    // In the broker's queue, while nobody takes from it: since it was last seen empty.
    let mut left = None;
    for _ in 0..200 {
        left = oldest().await;
        if left.is_some() {
            break;
        }
        real_sleep(Duration::from_millis(50)).await;
    }
    let left = left.unwrap();
    assert!(left <= published, "{left} after {published}");
    assert!(left.plus(Duration::from_secs(2)) > empty_until, "{left}");
    real_sleep(Duration::from_millis(300)).await;
    assert_eq!(oldest().await, Some(left), "it grows old");
    // In our hands, by the message itself.
    let delivery = take_one(&queue).await;
    let enqueued_at = delivery.enqueued_at;
    assert!(enqueued_at >= empty_until && enqueued_at <= published);
    assert_eq!(oldest().await, Some(enqueued_at));
    // Put off, and back again.
    let wait = Verdict::Wait {
        after: Duration::from_secs(1),
        why: crate::queue::why(),
    };
    queue.settle(delivery, wait).await.unwrap();
    assert_eq!(oldest().await, Some(enqueued_at));
    let delivery = take_one(&queue).await;
    assert_eq!(oldest().await, Some(enqueued_at));
    queue.settle(delivery, Verdict::Done).await.unwrap();
    for _ in 0..200 {
        if oldest().await.is_none() {
            return;
        }
        real_sleep(Duration::from_millis(50)).await;
    }
    panic!("what is done is still said to wait");
}
