//! The queue on RabbitMQ, where `AFTERCALL_TEST_AMQP_URL` names a broker whose queues may be made.

use std::time::Duration;

use aftercall::queue::Queue;
use aftercall::queue::rabbit::{BrokerState, Settings};
use aftercall::secret::Secret;

use crate::backends::Backend;

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
    aftercall::host::Clock::System.sleep(time).await;
}

/// What a test's exchanges and queues begin with.
pub(crate) fn prefix(test: &str) -> String {
    format!("test.{test}.{}", std::process::id())
}

/// A queue of the test's own.
pub(crate) fn open(backend: &Backend, test: &str, urls: &str) -> Queue {
    let settings = Settings {
        urls: Secret::new(urls).unwrap(),
        confirm_timeout: Duration::from_secs(1),
        prefetch: [64, 8, 16],
        prefix: prefix(test),
    };
    Queue::on_rabbit(settings, backend.db.clone(), &backend.host).unwrap()
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
