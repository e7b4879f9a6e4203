//! What failed, or was missed while an endpoint was disabled, is sent again.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::MockServer;

use super::{Desk, all_delivered, answers};

/// An endpoint whose CRM answered 410 to its first event.
struct Given {
    desk: Desk,
    crm: MockServer,
    endpoint: String,
    /// Of the endpoint.
    path: String,
    /// The call whose delivery failed.
    first: String,
    failed: Value,
    /// The path of the delivery that failed.
    delivery: String,
}

async fn given() -> Given {
    let desk = Desk::open().await;
    let crm = MockServer::start().await;
    answers(&crm, 410).await;
    let wanted = json!({"url": crm.uri(), "events": ["conversation.completed"]});
    let made = desk.post("/v1/endpoints", wanted).await.expect(201);
    let endpoint = made["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/endpoints/{endpoint}");
    let first = desk.call(20).await;
    let is_failed = |rows: &[Value]| rows.len() == 1 && rows[0]["status"] == "failed";
    let rows = desk
        .deliveries(&format!("endpoint_id={endpoint}"), is_failed)
        .await;
    let failed = rows[0].clone();
    let delivery = format!("/v1/deliveries/{}", failed["id"].as_str().unwrap());
    let attempt = &failed["attempts"][0];
    assert_eq!(
        (&attempt["status"], &attempt["code"]),
        (&json!(410), &json!("endpoint_gone"))
    );
    assert_eq!(attempt["response"], "noted");
    assert_eq!(failed["next_attempt_at"], Value::Null);
    Given {
        desk,
        crm,
        endpoint,
        path,
        first,
        failed,
        delivery,
    }
}

impl Given {
    /// How many deliveries a filter finds.
    async fn count(&self, filter: &str) -> usize {
        let page = self.desk.get(&format!("/v1/deliveries?{filter}")).await;
        page.expect(200)["deliveries"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn what_failed_or_was_missed_is_sent_again_and_can_be_found() {
    let given = given().await;
    let missed = misses(&given).await;
    is_sent_again(&given, &missed).await;
    is_found(&given).await;
    is_removed(&given).await;
}

/// Disabled, it is sent nothing, and a retry says why not.
async fn misses(given: &Given) -> String {
    let Given {
        desk,
        path,
        delivery,
        ..
    } = given;
    let gone = desk.get(path).await.expect(200);
    assert_eq!(
        (&gone["enabled"], &gone["disabled_reason"]),
        (&json!(false), &json!("gone"))
    );
    assert_eq!(
        desk.post(&format!("{delivery}/retry"), json!({}))
            .await
            .fails(409),
        "endpoint_disabled"
    );
    let missed = desk.call(21).await;
    desk.server.wait_for(&missed, Duration::from_secs(30)).await;
    let page = desk
        .get(&format!("/v1/deliveries?conversation_id={missed}"))
        .await
        .expect(200);
    assert_eq!(page["deliveries"], json!([]));
    missed
}

async fn is_sent_again(given: &Given, missed: &str) {
    let Given {
        desk,
        crm,
        path,
        first,
        failed,
        delivery,
        ..
    } = given;
    crm.reset().await;
    answers(crm, 200).await;
    // What it missed while it was disabled is asked for before it is enabled, or with a time.
    let sent = desk
        .post(&format!("{path}/send-missed"), json!({}))
        .await
        .expect(202);
    assert_eq!(
        (&sent["queued"], &sent["complete"]),
        (&json!(1), &json!(true))
    );
    desk.post(&format!("{path}/enable"), json!({}))
        .await
        .expect(200);
    desk.deliveries(&format!("conversation_id={missed}"), all_delivered(1))
        .await;
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    let sent = desk
        .post(&format!("{path}/send-missed"), since.clone())
        .await
        .expect(202);
    assert_eq!(sent["queued"], 0, "what it has is not sent twice");
    let later = json!({"since": "2999-01-01T00:00:00Z"});
    let none = desk.post(&format!("{path}/retry"), later).await.expect(202);
    assert_eq!(none["retried"], 0);
    let retried = desk.post(&format!("{path}/retry"), since).await.expect(202);
    assert_eq!(retried["retried"], 1);
    let rows = desk
        .deliveries(&format!("conversation_id={first}"), all_delivered(1))
        .await;
    assert_eq!(rows[0]["attempts"].as_array().unwrap().len(), 2);
    // Its letter is resolved with it.
    let letters = desk.get("/v1/dead-letters?state=dead").await.expect(200);
    assert_eq!(letters["dead_letters"], json!([]));
    // One once more: the same id, one attempt more.
    desk.post(&format!("{delivery}/retry"), json!({}))
        .await
        .expect(202);
    let three = |rows: &[Value]| rows[0]["attempts"].as_array().unwrap().len() == 3;
    desk.deliveries(&format!("conversation_id={first}"), three)
        .await;
    let ids: Vec<_> = crm.received_requests().await.unwrap();
    let of_first: Vec<_> = ids
        .iter()
        .filter(|request| request.headers["webhook-id"] == failed["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(of_first.len(), 2);
}

/// By every filter, page by page, and from its call.
async fn is_found(given: &Given) {
    let Given {
        desk,
        endpoint,
        first,
        failed,
        ..
    } = given;
    assert_eq!(given.count(&format!("endpoint_id={endpoint}")).await, 2);
    assert_eq!(given.count("status=delivered").await, 2);
    assert_eq!(given.count("status=pending").await, 0);
    assert_eq!(given.count("type=memory.changed").await, 0);
    assert_eq!(
        given
            .count(&format!(
                "event_id={}",
                failed["event_id"].as_str().unwrap()
            ))
            .await,
        1
    );
    assert_eq!(given.count("since=2999-01-01T00:00:00Z").await, 0);
    assert_eq!(given.count("until=2999-01-01T00:00:00Z").await, 2);
    assert_eq!(
        given
            .count(&format!("conversation_id={}", first.to_uppercase()))
            .await,
        1
    );
    let page = desk.get("/v1/deliveries?page_size=1").await.expect(200);
    assert_eq!(page["has_more"], true);
    let next = page["next_cursor"].as_str().unwrap();
    let last = desk
        .get(&format!("/v1/deliveries?page_size=1&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(
        (&last["has_more"], &last["deliveries"][0]["id"]),
        (&json!(false), &failed["id"])
    );
    let of_call = desk
        .get(&format!("/v1/conversations/{first}/deliveries"))
        .await
        .expect(200);
    assert_eq!(of_call["deliveries"][0]["id"], failed["id"]);
    assert_eq!(
        desk.get("/v1/deliveries/dlv_none").await.fails(404),
        "not_found"
    );
    desk.post("/v1/deliveries/dlv_none/retry", json!({}))
        .await
        .fails(404);
}

async fn is_removed(given: &Given) {
    let Given {
        desk,
        endpoint,
        path,
        delivery,
        ..
    } = given;
    // Who may not read what was said does not read what the CRM said of it.
    let plain = desk.token(&["ops:read"], &[]).await;
    let seen = desk
        .ask_as(&plain, Method::GET, delivery, None)
        .await
        .expect(200);
    assert!(seen["attempts"][0].get("response").is_none(), "{seen}");
    // Removed: what it has stays to be seen, and is not sent again.
    desk.delete(path).await.expect(204);
    assert_eq!(
        desk.post(&format!("{delivery}/retry"), json!({}))
            .await
            .fails(409),
        "endpoint_removed"
    );
    assert_eq!(given.count(&format!("endpoint_id={endpoint}")).await, 2);
}
