use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer) -> Client {
    let config = source(PlatformName::Retell, Some(&server.uri()));
    let auth = Auth::Bearer(Secret::new("key_planted").unwrap());
    Client::new(&config, Rest::new(&server.uri(), auth, client()).unwrap())
}

fn call(id: &str, start: i64) -> Value {
    json!({"call_id": id, "agent_id": "a", "call_status": "ended", "call_type": "web_call",
        "disconnection_reason": "user_hangup", "start_timestamp": start, "end_timestamp": start + 5})
}

#[tokio::test]
async fn a_call_is_fetched_by_its_id() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/v2/get-call/c1"))
        .and(header("authorization", "Bearer key_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(call("c1", 1_760_446_800_000)))
        .mount(&server)
        .await;
    let id = ConversationId::new("c1").unwrap();
    let fetched = api(&server).fetch(&id).await.unwrap();
    assert!(fetched.conversation.status.is_terminal());
    let other = ConversationId::new("c2").unwrap();
    assert_eq!(api(&server).fetch(&other).await, Err(FetchError::NotFound));
}

#[tokio::test]
async fn pages_are_asked_for_by_their_key_until_there_are_no_more() {
    let server = MockServer::start().await;
    let page = |asked: Value, answer: Value| {
        Mock::given(method("POST"))
            .and(path("/v3/list-calls"))
            .and(body_json(asked))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer))
    };
    page(
        json!({"sort_order": "descending", "limit": 200}),
        json!({"items": [{"call_id": "new"}, call("c2", 2000)], "pagination_key": "k", "has_more": true}),
    )
    .mount(&server)
    .await;
    page(
        json!({"sort_order": "descending", "limit": 200, "pagination_key": "k"}),
        json!({"items": [call("c1", 1000)], "pagination_key": "z", "has_more": false}),
    )
    .mount(&server)
    .await;
    let first = api(&server).list(&ListQuery::default()).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("k"));
    let new = &first.rows[0].conversation;
    assert_eq!(
        new.created_at,
        Timestamp::from_millis(2000),
        "beside its neighbour"
    );
    assert!(!new.status.is_terminal() && first.rows[1].is_over());
    let query = ListQuery {
        cursor: first.next,
        ..ListQuery::default()
    };
    let second = api(&server).list(&query).await.unwrap();
    assert_eq!((second.rows.len(), second.next), (1, None));
}

#[tokio::test]
async fn what_is_no_page_is_said_to_be_none() {
    for answer in [
        json!([]),
        json!({}),
        json!({"items": [1, 2]}),
        json!({"items": [{}, {}]}),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer))
            .mount(&server)
            .await;
        let refused = api(&server).list(&ListQuery::default()).await;
        assert!(
            matches!(refused, Err(FetchError::Malformed(_))),
            "{refused:?}"
        );
    }
}
