//! Endpoints and who they are for: nobody is sent what they may not read, headers stay with their host,
//! the audit log says where results went, and who has endpoints sees what becomes of theirs.

use super::*;
use crate::store::deliveries;
use crate::store::results::ResultEvent;
use crate::store::tokens::Role;

/// Addresses that are public, and that nothing is sent to here.
const HERE: &str = "https://1.1.1.1/hook/planted";
const THERE: &str = "https://1.0.0.1/hook/planted";

async fn tell(bench: &Bench, method: &str, path: &str, token: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    bench.send(request).await
}

/// The path of an endpoint that is made.
async fn made(bench: &Bench, token: &str, body: Value) -> String {
    let answer = tell(bench, "POST", "/v1/endpoints", token, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    format!("/v1/endpoints/{}", answer.json()["id"].as_str().unwrap())
}

#[tokio::test]
async fn headers_do_not_go_along_to_another_place() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let secret = json!({"Authorization": "Bearer planted"});
    let body = json!({"url": HERE, "events": ["conversation.completed"], "headers": secret});
    let path = made(&bench, &admin, body).await;
    for url in [
        THERE,
        "https://1.1.1.1:8443/hook/planted",
        "https://one.one.one.one/hook",
    ] {
        let answer = tell(&bench, "PATCH", &path, &admin, json!({"url": url})).await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text);
        let why = answer.json()["error"]["fields"]["headers"].clone();
        assert!(why.as_str().unwrap().contains("give them anew, or null"));
        assert_eq!(bench.get(&path, &admin).await.json()["url"], HERE);
    }
    for (change, kept) in [
        (json!({"url": "https://1.1.1.1:443/other"}), 1),
        (json!({"url": THERE, "headers": {"x-key": "planted"}}), 1),
        (json!({"url": HERE, "headers": null}), 0),
        (json!({"url": THERE}), 0),
    ] {
        let answer = tell(&bench, "PATCH", &path, &admin, change).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let names = answer.json()["header_names"].as_array().unwrap().len();
        assert_eq!(names, kept);
    }
}

#[tokio::test]
async fn nobody_has_sent_what_they_may_not_read() {
    let bench = Bench::new().await;
    let thin = json!(["conversation.completed", "consent.changed"]);
    let template = json!({"body": "{}"});
    let writes = "endpoints:write";
    let seen = vec!["conversations:read_sensitive", "memories:read"];
    for (body, needed) in [
        (json!({"events": thin}), Vec::new()),
        (json!({"events": ["*"]}), Vec::new()),
        (json!({"events": thin, "payload": "full"}), seen.clone()),
        (json!({"events": thin, "template": template}), seen),
    ] {
        let admin = bench.token(&[Scope::Admin], &[]).await;
        let mut whole = body.clone();
        whole["url"] = json!(HERE);
        let path = made(&bench, &admin, whole.clone()).await;
        for lacking in &needed {
            let scopes: Vec<Scope> = needed
                .iter()
                .filter(|scope| *scope != lacking)
                .chain([&writes])
                .map(|scope| Scope::parse(scope).unwrap())
                .collect();
            let token = bench.token(&scopes, &[]).await;
            let answer = tell(&bench, "POST", "/v1/endpoints", &token, whole.clone()).await;
            assert_eq!(answer.code(), "forbidden", "{body} without {lacking}");
            assert!(answer.text.contains(lacking), "{}", answer.text);
            let moved = json!({"url": "https://1.1.1.1/mine"});
            let answer = tell(&bench, "PATCH", &path, &token, moved).await;
            assert_eq!(answer.code(), "forbidden", "{body} without {lacking}");
            // What is sent, and to whom, stays: the rest is theirs to change.
            let named = json!({"description": "ours"});
            let answer = tell(&bench, "PATCH", &path, &token, named).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        let scopes: Vec<Scope> = needed
            .iter()
            .chain([&writes])
            .map(|scope| Scope::parse(scope).unwrap())
            .collect();
        let token = bench.token(&scopes, &[]).await;
        made(&bench, &token, whole).await;
    }
    // A thin one does not become a full one in other hands.
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let path = made(&bench, &admin, json!({"url": HERE, "events": thin})).await;
    let token = bench
        .token(&[Scope::EndpointsWrite, Scope::ConversationsRead], &[])
        .await;
    for change in [json!({"payload": "full"}), json!({"template": template})] {
        let answer = tell(&bench, "PATCH", &path, &token, change).await;
        assert_eq!(answer.code(), "forbidden");
    }
}

#[tokio::test]
async fn the_audit_log_says_where_results_went() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let body = json!({"url": HERE, "events": ["*"], "payload": "full", "agents": ["a", "b"],
                      "headers": {"x-key": "planted"}, "description": "planted"});
    let path = made(&bench, &admin, body).await;
    let change = json!({"url": THERE, "payload": "thin", "agents": null,
                        "headers": {"x-key": "planted too"}, "description": "planted"});
    assert_eq!(
        tell(&bench, "PATCH", &path, &admin, change).await.status,
        200
    );
    let change = json!({"url": "https://1.0.0.1/planted"});
    assert_eq!(
        tell(&bench, "PATCH", &path, &admin, change).await.status,
        200
    );
    assert_eq!(bench.ask("DELETE", &path, &admin).await.status, 204);
    let log = bench.get("/v1/audit", &admin).await;
    assert!(!log.text.contains("planted"), "{}", log.text);
    let log = log.json();
    let told = |action: &str| {
        let entries = log["audit"].as_array().unwrap().iter();
        let entries = entries.filter(|entry| entry["action"] == action);
        let mut details: Vec<_> = entries
            .map(|entry| entry["detail"].as_str().unwrap())
            .collect();
        details.sort_unstable();
        details
    };
    assert_eq!(
        told("endpoint.create"),
        [
            "url https://1.1.1.1; payload full; agents a, b; events *; rate_per_second any; \
          max_concurrency 10"
        ]
    );
    assert_eq!(
        told("endpoint.change"),
        [
            "url https://1.1.1.1 → https://1.0.0.1; payload full → thin; agents a, b → all; headers",
            "url: another path",
        ]
    );
    assert_eq!(
        told("endpoint.remove"),
        [
            "url https://1.0.0.1; payload thin; agents all; events *; rate_per_second any; \
          max_concurrency 10"
        ]
    );
}

/// A delivery of a call's completion with `agent` to this endpoint; its id.
async fn deliver(bench: &Bench, endpoint_path: &str, agent: &str) -> String {
    let id = endpoint_path.rsplit('/').next().unwrap().to_owned();
    let now = bench.flow.host.now();
    let event = ResultEvent {
        id: format!("evt_{agent}"),
        kind: "conversation.completed".to_owned(),
        agent_id: agent.to_owned(),
        key: None,
        data: json!({}),
        created_at: now,
    };
    let delivery = deliveries::id_of(&id, &event.id, now);
    let db = &bench.flow.db;
    db.write(move |mut conn| {
        Box::pin(async move {
            let endpoint = crate::store::endpoints::get(&mut conn, &id).await?.unwrap();
            deliveries::add(&mut conn, &[endpoint], &event, now, now).await
        })
    })
    .await
    .unwrap();
    delivery
}

#[tokio::test]
async fn who_is_bound_to_agents_follows_what_is_sent_to_its_own_endpoints() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let events = json!(["conversation.completed"]);
    let of_all = made(&bench, &admin, json!({"url": HERE, "events": events})).await;
    let crm = bench
        .token(&Role::Integrator.scopes(), &["front-desk"])
        .await;
    let body = json!({"url": HERE, "events": events, "agents": ["front-desk"], "payload": "full"});
    let own = made(&bench, &crm, body).await;
    let mine = deliver(&bench, &own, "front-desk").await;
    let others = deliver(&bench, &of_all, "front-desk").await;
    let listed = bench.get("/v1/deliveries", &crm).await.json();
    let listed = listed["deliveries"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["id"], mine.as_str());
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    for (method, path, status) in [
        ("GET", format!("/v1/deliveries/{mine}"), 200),
        ("GET", format!("/v1/deliveries/{others}"), 404),
        ("POST", format!("/v1/deliveries/{mine}/retry"), 202),
        ("POST", format!("/v1/deliveries/{others}/retry"), 404),
    ] {
        let answer = bench.ask(method, &path, &crm).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    }
    for step in ["retry", "send-missed"] {
        for (endpoint, status) in [(&own, 202), (&of_all, 404)] {
            let path = format!("{endpoint}/{step}");
            let answer = tell(&bench, "POST", &path, &crm, since.clone()).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text);
        }
    }
    // Unbound, writing endpoints is no way to look at everybody's deliveries.
    let writer = bench.token(&[Scope::EndpointsWrite], &[]).await;
    assert_eq!(
        bench.get("/v1/deliveries", &writer).await.code(),
        "forbidden"
    );
}

#[tokio::test]
async fn a_viewer_sees_the_endpoints_and_changes_none() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let body = json!({"url": HERE, "events": ["*"], "headers": {"x-key": "planted secret"}});
    let path = made(&bench, &admin, body).await;
    let viewer = bench.token(&Role::Viewer.scopes(), &[]).await;
    for path in ["/v1/endpoints", &path] {
        let answer = bench.get(path, &viewer).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("secret\"") && !answer.text.contains("planted secret"));
    }
    for (method, path) in [("PATCH", path.clone()), ("DELETE", path.clone())] {
        assert_eq!(bench.ask(method, &path, &viewer).await.code(), "forbidden");
    }
}

#[tokio::test]
async fn the_numbers_say_what_waits_for_crms() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let body = json!({"url": HERE, "events": ["*"]});
    let path = made(&bench, &admin, body.clone()).await;
    let off = made(&bench, &admin, body).await;
    deliver(&bench, &path, "front-desk").await;
    deliver(&bench, &off, "front-desk").await;
    let disable = format!("{off}/disable");
    assert_eq!(bench.ask("POST", &disable, &admin).await.status, 200);
    let crms = bench.get("/v1/stats", &admin).await.json()["crms"].clone();
    assert!(crms["oldest_at"].is_string(), "{crms}");
    for (name, count) in [
        ("enabled", 1),
        ("failing", 0),
        ("disabled", 1),
        ("waiting", 1),
        ("held", 1),
    ] {
        assert_eq!(crms[name], count, "{name}");
    }
    let bound = bench.token(&[Scope::OpsRead], &["front-desk"]).await;
    let stats = bench.get("/v1/stats", &bound).await.json();
    assert!(stats["crms"].is_null());
}
