//! Who may do what: every route with its scope, without it, and by who is bound to other agents.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, all_delivered, crm};

/// A request: the scope that it needs, and what is asked.
type Asked = (&'static str, Method, String, Option<Value>);

/// One request to each route of endpoints, deliveries and events, the removal last.
fn everything(mine: Value, path: &str, delivery: &str) -> Vec<Asked> {
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    vec![
        (
            "endpoints:write",
            Method::GET,
            "/v1/endpoints".to_owned(),
            None,
        ),
        (
            "endpoints:write",
            Method::POST,
            "/v1/endpoints".to_owned(),
            Some(mine),
        ),
        ("endpoints:write", Method::GET, path.to_owned(), None),
        (
            "endpoints:write",
            Method::PATCH,
            path.to_owned(),
            Some(json!({"description": "x"})),
        ),
        (
            "endpoints:write",
            Method::POST,
            format!("{path}/rotate-secret"),
            Some(json!({})),
        ),
        (
            "endpoints:write",
            Method::POST,
            format!("{path}/test"),
            None,
        ),
        (
            "endpoints:write",
            Method::POST,
            format!("{path}/disable"),
            None,
        ),
        (
            "endpoints:write",
            Method::POST,
            format!("{path}/enable"),
            None,
        ),
        (
            "ops:write",
            Method::POST,
            format!("{path}/retry"),
            Some(since.clone()),
        ),
        (
            "ops:write",
            Method::POST,
            format!("{path}/send-missed"),
            Some(since),
        ),
        ("ops:read", Method::GET, "/v1/deliveries".to_owned(), None),
        ("ops:read", Method::GET, delivery.to_owned(), None),
        ("ops:write", Method::POST, format!("{delivery}/retry"), None),
        (
            "conversations:read",
            Method::GET,
            "/v1/events".to_owned(),
            None,
        ),
        ("endpoints:write", Method::DELETE, path.to_owned(), None),
    ]
}

#[tokio::test]
async fn each_route_asks_for_its_scope_and_keeps_to_the_agents() {
    let desk = Desk::open().await;
    let crm = crm().await;
    let ours = "agent_01k6z9c2d4e6g8j0m2p4r6t8v0";
    let mine = json!({"url": crm.uri(), "events": ["conversation.completed"], "agents": [ours]});
    let made = desk.post("/v1/endpoints", mine.clone()).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let call = desk.call(1).await;
    let filter = format!("conversation_id={call}");
    let rows = desk.deliveries(&filter, all_delivered(1)).await;
    let delivery = format!("/v1/deliveries/{}", rows[0]["id"].as_str().unwrap());
    let all = [
        "endpoints:write",
        "ops:read",
        "ops:write",
        "conversations:read",
        "memories:read",
    ];
    let stranger = desk.token(&all, &["agent_of_others"]).await;
    for (scope, method, path, body) in everything(mine, &path, &delivery) {
        // Endpoints are looked at by whoever sees how the work goes, too.
        let looks = method == Method::GET && path.starts_with("/v1/endpoints");
        let others: Vec<&str> = all
            .into_iter()
            .filter(|one| *one != scope && !(looks && *one == "ops:read"))
            .collect();
        let without = desk.token(&others, &[]).await;
        let answer = desk
            .ask_as(&without, method.clone(), &path, body.clone())
            .await;
        assert_eq!(answer.fails(403), "forbidden", "{method} {path}");
        let nobody = desk
            .ask_as("ac_nobody", method.clone(), &path, body.clone())
            .await;
        assert_eq!(nobody.fails(401), "unauthorized", "{method} {path}");
        // To who is bound to other agents, it is not there.
        let hidden = desk
            .ask_as(&stranger, method.clone(), &path, body.clone())
            .await;
        match (hidden.status, path.as_str()) {
            (404, _) => {}
            (422, "/v1/endpoints") => assert_eq!(hidden.wrong(), ["agents"]),
            (200, "/v1/endpoints") => assert_eq!(hidden.body["endpoints"], json!([])),
            (200, "/v1/deliveries") => assert_eq!(hidden.body["deliveries"], json!([])),
            (200, "/v1/events") => assert_eq!(hidden.body["events"], json!([])),
            _ => panic!("{method} {path}: {hidden:?}"),
        }
        // Who makes one must be allowed to read what it is sent.
        let reads =
            (method == Method::POST && path == "/v1/endpoints").then_some("conversations:read");
        let scopes: Vec<&str> = [scope].into_iter().chain(reads).collect();
        let with = desk.token(&scopes, &[ours]).await;
        let answer = desk.ask_as(&with, method.clone(), &path, body).await;
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
    }
}
