use serde_json::json;
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::id::ConversationId;
use crate::platform::rest::Auth;
use crate::platform::tests::{client as http, source};
use crate::platform::{Api as _, ListQuery};
use crate::secret::Secret;

fn api(server: &MockServer) -> Client {
    let auth = Auth::Header("x-api-key", Secret::new("vk_planted").unwrap());
    let rest = Rest::new(&server.uri(), auth, http()).unwrap();
    super::client(&source(PlatformName::Voiceable, None), rest)
}

fn row(id: &str) -> serde_json::Value {
    json!({"conversation_id": id, "agent_id": "a", "status": "completed",
        "created_at": "2025-10-14T13:00:00Z"})
}

#[tokio::test]
async fn pages_go_on_at_the_cursor_of_the_answer() {
    let server = MockServer::start().await;
    let list = || {
        Mock::given(method("GET"))
            .and(path("/api/v1/conversations"))
            .and(header("x-api-key", "vk_planted"))
    };
    let first = json!({"conversations": [row("v-2")], "cursor": "c1", "has_more": true});
    list()
        .and(query_param_is_missing("cursor"))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .mount(&server)
        .await;
    let second = json!({"conversations": [row("v-1")], "cursor": null, "has_more": false});
    list()
        .and(query_param("cursor", "c1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(second))
        .mount(&server)
        .await;
    let page = api(&server).list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("c1"));
    let query = ListQuery {
        cursor: page.next,
        ..ListQuery::default()
    };
    let page = api(&server).list(&query).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!(page.rows[0].conversation.id.as_str(), "v-1");
}

#[tokio::test]
async fn a_call_is_read_as_elevenlabs_answers() {
    let server = MockServer::start().await;
    let mut body = row("v-1");
    body["transcript"] = json!([{"role": "user", "message": "Hi"}]);
    Mock::given(path("/api/v1/conversations/v-1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let id = ConversationId::new("v-1").unwrap();
    let fetched = api(&server).fetch(&id).await.unwrap();
    assert_eq!(fetched.conversation.platform, "voiceable");
    assert_eq!(fetched.messages[0].content, "Hi");
}
