use serde_json::json;
use wiremock::matchers::{header, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer) -> Client {
    let config = source(PlatformName::Vapi, Some(&server.uri()));
    let auth = Auth::Bearer(Secret::new("key_planted").unwrap());
    Client::new(&config, Rest::new(&server.uri(), auth, client()).unwrap())
}

fn call(n: usize) -> Value {
    let at = Timestamp::from_secs(1_760_446_800 - i64::try_from(n).unwrap());
    json!({"id": format!("c{n}"), "type": "webCall", "status": "ended", "createdAt": at,
        "startedAt": at, "endedAt": at, "endedReason": "silence-timed-out"})
}

#[tokio::test]
async fn a_call_is_fetched_by_its_id() {
    let server = MockServer::start().await;
    Mock::given(path("/call/c1"))
        .and(header("authorization", "Bearer key_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(call(1)))
        .mount(&server)
        .await;
    let id = ConversationId::new("c1").unwrap();
    let fetched = api(&server).fetch(&id).await.unwrap();
    assert!(fetched.conversation.status.is_terminal());
    let other = ConversationId::new("c2").unwrap();
    assert_eq!(api(&server).fetch(&other).await, Err(FetchError::NotFound));
}

#[tokio::test]
async fn pages_meet_in_the_instant_that_parts_them() {
    let server = MockServer::start().await;
    let page = |rows: std::ops::Range<usize>| {
        let rows: Vec<Value> = rows.map(call).collect();
        ResponseTemplate::new(200).set_body_json(rows)
    };
    Mock::given(path("/call"))
        .and(query_param_is_missing("createdAtLe"))
        .and(query_param("limit", "100"))
        .respond_with(page(0..100))
        .mount(&server)
        .await;
    Mock::given(path("/call"))
        .and(query_param("createdAtLe", "2025-10-14T12:58:21.000Z"))
        .respond_with(page(99..120))
        .mount(&server)
        .await;
    let first = api(&server).list(&ListQuery::default()).await.unwrap();
    let query = ListQuery {
        cursor: first.next,
        ..ListQuery::default()
    };
    let second = api(&server).list(&query).await.unwrap();
    assert_eq!((first.rows.len(), second.rows.len()), (100, 21));
    assert_eq!(first.rows[99], second.rows[0], "once on each page");
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn a_page_of_one_instant_is_not_read_for_ever() {
    let server = MockServer::start().await;
    let rows: Vec<Value> = (0..100)
        .map(|n| {
            let mut row = call(0);
            row["id"] = json!(format!("c{n}"));
            row
        })
        .collect();
    Mock::given(path("/call"))
        .respond_with(ResponseTemplate::new(200).set_body_json(rows))
        .mount(&server)
        .await;
    let first = api(&server).list(&ListQuery::default()).await.unwrap();
    let query = ListQuery {
        cursor: first.next,
        ..ListQuery::default()
    };
    let second = api(&server).list(&query).await;
    assert!(
        matches!(second, Err(FetchError::Malformed(_))),
        "{second:?}"
    );
}
