//! What the integration tests share: a real server process on a fresh folder, a Speechify that is not
//! ours, and the calls it knows of.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aftercall::signature::hmac_sha256;
use serde_json::{Value, json};
use tempfile::TempDir;

mod platform;
mod shared;
mod stand;

pub(crate) use platform::{Instead, Platform};
pub(crate) use shared::{Shared, TOKEN};
pub(crate) use stand::{Stand, tables_with};

pub(crate) const SECRET: &str = "speechify_test_secret_32_bytes_xx";
pub(crate) const API_TOKEN: &str = "sk_test_token_of_the_platform";
pub(crate) const LIVEKIT_KEY: &str = "APItestkey";
pub(crate) const LIVEKIT_SECRET: &str = "livekit_test_secret_32_bytes_long";

/// The time, in Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time as the platform writes it.
pub(crate) fn rfc3339(millis: i64) -> String {
    aftercall::time::Timestamp::from_millis(millis).to_string()
}

/// A conversation id that is as good as the platform's.
pub(crate) fn conversation_id(n: usize) -> String {
    aftercall::id::of_content("conv_", &["test", &n.to_string()])
}

/// A finished call with a reason or none, and two sides of talk.
pub(crate) fn finished_call(id: &str, caller: &str, end_reason: Option<&str>) -> Value {
    let ended = now_ms();
    json!({
        "id": id,
        "agent_id": "agent_01k6z9c2d4e6g8j0m2p4r6t8v0",
        "room_name": id,
        "status": "completed",
        "transport": "web",
        "created_at": rfc3339(ended - 61_000),
        "metadata": {"crm_id": "lead_991"},
        "message_count": 0,
        "started_at": rfc3339(ended - 60_000),
        "ended_at": rfc3339(ended),
        "duration_ms": 60_000,
        "end_reason": end_reason,
        "caller_identity": caller,
    })
}

/// A short talk in which the caller says `words`.
pub(crate) fn talk(words: &str) -> Vec<Value> {
    [
        ("assistant", "Acme front desk, how can I help you?"),
        ("user", words),
        ("assistant", "Thank you, I have noted that."),
        ("user", "Great, bye."),
    ]
    .iter()
    .enumerate()
    .map(|(n, (role, content))| json!({"id": format!("m{n}"), "role": role, "content": content}))
    .collect()
}

/// The body that Speechify posts when a call is over.
pub(crate) fn completed_body(id: &str) -> Vec<u8> {
    json!({
        "event": "conversation.completed",
        "timestamp": now_ms(),
        "conversation": {"id": id, "agent_id": "agent_01k6z9c2d4e6g8j0m2p4r6t8v0",
                         "status": "completed"},
    })
    .to_string()
    .into_bytes()
}

/// Speechify's signature over a body, made at `secs`.
pub(crate) fn speechify_signature(secret: &str, secs: i64, body: &[u8]) -> String {
    let time = secs.to_string();
    let mac = hmac_sha256(secret.as_bytes(), &[time.as_bytes(), b".", body]);
    format!("t={secs},v0={}", hex::encode(mac))
}

/// LiveKit's token over a body, made now.
pub(crate) fn livekit_token(key: &str, secret: &str, body: &[u8]) -> String {
    let secret = aftercall::secret::Secret::new(secret).unwrap();
    let now = aftercall::time::Timestamp::from_millis(now_ms());
    aftercall::signature::jwt::sign(key, &secret, body, now)
}

/// A running `aftercall serve` on a folder of its own.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) log: PathBuf,
    environment: Vec<(String, String)>,
    child: Child,
    pub(crate) client: reqwest::Client,
}

impl Server {
    /// Starts a server with one Speechify source, `voice`, and one of LiveKit's, `rooms`.
    pub(crate) async fn start(platform: &Platform, settings: &str) -> Self {
        Self::start_with(platform, settings, &[]).await
    }

    pub(crate) async fn start_with(
        platform: &Platform,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let settings = |port: u16| source_settings(platform, port, settings);
        Self::start_from(&settings, environment).await
    }

    /// Starts a server with the settings of its port.
    pub(crate) async fn start_from(
        settings: &dyn Fn(u16) -> String,
        environment: &[(&str, &str)],
    ) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let port = free_port();
        let file = folder.path().join("aftercall.toml");
        std::fs::write(&file, settings(port)).unwrap();
        let environment: Vec<(String, String)> = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let log = folder.path().join("log");
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let child = spawn(&file, folder.path(), &log, &environment);
        let mut server = Self {
            url,
            folder,
            log,
            environment,
            child,
            client,
        };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.logged());
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "not ready: {}",
                self.logged()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// `kill -9`, and the same server on the same folder again.
    pub(crate) async fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let file = self.folder.path().join("aftercall.toml");
        self.child = spawn(&file, self.folder.path(), &self.log, &self.environment);
        self.wait_until_ready().await;
    }

    /// SIGTERM, and how the process ended.
    pub(crate) async fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "it does not stop"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGKILL, unless it has ended already; then a new process on the same data folder.
    pub(crate) async fn kill_and_start_again(&mut self) {
        drop(self.child.kill());
        self.child.wait().unwrap();
        let file = self.folder.path().join("aftercall.toml");
        self.child = spawn(&file, self.folder.path(), &self.log, &self.environment);
        self.wait_until_ready().await;
    }

    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn admin_token(&self) -> String {
        let file = self.folder.path().join("data/admin-token");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// Posts a body to a source.
    pub(crate) async fn post(
        &self,
        source: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> reqwest::Result<(u16, Value)> {
        let mut request = self
            .client
            .post(format!("{}/webhooks/{source}", self.url))
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }

    /// Posts a rightly signed Speechify body to the source `voice`.
    pub(crate) async fn post_signed(&self, body: Vec<u8>) -> reqwest::Result<(u16, Value)> {
        let signature = speechify_signature(SECRET, now_ms() / 1000, &body);
        self.post("voice", &[("Speechify-Signature", &signature)], body)
            .await
    }

    /// Asks the API as admin.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.get_as(path, &self.admin_token()).await
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> (u16, Value) {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or(Value::Null),
        )
    }

    /// Waits until a conversation is there and delivered.
    pub(crate) async fn wait_for(&self, id: &str, at_most: Duration) -> Value {
        let started = Instant::now();
        loop {
            let (_, timeline) = self
                .get(&format!("/v1/conversations/{id}/timeline?page_size=100"))
                .await;
            let delivered = timeline["timeline"]
                .as_array()
                .is_some_and(|steps| steps.iter().any(|step| step["step"] == "delivered"));
            if delivered {
                return self.get(&format!("/v1/conversations/{id}")).await.1;
            }
            assert!(
                started.elapsed() < at_most,
                "{id} was not delivered: {timeline}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every event of the feed.
    pub(crate) async fn feed(&self) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().map_or(String::new(), |e| {
                format!("&after={}", e["id"].as_str().unwrap())
            });
            let (status, page) = self.get(&format!("/v1/events?page_size=100{after}")).await;
            assert_eq!(status, 200, "{page}");
            let page = page["events"].as_array().unwrap().clone();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(settings: &Path, folder: &Path, log: &Path, environment: &[(String, String)]) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .args(["serve", "--config"])
        .arg(settings)
        .current_dir(folder)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The two sources. Their lists are read at start and not far back, so that what a test leaves to its
/// webhooks is not found without them.
pub(crate) fn source_settings(platform: &Platform, port: u16, more: &str) -> String {
    format!(
        r#"
data_dir = "data"
[server]
listen = "127.0.0.1:{port}"
{more}
[[sources]]
name = "voice"
platform = "speechify"
webhook.secrets = ["{SECRET}"]
api.base_url = "{url}"
api.token = "{API_TOKEN}"
reconcile.every = "1h"
reconcile.look_back = "1s"

[[sources]]
name = "rooms"
platform = "livekit"
webhook.key = "{LIVEKIT_KEY}"
webhook.secrets = ["{LIVEKIT_SECRET}"]
api.platform = "speechify"
api.base_url = "{url}"
api.token = "{API_TOKEN}"
reconcile.every = "1h"
reconcile.look_back = "1s"
"#,
        url = platform.url,
    )
}

/// A port that nobody listens on, below the range from which clients take theirs: a client that
/// connects again and again to a closed port in that range ends up connected to itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    // Many, for the port of a process that was killed is free until it is started again.
    let start = 20_000 + (std::process::id() % 40) as u16 * 300;
    loop {
        let port = start + NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 300;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
