//! Who may ask what.

use super::*;
use std::time::Duration;

/// Something for every path parameter and every required query parameter.
fn example(path: &str) -> String {
    let path = path
        .replace("{id}", "conv_1")
        .replace("{conversation_id}", "conv_1")
        .replace("{agent_id}", "front-desk");
    let about_a_caller = ["/v1/agents/front-desk/", "/v1/consents", "/v1/callers"];
    if about_a_caller.iter().any(|start| path.starts_with(start)) {
        path + "?caller_identity=%2B14155550123"
    } else {
        path
    }
}

#[tokio::test]
async fn every_route_asks_for_the_scope_that_it_documents() {
    let bench = Bench::new().await;
    bench
        .save(full_call("conv_1", "front-desk", 10), Vec::new())
        .await;
    let document = serde_json::to_value(openapi()).unwrap();
    let mut guarded = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = &operation["security"];
            assert!(
                security.is_array(),
                "{method} {path} says nothing of security"
            );
            let Some(scope) = security[0]["bearer"][0].as_str() else {
                assert!(!path.starts_with("/v1/"), "{path} is open");
                continue;
            };
            guarded += 1;
            assert_eq!(security[1]["key"][0], scope);
            let scope = Scope::parse(scope).unwrap();
            // Some routes have another scope that opens them, too.
            let opens = |other: Scope| {
                let named = |way: &Value| way["bearer"][0] == other.as_str();
                other == Scope::Admin || security.as_array().unwrap().iter().any(named)
            };
            let others: Vec<_> = Scope::ALL
                .into_iter()
                .filter(|other| !opens(*other))
                .collect();
            let method = method.to_uppercase();
            let path = example(path);
            assert_eq!(
                bench.ask(&method, &path, "ac_x").await.status,
                401,
                "{path}"
            );
            // Parameters and bodies come after the token: who may not ask learns nothing of them.
            let join = if path.contains('?') { '&' } else { '?' };
            let mistaken = format!("{path}{join}no_such=1");
            let refused = bench
                .ask(&method, &mistaken, &bench.token(&others, &[]).await)
                .await;
            let passed = bench
                .ask(&method, &path, &bench.token(&[scope], &[]).await)
                .await;
            // Drop-in shapes word it as their originals do.
            assert_eq!(refused.status, 403, "{method} {path}");
            assert!(
                ![401, 403].contains(&passed.status.as_u16()),
                "{method} {path}"
            );
        }
    }
    assert!(guarded > 10);
}

#[tokio::test]
async fn a_token_works_in_both_headers_until_it_ends() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let key = Request::get("/v1/tokens")
        .header("x-api-key", &admin)
        .body(Body::empty())
        .unwrap();
    assert_eq!(bench.send(key).await.status, 200);
    let basic = Request::get("/v1/tokens")
        .header("authorization", "Basic YTpi")
        .body(Body::empty())
        .unwrap();
    let answer = bench.send(basic).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(bench.get("/v1/tokens", "").await.status, 401);
}

async fn make(bench: &Bench, admin: &str, body: Value) -> Answer {
    let request = Request::post("/v1/tokens")
        .header("authorization", format!("bearer {admin}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    bench.send(request).await
}

#[tokio::test]
async fn who_may_not_ask_is_not_told_what_is_wrong_with_the_question() {
    let bench = Bench::new().await;
    let viewer = bench.token(&[Scope::OpsRead], &[]).await;
    for path in [
        "/v1/replays",
        "/v1/tokens",
        "/v1/endpoints",
        "/v1/dead-letters/discard",
        "/v1/quarantine/release",
        "/v1/reconciliations",
        "/v1/consents",
    ] {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {viewer}"))
            .body(Body::from("{\"nonsense\": 1}"))
            .unwrap();
        assert_eq!(bench.send(request).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_ends_when_it_is_revoked() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let body = json!({"name": " CRM ", "scopes": ["conversations:read"], "agents": ["front-desk"]});
    let made = make(&bench, &admin, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("ac_") && token.len() == 46);
    assert_eq!(made["name"], "CRM");
    assert_eq!(bench.get("/v1/conversations", token).await.status, 200);
    let listed = bench.get("/v1/tokens", &admin).await;
    assert!(!listed.text.contains(token) && !listed.text.contains(&tokens::hash(token)));
    assert_eq!(listed.json()["tokens"].as_array().unwrap().len(), 2);
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.ask("DELETE", &path, &admin).await.status, 204);
    let answer = bench.get("/v1/conversations", token).await;
    assert_eq!(
        answer.json()["error"]["message"],
        "the token has been revoked"
    );
    assert_eq!(
        bench
            .ask("DELETE", "/v1/tokens/token_x", &admin)
            .await
            .status,
        404
    );
    let audit = bench.get("/v1/audit", &admin).await.json();
    let actions: Vec<_> = audit["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["target"] == made["id"],
            )
        })
        .collect();
    assert_eq!(actions, [("token.revoke", true), ("token.create", true)]);
    let told = r#""CRM"; scopes conversations:read; agents front-desk; never expires"#;
    assert_eq!(audit["audit"][1]["detail"], told);
    for (query, found) in [
        ("action=token.revoke", 1),
        ("action=token", 0),
        ("actor=nobody", 0),
        ("target=token_x", 0),
        ("since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", 2),
        ("since=2100-01-01T00:00:00Z", 0),
        ("until=2020-01-01T00:00:00Z", 0),
    ] {
        let page = bench
            .get(&format!("/v1/audit?{query}"), &admin)
            .await
            .json();
        assert_eq!(page["audit"].as_array().unwrap().len(), found, "{query}");
    }
    let wrong = bench.get("/v1/audit?since=yesterday&who=me", &admin).await;
    let fields = &wrong.json()["error"]["fields"];
    assert!(fields["since"].is_string() && fields["who"].is_string());
}

#[tokio::test]
async fn a_token_bound_to_agents_reaches_nothing_that_is_about_all() {
    let bench = Bench::new().await;
    let bound = bench.token(&[Scope::Admin], &["front-desk"]).await;
    let body = json!({"name": "wider", "scopes": ["admin"]});
    assert_eq!(make(&bench, &bound, body).await.code(), "forbidden");
    for (method, path) in [
        ("GET", "/v1/tokens"),
        ("DELETE", "/v1/tokens/token_x"),
        ("GET", "/v1/audit"),
    ] {
        let answer = bench.ask(method, path, &bound).await;
        assert_eq!(answer.code(), "forbidden", "{method} {path}");
    }
    assert_eq!(bench.get("/v1/conversations", &bound).await.status, 200);
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_by_routes_that_know_none() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let request = Request::post("/v1/tokens?dry_run=true")
        .header("authorization", format!("Bearer {admin}"))
        .body(Body::from(
            json!({"name": "x", "scopes": ["ops:read"]}).to_string(),
        ))
        .unwrap();
    let answer = bench.send(request).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.json()["error"]["fields"]["dry_run"].is_string());
    let path = "/v1/tokens/token_x?dry_run=true";
    assert_eq!(bench.ask("DELETE", path, &admin).await.status, 422);
    let tokens = bench.get("/v1/tokens", &admin).await.json();
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_text_that_no_record_can_hold_never_reaches_the_database() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::Admin], &[]).await;
    for (path, status) in [
        ("/v1/conversations?q=%00".to_owned(), 422),
        ("/v1/conversations?source=a%00b".to_owned(), 422),
        (format!("/v1/conversations?q={}", "a".repeat(60_000)), 422),
        (format!("/v1/conversations?q={}", "%25".repeat(256)), 200),
        ("/v1/conversations/a%00b".to_owned(), 404),
        ("/v1/events?after=%00".to_owned(), 422),
    ] {
        let answer = bench.get(&path, &token).await;
        assert_eq!(answer.status, status, "{path:.60}: {}", answer.text);
    }
    let body = json!({"name": "a\u{0}b", "scopes": ["admin"]});
    assert_eq!(make(&bench, &token, body).await.status, 422);
}

#[tokio::test]
async fn a_wrong_body_is_told_field_by_field() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let body = json!({"name": "", "scopes": ["everything"], "agents": [], "expires": 1,
                      "expires_at": "soon"});
    let answer = make(&bench, &admin, body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (422, "invalid_request")
    );
    let fields = answer.json()["error"]["fields"].clone();
    let names: Vec<_> = fields.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["agents", "expires", "expires_at", "name", "scopes"]);
    let past = json!({"name": "a", "scopes": ["admin"], "expires_at": "2001-01-01T00:00:00Z"});
    for body in [past, json!([]), json!({})] {
        assert_eq!(make(&bench, &admin, body).await.status, 422);
    }
    let large = json!({"name": "x".repeat(2 << 20)});
    assert_eq!(make(&bench, &admin, large).await.status, 413);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_use_is_written_down() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let soon = bench.flow.host.now().plus(Duration::from_millis(300));
    let body = json!({"name": "short", "scopes": ["conversations:read"], "expires_at": soon});
    let made = make(&bench, &admin, body).await.json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(bench.get("/v1/conversations", token).await.status, 200);
    bench
        .flow
        .host
        .clock
        .sleep(Duration::from_millis(400))
        .await;
    let answer = bench.get("/v1/conversations", token).await;
    assert_eq!(answer.json()["error"]["message"], "the token has expired");
    let listed = bench.get("/v1/tokens", &admin).await.json();
    let short = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|token| token["name"] == "short")
        .unwrap()
        .clone();
    assert!(short["last_used_at"].is_string(), "{short}");
}

#[tokio::test]
async fn a_role_stands_for_its_scopes() {
    let bench = Bench::new().await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let made = make(&bench, &admin, json!({"name": "dana", "role": "viewer"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let told = made.json();
    assert_eq!(told["role"], "viewer");
    let scopes = json!(["conversations:read", "memories:read", "ops:read"]);
    assert_eq!(told["scopes"], scopes);
    let crm = json!({"name": "crm", "role": "integrator", "agents": ["front-desk"]});
    assert_eq!(make(&bench, &admin, crm).await.status, 201);
    for (body, field) in [
        (json!({"name": "crm", "role": "integrator"}), "agents"),
        (json!({"name": "x", "role": "king"}), "role"),
        (
            json!({"name": "x", "role": "viewer", "scopes": ["admin"]}),
            "role",
        ),
        (json!({"name": "x"}), "scopes"),
    ] {
        let answer = make(&bench, &admin, body).await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.json()["error"]["fields"][field].is_string(),
            "{}",
            answer.text
        );
    }
    let listed = bench.get("/v1/tokens", &admin).await.json();
    let roles: Vec<_> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|token| token["role"].as_str())
        .collect();
    assert!(
        roles.contains(&"viewer") && roles.contains(&"integrator"),
        "{roles:?}"
    );
}

#[tokio::test]
async fn many_wrong_tokens_from_one_address_have_to_wait() {
    let bench = Bench::new().await;
    let right = bench.token(&[Scope::Admin], &[]).await;
    let ask = async |from: [u8; 4], path: &str, token: &str| {
        let mut request = Request::get(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(guesses::Peer(from.into()));
        bench.send(request).await
    };
    let (guesser, other) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    for _ in 0..200 {
        let answer = ask(guesser, "/v1/tokens", "ac_wrong").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let slowed = ask(guesser, "/v1/tokens", "ac_wrong").await;
    assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(slowed.code(), "too_many_attempts");
    let wait: u32 = slowed.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let drop_in = ask(guesser, "/v1/convai/conversations", "ac_wrong").await;
    assert_eq!(drop_in.json(), json!({"detail": "Too Many Requests"}));
    // A token that works is taken, and so is whoever comes from elsewhere or shows none.
    assert_eq!(ask(guesser, "/v1/tokens", &right).await.status, 200);
    assert_eq!(ask(other, "/v1/tokens", "ac_wrong").await.status, 401);
    assert_eq!(bench.get("/v1/tokens", "ac_wrong").await.status, 401);
    let webhook = ask(guesser, "/webhooks/voice", "ac_wrong").await;
    assert_ne!(webhook.status, StatusCode::TOO_MANY_REQUESTS);
}
