//! The schema and its versions: the shared text first, then what only one database knows.

use std::sync::LazyLock;

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Db, Error, Result};

static SHARED: LazyLock<Migrator> = LazyLock::new(|| beside(sqlx::migrate!("./migrations")));
static SQLITE: LazyLock<Migrator> = LazyLock::new(|| beside(sqlx::migrate!("./migrations/sqlite")));
static POSTGRES: LazyLock<Migrator> =
    LazyLock::new(|| beside(sqlx::migrate!("./migrations/postgres")));

/// The two sets keep their versions in one table: each meets the other's there.
fn beside(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

pub(super) async fn sqlite(conn: &mut SqliteConnection) -> Result<()> {
    SHARED
        .run(&mut *conn)
        .await
        .map_err(|error| explain(&error))?;
    SQLITE.run(conn).await.map_err(|error| explain(&error))
}

pub(super) async fn run(db: &Db) -> Result<()> {
    match db {
        // Migrated when it was opened.
        Db::Sqlite(_) => Ok(()),
        // A connection of its own, without the pool's limits of time. sqlx holds an advisory lock on
        // it meanwhile, so that several processes may start at once.
        Db::Postgres(pool) => {
            let mut conn = pool.connect_options().connect().await?;
            let migrated = async {
                SHARED.run(&mut conn).await?;
                POSTGRES.run(&mut conn).await
            }
            .await;
            conn.close().await?;
            migrated.map_err(|error| explain(&error))
        }
    }
}

pub(super) async fn pending(db: &Db) -> Result<Vec<String>> {
    let Db::Postgres(pool) = db else {
        return Ok(Vec::new());
    };
    let mut conn = pool.acquire().await?;
    let applied = match conn.list_applied_migrations("_sqlx_migrations").await {
        Ok(applied) => applied,
        // There is no table of them yet.
        Err(sqlx::migrate::MigrateError::Execute(sqlx::Error::Database(_))) => Vec::new(),
        Err(error) => return Err(explain(&error)),
    };
    Ok(SHARED
        .iter()
        .chain(POSTGRES.iter())
        .filter(|wanted| applied.iter().all(|done| done.version != wanted.version))
        .map(|wanted| format!("{:04} {}", wanted.version, wanted.description))
        .collect())
}

fn explain(error: &sqlx::migrate::MigrateError) -> Error {
    Error::Migration(format!("the database can't be migrated: {error}"))
}
