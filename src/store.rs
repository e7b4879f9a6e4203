//! Records, in SQLite or PostgreSQL: one enum, one SQL text, one file a table group.
//!
//! Reads and writes are functions on a [`Conn`]. A write runs inside a transaction that [`Db::write`]
//! opens and commits; on SQLite many of them share one commit (see `sqlite`).

use std::fmt;

use futures::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::SqliteConnection;

use crate::id::{ConversationId, ConversationKey, Owner};

mod beginnings;
mod migrate;
mod postgres;
mod sizes;
mod sqlite;

pub mod announcer;
pub mod audit;
pub mod barriers;
pub mod bodies;
pub mod callers;
pub mod consents;
pub mod conversations;
pub mod dead_letters;
pub mod deliveries;
pub mod endpoints;
pub mod erasures;
pub mod events;
pub mod extractions;
pub mod filling;
pub mod known_calls;
pub mod memories;
pub mod meta;
pub mod outbox;
pub mod passages;
pub mod pins;
pub mod quarantine;
pub mod readings;
pub mod reconcile;
pub mod replays;
pub mod results;
pub mod sessions;
pub mod timeline;
pub mod tokens;
pub mod traces;

pub use sizes::{Size, Sizes, sizes};

/// The database did not do what it was asked. Says nothing of the values that were sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database answered with an error, or not at all.
    #[error("the database failed: {0}")]
    Sql(#[source] sqlx::Error),
    /// A stored value can't be read back.
    #[error("the stored {0} can't be read")]
    Corrupt(&'static str),
    /// The schema is not the one this version needs.
    #[error("{0}")]
    Migration(String),
    /// The job itself panicked. What it said could carry what a caller said: it is not repeated.
    #[error("a database job panicked")]
    Panicked,
    /// The writer has stopped: the process is ending.
    #[error("the database is closed")]
    Closed,
}

impl Error {
    /// Whether the database is away, so that the same request may work later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                // PostgreSQL's class 57P: it is shutting down, or starting.
                error.code().is_some_and(|code| code.starts_with("57P"))
            }
            Self::Sql(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
            ),
            Self::Corrupt(_) | Self::Migration(_) | Self::Panicked => false,
        }
    }

    /// Whether the database refuses what it was given, which no waiting mends: PostgreSQL's classes
    /// 22 (data) and 23 (constraints), SQLite's `TOOBIG`, `CONSTRAINT` and `MISMATCH`.
    pub fn is_refusal(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else {
            return false;
        };
        let code = error.code().unwrap_or_default();
        if error
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
            .is_some()
        {
            return code.starts_with("22") || code.starts_with("23");
        }
        // An extended code carries the plain one in its low byte.
        code.parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 18..=20))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // sqlx names the column that does not decode; the value itself must not travel further.
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt("row"),
            error => Self::Sql(error),
        }
    }
}

/// What a store function answers.
pub type Result<T> = std::result::Result<T, Error>;

/// The conversation that a row's two columns name.
fn stored_key(owner: String, id: &str) -> Result<ConversationKey> {
    Ok(ConversationKey {
        owner: Owner::stored(owner),
        id: ConversationId::new(id).map_err(|_| Error::Corrupt("conversation id"))?,
    })
}

/// A connection of either database, inside a transaction where one is open.
#[derive(Debug)]
pub enum Conn<'c> {
    /// SQLite's.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL's.
    Postgres(&'c mut PgConnection),
}

/// Runs one sqlx expression on whichever connection is open. The SQL must mean the same on both.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::Conn::Sqlite($c) => {
                let $c = &mut **$c;
                $body
            }
            $crate::store::Conn::Postgres($c) => {
                let $c = &mut **$c;
                $body
            }
        }
    };
}
pub(crate) use on;

/// The database: an enum, because the set is closed and ours.
#[derive(Clone)]
pub enum Db {
    /// One file, one process.
    Sqlite(sqlite::Sqlite),
    /// A server, any number of processes.
    Postgres(PgPool),
}

impl Db {
    /// Opens the database that a URL names. SQLite is created and migrated; PostgreSQL is neither,
    /// and need not be reachable yet.
    pub async fn open(url: &str, host: &crate::host::Host) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self::Sqlite(sqlite::Sqlite::open(path, host).await?));
        }
        postgres::open(url).map(Self::Postgres)
    }

    /// Creates or upgrades the schema, under a lock where several processes could.
    pub async fn migrate(&self) -> Result<()> {
        migrate::run(self).await
    }

    /// The migrations that this version needs and the database lacks.
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        migrate::pending(self).await
    }

    /// Runs a job on a connection that is not in a transaction. SQLite's can't write.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T>> + Send,
        T: Send,
    {
        match self {
            Self::Sqlite(sqlite) => {
                let mut conn = sqlite.reader().await?;
                job(Conn::Sqlite(&mut conn)).await
            }
            Self::Postgres(pool) => {
                let mut conn = pool.acquire().await?;
                job(Conn::Postgres(&mut conn)).await
            }
        }
    }

    /// Runs a job in a transaction of its own, and returns once that is committed. An error rolls
    /// the job back, and nobody else's.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(job).await,
            Self::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let value = job(Conn::Postgres(&mut tx)).await?;
                tx.commit().await?;
                Ok(value)
            }
        }
    }

    /// Leaves no byte of what was deleted; says whether that is done. SQLite keeps it in its log
    /// until that is emptied.
    pub async fn scrub(&self) -> Result<bool> {
        match self {
            Self::Sqlite(sqlite) => sqlite.truncate().await,
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.read(|mut conn| {
            Box::pin(async move {
                on!(&mut conn, c => { sqlx::query("SELECT 1").execute(c).await?; });
                Ok(())
            })
        })
        .await
    }

    /// How many connections lie idle, and how many are busy. `SQLite`'s one writer is not among them.
    pub fn connections(&self) -> (i64, i64) {
        let (size, idle) = match self {
            Self::Sqlite(sqlite) => sqlite.connections(),
            Self::Postgres(pool) => (pool.size(), pool.num_idle()),
        };
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        (idle, i64::from(size).saturating_sub(idle).max(0))
    }

    /// The name that users know it by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Holds everybody else off `key` until the transaction ends. SQLite's writer is alone anyway.
pub async fn lock(conn: &mut Conn<'_>, key: &str) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        // Callers part a key's pieces with U+0000, which no text of PostgreSQL may hold.
        let key = key.replace('\0', "\u{1f}");
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(key)
            .execute(&mut **c)
            .await?;
    }
    Ok(())
}
