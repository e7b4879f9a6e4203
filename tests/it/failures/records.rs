//! The records themselves, read beside the processes: what no API shows, such as rows that belong to
//! nothing.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlitePool};
use tempfile::TempDir;

use super::fleet::{Fleet, Mode};

/// What must be nothing when all work is done.
const NOTHING: [(&str, &str); 8] = [
    ("messages of no conversation", "messages"),
    ("timeline of no conversation", "timeline"),
    ("extractions of no conversation", "extractions"),
    ("observations of no conversation", "observations"),
    ("results of no conversation", "results"),
    ("events of no conversation", "events"),
    ("outbox rows", "outbox"),
    ("dead letters", "dead_letters"),
];

/// The calls that were told of.
pub(super) const TOLD: &str =
    "SELECT COUNT(DISTINCT conversation_id) FROM results WHERE type = 'conversation.completed'";

/// A database that is open for reading.
pub(super) enum Records {
    /// A copy, for only the process itself may touch the file.
    Copy(
        SqlitePool,
        #[expect(dead_code, reason = "it goes with the copy")] TempDir,
    ),
    Server(PgPool),
}

impl Records {
    pub(super) async fn of(fleet: &Fleet) -> sqlx::Result<Self> {
        match fleet.mode {
            Mode::Embedded => Self::copy(&fleet.data()).await,
            Mode::Database | Mode::Distributed => {
                let port = fleet.services().database_port;
                Ok(Self::Server(pool(port, &fleet.name).await?))
            }
        }
    }

    async fn copy(data: &Path) -> sqlx::Result<Self> {
        let folder = tempfile::tempdir().unwrap();
        for file in ["aftercall.db", "aftercall.db-wal"] {
            if data.join(file).exists() {
                std::fs::copy(data.join(file), folder.path().join(file))?;
            }
        }
        let options = SqliteConnectOptions::new().filename(folder.path().join("aftercall.db"));
        let pool = SqlitePool::connect_with(options).await?;
        Ok(Self::Copy(pool, folder))
    }

    /// What a query counts.
    pub(super) async fn count(&self, query: &str) -> sqlx::Result<i64> {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        match self {
            Self::Copy(pool, _) => sqlx::query(query).fetch_one(pool).await?.try_get(0),
            Self::Server(pool) => sqlx::query(query).fetch_one(pool).await?.try_get(0),
        }
    }

    /// Every kind of row that should not be there, with how many of it are.
    pub(super) async fn leftovers(&self) -> sqlx::Result<Vec<String>> {
        let mut found = Vec::new();
        for (what, table) in NOTHING {
            let query = match table {
                "outbox" => "SELECT COUNT(*) FROM outbox".to_owned(),
                "dead_letters" => {
                    "SELECT COUNT(*) FROM dead_letters WHERE state <> 'resolved'".to_owned()
                }
                _ => format!(
                    "SELECT COUNT(*) FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM conversations c \
                     WHERE c.owner = t.owner AND c.id = t.conversation_id)"
                ),
            };
            let count = self.count(&query).await?;
            if count > 0 {
                found.push(format!("{count} {what}"));
            }
        }
        Ok(found)
    }

    pub(super) async fn create_database(port: u16, name: &str) {
        Self::administer(port, format!("CREATE DATABASE {name}")).await;
    }

    pub(super) async fn drop_database(port: u16, name: &str) {
        Self::administer(port, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }

    async fn administer(port: u16, statement: String) {
        let pool = pool(port, "postgres").await.unwrap();
        sqlx::query(AssertSqlSafe(statement))
            .execute(&pool)
            .await
            .unwrap();
    }
}

async fn pool(port: u16, database: &str) -> sqlx::Result<PgPool> {
    PgPool::connect(&format!("postgres://aftercall@127.0.0.1:{port}/{database}")).await
}
