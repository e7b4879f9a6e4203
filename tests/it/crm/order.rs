//! The order in which an endpoint gets what tells of one conversation, on every database.

use std::collections::BTreeMap;
use std::time::Duration;

use aftercall::store::deliveries::{self, Held, Next, Status};
use aftercall::store::endpoints;
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
        assert_eq!(bench.arrived().await, 0, "corrections are no result");
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
        assert_eq!(bench.arrived().await, 1);
    }
}

/// What each delivery waits for, by its event.
async fn waits(bench: &Bench) -> BTreeMap<String, Next> {
    let now = bench.now();
    let found = bench.deliveries().await;
    let told =
        bench.read(move |conn| Box::pin(async move { deliveries::tell(conn, found, now).await }));
    let told = told.await.into_iter();
    told.map(|told| (told.delivery.event_id, told.next))
        .collect()
}

#[tokio::test]
async fn what_a_delivery_waits_for_is_told() {
    for bench in Bench::all("crm_held").await {
        let crm = MockServer::start().await;
        answers(&crm, 500).await;
        let endpoint = bench.endpoint("crm", &crm.uri(), |_| {}).await;
        for (n, kind) in [
            (1, "conversation.completed"),
            (2, "conversation.updated"),
            (3, "memory.changed"),
        ] {
            bench.add(&bench.event(n, kind, "conv_1")).await;
        }
        let found = bench.deliveries().await;
        let first = found.into_iter().find(|its| its.event_id == "evt_1");
        let behind = Next::Held(Held::Order(first.map(|its| its.id)));
        let before = waits(&bench).await;
        assert_eq!(before["evt_2"], behind);
        assert!(matches!(before["evt_1"], Next::At(_)));
        assert!(matches!(before["evt_3"], Next::At(_)), "another kind");
        bench.work(5).await;
        let tried = waits(&bench).await;
        assert_eq!(tried["evt_2"], behind);
        assert!(matches!(tried["evt_1"], Next::At(at) if at > bench.now()));
        // Nobody looks for what is due now: by the minute it waits for its endpoint.
        bench.pass(Duration::from_mins(1));
        let overdue = waits(&bench).await;
        assert_eq!(overdue["evt_1"], Next::Held(Held::Failing));
        assert_eq!(overdue["evt_2"], behind);
        let off = endpoints::Endpoint {
            enabled: false,
            ..bench.endpoint_of(&endpoint.id).await
        };
        bench
            .write(move |conn| Box::pin(async move { endpoints::save(conn, &off).await }))
            .await;
        for (event, next) in waits(&bench).await {
            assert_eq!(next, Next::Held(Held::Disabled), "{event}");
        }
    }
}
