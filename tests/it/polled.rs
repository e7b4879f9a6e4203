//! Platforms that are asked: whole servers beside the simulated Anyreach, Voiceable and ElevenLabs,
//! whose lists alone tell of their calls, and an Anyreach whose token may not see enough.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aftercall::conversation::Status;
use aftercall::host::{Clock, Host};
use aftercall::simulate::record::Record;
use aftercall::simulate::speechify::{self, Largest};
use aftercall::simulate::{self, Account, script};
use aftercall::time::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::Server;

const PLATFORMS: [&str; 3] = ["anyreach", "voiceable", "elevenlabs"];

/// Calls of each platform: more than a page of any.
const CALLS: u64 = 130;

/// The simulated platforms, and where they answer.
async fn simulated(host: &Host) -> (Arc<speechify::Platform>, SocketAddr) {
    let token = Account::simulated().api_token;
    let platform = Arc::new(speechify::Platform::new(
        token.expose(),
        Largest::DOCUMENTED,
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = simulate::serve(host, listener, Arc::clone(&platform)).unwrap();
    (platform, address)
}

/// The `n`th call of a platform, the newest first. Seven at a time were created in the same instant,
/// and once seventy, which no usual page of Anyreach's holds.
fn call(platform: &str, n: u64, newest: Timestamp) -> Record {
    let scripts = script::foreign().unwrap();
    let script = scripts.iter().find(|script| script.name == platform);
    let mut call = script.unwrap().take(&n.to_string(), newest).unwrap().record;
    let before = match n {
        0..40 => n / 7,
        40..110 => 10,
        _ => 20 + n / 7,
    };
    call.created_at = newest.minus(Duration::from_secs(before));
    call.started_at = Some(call.created_at);
    call.ended_at = call.created_at.plus(Duration::from_secs(40));
    call.duration_ms = Some(40_000);
    call
}

fn settings(port: u16, sources: &str) -> String {
    format!(
        "data_dir = \"data\"\n[server]\nlisten = \"127.0.0.1:{port}\"\n\
         [finalize]\ngrace = \"100ms\"\nrecheck = []\n{sources}"
    )
}

/// Waits until the coverage of every platform says so many known, and none missing.
async fn covered(server: &Server, known: impl Fn(&str) -> u64) {
    let started = Instant::now();
    loop {
        let (_, coverage) = server.get("/v1/coverage").await;
        let is_whole = |platform: &&str| {
            let accounts = coverage["sources"].as_array().unwrap();
            let name = format!("simulated-{platform}");
            let account = accounts.iter().find(|one| one["source"] == name).unwrap();
            let known = json!(known(platform));
            account["known"] == known && account["processed"] == known && account["missing"] == 0
        };
        if PLATFORMS.iter().all(is_whole) {
            return;
        }
        assert!(started.elapsed() < Duration::from_mins(4), "{coverage}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The ids of all conversations of a platform.
async fn ids(server: &Server, platform: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/conversations?platform={platform}&page_size=100{cursor}");
        let (_, page) = server.get(&path).await;
        let rows = page["conversations"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn equal_times_at_the_edges_of_pages_lose_and_double_no_call() {
    let host = Host::new(Clock::System);
    let (platform, address) = simulated(&host).await;
    // Whole seconds, which all three write alike.
    let newest = Timestamp::from_secs(host.now().as_secs() - 600);
    let mut entered: Vec<BTreeSet<String>> = Vec::new();
    for name in PLATFORMS {
        let calls: Vec<Record> = (0..CALLS).map(|n| call(name, n, newest)).collect();
        entered.push(calls.iter().map(|call| call.id.to_string()).collect());
        for call in calls {
            platform.desk.enter(name, call);
        }
    }
    // One that is still under way is no call yet.
    let mut under_way = call("anyreach", CALLS, newest);
    under_way.status = Status::Active;
    platform.desk.enter("anyreach", under_way.clone());
    let sources = simulate::sources_toml(address);
    let server = Server::start_from(&|port| settings(port, &sources), &[]).await;
    covered(&server, |_| CALLS).await;
    for (name, entered) in PLATFORMS.iter().zip(&entered) {
        let ids = ids(&server, name).await;
        assert_eq!(ids.len(), entered.len(), "{name}: none twice");
        assert_eq!(&ids.into_iter().collect::<BTreeSet<_>>(), entered, "{name}");
    }
    under_way.status = Status::Completed;
    platform.desk.enter("anyreach", under_way.clone());
    covered(&server, |name| CALLS + u64::from(name == "anyreach")).await;
    let call = server
        .wait_for(under_way.id.as_str(), Duration::from_mins(1))
        .await;
    assert_eq!(call["end_reason"], "caller_hangup", "{call}");
    let feed = server.feed().await;
    let completed = feed
        .iter()
        .filter(|it| it["type"] == "conversation.completed");
    let told: Vec<&str> = completed
        .map(|event| event["data"]["id"].as_str().unwrap())
        .collect();
    let once: BTreeSet<&str> = told.iter().copied().collect();
    assert_eq!(told.len(), once.len(), "each is told once");
    let calls = usize::try_from(CALLS).unwrap() * PLATFORMS.len() + 1;
    assert_eq!(told.len(), calls);
    host.stop.cancel();
    host.drained().await;
}

#[tokio::test]
async fn a_token_that_lacks_a_scope_is_named_and_no_empty_call_is_stored() {
    let anyreach = MockServer::start().await;
    let ended = Clock::System.now().minus(Duration::from_mins(5));
    let safe = json!({"id": "conv_any_1", "direction": "inbound", "channel": "telephone",
        "status": "completed", "user_id": "+14155550123", "agent_id": "ag", "duration": 9,
        "created_at": ended, "updated_at": ended});
    Mock::given(method("GET"))
        .and(path("/core/conversations"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([safe])))
        .mount(&anyreach)
        .await;
    Mock::given(method("GET"))
        .and(path_regex("^/core/conversations/conv_any_1$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(safe))
        .mount(&anyreach)
        .await;
    let source = format!(
        "[[sources]]\nname = \"asked\"\nplatform = \"anyreach\"\napi.base_url = \"{}\"\n\
         api.token = \"ak_read_only\"\nreconcile.every = \"1s\"\nreconcile.settle = \"0s\"\n",
        anyreach.uri()
    );
    let server = Server::start_from(&|port| settings(port, &source), &[]).await;
    let started = Instant::now();
    let ready = loop {
        let (status, ready) = server.get("/readyz").await;
        assert_eq!(
            status, 200,
            "one source is no reason not to be ready: {ready}"
        );
        if ready["checks"]["source asked"].is_string() {
            break ready;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{ready}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let told = ready["checks"]["source asked"].as_str().unwrap();
    assert!(
        told.contains("lacks conversations:read_sensitive"),
        "{told}"
    );
    let (_, calls) = server.get("/v1/conversations").await;
    assert_eq!(calls["conversations"], json!([]));
    let (_, coverage) = server.get("/v1/coverage").await;
    assert_eq!(coverage["sources"][0]["missing"], 1, "{coverage}");
    let (_, stats) = server.get("/v1/stats").await;
    assert_eq!(stats["sources"][0]["circuit"], "open", "{stats}");

    let checked = Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .current_dir(server.folder.path())
        .args(["check", "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let checks: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let checks = checks["checks"].as_array().unwrap();
    let api = checks
        .iter()
        .find(|one| one["check"] == "source asked: api");
    let found = api.unwrap()["found"].as_str().unwrap();
    assert!(found.contains("conversations:read_sensitive"), "{found}");
}
