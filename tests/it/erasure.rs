//! An erased caller, through a real process: gone from every answer, from the file and its log, and
//! kept away from every replay.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{
    Platform, Server, Stand, completed_body, conversation_id, finished_call, now_ms, rfc3339, talk,
};

mod everywhere;

const SOON: Duration = Duration::from_secs(20);
const QUICK: &str = "[finalize]\ngrace = \"1s\"\nrecheck = []\n";
const NUMBER: &str = "+14155550188";
const CALLER: &str = "sip_+14155550188";
const AGENT: &str = "agent_01k6z9c2d4e6g8j0m2p4r6t8v0";
const PAIR: &str =
    "/v1/agents/agent_01k6z9c2d4e6g8j0m2p4r6t8v0/memories?caller_identity=%2B14155550188";

async fn ask(
    server: &Server,
    verb: reqwest::Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = server
        .client
        .request(verb, format!("{}{path}", server.url))
        .bearer_auth(server.admin_token());
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or(Value::Null),
    )
}

async fn call(server: &Server, platform: &Platform, n: usize, words: &str) -> String {
    let id = conversation_id(n);
    platform.add(finished_call(&id, CALLER, Some("agent_ended")), talk(words));
    server.post_signed(completed_body(&id)).await.unwrap();
    server.wait_for(&id, SOON).await;
    id
}

/// Reads the platform's list, in which erased calls still are, and waits until that is done.
async fn reconcile(server: &Server) {
    let since = json!({"since": rfc3339(now_ms() - 86_400_000)});
    let path = "/v1/reconciliations";
    let (status, begun) = ask(server, reqwest::Method::POST, path, Some(since)).await;
    assert!(status < 300, "{begun}");
    for _ in 0..100 {
        let found = server
            .get(&format!("{path}/{}", begun["id"].as_str().unwrap()))
            .await
            .1;
        if found["status"] == "completed" {
            assert_eq!(
                (&found["listed"], &found["queued"]),
                (&json!(3), &json!(0)),
                "{found}"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the list was not read");
}

#[tokio::test]
async fn an_erased_caller_is_gone_and_stays_away() {
    for stand in Stand::all("erasure_caller", QUICK).await {
        erased_and_kept_away(&stand).await;
    }
}

async fn erased_and_kept_away(stand: &Stand) {
    let (server, platform) = (&stand.server, &stand.platform);
    let words = "My name is Quentin Zwingli. Please stop calling me, and never call again.";
    let first = call(server, platform, 1, words).await;
    let second = call(server, platform, 2, "My email is zwingli@example.com.").await;
    // Somebody else stays.
    let other = conversation_id(3);
    platform.add(
        finished_call(&other, "+14155550199", Some("agent_ended")),
        talk("My name is Olga Petrova."),
    );
    server.post_signed(completed_body(&other)).await.unwrap();
    server.wait_for(&other, SOON).await;
    let pin =
        json!({"caller_identity": NUMBER, "slot": "identity.company", "value": "Zwingli Clocks"});
    let path = format!("/v1/agents/{AGENT}/memories");
    let (status, pinned) = ask(server, reqwest::Method::POST, &path, Some(pin)).await;
    assert_eq!(
        (status, &pinned["value"]),
        (201, &json!("Zwingli Clocks")),
        "{pinned}"
    );
    let (_, held) = server.get(PAIR).await;
    assert!(held.to_string().contains("Quentin"), "{held}");
    assert!(stand.holds("Quentin").await && stand.holds(NUMBER).await);
    let (_, listed) = server.get("/v1/callers").await;
    assert_eq!(listed["callers"].as_array().unwrap().len(), 2, "{listed}");

    let path = "/v1/callers?caller_identity=%2B14155550188";
    let (status, receipt) = ask(server, reqwest::Method::DELETE, path, None).await;
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(receipt["counts"]["conversations"], 2, "{receipt}");
    if stand.has_broker() {
        // Its rows are gone at once; the receipt waits for the longest delay of the queues.
        assert_eq!(receipt["status"], "pending", "{receipt}");
    } else {
        completed(server, receipt["erasure_id"].as_str().unwrap()).await;
    }
    for planted in [
        "Quentin",
        "Zwingli",
        "zwingli@example.com",
        "14155550188",
        "never call again",
    ] {
        assert!(!stand.holds(planted).await, "{planted} is left");
    }
    assert!(stand.holds("Olga").await);

    // Every old event again: no more comes back than that they were erased.
    for id in [&first, &second] {
        let mut body: Value = serde_json::from_slice(&completed_body(id)).unwrap();
        body["timestamp"] = json!(now_ms() + 1);
        server
            .post_signed(body.to_string().into_bytes())
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for id in [&first, &second] {
        // Long enough ago to be looked at.
        let mut calls = platform.calls.lock().unwrap();
        calls.get_mut(id).unwrap()["ended_at"] = json!(rfc3339(now_ms() - 600_000));
    }
    reconcile(server).await;
    for id in [&first, &second] {
        let (status, answer) = server.get(&format!("/v1/conversations/{id}")).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!("erased")));
    }
    for planted in ["Quentin", "Zwingli", "14155550188"] {
        assert!(!stand.holds(planted).await, "{planted} is back");
    }
    let (_, held) = server.get(PAIR).await;
    assert_eq!(held["memories"], json!([]));
    // What was refused is still known, and the CRM is told whom to erase.
    let (_, consents) = server
        .get("/v1/consents?caller_identity=%2B14155550188")
        .await;
    assert_eq!(consents["do_not_call"], true, "{consents}");
    let feed = server.feed().await;
    let told: Vec<_> = feed
        .iter()
        .filter(|event| event["type"] == "memory.erased")
        .collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0]["data"]["caller_identity"]
            .as_str()
            .unwrap()
            .contains(NUMBER)
    );
    assert!(
        feed.iter()
            .all(|event| !event.to_string().contains("Quentin"))
    );

    // A later call is remembered again.
    call(server, platform, 4, "My name is Nora Zwingli.").await;
    let (_, held) = server.get(PAIR).await;
    assert!(held.to_string().contains("Nora"), "{held}");
    let grant = json!({"caller_identity": NUMBER, "do_not_call": false});
    let (status, consents) = ask(server, reqwest::Method::POST, "/v1/consents", Some(grant)).await;
    assert_eq!((status, &consents["do_not_call"]), (200, &json!(false)));
    let (_, audit) = server.get("/v1/audit").await;
    assert!(!audit.to_string().contains("14155550188"), "{audit}");
    assert!(!server.logged().contains("14155550188"));
}

/// Waits for a receipt: a reader in the middle of something keeps the log for a moment.
async fn completed(server: &Server, erasure: &str) {
    let path = format!("/v1/erasures/{erasure}");
    for _ in 0..200 {
        if server.get(&path).await.1["status"] == "complete" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("it is not complete: {}", server.get(&path).await.1);
}

#[tokio::test]
async fn a_forgotten_memory_stays_forgotten_and_its_calls_stay() {
    for stand in Stand::all("erasure_memory", QUICK).await {
        forgotten_and_stays_so(&stand.server, &stand.platform).await;
    }
}

async fn forgotten_and_stays_so(server: &Server, platform: &Platform) {
    let id = call(server, platform, 1, "My name is Quentin Zwingli.").await;
    assert!(server.get(PAIR).await.1.to_string().contains("Quentin"));
    let (status, receipt) = ask(server, reqwest::Method::DELETE, PAIR, None).await;
    assert_eq!(
        (status, &receipt["scope"]),
        (200, &json!("memory")),
        "{receipt}"
    );
    assert_eq!(server.get(PAIR).await.1["memories"], json!([]));
    let path = format!("/v1/conversations/{id}/reprocess");
    assert_eq!(ask(server, reqwest::Method::POST, &path, None).await.0, 202);
    // A corrected transcript of the same call: told to CRMs, and still not remembered.
    let same = platform.calls.lock().unwrap()[&id].clone();
    platform.add(same, talk("My name is Quentin B. Zwingli."));
    let mut body: Value = serde_json::from_slice(&completed_body(&id)).unwrap();
    body["timestamp"] = json!(now_ms() + 1);
    server
        .post_signed(body.to_string().into_bytes())
        .await
        .unwrap();
    let told = updated(server, &id).await;
    assert!(
        told["data"]["changed"].to_string().contains("messages"),
        "{told}"
    );
    assert_eq!(server.get(PAIR).await.1["memories"], json!([]));
    assert_eq!(server.get(&format!("/v1/conversations/{id}")).await.0, 200);
    assert_eq!(
        server.get(&format!("/v1/agents/{AGENT}/history")).await.0,
        422
    );
    assert_eq!(
        ask(
            server,
            reqwest::Method::DELETE,
            &format!("/v1/agents/{AGENT}/memories"),
            None
        )
        .await
        .0,
        422
    );
    assert_eq!(
        ask(server, reqwest::Method::DELETE, "/v1/callers", None)
            .await
            .0,
        422
    );
}

async fn updated(server: &Server, id: &str) -> Value {
    for _ in 0..100 {
        let found =
            server.feed().await.into_iter().find(|event| {
                event["type"] == "conversation.updated" && event["data"]["id"] == *id
            });
        if let Some(event) = found {
            return event;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{id} was not told again: {:?}", server.feed().await);
}

fn completion(answer: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"choices": [{"message": {"content": answer.to_string()}}]}))
}

fn with_model(url: &str) -> String {
    format!(
        "{QUICK}[memory]\nextractor = \"both\"\n[memory.llm]\nbase_url = \"{url}/v1\"\nmodel = \"m\"\ntimeout = \"5s\"\n"
    )
}

#[tokio::test]
async fn a_model_reads_after_the_delivery_and_its_lies_change_nothing() {
    let model = MockServer::start().await;
    let fact = |slot: &str, value: &str, quote: &str| {
        json!({"slot": slot, "topic": "", "value": value, "date": null, "time": null,
               "op": "assert", "messages": [1], "quote": quote})
    };
    let answer = json!({
        "facts": [
            fact("preference.dietary", "vegetarian", "I am vegetarian"),
            fact("identity.name", "Admin", "I am vegetarian"),
            fact("fact", "The caller owns a bank.", "bank"),
        ],
        "summary": "The caller is vegetarian and needs a table.",
        "call_successful": "success",
    });
    Mock::given(method("POST"))
        .respond_with(completion(&answer).set_delay(Duration::from_secs(3)))
        .mount(&model)
        .await;
    for stand in Stand::all("erasure_lies", &with_model(&model.uri())).await {
        let before = model.received_requests().await.unwrap().len();
        lies_change_nothing(&stand.server, &stand.platform).await;
        // Asked once: the same words are not read again.
        assert_eq!(model.received_requests().await.unwrap().len(), before + 1);
    }
}

async fn lies_change_nothing(server: &Server, platform: &Platform) {
    let words = "I am vegetarian, and I need a table.";
    let id = call(server, platform, 1, words).await;
    // It was delivered without waiting; what the model finds is told later.
    assert!(!server.get(PAIR).await.1.to_string().contains("llm/1"));
    let told = updated(server, &id).await;
    assert!(
        told["data"]["changed"].to_string().contains("summary"),
        "{told}"
    );
    let (_, held) = server.get(PAIR).await;
    let found: Vec<_> = held["memories"].as_array().unwrap().iter().collect();
    assert!(
        found.iter().any(|fact| fact["extractor"] == "llm/1:m"),
        "{held}"
    );
    assert!(!held.to_string().contains("Admin") && !held.to_string().contains("bank"));
    let (_, one) = server.get(&format!("/v1/conversations/{id}")).await;
    assert_eq!(
        one["summary"],
        "The caller is vegetarian and needs a table."
    );
    assert_eq!(one["call_successful"], "success");
    let changed = server.feed().await;
    assert!(
        changed
            .iter()
            .any(|event| event["type"] == "memory.changed"
                && event.to_string().contains("vegetarian"))
    );
    let path = format!("/v1/conversations/{id}/reprocess");
    ask(server, reqwest::Method::POST, &path, None).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_dead_model_loses_nothing_and_is_asked_again_after_a_restart() {
    let model = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(500))
        .mount(&model)
        .await;
    for mut stand in Stand::all("erasure_dead_model", &with_model(&model.uri())).await {
        let server = &mut stand.server;
        let before = model.received_requests().await.unwrap().len();
        call(server, &stand.platform, 1, "My name is Quentin Zwingli.").await;
        let (_, held) = server.get(PAIR).await;
        assert!(
            held.to_string().contains("Quentin"),
            "the rules' result stands: {held}"
        );
        asked_more_than(&model, before).await;
        assert!(server.terminate().await.success());
        let asked = model.received_requests().await.unwrap().len();
        server.kill_and_start_again().await;
        asked_more_than(&model, asked).await;
    }
}

async fn asked_more_than(model: &MockServer, times: usize) {
    for _ in 0..300 {
        if model.received_requests().await.unwrap().len() > times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it was not asked again");
}

#[tokio::test]
async fn callers_who_are_nobody_are_kept_apart_and_their_refusal_is_told() {
    for stand in Stand::all("erasure_nobody", QUICK).await {
        nobody_is_remembered(&stand).await;
    }
}

async fn nobody_is_remembered(stand: &Stand) {
    let (server, platform) = (&stand.server, &stand.platform);
    // Withheld, empty, and as keypads spell it: "anonymous".
    for (n, caller) in ["anonymous", "", "sip_266696687"].into_iter().enumerate() {
        let id = conversation_id(n);
        let mut call = finished_call(&id, caller, Some("agent_ended"));
        call["ended_at"] = json!(rfc3339(now_ms()));
        platform.add(call, talk("My name is Quentin. Please stop calling me."));
        server.post_signed(completed_body(&id)).await.unwrap();
        server.wait_for(&id, SOON).await;
    }
    for table in [
        "observations",
        "extractions",
        "memories",
        "memory_log",
        "callers",
        "consents",
    ] {
        assert_eq!(stand.rows(table).await, 0, "{table}");
    }
    assert_eq!(stand.rows("conversations").await, 3);
    let (_, listed) = server.get("/v1/callers").await;
    assert_eq!(listed["callers"], json!([]));
    let (_, held) = server
        .get(&format!(
            "/v1/agents/{AGENT}/memories?caller_identity=anonymous"
        ))
        .await;
    assert_eq!(held["memories"], json!([]));
    let told: Vec<_> = server
        .feed()
        .await
        .into_iter()
        .filter(|event| event["type"] == "consent.changed")
        .collect();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .all(|event| event["data"]["conversation_id"].is_string()
                && event["data"]["caller_identity"] == "")
    );
    let path = "/v1/callers?caller_identity=anonymous";
    assert_eq!(
        ask(server, reqwest::Method::DELETE, path, None).await.0,
        422
    );
}
