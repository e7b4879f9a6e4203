//! Replays: previewed, made, held and ended over HTTP.

use super::*;

async fn made(bench: &Bench, token: &str, body: &Value) -> Value {
    let answer = bench.post("/v1/replays", token, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_replay_has_the_agreed_shape() {
    let bench = Bench::new().await;
    for n in 1..=3 {
        bench.letter(n, None).await;
    }
    let token = bench.token(&[Scope::OpsRead, Scope::OpsWrite], &[]).await;
    let body = json!({
        "filter": {"code": "panicked", "caller": "", "state": "dead"}, "rate": 2.5, "canary": 1,
        "stop_at_failure_rate": 0.5,
    });
    let none = made(&bench, &token, &body).await;
    assert_eq!(
        (&none["status"], &none["total"]),
        (&json!("completed"), &json!(0)),
        "nobody's letters have a caller"
    );
    let body = json!({"filter": {"code": "panicked"}, "canary": 1});
    let job = made(&bench, &token, &body).await;
    let told = [
        ("status", json!("running")),
        ("reason", json!(null)),
        ("filter", json!({"code": "panicked"})),
        ("rate", json!(10.0)),
        ("canary", json!(1)),
        ("canary_only", json!(false)),
        ("stop_at_failure_rate", json!(0.1)),
        ("total", json!(3)),
        ("sent", json!(0)),
        ("done", json!(0)),
        ("succeeded", json!(0)),
        ("failed", json!(0)),
        ("passed_over", json!(0)),
        ("finished_at", json!(null)),
    ];
    for (field, value) in told {
        assert_eq!(job[field], value, "{field}");
    }
    let id = job["id"].as_str().unwrap();
    assert!(id.starts_with("replay_"), "{id}");
    let path = format!("/v1/replays/{id}");
    let mut shown = bench.get(&path, &token).await.json();
    let failures = shown.as_object_mut().unwrap().remove("failures");
    assert_eq!((shown, failures), (job.clone(), Some(json!([]))));
    let page = bench.get("/v1/replays?status=running", &token).await.json();
    assert_eq!(page["replays"], json!([job]));
    assert_eq!(page["has_more"], false);
    for (deed, status) in [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ] {
        let answer = bench.ask("POST", &format!("{path}/{deed}"), &token).await;
        assert_eq!(answer.json()["status"], status, "{deed}");
    }
    let late = bench.ask("POST", &format!("{path}/resume"), &token).await;
    assert_eq!(
        (late.status.as_u16(), late.code().as_str()),
        (409, "replay_not_open")
    );
    let actions: Vec<_> = bench
        .audited()
        .await
        .into_iter()
        .map(|(action, _)| action)
        .collect();
    let expected = ["cancel", "resume", "pause", "create", "create"].map(|a| format!("replay.{a}"));
    assert_eq!(actions, expected);
    for deed in ["", "/pause", "/resume", "/cancel"] {
        let method = if deed.is_empty() { "GET" } else { "POST" };
        let path = format!("/v1/replays/replay_9{deed}");
        assert_eq!(bench.ask(method, &path, &token).await.status, 404, "{deed}");
    }
}

#[tokio::test]
async fn a_few_letters_go_first_unless_somebody_says_otherwise() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::OpsRead, Scope::OpsWrite], &[]).await;
    for (n, canary) in [(1, 0), (2, 10)] {
        bench.letter(n, None).await;
        let job = made(&bench, &token, &json!({"filter": {}})).await;
        assert_eq!((&job["total"], &job["canary"]), (&json!(n), &json!(canary)));
        let path = format!("/v1/replays/{}", job["id"].as_str().unwrap());
        assert_eq!(bench.get(&path, &token).await.json()["canary"], canary);
    }
    let none = json!({"filter": {}, "canary": 0});
    assert_eq!(made(&bench, &token, &none).await["canary"], 0);
}

#[tokio::test]
async fn a_preview_says_what_would_happen_and_writes_nothing() {
    let bench = Bench::new().await;
    bench
        .save(full_call("conv_1", "front-desk", 10), Vec::new())
        .await;
    bench.letter(1, None).await;
    bench.letter(2, None).await;
    let token = bench.token(&[Scope::OpsWrite], &[]).await;
    let body = json!({"filter": {}, "dry_run": true});
    let answer = bench.post("/v1/replays", &token, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.json();
    assert_eq!(found["total"], 2);
    let effects = &found["effects"];
    assert_eq!(
        (&effects["looked_at"], &effects["would_change_end_reason"]),
        (&json!(2), &json!(0))
    );
    let effect = |id: &str| {
        let examples = found["examples"].as_array().unwrap();
        let example = examples.iter().find(|example| example["id"] == id);
        example.unwrap()["effect"].clone()
    };
    assert_eq!(effect("dl_2"), "already_done", "its call is gone");
    assert!(bench.audited().await.is_empty());
    let replays = bench.token(&[Scope::OpsRead], &[]).await;
    let page = bench.get("/v1/replays", &replays).await.json();
    assert_eq!(page["replays"], json!([]));
}

#[tokio::test]
async fn a_preview_names_the_endpoints_that_would_be_called() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let call = full_call("conv_1", "front-desk", 10);
    bench.save(call, Vec::new()).await;
    bench.letter(1, Some("front-desk")).await;
    let mut endpoints = Vec::new();
    for (path, events) in [("a", "conversation.completed"), ("b", "memory.erased")] {
        let body = json!({"url": format!("https://crm.invalid/{path}"), "events": [events]});
        let made = bench.post("/v1/endpoints", &admin, &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        endpoints.push(made.json()["id"].clone());
    }
    let body = json!({"filter": {}, "dry_run": true});
    let found = bench.post("/v1/replays", &admin, &body).await.json();
    let callee = json!({"endpoint_id": endpoints[0], "url": "https://crm.invalid/a"});
    assert_eq!(found["examples"][0]["calls"], json!([callee]));
    let would_call = &found["effects"]["would_call"];
    assert_eq!(would_call[0]["count"], 1, "{found}");
    assert_eq!(would_call.as_array().unwrap().len(), 1);
    // Whoever may not see the endpoint learns no address.
    let bound = bench.token(&[Scope::OpsWrite], &["front-desk"]).await;
    let found = bench.post("/v1/replays", &bound, &body).await.json();
    let hidden = json!({"endpoint_id": endpoints[0], "url": null});
    assert_eq!(found["examples"][0]["calls"], json!([hidden]));
}

#[tokio::test]
async fn what_is_wrong_with_a_replay_is_named() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::OpsWrite], &[]).await;
    for (body, field) in [
        (json!({}), "filter"),
        (json!({"filter": {"cod": "x"}}), "filter.cod"),
        (json!({"filter": {"ids": []}}), "filter.ids"),
        (json!({"filter": []}), "filter"),
        (json!({"filter": "all"}), "filter"),
        (json!({"filter": null}), "filter"),
        (json!({"filter": {"ids": null}}), "filter.ids"),
        (json!({"filter": {"ids": ["dl_1", 1]}}), "filter.ids[1]"),
        (json!({"filter": {"code": null}}), "filter.code"),
        (json!({"filter": {"state": "resolved"}}), "filter.state"),
        (json!({"filter": {"fault": "mine"}}), "filter.fault"),
        (
            json!({"filter": {"agent": "a", "agent_id": "b"}}),
            "filter.agent",
        ),
        (json!({"filter": {}, "rate": 0}), "rate"),
        (json!({"filter": {}, "rate": 1e9}), "rate"),
        (json!({"filter": {}, "canary": -1}), "canary"),
        (json!({"filter": {}, "canary_only": true}), "canary"),
        (
            json!({"filter": {}, "stop_at_failure_rate": 2}),
            "stop_at_failure_rate",
        ),
        (json!({"filter": {}, "limit": 5}), "limit"),
    ] {
        let answer = bench.post("/v1/replays", &token, &body).await;
        assert_eq!(answer.status, 422, "{body}");
        let fields = &answer.json()["error"]["fields"];
        assert!(fields[field].is_string(), "{body}: {fields}");
    }
    let reader = bench.token(&[Scope::OpsRead], &[]).await;
    let all = json!({"filter": {}});
    assert_eq!(bench.post("/v1/replays", &reader, &all).await.status, 403);
}

#[tokio::test]
async fn a_token_of_one_agent_replays_that_agent_s_letters_only() {
    let bench = Bench::new().await;
    bench.letter(1, Some("agent_a")).await;
    bench.letter(2, Some("agent_b")).await;
    let scopes = [Scope::OpsRead, Scope::OpsWrite];
    let bound = bench.token(&scopes, &["agent_a"]).await;
    let free = bench.token(&scopes, &[]).await;
    let all = json!({"filter": {}});
    let mine = made(&bench, &bound, &all).await;
    assert_eq!(mine["total"], 1);
    let every = made(&bench, &free, &all).await;
    assert_eq!(every["total"], 2);
    let path = |job: &Value| format!("/v1/replays/{}", job["id"].as_str().unwrap());
    assert_eq!(bench.get(&path(&every), &bound).await.status, 404);
    assert_eq!(bench.get(&path(&mine), &free).await.status, 200);
    let seen = bench.get("/v1/replays", &bound).await.json();
    assert_eq!(seen["replays"].as_array().unwrap().len(), 1);
}
