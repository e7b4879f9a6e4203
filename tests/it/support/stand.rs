//! A server of its own on every database that there is: SQLite always, PostgreSQL with RabbitMQ where
//! `tests/services` gives both. What is shown of one is shown of each.

use std::time::Duration;

use tokio::sync::RwLockReadGuard;

use super::{Platform, Server, Shared, TOKEN};
use crate::rabbit::in_peace;

/// A server, the platform that it asks, and its database.
pub(crate) struct Stand {
    pub(crate) server: Server,
    pub(crate) platform: Platform,
    shared: Option<Shared>,
    _peace: RwLockReadGuard<'static, ()>,
}

impl Stand {
    /// One on each.
    pub(crate) async fn all(test: &str, settings: &str) -> Vec<Self> {
        let platform = Platform::start().await;
        let mut all = vec![Self {
            server: Server::start(&platform, settings).await,
            platform,
            shared: None,
            _peace: in_peace().await,
        }];
        let peace = in_peace().await;
        let Some(shared) = Shared::fresh(test).await else {
            return all;
        };
        let platform = Platform::start().await;
        let environment = shared.environment();
        let server = Server::start_with(&platform, settings, &environment).await;
        // Where one process alone would have put its own.
        let data = server.folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("admin-token"), TOKEN).unwrap();
        // A process is ready to receive before it has seen to its tokens.
        while server.get("/v1/endpoints").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        all.push(Self {
            server,
            platform,
            shared: Some(shared),
            _peace: peace,
        });
        all
    }

    /// Whether work waits in RabbitMQ, from which nothing can be taken out.
    pub(crate) fn has_broker(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether a text stands in SQLite's file or its log, or in a row of PostgreSQL's.
    pub(crate) async fn holds(&self, text: &str) -> bool {
        if let Some(shared) = &self.shared {
            return !tables_with(shared.database(), text).await.is_empty();
        }
        ["aftercall.db", "aftercall.db-wal"].iter().any(|name| {
            let file = self.server.folder.path().join("data").join(name);
            let bytes = std::fs::read(file).unwrap_or_default();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        if let Some(shared) = &self.shared {
            let pool = sqlx::PgPool::connect(shared.database()).await.unwrap();
            return sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
        }
        let file = self.server.folder.path().join("data/aftercall.db");
        let url = format!("sqlite://{}?mode=ro", file.display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        sqlx::query_scalar(query).fetch_one(&pool).await.unwrap()
    }
}

/// The tables of a PostgreSQL database in which a text stands.
pub(crate) async fn tables_with(database: &str, text: &str) -> Vec<String> {
    let pool = sqlx::PgPool::connect(database).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        let query = format!("SELECT COUNT(*) FROM \"{table}\" AS r WHERE strpos(r::text, $1) > 0");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .bind(text)
            .fetch_one(&pool)
            .await
            .unwrap();
        if rows > 0 {
            found.push(table);
        }
    }
    found
}
