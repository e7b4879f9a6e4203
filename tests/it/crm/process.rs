//! A server that is killed in the middle of delivering: nothing is lost, and what comes twice is known
//! by its id. On the embedded default, and on PostgreSQL and RabbitMQ.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::announced::{bound, got, id_of};
use super::distributed::{Distributed, TOKEN};
use crate::support::{
    Platform, Server, completed_body, conversation_id, finished_call, source_settings, talk,
};

const CALLS: usize = 25;

const SETTINGS: &str =
    "[finalize]\ngrace = \"0\"\nrecheck = []\n[endpoints]\nallow_private = [\"127.0.0.0/8\"]";

/// What came, by call: the ids and bodies of its results, in their order.
async fn came(crm: &MockServer) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut came: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for request in crm.received_requests().await.unwrap() {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let call = body["data"]["id"].as_str().unwrap().to_owned();
        let event = request.headers["webhook-id"].to_str().unwrap().to_owned();
        came.entry(call).or_default().push((event, body));
    }
    came
}

/// Plays calls, kills the server three times while their results go out, and gives what came of all.
async fn killed(platform: &Platform, server: &mut Server, token: &str) -> BTreeMap<String, Value> {
    let crm = MockServer::start().await;
    let slowly = ResponseTemplate::new(200).set_delay(Duration::from_millis(150));
    Mock::given(any()).respond_with(slowly).mount(&crm).await;
    let made = server
        .client
        .post(format!("{}/v1/endpoints", server.url))
        .bearer_auth(token)
        .json(
            &json!({"url": crm.uri(), "events": ["conversation.completed"], "max_concurrency": 4}),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let ids: Vec<String> = (0..CALLS).map(|n| conversation_id(7_000 + n)).collect();
    for (n, id) in ids.iter().enumerate() {
        platform.add(
            finished_call(id, &format!("sip_+1555010{n:04}"), None),
            talk("Hello."),
        );
        let (status, _) = server.post_signed(completed_body(id)).await.unwrap();
        assert_eq!(status, 200);
    }
    for crash_at in [3, 10, 18] {
        for _ in 0..600 {
            if came(&crm).await.len() >= crash_at {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.crash().await;
    }
    let mut all = BTreeMap::new();
    // A message that a killed process held on the database's queue is free again after its lease.
    for _ in 0..2400 {
        all = came(&crm).await;
        if all.len() == CALLS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let missing: Vec<_> = ids.iter().filter(|id| !all.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{missing:?} did not come");
    let mut told = BTreeMap::new();
    for (call, mut events) in all {
        // At most the attempt in flight is repeated, once a crash, under the same id.
        assert!(events.len() <= 4, "{call}: {events:?}");
        events.dedup();
        assert_eq!(events.len(), 1, "{call}: {events:?}");
        told.extend(events);
    }
    told
}

#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing() {
    let platform = Platform::start().await;
    let mut server = Server::start(&platform, SETTINGS).await;
    let token = server.admin_token();
    killed(&platform, &mut server, &token).await;
}

#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing_on_postgresql_and_rabbitmq() {
    let Some(ground) = Distributed::fresh("crm_killed").await else {
        return;
    };
    let platform = Platform::start().await;
    let settings = |port: u16| source_settings(&platform, port, SETTINGS);
    let mut server = Server::start_from(&settings, &ground.environment()).await;
    let channel = bound(
        &ground.broker,
        "aftercall.results",
        "conversation.completed.*",
    )
    .await;
    let told = killed(&platform, &mut server, TOKEN).await;
    // RabbitMQ was told the same, under the same ids: persistent, and by key.
    let mut announced = BTreeMap::new();
    for _ in 0..600 {
        while let Some(message) = got(&channel).await {
            assert_eq!(*message.properties.delivery_mode(), Some(2));
            let body: Value = serde_json::from_slice(&message.data).unwrap();
            announced.insert(id_of(&message).to_owned(), body);
        }
        if announced.len() >= told.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(announced, told);
    ground.close();
}
