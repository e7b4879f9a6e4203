use serde_json::json;
use wiremock::matchers::{header, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer) -> Client {
    let config = source(PlatformName::Bland, Some(&server.uri()));
    let auth = Auth::Header("authorization", Secret::new("key_planted").unwrap());
    Client::new(&config, Rest::new(&server.uri(), auth, client()).unwrap())
}

#[tokio::test]
async fn calls_are_fetched_and_listed_until_a_page_is_empty() {
    let server = MockServer::start().await;
    let call = json!({"call_id": "c1", "completed": true, "created_at": "2025-10-14T13:00:00Z",
        "end_at": "2025-10-14T13:01:00Z", "call_ended_by": "USER"});
    Mock::given(path("/v1/calls/c1"))
        .and(header("authorization", "key_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(&call))
        .mount(&server)
        .await;
    for (from, calls) in [
        ("0", json!([call, {"c_id": "c2", "completed": false}])),
        ("2", json!([])),
    ] {
        Mock::given(path("/v1/calls"))
            .and(query_param("from", from))
            .and(query_param("ascending", "false"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"calls": calls})))
            .mount(&server)
            .await;
    }
    let id = ConversationId::new("c1").unwrap();
    let fetched = api(&server).fetch(&id).await.unwrap();
    assert!(fetched.conversation.status.is_terminal());
    let first = api(&server).list(&ListQuery::default()).await.unwrap();
    assert!(first.rows[0].is_over() && !first.rows[1].is_over());
    let query = ListQuery {
        cursor: first.next,
        ..ListQuery::default()
    };
    assert_eq!(query.cursor.as_deref(), Some("2"));
    let last = api(&server).list(&query).await.unwrap();
    assert_eq!((last.rows.len(), last.next), (0, None));
}
