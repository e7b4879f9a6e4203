use serde_json::json;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer, base: &str) -> Client {
    let url = format!("{}{base}", server.uri());
    let auth = Auth::BearerFor {
        token: Secret::new("pat_planted").unwrap(),
        header: "x-anyreach-org",
        account: "org_1".to_owned(),
    };
    let rest = Rest::new(&url, auth, client()).unwrap();
    Client::new(&source(PlatformName::Anyreach, None), rest)
}

fn safe(id: &str) -> Value {
    json!({"id": id, "direction": "inbound", "channel": "telephone", "status": "completed",
        "user_id": "+14155550123", "agent_id": "ag", "duration": 9,
        "created_at": "2025-10-14T13:00:00Z", "updated_at": "2025-10-14T13:05:00Z"})
}

#[tokio::test]
async fn a_call_is_asked_for_on_behalf_of_its_organization() {
    let server = MockServer::start().await;
    let mut body = safe("a-1");
    body["conversation"] = json!({"messages": [{"role": "user", "content": "Hi"}]});
    Mock::given(method("GET"))
        .and(path("/core/conversations/a-1"))
        .and(header("authorization", "Bearer pat_planted"))
        .and(header("x-anyreach-org", "org_1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .expect(2)
        .mount(&server)
        .await;
    let id = ConversationId::new("a-1").unwrap();
    for base in ["", "/core"] {
        assert_eq!(
            api(&server, base).fetch(&id).await.unwrap().messages.len(),
            1
        );
    }
}

#[tokio::test]
async fn a_token_that_may_not_see_the_transcript_is_told_so() {
    let server = MockServer::start().await;
    Mock::given(path("/core/conversations/a-1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(safe("a-1")))
        .mount(&server)
        .await;
    let id = ConversationId::new("a-1").unwrap();
    let failed = api(&server, "").fetch(&id).await.unwrap_err();
    assert!(
        failed.to_string().contains("conversations:read_sensitive"),
        "{failed}"
    );
    assert_eq!(failed.code(), "platform_unscoped");
}

#[tokio::test]
async fn the_list_is_a_plain_array() {
    let server = MockServer::start().await;
    Mock::given(path("/core/conversations"))
        .and(query_param("limit", "50"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([safe("a-2"), safe("a-1")])))
        .mount(&server)
        .await;
    let page = api(&server, "").list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.rows.len(), 2);
    assert_eq!(page.next, None);
    assert!(page.rows.iter().all(Listed::is_over));
}
