//! A source whose API refuses us, or asks us to slow down, delays its own calls, and no attempt of
//! another source's call waits for it: read off the timelines, in one process and in two that share
//! database and broker.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rabbit::in_peace;
use crate::support::{
    API_TOKEN, Platform, SECRET, Server, Shared, TOKEN, completed_body, conversation_id,
    finished_call, now_ms, source_settings, speechify_signature, talk,
};

/// Calls of each source.
const CALLS: usize = 40;

/// A platform that is well, one that is sick, and who asks both.
struct Ward {
    well: Platform,
    servers: Vec<Server>,
}

impl Ward {
    async fn open(status: u16, environment: &[(&str, &str)], processes: usize) -> Self {
        let (well, sick) = (Platform::start().await, Platform::start().await);
        *sick.fail_with.lock().unwrap() = Some(status);
        let sick = format!(
            "[finalize]\ngrace = \"100ms\"\nrecheck = []\n[[sources]]\nname = \"sick\"\n\
             platform = \"speechify\"\nwebhook.secrets = [\"{SECRET}\"]\n\
             api.base_url = \"{}\"\napi.token = \"{API_TOKEN}\"\n",
            sick.url
        );
        let mut environment = environment.to_vec();
        environment.push(("AFTERCALL_ADMIN_TOKEN", TOKEN));
        let settings = |port: u16| source_settings(&well, port, &sick);
        let mut servers = Vec::new();
        for _ in 0..processes {
            servers.push(Server::start_from(&settings, &environment).await);
        }
        Self { well, servers }
    }

    async fn get(&self, path: &str) -> Value {
        self.servers[0].get_as(path, TOKEN).await.1
    }

    async fn post(&self, source: &str, n: usize, body: Vec<u8>) {
        let signature = speechify_signature(SECRET, now_ms() / 1000, &body);
        let headers = [("Speechify-Signature", signature.as_str())];
        let server = &self.servers[n % self.servers.len()];
        let (status, answer) = server.post(source, &headers, body).await.unwrap();
        assert_eq!((status, &answer["status"]), (200, &json!("accepted")));
    }

    /// The timeline of a call, once it is delivered.
    async fn timeline(&self, id: &str) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let path = format!("/v1/conversations/{id}/timeline?page_size=100");
            let answer = self.get(&path).await;
            let steps = answer["timeline"].as_array().cloned().unwrap_or_default();
            if steps.iter().any(|step| step["step"] == "delivered") {
                return steps;
            }
            assert!(started.elapsed() < Duration::from_mins(2), "{id}: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn is_sick_alone(ward: Ward) {
    for n in 0..CALLS {
        let id = conversation_id(n);
        let call = finished_call(&id, "+14155550123", Some("agent_ended"));
        ward.well.add(call, talk("Bye."));
        // The sick one's first, each time.
        ward.post("sick", n, completed_body(&conversation_id(1_000 + n)))
            .await;
        ward.post("voice", n, completed_body(&id)).await;
    }
    for n in 0..CALLS {
        let id = conversation_id(n);
        for step in ward.timeline(&id).await {
            let waits = step["step"] == "waited" || step["step"] == "attempt_failed";
            assert!(!waits || step["detail"] == "grace", "{id}: {step}");
        }
    }
    // The sick one's calls wait, and none has spent its attempts.
    let letters = ward.get("/v1/dead-letters").await;
    assert_eq!(letters["dead_letters"], json!([]), "{letters}");
    for n in 0..CALLS {
        let path = format!("/v1/conversations/{}", conversation_id(1_000 + n));
        assert_eq!(ward.get(&path).await["error"]["code"], "not_found");
    }
    listings_do_not_wait_either(&ward).await;
}

/// The well one's list is read, too, while the sick one's is not.
async fn listings_do_not_wait_either(ward: &Ward) {
    let started = Instant::now();
    loop {
        let coverage = ward.get("/v1/coverage").await;
        let checked = |name: &str| {
            let sources = coverage["sources"].as_array().unwrap();
            let one = sources.iter().find(|one| one["source"] == name).unwrap();
            !one["checked_at"].is_null()
        };
        assert!(!checked("sick"), "{coverage}");
        if checked("voice") {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{coverage}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let found = ward.get("/v1/reconciliations").await;
    let all = found["reconciliations"].as_array().unwrap();
    let failed = |name: &str| {
        let parts = all.iter().map(|one| &one["sources"][0]);
        let mut parts = parts.filter(|part| part["source"] == name);
        parts.any(|part| part["error"].is_string())
    };
    assert!(failed("sick") && !failed("voice"), "{found}");
}

#[tokio::test]
async fn a_refused_source_is_sick_alone() {
    is_sick_alone(Ward::open(401, &[], 1).await).await;
}

#[tokio::test]
async fn a_throttled_source_is_sick_alone() {
    is_sick_alone(Ward::open(429, &[], 1).await).await;
}

#[tokio::test]
async fn nor_does_it_hurt_others_on_a_shared_broker() {
    let _peace = in_peace().await;
    for status in [401, 429] {
        let Some(shared) = Shared::fresh(&format!("isolation_{status}")).await else {
            return;
        };
        is_sick_alone(Ward::open(status, &shared.environment(), 2).await).await;
    }
}
