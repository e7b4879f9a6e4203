//! The platforms' own libraries sign, and we accept: LiveKit's server SDK and Standard Webhooks', in
//! Python and JavaScript, as `tests/clients` installs them.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::{LIVEKIT_KEY, LIVEKIT_SECRET, Platform, Server, now_ms};

const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

const LIVEKIT_IN_PYTHON: &str = "\
import sys, datetime
from livekit import api
key, secret, sha256 = sys.argv[1:]
token = api.AccessToken(key, secret).with_sha256(sha256)
print(token.with_ttl(datetime.timedelta(minutes=5)).to_jwt())
";

const LIVEKIT_IN_NODE: &str = "\
const { AccessToken } = require('livekit-server-sdk');
const [key, secret, sha256] = process.argv.slice(1);
const token = new AccessToken(key, secret, { ttl: 300 });
token.sha256 = sha256;
Promise.resolve(token.toJwt()).then(console.log);
";

const STANDARD_IN_PYTHON: &str = "\
import sys, datetime
from standardwebhooks.webhooks import Webhook
secret, id, secs, body = sys.argv[1:]
at = datetime.datetime.fromtimestamp(int(secs), tz=datetime.timezone.utc)
print(Webhook(secret).sign(id, at, body))
";

const STANDARD_IN_NODE: &str = "\
const { Webhook } = require('standardwebhooks');
const [secret, id, secs, body] = process.argv.slice(1);
console.log(new Webhook(secret).sign(id, new Date(Number(secs) * 1000), body));
";

/// What the program prints; none where its language or library is not here.
fn run(python: bool, program: &str, arguments: &[&str]) -> Option<String> {
    let variable = if python {
        "AFTERCALL_TEST_PYTHON"
    } else {
        "AFTERCALL_TEST_NODE_PATH"
    };
    let Ok(place) = std::env::var(variable) else {
        println!("skipped: {variable} is not set; tests/clients sets it");
        return None;
    };
    let output = if python {
        let mut command = Command::new(place);
        command.args(["-c", program]).args(arguments).output()
    } else {
        let mut command = Command::new("node");
        command
            .env("NODE_PATH", place)
            .args(["-e", program])
            .args(arguments)
            .output()
    };
    let output = output.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

async fn server() -> Server {
    let platform = Platform::start().await;
    let settings = format!(
        "[finalize]\ngrace = \"0s\"\nrecheck = []\n\n[[sources]]\nname = \"own\"\n\
         platform = \"standard\"\nwebhook.secrets = [{WHSEC:?}]\n"
    );
    Server::start(&platform, &settings).await
}

fn accepted(answer: &Value) -> bool {
    answer["status"] == "accepted"
}

#[tokio::test]
async fn livekits_own_sdk_signs_webhooks_that_are_accepted() {
    let server = server().await;
    for (python, program) in [(true, LIVEKIT_IN_PYTHON), (false, LIVEKIT_IN_NODE)] {
        let event = format!("EV_{python}");
        let body = json!({"event": "room_finished", "id": event, "createdAt": now_ms() / 1000,
            "room": {"sid": "RM_1", "name": "lobby"}})
        .to_string();
        let hash = STANDARD.encode(sha2::Sha256::digest(&body));
        let Some(token) = run(python, program, &[LIVEKIT_KEY, LIVEKIT_SECRET, &hash]) else {
            continue;
        };
        let headers = [("Authorization", token.as_str())];
        let sent = server
            .post("rooms", &headers, body.clone().into_bytes())
            .await;
        let (status, answer) = sent.unwrap();
        assert_eq!(status, 200, "{answer}");
        assert!(accepted(&answer), "{answer}");
        let (status, _) = server
            .post("rooms", &headers, format!("{body} ").into_bytes())
            .await
            .unwrap();
        assert_eq!(status, 401, "a space more");
    }
}

#[tokio::test]
async fn standard_webhooks_own_libraries_sign_calls_that_come_through() {
    let server = server().await;
    for (python, program) in [(true, STANDARD_IN_PYTHON), (false, STANDARD_IN_NODE)] {
        let (id, secs) = (format!("call-{python}"), (now_ms() / 1000).to_string());
        let message = format!("msg_{python}");
        let body = json!({"type": "conversation.completed", "timestamp": "2026-02-01T09:30:00Z",
            "data": {"conversation": {"id": id, "agent_id": "desk", "caller_identity": "+14155550123"},
                "messages": [{"role": "user", "content": "Ich heiße Zoë."}]}})
        .to_string();
        let Some(signature) = run(python, program, &[WHSEC, &message, &secs, &body]) else {
            continue;
        };
        let headers = [
            ("webhook-id", message.as_str()),
            ("webhook-timestamp", secs.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let (status, answer) = server
            .post("own", &headers, body.into_bytes())
            .await
            .unwrap();
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["event_id"], message.as_str());
        let call = server
            .wait_for(&id, std::time::Duration::from_secs(20))
            .await;
        assert_eq!(call["platform"], "standard");
        assert_eq!(call["caller_identity"], "+14155550123");
        assert_eq!(call["status"], "completed");
    }
}
