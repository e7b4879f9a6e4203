//! The broker and database that a test may kill: a pair that is its own as long as it runs, started by
//! `tests/services`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::select_all;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Broker,
    Database,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Database => "database",
        }
    }
}

/// A pair that may be killed.
#[derive(Debug)]
pub(crate) struct Services {
    ctl: PathBuf,
    name: &'static str,
    pub(crate) broker_port: u16,
    pub(crate) database_port: u16,
}

/// A pair, as long as it is one test's alone.
pub(crate) type Pair = MappedMutexGuard<'static, Services>;

/// The pairs: so many tests can kill at once. The other tests' is `shared`, and stays alive.
static PAIRS: [(&str, Mutex<Option<Services>>); 2] = [
    ("doomed-1", Mutex::const_new(None)),
    ("doomed-2", Mutex::const_new(None)),
];

impl Services {
    /// A pair for the caller alone, as soon as one is free, started when it is the first that wants it;
    /// none outside of `tests/services`.
    pub(crate) async fn doomed() -> Option<Pair> {
        let folder = PathBuf::from(std::env::var_os("AFTERCALL_TEST_SERVICES")?);
        let waiting = PAIRS.iter().map(|(_, pair)| Box::pin(pair.lock()));
        let (mut pair, which, _) = select_all(waiting).await;
        if pair.is_none() {
            *pair = Some(Self::start_both(&folder, PAIRS[which].0).await);
        }
        Some(MutexGuard::map(pair, |pair| pair.as_mut().unwrap()))
    }

    async fn start_both(folder: &Path, name: &'static str) -> Self {
        // Ports are looked for before they are listened on: one pair after the other.
        static STARTING: Mutex<()> = Mutex::const_new(());
        let _starting = STARTING.lock().await;
        let ctl = folder.join("ctl");
        let settings = run(&ctl, &["up", name]).await;
        let port = |name: &str| {
            let url = settings
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap();
            let port = url.rsplit(':').next().unwrap();
            port.split('/').next().unwrap().parse().unwrap()
        };
        Self {
            broker_port: port("AFTERCALL_TEST_AMQP_URL"),
            database_port: port("AFTERCALL_TEST_DATABASE_URL"),
            ctl,
            name,
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self, service: Service) {
        run(&self.ctl, &["kill", self.name, service.name()]).await;
    }

    /// Starts what was killed, and waits until it answers.
    pub(crate) async fn start(&self, service: Service) {
        run(&self.ctl, &["start", self.name, service.name()]).await;
    }

    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        run(
            &self.ctl,
            &[&["rabbitmqctl", self.name], arguments].concat(),
        )
        .await
    }

    /// A name that no other run uses, for a database and a virtual host.
    pub(crate) fn fresh_name() -> String {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::SeqCst);
        format!("run_{}_{run}", std::process::id())
    }
}

/// Runs the control script off the loop: the proxies and the load go on meanwhile.
async fn run(ctl: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(ctl);
    command.args(arguments).stdin(Stdio::null());
    let what = format!("ctl {arguments:?}");
    let running = tokio::task::spawn_blocking(move || {
        // What it starts inherits its output: to read a pipe to its end would be to wait for that.
        let said = tempfile::NamedTempFile::new().unwrap();
        let status = command.stdout(said.reopen().unwrap()).status().unwrap();
        assert!(status.success(), "{what}: {status}");
        std::fs::read_to_string(said.path()).unwrap()
    });
    running.await.unwrap()
}
