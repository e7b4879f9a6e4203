//! Results on RabbitMQ's topic exchange, where there is a broker: to whoever has bound a queue, also
//! when a process is killed in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aftercall::deliver::announce;
use aftercall::flow::Flow;
use aftercall::store::announcer;
use aftercall::time::Timestamp;
use lapin::message::Delivery;
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::bench::Bench;
use super::distributed::{Distributed, TOKEN};
use crate::backends;
use crate::rabbit::{in_peace, open, prefix, stranger, urls, wait_until_up};
use crate::support::{
    Platform, Server, completed_body, conversation_id, finished_call, source_settings, talk,
};

const LEASE: Duration = Duration::from_secs(15);
const QUEUE: &str = "crm";

/// A queue that gets what is published under such keys.
pub(super) async fn bound(urls: &str, exchange: &str, key: &str) -> lapin::Channel {
    let channel = stranger(urls).await;
    let (alone, none) = (
        QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        },
        FieldTable::default,
    );
    channel
        .queue_declare(QUEUE.into(), alone, none())
        .await
        .unwrap();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(QUEUE.into(), exchange.into(), key.into(), options, none())
        .await
        .unwrap();
    channel
}

pub(super) async fn got(channel: &lapin::Channel) -> Option<Delivery> {
    let options = BasicGetOptions { no_ack: true };
    let message = channel.basic_get(QUEUE.into(), options).await.unwrap();
    message.map(|message| message.delivery)
}

pub(super) fn id_of(delivery: &Delivery) -> &str {
    delivery.properties.message_id().as_ref().unwrap().as_str()
}

async fn claim(bench: &Bench, lease: &'static str, at: Timestamp) -> Option<Timestamp> {
    bench
        .write(move |conn| Box::pin(async move { announcer::claim(conn, lease, at, LEASE).await }))
        .await
}

async fn release(bench: &Bench, lease: &'static str, place: Timestamp) -> bool {
    bench
        .write(move |conn| Box::pin(async move { announcer::release(conn, lease, place).await }))
        .await
}

#[tokio::test]
async fn one_process_at_a_time_has_the_feed() {
    for bench in Bench::all("crm_announcer").await {
        let start = claim(&bench, "one", bench.now()).await.unwrap();
        assert_eq!(claim(&bench, "two", bench.now()).await, None);
        let place = start.plus(Duration::from_secs(1));
        assert!(release(&bench, "one", place).await);
        assert_eq!(claim(&bench, "two", bench.now()).await, Some(place));
        // It dies: the next one begins where it began, and it has nothing more to say.
        bench.pass(LEASE);
        assert_eq!(claim(&bench, "three", bench.now()).await, Some(place));
        let late = place.plus(Duration::from_secs(1));
        assert!(!release(&bench, "two", late).await);
        let kept = bench
            .read(|conn| Box::pin(async move { announcer::place(conn).await }))
            .await;
        assert_eq!(kept, place);
    }
}

#[tokio::test]
async fn a_bound_queue_gets_what_the_feed_says() {
    let Some(urls) = urls() else { return };
    let _peace = in_peace().await;
    let backend = backends::timed("crm_announced").await;
    let queue = open(&backend, "announced", &urls);
    wait_until_up(&queue).await;
    let mut bench = Bench::on(backend).await;
    let exchange = queue.results().unwrap();
    bench.flow = Arc::new(Flow {
        queue,
        ..(*bench.flow).clone()
    });
    let name = format!("{}.results", prefix("announced"));
    let channel = bound(&urls, &name, "conversation.completed.*").await;
    for (n, kind) in ["conversation.completed", "conversation.updated"]
        .iter()
        .enumerate()
    {
        let mut event = bench.event(n, kind, "conv_1");
        event.agent_id = "agent.1/é".to_owned();
        bench.add(&event).await;
    }
    let announced = || async { announce(&bench.flow, &exchange).await.unwrap() };
    let start = claim(&bench, "other", bench.now()).await.unwrap();
    assert_eq!(announced().await, 0, "another process has the feed");
    assert!(release(&bench, "other", start).await);
    // One that died before it had published anything.
    let long_ago = bench.now().minus(LEASE * 2);
    assert_eq!(claim(&bench, "dead", long_ago).await, Some(start));
    assert_eq!(announced().await, 2);
    let told = bench.results("conversation.completed").await.remove(0);
    let message = got(&channel).await.unwrap();
    assert_eq!(
        message.routing_key.as_str(),
        "conversation.completed.agent_1__"
    );
    assert_eq!(id_of(&message), told.id);
    assert_eq!(*message.properties.delivery_mode(), Some(2));
    let body: Value = serde_json::from_slice(&message.data).unwrap();
    assert_eq!(
        body,
        json!({"type": told.kind, "timestamp": told.created_at, "data": told.data})
    );
    assert!(got(&channel).await.is_none(), "nobody asked for the other");
    assert_eq!(announced().await, 0, "each is announced once");
    // One that died after it had published, and before it had said so.
    claim(&bench, "killed", bench.now()).await.unwrap();
    assert!(release(&bench, "killed", start).await);
    assert_eq!(announced().await, 2);
    assert_eq!(id_of(&got(&channel).await.unwrap()), told.id);
}

#[tokio::test]
async fn a_kill_in_the_middle_leaves_no_result_unannounced() {
    const CALLS: usize = 40;
    let Some(ground) = Distributed::fresh("crm_announced_run").await else {
        return;
    };
    let environment = ground.environment();
    let platform = Platform::start().await;
    let settings =
        |port: u16| source_settings(&platform, port, "[finalize]\ngrace = \"0\"\nrecheck = []\n");
    let mut doomed = Server::start_from(&settings, &environment).await;
    let steady = Server::start_from(&settings, &environment).await;
    let channel = bound(&ground.broker, "aftercall.results", "#").await;
    let mut messages: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for n in 0..CALLS {
        if n % 10 == 5 {
            // `kill -9`, and another in its place.
            doomed = Server::start_from(&settings, &environment).await;
        }
        let id = conversation_id(9_000 + n);
        platform.add(
            finished_call(&id, &format!("sip_+1555010{n:04}"), None),
            talk("Hello."),
        );
        let (status, _) = doomed.post_signed(completed_body(&id)).await.unwrap();
        assert_eq!(status, 200);
    }
    let mut feed = Vec::new();
    for _ in 0..1200 {
        while let Some(message) = got(&channel).await {
            let body = serde_json::from_slice(&message.data).unwrap();
            let id = id_of(&message).to_owned();
            messages.entry(id).or_default().push(body);
        }
        let (_, page) = steady.get_as("/v1/events?page_size=100", TOKEN).await;
        feed = page["events"].as_array().unwrap().clone();
        if feed.len() >= CALLS && messages.len() >= feed.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(feed.len() >= CALLS, "{} of {CALLS}", feed.len());
    for mut event in feed {
        let id = event.as_object_mut().unwrap().remove("id").unwrap();
        let told = messages.remove(id.as_str().unwrap()).unwrap_or_default();
        assert!(!told.is_empty(), "{id} was not announced");
        assert!(told.iter().all(|one| *one == event), "{told:?}: {event}");
    }
    assert!(messages.is_empty(), "{messages:?}");
    ground.close();
}
