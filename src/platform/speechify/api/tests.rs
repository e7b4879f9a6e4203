use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::end_reason::EndReason;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};

const ID: &str = "conv_01k7h3v5e8f9x2m4q6s8t0w1y3";

fn api(server: &MockServer) -> Client {
    asking(&server.uri())
}

fn asking(base_url: &str) -> Client {
    let config = source(PlatformName::Speechify, Some(base_url));
    let auth = Auth::Bearer(config.api.clone().unwrap().token);
    Client::new(&config, Rest::new(base_url, auth, client()).unwrap())
}

fn id() -> ConversationId {
    ConversationId::new(ID).unwrap()
}

fn call() -> Value {
    json!({"id": ID, "agent_id": "agent_1", "status": "completed", "transport": "sip_inbound",
        "created_at": "2025-10-14T13:00:00Z", "metadata": {}, "message_count": 0})
}

async fn answer(server: &MockServer, route: &str, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(route))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn json_at(server: &MockServer, route: &str, body: Value) {
    answer(
        server,
        route,
        ResponseTemplate::new(200).set_body_json(body),
    )
    .await;
}

fn route(behind: &str) -> String {
    format!("/v1/agents/conversations/{ID}{behind}")
}

/// What fetching gives when the conversation itself is answered so.
async fn fetched(template: ResponseTemplate) -> Result<Fetched, FetchError> {
    let server = MockServer::start().await;
    answer(&server, &route(""), template).await;
    json_at(
        &server,
        &route("/messages"),
        json!({"messages": [], "has_more": false}),
    )
    .await;
    api(&server).fetch(&id()).await
}

#[tokio::test]
async fn all_pages_of_messages_come_in_order() {
    let server = MockServer::start().await;
    Mock::given(path(route("")))
        .and(header("authorization", "Bearer sk_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(call()))
        .expect(1)
        .mount(&server)
        .await;
    let page = |ids: &[&str], next: Value, more: bool| {
        let rows: Vec<Value> = ids
            .iter()
            .map(|id| json!({"id": id, "role": "user", "content": id}))
            .collect();
        ResponseTemplate::new(200)
            .set_body_json(json!({"messages": rows, "next_cursor": next, "has_more": more}))
    };
    Mock::given(path(route("/messages")))
        .and(query_param("limit", "200"))
        .and(query_param_is_missing("cursor"))
        .respond_with(page(&["msg_1", "msg_2"], json!("a b/&"), true))
        .mount(&server)
        .await;
    // The transcript grew between the pages: msg_2 is there again.
    Mock::given(path(route("/messages")))
        .and(query_param("cursor", "a b/&"))
        .respond_with(page(&["msg_2", "msg_3"], json!("c"), true))
        .mount(&server)
        .await;
    Mock::given(path(route("/messages")))
        .and(query_param("cursor", "c"))
        .respond_with(page(&["msg_4"], Value::Null, false))
        .mount(&server)
        .await;
    let fetched = api(&server).fetch(&id()).await.unwrap();
    let ids: Vec<&str> = fetched.messages.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["msg_1", "msg_2", "msg_3", "msg_4"]);
}

#[tokio::test]
async fn pages_in_a_circle_and_half_pages_are_malformed() {
    for page in [
        json!({"messages": [], "next_cursor": "again", "has_more": true}),
        json!({"messages": [], "next_cursor": null, "has_more": true}),
        json!({"messages": null}),
        json!({"messages": ["text"]}),
        json!({}),
        json!([]),
    ] {
        let server = MockServer::start().await;
        json_at(&server, &route(""), call()).await;
        json_at(&server, &route("/messages"), page.clone()).await;
        let failed = api(&server).fetch(&id()).await.unwrap_err();
        assert_eq!(failed.code(), "platform_malformed", "{page}");
    }
}

#[tokio::test]
async fn every_status_means_what_the_worker_does_next() {
    let status = ResponseTemplate::new;
    let slow = |code, secs: u64| FetchError::SlowDown {
        status: code,
        after: Some(Duration::from_secs(secs)),
    };
    for (template, expected) in [
        (status(404), FetchError::NotFound),
        (status(401), FetchError::Refused { status: 401 }),
        (status(403), FetchError::Refused { status: 403 }),
        (
            status(429),
            FetchError::SlowDown {
                status: 429,
                after: None,
            },
        ),
        (status(429).insert_header("retry-after", "7"), slow(429, 7)),
        (
            status(429).insert_header("retry-after", "86400"),
            slow(429, 900),
        ),
        (
            status(429)
                .insert_header("date", "Tue, 14 Oct 2025 13:00:00 GMT")
                .insert_header("retry-after", "Tue, 14 Oct 2025 13:01:30 GMT"),
            slow(429, 90),
        ),
        (
            status(503)
                .insert_header("date", "Tue, 14 Oct 2025 13:00:00 GMT")
                .insert_header("retry-after", "Tue, 14 Oct 2025 12:00:00 GMT"),
            slow(503, 0),
        ),
        (status(503).insert_header("retry-after", "3"), slow(503, 3)),
        (
            status(503),
            FetchError::Unavailable("status 503".to_owned()),
        ),
        (
            status(500),
            FetchError::Unavailable("status 500".to_owned()),
        ),
        (status(422), FetchError::Malformed("status 422".to_owned())),
        (
            status(302).insert_header("location", "https://example.com/"),
            FetchError::Malformed("status 302".to_owned()),
        ),
    ] {
        assert_eq!(fetched(template).await, Err(expected));
    }
}

#[tokio::test]
async fn garbage_half_answers_and_another_call_are_malformed() {
    let text = |body: &str| ResponseTemplate::new(200).set_body_string(body);
    let without = |key: &str| {
        let mut call = call();
        call.as_object_mut().unwrap().remove(key);
        ResponseTemplate::new(200).set_body_json(call)
    };
    let mut other = call();
    other["id"] = json!("conv_another");
    for template in [
        text("planted"),
        text(""),
        text("null"),
        text(&call().to_string()[..60]),
        text(&"[".repeat(100_000)),
        without("id"),
        without("status"),
        without("created_at"),
        ResponseTemplate::new(200).set_body_json(other),
        ResponseTemplate::new(200).set_body_bytes(vec![0xff; 9]),
    ] {
        let failed = fetched(template).await.unwrap_err();
        assert_eq!(failed.code(), "platform_malformed");
        assert!(!failed.to_string().contains("planted"), "{failed}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_swallowed() {
    let huge = ResponseTemplate::new(200).set_body_bytes(vec![b' '; (32 << 20) + 1]);
    let failed = fetched(huge).await.unwrap_err();
    assert!(failed.to_string().contains("32 MiB"), "{failed}");
}

#[tokio::test]
async fn a_dead_server_is_unavailable_and_not_named() {
    // Nobody listens on the port that stands for multiplexing.
    let api = asking("http://127.0.0.1:1/planted");
    let failed = api.fetch(&id()).await.unwrap_err();
    assert_eq!(failed, FetchError::Unavailable("no connection".to_owned()));
    assert!(!format!("{api:?}").contains("sk_planted"));
}

#[tokio::test]
async fn an_id_can_not_leave_its_place_in_the_path() {
    let server = MockServer::start().await;
    let at = "/base/v1/agents/conversations/a%2F..%2Fb%3Fc%23d%25";
    let body = json!({"id": "a/../b?c#d%", "agent_id": "x", "status": "active",
        "created_at": "2025-10-14T13:00:00Z"});
    json_at(&server, at, body).await;
    json_at(&server, &format!("{at}/messages"), json!({"messages": []})).await;
    let api = asking(&format!("{}/base/", server.uri()));
    let odd = ConversationId::new("a/../b?c#d%").unwrap();
    assert_eq!(api.fetch(&odd).await.unwrap().conversation.id, odd);
    for dots in [".", ".."] {
        let dots = ConversationId::new(dots).unwrap();
        assert_eq!(api.fetch(&dots).await, Err(FetchError::NotFound));
    }
}

#[tokio::test]
async fn the_list_asks_for_one_caller_from_one_place() {
    let server = MockServer::start().await;
    let mut row = call();
    row["message_count"] = json!(12);
    row["end_reason"] = json!("agent_ended");
    Mock::given(path("/v1/agents/conversations"))
        .and(query_param("caller_identity", "sip_+14155550123"))
        .and(query_param("cursor", "here"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"conversations": [row], "next_cursor": "there", "has_more": true}),
        ))
        .mount(&server)
        .await;
    let query = ListQuery {
        caller_identity: Some("sip_+14155550123".to_owned()),
        cursor: Some("here".to_owned()),
    };
    let page = api(&server).list(&query).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("there"));
    assert_eq!(page.rows[0].conversation.message_count, 12);
    let reason = page.rows[0].reason.clone().unwrap();
    assert_eq!(reason.reason, Some(EndReason::AgentEnded));
}

#[tokio::test]
async fn conversation_ids_have_one_form() {
    let api = api(&MockServer::start().await);
    assert!(api.is_conversation_id(ID));
    assert!(api.is_conversation_id(&ID.to_uppercase()));
    for other in [
        "",
        "conv_",
        "conv_01HS...",
        &ID[..30],
        "sip_+14155550123_7f3Kq9ZxP2",
        "conv_01k7h3v5e8f9x2m4q6s8t0w1yu",
        "agent_01k7h3v5e8f9x2m4q6s8t0w1y",
    ] {
        assert!(!api.is_conversation_id(other), "{other}");
    }
}

#[tokio::test]
async fn a_platform_that_spells_its_ids_in_capitals_is_asked_in_capitals() {
    let server = MockServer::start().await;
    let spelled = "conv_01K7H3V5E8F9X2M4Q6S8T0W1Y3";
    let mut theirs = call();
    theirs["id"] = json!(spelled);
    let route = format!("/v1/agents/conversations/{spelled}");
    json_at(&server, &route, theirs).await;
    let messages = json!({"messages": [{"id": "m", "role": "user", "content": "Hi."}],
        "has_more": false});
    json_at(&server, &format!("{route}/messages"), messages).await;
    let fetched = api(&server).fetch(&id()).await.unwrap();
    assert_eq!(fetched.conversation.id, id());
    assert_eq!(fetched.messages.len(), 1);
}

#[tokio::test]
async fn no_text_has_a_character_that_can_not_be_stored() {
    let mut body = call();
    body["metadata"] = json!({"a\u{0}b": ["c\u{0}d"]});
    let fetched = fetched(ResponseTemplate::new(200).set_body_json(body))
        .await
        .unwrap();
    let metadata = serde_json::to_value(&fetched.conversation.metadata).unwrap();
    assert_eq!(metadata, json!({"a\u{fffd}b": ["c\u{fffd}d"]}));
}
