use serde_json::json;
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer, base: &str) -> Client {
    let url = format!("{}{base}", server.uri());
    let auth = Auth::Header("xi-api-key", Secret::new("xi_planted").unwrap());
    let rest = Rest::new(&url, auth, client()).unwrap();
    Client::new(&source(PlatformName::Elevenlabs, None), rest)
}

fn row(n: u32) -> serde_json::Value {
    json!({"agent_id": "a", "conversation_id": format!("conv_{n}"), "status": "done",
        "start_time_unix_secs": 1_760_000_000 - n, "call_duration_secs": 9, "message_count": 2,
        "call_successful": "success"})
}

#[tokio::test]
async fn a_call_is_read_with_the_platforms_own_header() {
    let server = MockServer::start().await;
    let body = json!({"agent_id": "a", "conversation_id": "conv_1", "status": "done",
        "transcript": [{"role": "user", "message": "Hi", "time_in_call_secs": 1}],
        "metadata": {"start_time_unix_secs": 1_760_000_000, "call_duration_secs": 9}});
    Mock::given(method("GET"))
        .and(path("/v1/convai/conversations/conv_1"))
        .and(header("xi-api-key", "xi_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .expect(2)
        .mount(&server)
        .await;
    let id = ConversationId::new("conv_1").unwrap();
    // With and without the path that the documents print at the base URL.
    for base in ["", "/v1"] {
        let fetched = api(&server, base).fetch(&id).await.unwrap();
        assert_eq!(fetched.messages.len(), 1);
    }
    let unknown = ConversationId::new("conv_2").unwrap();
    let failed = api(&server, "").fetch(&unknown).await;
    assert_eq!(failed, Err(FetchError::NotFound));
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let server = MockServer::start().await;
    let list = || Mock::given(method("GET")).and(path("/v1/convai/conversations"));
    let first = json!({"conversations": [row(1), row(2)], "next_cursor": "c2", "has_more": true});
    list()
        .and(query_param_is_missing("cursor"))
        .and(query_param("page_size", "100"))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .mount(&server)
        .await;
    let second = json!({"conversations": [row(3)], "next_cursor": null, "has_more": false});
    list()
        .and(query_param("cursor", "c2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(second))
        .mount(&server)
        .await;
    let api = api(&server, "");
    let mut query = ListQuery::default();
    let mut ids = Vec::new();
    loop {
        let page = api.list(&query).await.unwrap();
        ids.extend(page.rows.iter().map(|row| row.conversation.id.to_string()));
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["conv_1", "conv_2", "conv_3"]);
}

#[tokio::test]
async fn failures_are_told_apart_and_quote_nothing() {
    let server = MockServer::start().await;
    let id = ConversationId::new("conv_1").unwrap();
    for (status, code) in [
        (401, "platform_refused"),
        (403, "platform_refused"),
        (404, "platform_not_found"),
        (422, "platform_malformed"),
        (429, "platform_slow_down"),
        (500, "platform_unavailable"),
    ] {
        let detail = json!({"detail": {"status": "planted", "message": "planted"}});
        server.reset().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(status).set_body_json(detail))
            .mount(&server)
            .await;
        let failed = api(&server, "").fetch(&id).await.unwrap_err();
        assert_eq!(failed.code(), code, "{status}");
        assert!(!failed.to_string().contains("planted"));
    }
}
