//! A server that is killed in the middle of delivering: nothing is lost, and what comes twice is known
//! by its id.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Platform, Server, completed_body, conversation_id, finished_call, talk};

#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing() {
    const CALLS: usize = 25;
    let platform = Platform::start().await;
    let crm = MockServer::start().await;
    let slowly = ResponseTemplate::new(200).set_delay(Duration::from_millis(150));
    Mock::given(any()).respond_with(slowly).mount(&crm).await;
    let settings =
        "[finalize]\ngrace = \"0\"\nrecheck = []\n[endpoints]\nallow_private = [\"127.0.0.0/8\"]";
    let mut server = Server::start(&platform, settings).await;
    let made = server
        .client
        .post(format!("{}/v1/endpoints", server.url))
        .bearer_auth(server.admin_token())
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
    let got = async || {
        let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in crm.received_requests().await.unwrap() {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let call = body["data"]["id"].as_str().unwrap().to_owned();
            let event = request.headers["webhook-id"].to_str().unwrap().to_owned();
            got.entry(call).or_default().push(event);
        }
        got
    };
    for crash_at in [3, 10, 18] {
        for _ in 0..600 {
            if got().await.len() >= crash_at {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.crash().await;
    }
    let mut all = BTreeMap::new();
    for _ in 0..1200 {
        all = got().await;
        if all.len() == CALLS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        ids.iter().all(|id| all.contains_key(id)),
        "{} of {CALLS} came",
        all.len()
    );
    for (call, mut events) in all {
        // At most the attempt in flight is repeated, once a crash, under the same id.
        assert!(events.len() <= 4, "{call}: {events:?}");
        events.dedup();
        assert_eq!(events.len(), 1, "{call}: {events:?}");
    }
}
