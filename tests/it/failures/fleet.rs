//! What is put under load and then hurt: one process on a folder, or several on a broker and a
//! database, each behind lines that can be cut.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::records::Records;
use crate::proxy::{Line, Proxy};
use crate::services::{Pair, Services};
use crate::support::{Platform, free_port, source_settings};

/// The ways to run (product contract §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One process, one folder.
    Embedded,
    /// Several processes on PostgreSQL, which keeps the queue, too.
    Database,
    /// Several processes on PostgreSQL and RabbitMQ.
    Distributed,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Database => "database alone",
            Self::Distributed => "distributed",
        }
    }
}

const TOKEN: &str = "aftercall_token_of_the_failure_suite";
const SECRET_KEY: &str = "YWZ0ZXJjYWxsLWZhaWx1cmUtc3VpdGUtMzItYnl0ZXM=";
const SETTINGS: &str = "[finalize]\ngrace = \"200ms\"\nrecheck = []\n";

/// How long a process may take until it is ready, on a machine that is busy with other tests.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// One `aftercall serve` that can be killed and started again in the same place.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) url: String,
    command: Vec<String>,
    environment: Vec<(&'static str, String)>,
    folder: PathBuf,
    child: Option<Child>,
}

impl Process {
    fn new(
        folder: &Path,
        roles: &[&str],
        platform: &Platform,
        environment: Vec<(&'static str, String)>,
        within: &[String],
    ) -> Self {
        let port = free_port();
        let settings = folder.join(format!("{port}.toml"));
        std::fs::write(&settings, source_settings(platform, port, SETTINGS)).unwrap();
        let mut command = within.to_vec();
        command.push(env!("CARGO_BIN_EXE_aftercall").to_owned());
        command.extend(["serve", "--config"].map(str::to_owned));
        command.push(settings.display().to_string());
        for role in roles {
            command.extend(["--role".to_owned(), (*role).to_owned()]);
        }
        let mut process = Self {
            url: format!("http://127.0.0.1:{port}"),
            command,
            environment,
            folder: folder.to_owned(),
            child: None,
        };
        process.start();
        process
    }

    /// Starts it, and does not wait until it is ready.
    pub(super) fn start(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let mut command = Command::new(&self.command[0]);
        // The tests' own settings are none of the product's.
        for (name, _) in std::env::vars() {
            if name.starts_with("AFTERCALL_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(&self.command[1..])
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    fn log(&self) -> PathBuf {
        self.folder
            .join(self.url.rsplit(':').next().unwrap())
            .with_extension("log")
    }

    async fn wait_until_ready(&mut self, client: &reqwest::Client) {
        let started = Instant::now();
        loop {
            let answer = client.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < START_PATIENCE,
                "not ready ({ended:?}): {}",
                std::fs::read_to_string(self.log()).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lines between the processes and what they need.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) platform: Proxy,
    /// The receivers' to the broker.
    pub(super) publishing: Option<Proxy>,
    /// The workers' to the broker.
    pub(super) working: Option<Proxy>,
    pub(super) database: Option<Proxy>,
}

impl Lines {
    /// The workers' line to the broker, where there is one.
    pub(super) fn set_working(&self, line: Line) {
        if let Some(proxy) = &self.working {
            proxy.set(line);
        }
    }

    /// Both lines to the broker.
    pub(super) fn set_broker(&self, line: Line) {
        for proxy in [&self.publishing, &self.working].into_iter().flatten() {
            proxy.set(line);
        }
    }
}

/// The processes of one run, and all that they run on.
pub(super) struct Fleet {
    pub(super) mode: Mode,
    pub(super) platform: Platform,
    pub(super) receivers: Vec<Process>,
    /// Embedded, the one process is in `receivers`.
    pub(super) workers: Vec<Process>,
    api: Option<Process>,
    pub(super) lines: Lines,
    /// Its broker and database; what is started goes before they do.
    services: Option<Pair>,
    /// The run's database and virtual host.
    pub(super) name: String,
    pub(super) client: reqwest::Client,
    folder: Arc<TempDir>,
}

impl Fleet {
    /// A fleet that is ready; none where there is no broker and no database to run it on.
    pub(super) async fn start(mode: Mode) -> Option<Self> {
        let fleet = match mode {
            Mode::Embedded => Self::embedded(&[]).await,
            _ => Self::distributed(mode, Services::doomed().await?).await,
        };
        Some(fleet)
    }

    /// One process; `within` are words to put before its command.
    pub(super) async fn embedded(within: &[String]) -> Self {
        let mut fleet = Self::bare(Mode::Embedded, None).await;
        let environment = vec![
            ("AFTERCALL_ADMIN_TOKEN", TOKEN.to_owned()),
            ("AFTERCALL_SECRET_KEY", SECRET_KEY.to_owned()),
        ];
        let platform = fleet.platform_behind_its_line();
        let process = Process::new(fleet.folder.path(), &[], &platform, environment, within);
        fleet.receivers.push(process);
        fleet.wait_until_ready().await;
        fleet
    }

    /// Two receivers, two workers and an API on a database and a virtual host of their own.
    async fn distributed(mode: Mode, services: Pair) -> Self {
        let mut fleet = Self::bare(mode, Some(services)).await;
        let name = fleet.name.clone();
        let services = fleet.services();
        services.rabbitmqctl(&["add_vhost", &name]).await;
        let everything = ["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"];
        services.rabbitmqctl(&everything).await;
        Records::create_database(services.database_port, &name).await;
        let database = |port: u16| format!("postgres://aftercall@127.0.0.1:{port}/{name}");
        let common = |broker: &Option<Proxy>| {
            let mut settings = vec![
                ("AFTERCALL_ADMIN_TOKEN", TOKEN.to_owned()),
                ("AFTERCALL_SECRET_KEY", SECRET_KEY.to_owned()),
                (
                    "AFTERCALL_DATABASE_URL",
                    database(fleet.lines.database.as_ref().unwrap().port),
                ),
            ];
            if let Some(broker) = broker {
                let url = format!("amqp://guest:guest@127.0.0.1:{}/{name}", broker.port);
                settings.push(("AFTERCALL_AMQP_URL", url));
            }
            settings
        };
        let (receiving, working) = (
            common(&fleet.lines.publishing),
            common(&fleet.lines.working),
        );
        let folder = fleet.folder.path().to_owned();
        let migrated = Command::new(env!("CARGO_BIN_EXE_aftercall"))
            .arg("migrate")
            .current_dir(&folder)
            .envs(working.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        let platform = fleet.platform_behind_its_line();
        let start = |role: &str, environment: &Vec<(&'static str, String)>| {
            Process::new(&folder, &[role], &platform, environment.clone(), &[])
        };
        fleet.receivers = vec![start("receiver", &receiving), start("receiver", &receiving)];
        fleet.workers = vec![start("worker", &working), start("worker", &working)];
        fleet.api = Some(start("api", &receiving));
        fleet.wait_until_ready().await;
        fleet
    }

    async fn bare(mode: Mode, services: Option<Pair>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let platform = Platform::start().await;
        let port = platform.url.rsplit(':').next().unwrap().parse().unwrap();
        let (mut publishing, mut working, mut database) = (None, None, None);
        if let Some(services) = &services {
            if mode == Mode::Distributed {
                publishing = Some(Proxy::to(services.broker_port).await);
                working = Some(Proxy::to(services.broker_port).await);
            }
            database = Some(Proxy::to(services.database_port).await);
        }
        Self {
            mode,
            lines: Lines {
                platform: Proxy::to(port).await,
                publishing,
                working,
                database,
            },
            platform,
            receivers: Vec::new(),
            workers: Vec::new(),
            api: None,
            services,
            name: Services::fresh_name(),
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(20))
                .build()
                .unwrap(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    fn platform_behind_its_line(&self) -> Platform {
        let mut platform = self.platform.clone();
        platform.url = format!("http://127.0.0.1:{}", self.lines.platform.port);
        platform
    }

    /// The broker and the database, where the mode has them.
    pub(super) fn services(&self) -> &Services {
        self.services.as_ref().unwrap()
    }

    /// Waits until every process says that it is ready.
    pub(super) async fn wait_until_ready(&mut self) {
        let all = self.receivers.iter_mut().chain(&mut self.workers);
        for process in all.chain(&mut self.api) {
            process.wait_until_ready(&self.client).await;
        }
    }

    /// The addresses that take webhooks.
    pub(super) fn doors(&self) -> Vec<String> {
        let doors = self.receivers.iter();
        doors.map(|receiver| receiver.url.clone()).collect()
    }

    /// The data folder, also where it lies in a file system that only the process sees.
    pub(super) fn data(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.receivers[0].pid()));
        let data = self.folder.path().join("data");
        root.join(data.strip_prefix("/").unwrap())
    }

    /// Asks the API as admin.
    pub(super) async fn get(&self, path: &str) -> Value {
        let process = self.api.as_ref().unwrap_or(&self.receivers[0]);
        let asked = self.client.get(format!("{}{path}", process.url));
        let answer = asked.bearer_auth(TOKEN).send().await.unwrap();
        let status = answer.status();
        let body = answer.json().await.unwrap_or(Value::Null);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// What the processes have logged, for the report of a failure.
    pub(super) fn logged(&self) -> String {
        let all = self.receivers.iter().chain(&self.workers).chain(&self.api);
        let mut logged = String::new();
        for process in all {
            let text = std::fs::read_to_string(process.log()).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(15)..];
            writeln!(logged, "{}:\n{}", process.url, last.join("\n")).unwrap();
        }
        logged
    }

    /// Removes what the run has left in the broker and the database.
    pub(super) async fn clear(mut self) {
        self.receivers.clear();
        self.workers.clear();
        self.api = None;
        if let Some(services) = self.services {
            services.rabbitmqctl(&["delete_vhost", &self.name]).await;
            Records::drop_database(services.database_port, &self.name).await;
        }
    }
}
