use serde_json::json;
use wiremock::matchers::{basic_auth, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::end_reason::EndReason;
use crate::platform::rest::Auth;
use crate::platform::tests::{client, source};
use crate::secret::Secret;

fn api(server: &MockServer) -> Client {
    let config = source(PlatformName::Twilio, Some(&server.uri()));
    let auth = Auth::Basic("AC1".to_owned(), Secret::new("key_planted").unwrap());
    let rest = Rest::new(&server.uri(), auth, client()).unwrap();
    Client::new(&config, rest, "AC1")
}

fn call(sid: &str, status: &str) -> Value {
    json!({"sid": sid, "status": status, "from": "+18005550100", "to": "+14155550123",
        "direction": "outbound-api", "duration": "60", "price": "-0.0130", "price_unit": "USD",
        "date_created": "Tue, 14 Oct 2025 13:00:00 +0000",
        "start_time": "Tue, 14 Oct 2025 13:00:05 +0000",
        "end_time": "Tue, 14 Oct 2025 13:01:05 +0000", "answered_by": null})
}

#[tokio::test]
async fn a_call_is_fetched_by_its_sid() {
    let server = MockServer::start().await;
    Mock::given(path("/2010-04-01/Accounts/AC1/Calls/CA1.json"))
        .and(basic_auth("AC1", "key_planted"))
        .respond_with(ResponseTemplate::new(200).set_body_json(call("CA1", "busy")))
        .mount(&server)
        .await;
    let id = ConversationId::new("CA1").unwrap();
    let fetched = api(&server).fetch(&id).await.unwrap();
    let call = &fetched.conversation;
    assert_eq!(fetched.reason.unwrap().reason, Some(EndReason::DialBusy));
    assert_eq!(call.created_at.to_string(), "2025-10-14T13:00:00.000Z");
    assert_eq!(
        (call.duration_ms, call.started_at, call.cost_cents),
        (None, None, Some(1))
    );
}

#[tokio::test]
async fn the_next_page_is_where_the_last_one_says_but_never_elsewhere() {
    let server = MockServer::start().await;
    let list = "/2010-04-01/Accounts/AC1/Calls.json";
    let next = "https://evil.example/2010-04-01/Accounts/AC2/Calls.json?PageSize=500&Page=1&PageToken=PAa%2Bb";
    Mock::given(path(list))
        .and(query_param_is_missing("PageToken"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"calls": [call("CA2", "completed")], "next_page_uri": next})),
        )
        .mount(&server)
        .await;
    Mock::given(path(list))
        .and(query_param("PageToken", "PAa+b"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(
                json!({"calls": [call("CA1", "in-progress")], "next_page_uri": null}),
            ),
        )
        .mount(&server)
        .await;
    let first = api(&server).list(&ListQuery::default()).await.unwrap();
    assert!(first.rows[0].is_over());
    let query = ListQuery {
        cursor: first.next,
        ..ListQuery::default()
    };
    let second = api(&server).list(&query).await.unwrap();
    assert!(!second.rows[0].is_over() && second.next.is_none());
}
