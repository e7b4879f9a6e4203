//! Endpoints of which some are dead, some slow and some flaky: the healthy ones get every event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use aftercall::config::Retention;
use aftercall::worker;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::answers;
use super::bench::Bench;
use crate::backends;

/// Refuses each event once.
#[derive(Default)]
struct Flaky(Mutex<BTreeSet<String>>);

impl Respond for Flaky {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let id = request.headers["webhook-id"].to_str().unwrap().to_owned();
        let first = self.0.lock().unwrap().insert(id);
        ResponseTemplate::new(if first { 502 } else { 200 })
    }
}

/// How often each event came.
async fn counts(server: &MockServer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in server.received_requests().await.unwrap() {
        let id = request.headers["webhook-id"].to_str().unwrap().to_owned();
        *counts.entry(id).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn dead_slow_and_flaky_endpoints_delay_nobody_else() {
    const EVENTS: usize = 60;
    let bench = Bench::on(backends::timed("crm_crowd").await).await;
    let mut healthy = Vec::new();
    let mut flaky = Vec::new();
    let mut slow = Vec::new();
    for n in 0..3 {
        let server = MockServer::start().await;
        answers(&server, 200).await;
        bench
            .endpoint(&format!("healthy {n}"), &server.uri(), |_| {})
            .await;
        healthy.push(server);
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(Flaky::default())
            .mount(&server)
            .await;
        bench
            .endpoint(&format!("flaky {n}"), &server.uri(), |_| {})
            .await;
        flaky.push(server);
        let server = MockServer::start().await;
        // Slower than anybody here waits.
        let late = ResponseTemplate::new(200).set_delay(Duration::from_mins(2));
        Mock::given(any()).respond_with(late).mount(&server).await;
        bench
            .endpoint(&format!("slow {n}"), &server.uri(), |_| {})
            .await;
        slow.push(server);
        bench
            .endpoint(&format!("dead {n}"), "http://127.0.0.1:9/", |_| {})
            .await;
    }
    for n in 0..EVENTS {
        bench
            .add(&bench.event(n, "conversation.completed", &format!("conv_{n}")))
            .await;
    }
    let kept = Duration::ZERO;
    let retention = Retention {
        conversations: kept,
        messages: kept,
        events: kept,
        dead_letters: kept,
        deliveries: kept,
        quarantine: kept,
        audit: kept,
    };
    worker::start(&bench.flow, retention, Duration::ZERO);
    // Long before a slow one has answered, and before a flaky one is asked again for all.
    for server in &healthy {
        let mut got = BTreeMap::new();
        for _ in 0..400 {
            got = counts(server).await;
            if got.len() == EVENTS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(got.len(), EVENTS, "a healthy endpoint gets every event");
        assert!(
            got.values().all(|times| *times == 1),
            "and each of them once: {got:?}"
        );
    }
    for server in &flaky {
        let mut got = BTreeMap::new();
        for _ in 0..1200 {
            got = counts(server).await;
            if got.len() == EVENTS && got.values().all(|times| *times >= 2) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            got.len(),
            EVENTS,
            "a flaky one gets every event, with an id that stays"
        );
        assert!(got.values().all(|times| *times == 2), "{got:?}");
    }
    drop(slow);
    bench.flow.host.stop.cancel();
}
