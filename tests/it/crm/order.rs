//! The order in which an endpoint gets what tells of one conversation, on every database.

use std::time::Duration;

use aftercall::store::deliveries::Status;
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::answers;
use super::bench::Bench;

#[tokio::test]
async fn events_of_a_conversation_wait_for_each_other_and_others_do_not() {
    for bench in Bench::all("crm_order").await {
        let crm = MockServer::start().await;
        let broken = ResponseTemplate::new(500);
        Mock::given(header("webhook-id", "evt_1"))
            .respond_with(broken)
            .up_to_n_times(1)
            .mount(&crm)
            .await;
        answers(&crm, 200).await;
        bench.endpoint("crm", &crm.uri(), |_| {}).await;
        for (n, call) in [(1, "conv_1"), (2, "conv_1"), (3, "conv_1"), (4, "conv_2")] {
            bench
                .add(&bench.event(n, "conversation.updated", call))
                .await;
        }
        bench.work(5).await;
        bench.pass(Duration::from_secs(7));
        bench.work(5).await;
        let order: Vec<_> = crm
            .received_requests()
            .await
            .unwrap()
            .into_iter()
            .map(|request| request.headers["webhook-id"].to_str().unwrap().to_owned())
            .collect();
        let of_one: Vec<_> = order.iter().filter(|id| *id != "evt_4").collect();
        assert_eq!(of_one, ["evt_1", "evt_1", "evt_2", "evt_3"], "{order:?}");
        let at = |id: &str| order.iter().position(|one| one == id).unwrap();
        assert!(at("evt_4") < at("evt_2"), "{order:?}");
    }
}

#[tokio::test]
async fn a_result_does_not_wait_for_memories_that_are_refused() {
    for bench in Bench::all("crm_kinds").await {
        let crm = MockServer::start().await;
        let refused = ResponseTemplate::new(422);
        Mock::given(header("webhook-id", "evt_1"))
            .respond_with(refused)
            .mount(&crm)
            .await;
        answers(&crm, 200).await;
        bench.endpoint("crm", &crm.uri(), |_| {}).await;
        for (n, kind) in [
            (1, "memory.changed"),
            (2, "memory.changed"),
            (3, "conversation.completed"),
            (4, "conversation.updated"),
            (5, "consent.changed"),
        ] {
            bench.add(&bench.event(n, kind, "conv_1")).await;
        }
        bench.work(5).await;
        let taken: Vec<_> = bench
            .deliveries()
            .await
            .into_iter()
            .filter(|one| one.status == Status::Delivered)
            .map(|one| one.event_id)
            .collect();
        for id in ["evt_3", "evt_4", "evt_5"] {
            assert!(taken.iter().any(|one| one == id), "{id}: {taken:?}");
        }
        assert_eq!(taken.len(), 3, "{taken:?}");
    }
}
