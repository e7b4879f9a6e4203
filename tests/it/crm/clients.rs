//! The official libraries of Standard Webhooks judge what we send, during a rotation too.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::MockServer;

use super::answers;
use super::bench::{Bench, SECRET};
use crate::backends;

const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

const PYTHON: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook
for one in json.load(sys.stdin):
    Webhook(one["secret"]).verify(one["body"], one["headers"])
"#;

const NODE: &str = r#"
const { Webhook } = require("standardwebhooks");
let text = "";
process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
    for (const one of JSON.parse(text)) new Webhook(one.secret).verify(one.body, one.headers);
});
"#;

/// The libraries that `tests/clients` has installed.
pub(super) fn libraries() -> Vec<Command> {
    let mut found = Vec::new();
    if let Ok(python) = std::env::var("AFTERCALL_TEST_PYTHON") {
        let mut command = Command::new(python);
        command.args(["-c", PYTHON]);
        found.push(command);
    }
    if let Ok(path) = std::env::var("AFTERCALL_TEST_NODE_PATH") {
        let mut command = Command::new("node");
        command.args(["-e", NODE]).env("NODE_PATH", path);
        found.push(command);
    }
    if found.len() < 2 {
        println!("skipped where tests/clients has not installed the libraries");
    }
    found
}

pub(super) fn verifies(command: &mut Command, deliveries: &[Value]) -> bool {
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = serde_json::to_string(deliveries).unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().status.success()
}

/// A delivery as the libraries are shown it, its body with `change` behind it.
pub(super) fn as_delivered(secret: &str, request: &wiremock::Request, change: &str) -> Value {
    let headers: serde_json::Map<String, Value> =
        ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .iter()
            .map(|name| {
                let value = request.headers[*name].to_str().unwrap();
                ((*name).to_owned(), value.into())
            })
            .collect();
    let body = String::from_utf8(request.body.clone()).unwrap();
    json!({"secret": secret, "headers": headers, "body": format!("{body}{change}")})
}

#[tokio::test]
async fn the_official_libraries_verify_every_delivery() {
    let bench = Bench::on(backends::timed("crm_clients").await).await;
    let crm = MockServer::start().await;
    answers(&crm, 200).await;
    let old = bench.flow.seal.seal(OLD_SECRET.as_bytes(), [3; 12]);
    bench
        .endpoint("rotated", &crm.uri(), |endpoint| {
            endpoint.previous = Some((old, endpoint.created_at.plus(Duration::from_hours(1))));
        })
        .await;
    for n in 0..20 {
        bench
            .add(&bench.event(n, "conversation.completed", &format!("conv_{n}")))
            .await;
    }
    let mut got = Vec::new();
    for _ in 0..100 {
        bench.look().await;
        got = crm.received_requests().await.unwrap();
        if got.len() == 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(got.len(), 20);
    let with = |secret: &str, change: &str| -> Vec<Value> {
        let one = |request| as_delivered(secret, request, change);
        got.iter().map(one).collect()
    };
    for mut library in libraries() {
        for secret in [SECRET, OLD_SECRET] {
            assert!(verifies(&mut library, &with(secret, "")), "{library:?}");
            assert!(!verifies(&mut library, &with(secret, " ")), "{library:?}");
        }
        let other = with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "");
        assert!(!verifies(&mut library, &other), "{library:?}");
    }
}
