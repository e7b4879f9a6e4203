//! The databases that the conformance suites run on: SQLite always, PostgreSQL where
//! `AFTERCALL_TEST_DATABASE_URL` names a server whose databases may be created and dropped.

use aftercall::host::{Clock, Host};
use aftercall::store::Db;
use aftercall::time::Timestamp;
use tempfile::TempDir;

/// A fresh database of one kind.
pub(crate) struct Backend {
    pub(crate) db: Db,
    pub(crate) host: Host,
    /// PostgreSQL's address.
    server: Option<String>,
    _folder: TempDir,
}

impl Backend {
    /// The same database, as another process has it: PostgreSQL by connections of its own.
    pub(crate) async fn anew(&self) -> Db {
        match &self.server {
            Some(url) => Db::open(url, &self.host).await.unwrap(),
            None => self.db.clone(),
        }
    }
}

/// When the tests' clocks start.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_780_000_000);

/// A fresh database of each kind that is there.
pub(crate) async fn all(test: &str) -> Vec<Backend> {
    let mut backends = vec![sqlite(Clock::manual(START)).await];
    match std::env::var("AFTERCALL_TEST_DATABASE_URL") {
        Ok(server) => backends.push(postgres(&server, test, Clock::manual(START)).await),
        Err(_) => println!("skipped on PostgreSQL: AFTERCALL_TEST_DATABASE_URL is not set"),
    }
    backends
}

/// A fresh database on the machine's own clock: PostgreSQL where there is one, else SQLite.
pub(crate) async fn timed(test: &str) -> Backend {
    match std::env::var("AFTERCALL_TEST_DATABASE_URL") {
        Ok(server) => postgres(&server, test, Clock::System).await,
        Err(_) => sqlite(Clock::System).await,
    }
}

async fn sqlite(clock: Clock) -> Backend {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(clock);
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    Backend {
        db: Db::open(&url, &host).await.unwrap(),
        host,
        server: None,
        _folder: folder,
    }
}

async fn postgres(server: &str, test: &str, clock: Clock) -> Backend {
    drop(rustls::crypto::ring::default_provider().install_default());
    let name = format!("aftercall_{test}_{}", std::process::id());
    let admin = sqlx::PgPool::connect(server).await.unwrap();
    for text in [
        format!("DROP DATABASE IF EXISTS {name}"),
        format!("CREATE DATABASE {name}"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(text))
            .execute(&admin)
            .await
            .unwrap();
    }
    let (base, _) = server.rsplit_once('/').unwrap();
    let host = Host::new(clock);
    let url = format!("{base}/{name}");
    let db = Db::open(&url, &host).await.unwrap();
    assert!(!db.pending_migrations().await.unwrap().is_empty());
    db.migrate().await.unwrap();
    assert!(db.pending_migrations().await.unwrap().is_empty());
    Backend {
        db,
        host,
        server: Some(url),
        _folder: tempfile::tempdir().unwrap(),
    }
}
