use serde_json::json;
use wiremock::matchers::{basic_auth, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer) -> Client {
    let config = source(PlatformName::Plivo, Some(&server.uri()));
    let auth = Auth::Basic("MA1".to_owned(), Secret::new("key_planted").unwrap());
    let rest = Rest::new(&server.uri(), auth, client()).unwrap();
    Client::new(&config, rest, "MA1")
}

fn call(uuid: &str, state: &str) -> Value {
    json!({"call_uuid": uuid, "call_state": state, "call_direction": "outbound",
        "from_number": "+18005550100", "to_number": "14155550123", "call_duration": 60,
        "initiation_time": "2025-10-14 13:00:00+00:00", "answer_time": "2025-10-14 13:00:05+00:00",
        "end_time": "2025-10-14 13:01:05+00:00", "total_amount": "0.01000",
        "hangup_source": "Callee", "hangup_cause_name": "Normal Hangup"})
}

#[tokio::test]
async fn calls_are_fetched_and_listed_until_a_page_is_empty() {
    let server = MockServer::start().await;
    Mock::given(path("/v1/Account/MA1/Call/c1/"))
        .and(basic_auth("MA1", "key_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(call("c1", "ANSWER")))
        .mount(&server)
        .await;
    for (offset, calls) in [
        ("0", json!([call("c1", "ANSWER"), call("c2", "BUSY")])),
        ("2", json!([])),
    ] {
        Mock::given(path("/v1/Account/MA1/Call/"))
            .and(query_param("offset", offset))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"objects": calls})))
            .mount(&server)
            .await;
    }
    let id = ConversationId::new("c1").unwrap();
    let fetched = api(&server).fetch(&id).await.unwrap();
    let said = |reason: Option<crate::end_reason::PlatformReason>| {
        reason
            .and_then(|said| said.reason)
            .map(|reason| reason.to_string())
    };
    assert_eq!(said(fetched.reason).as_deref(), Some("caller_hangup"));
    let call = &fetched.conversation;
    assert_eq!(
        (call.caller_identity.as_str(), call.duration_ms),
        ("+14155550123", Some(60_000))
    );
    assert_eq!(call.created_at.to_string(), "2025-10-14T13:00:00.000Z");
    let first = api(&server).list(&ListQuery::default()).await.unwrap();
    assert!(first.rows.iter().all(Listed::is_over));
    assert_eq!(
        said(first.rows[1].reason.clone()).as_deref(),
        Some("dial_busy")
    );
    let query = ListQuery {
        cursor: first.next,
        ..ListQuery::default()
    };
    assert_eq!(api(&server).list(&query).await.unwrap().next, None);
}
