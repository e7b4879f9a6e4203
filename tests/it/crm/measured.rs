//! How long a call took to its CRM is measured once.

use std::time::Duration;

use aftercall::conversation::Conversation;
use aftercall::id::AgentId;
use aftercall::store::conversations::{self, Own, Record};
use metrics_exporter_prometheus::PrometheusBuilder;
use wiremock::MockServer;

use super::answers;
use super::bench::{Bench, key};
use crate::backends::START;

/// Keeps a call that began so long before and says no end, but how long it took.
async fn keep_call(bench: &Bench, id: &str) {
    let key = key(id);
    let agent = AgentId::new("agent_1").unwrap();
    let record = Record {
        owner: key.owner,
        conversation: Conversation {
            started_at: Some(START),
            duration_ms: Some(1_000),
            ..Conversation::blank(key.id, agent, START)
        },
        caller_key: None,
        updated_at: START,
        revision: 1,
        content_hash: String::new(),
        fetched_at: START,
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: None,
        rechecks: 0,
        own: Own::default(),
    };
    bench
        .write(move |conn| Box::pin(async move { conversations::save(conn, &record).await }))
        .await;
}

#[tokio::test]
async fn a_call_is_measured_when_the_first_endpoint_has_it() {
    for bench in Bench::all("crm_measured").await {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _recording = metrics::set_default_local_recorder(&recorder);
        let measured = |count: u32| {
            let line =
                format!("aftercall_call_latency_seconds_count{{passed=\"delivered\"}} {count}");
            let text = handle.render();
            assert!(text.lines().any(|one| one == line), "no {line} in {text}");
        };
        let (well, deaf) = (MockServer::start().await, MockServer::start().await);
        answers(&well, 200).await;
        answers(&deaf, 500).await;
        bench.endpoint("one", &well.uri(), |_| {}).await;
        bench.endpoint("two", &well.uri(), |_| {}).await;
        bench.endpoint("deaf", &deaf.uri(), |_| {}).await;
        keep_call(&bench, "conv_1").await;
        bench
            .add(&bench.event(1, "conversation.completed", "conv_1"))
            .await;
        bench.work(3).await;
        assert_eq!(well.received_requests().await.unwrap().len(), 2);
        measured(1);

        deaf.reset().await;
        answers(&deaf, 200).await;
        bench.pass(Duration::from_secs(10));
        bench.work(1).await;
        assert_eq!(deaf.received_requests().await.unwrap().len(), 1);
        measured(1);

        keep_call(&bench, "conv_2").await;
        bench
            .add(&bench.event(2, "conversation.completed", "conv_2"))
            .await;
        bench.work(1).await;
        measured(2);
    }
}
