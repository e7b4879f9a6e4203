//! The broker and database that a test may kill: a pair of its own, started by `tests/services`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;

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

/// The pair that may be killed, shared by the tests of this process: one after the other.
#[derive(Debug)]
pub(crate) struct Services {
    ctl: PathBuf,
    pub(crate) broker_port: u16,
    pub(crate) database_port: u16,
}

/// The name of the pair: the other tests' is `shared`, and stays alive.
const PAIR: &str = "doomed";

impl Services {
    /// The pair, started when it is first asked for; none outside of `tests/services`.
    pub(crate) async fn doomed() -> Option<&'static Self> {
        static SERVICES: OnceCell<Option<Services>> = OnceCell::const_new();
        SERVICES.get_or_init(Self::start_both).await.as_ref()
    }

    async fn start_both() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("AFTERCALL_TEST_SERVICES")?);
        let ctl = folder.join("ctl");
        let settings = run(&ctl, &["up", PAIR]).await;
        let port = |name: &str| {
            let url = settings
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap();
            let port = url.rsplit(':').next().unwrap();
            port.split('/').next().unwrap().parse().unwrap()
        };
        Some(Self {
            broker_port: port("AFTERCALL_TEST_AMQP_URL"),
            database_port: port("AFTERCALL_TEST_DATABASE_URL"),
            ctl,
        })
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self, service: Service) {
        run(&self.ctl, &["kill", PAIR, service.name()]).await;
    }

    /// Starts what was killed, and waits until it answers.
    pub(crate) async fn start(&self, service: Service) {
        run(&self.ctl, &["start", PAIR, service.name()]).await;
    }

    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        run(&self.ctl, &[&["rabbitmqctl", PAIR], arguments].concat()).await
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
