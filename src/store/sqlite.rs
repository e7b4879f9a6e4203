//! SQLite: one task owns the only writing connection and lets many writes share a commit.
//!
//! A job runs in a SAVEPOINT of its own, so that one failure does not undo its neighbours; the
//! callers hear of success only after the commit, which is on disk (`synchronous=FULL`).

use std::any::Any;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use super::{Conn, Error, Result};
use crate::host::Host;

/// Writes that share a commit at the most.
const GROUP: usize = 256;

/// After so many writes the write-ahead log is emptied into the file, by a connection of its own: what
/// comes meanwhile does not wait for it.
const WRITES_A_CHECKPOINT: usize = 512;

/// Pages of the log, of 4 KiB, from which on the writer ends what that connection has begun. While it
/// writes nothing the log can be emptied to its end, and is begun anew; few pages are left to do.
const PAGES_TO_END: i64 = 4000;

/// Pages of the log at which the writer empties it itself, all of it: it has grown faster than that.
const PAGES_AT_MOST: &str = "16000";

/// What the writer keeps of the file in memory, in KiB (a negative number of pages, to SQLite): the leaves
/// of the many indexes that each write touches, of which it would read every one again.
const WRITER_CACHE: &str = "-32768";

/// Writes that may wait for the writer; more wait in their callers.
const WAITING: usize = 4096;

type Value = Box<dyn Any + Send>;
type Job = Box<dyn for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<Value>> + Send>;

struct Write {
    job: Job,
    done: oneshot::Sender<Result<Value>>,
}

/// What the writer is asked for.
enum Order {
    Write(Write),
    /// Empty the rest of the write-ahead log, most of which is in the file.
    Checkpoint,
    /// Empty the write-ahead log; says whether nobody reads in it any more.
    Truncate(oneshot::Sender<Result<bool>>),
}

/// An open SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    readers: SqlitePool,
    writes: mpsc::Sender<Order>,
}

impl Sqlite {
    /// Opens the file, creating it and its folder, and starts the writer.
    pub(super) async fn open(path: &str, host: &Host) -> Result<Self> {
        if let Some(folder) = Path::new(path)
            .parent()
            .filter(|f| !f.as_os_str().is_empty())
        {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|e| Error::Sql(e.into()))?;
        }
        make_private(path).map_err(|error| Error::Sql(error.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            // From the first page on, so that no erased byte is ever left in the file.
            .pragma("secure_delete", "ON")
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let options = quiet(options);
        // What a savepoint would restore is kept in memory: SQLite else writes every page that a job
        // touches to a temporary file first.
        let of_writer = options
            .clone()
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", PAGES_AT_MOST);
        let mut writer = SqliteConnection::connect_with(&of_writer).await?;
        super::migrate::sqlite(&mut writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options.clone().pragma("query_only", "ON"))
            .await?;
        let checkpointer = SqliteConnection::connect_with(&options).await?;
        let (full, filled) = mpsc::channel(1);
        let (sender, waiting) = mpsc::channel(WAITING);
        // Weak: the writer ends when nobody is left who could ask it.
        host.spawn(checkpoint(checkpointer, filled, sender.downgrade()));
        host.spawn(run(writer, waiting, full));
        Ok(Self {
            readers,
            writes: sender,
        })
    }

    pub(super) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Sqlite>> {
        Ok(self.readers.acquire().await?)
    }

    /// The readers that are open, and those of them that lie idle.
    pub(super) fn connections(&self) -> (u32, usize) {
        (self.readers.size(), self.readers.num_idle())
    }

    pub(super) async fn write<T, F>(&self, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let (done, outcome) = oneshot::channel();
        // The writer's task is another one: the job stays in the trace of who sent it.
        let span = tracing::Span::current();
        let job: Job = Box::new(move |conn| {
            let running = job(conn);
            Box::pin(async move { Ok(Box::new(running.await?) as Value) }.instrument(span))
        });
        self.writes
            .send(Order::Write(Write { job, done }))
            .await
            .map_err(|_| Error::Closed)?;
        let value = outcome.await.map_err(|_| Error::Closed)??;
        match value.downcast() {
            Ok(value) => Ok(*value),
            Err(_) => unreachable!("the job boxed a value of this type"),
        }
    }
}

impl Sqlite {
    /// Moves everything into the file and empties the write-ahead log, in which erased rows still
    /// stand; says whether that was done. A reader in the middle of something prevents it.
    pub(super) async fn truncate(&self) -> Result<bool> {
        let (done, outcome) = oneshot::channel();
        self.writes
            .send(Order::Truncate(done))
            .await
            .map_err(|_| Error::Closed)?;
        outcome.await.map_err(|_| Error::Closed)?
    }
}

/// Makes the file, if it is not there, for its owner alone: transcripts lie in it, and the folder may
/// be open to others. SQLite gives its WAL the same mode.
fn make_private(path: &str) -> std::io::Result<()> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// No statement is ever logged: bound values are what callers said.
fn quiet(options: SqliteConnectOptions) -> SqliteConnectOptions {
    use sqlx::ConnectOptions as _;
    options.disable_statement_logging()
}

/// Runs until every [`Sqlite`] is dropped.
async fn run(
    mut conn: SqliteConnection,
    mut waiting: mpsc::Receiver<Order>,
    full: mpsc::Sender<()>,
) {
    let mut written = 0;
    let mut orders = Vec::with_capacity(GROUP);
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut orders, GROUP).await > 0 {
        let (mut truncate, mut is_nearly_empty) = (Vec::new(), false);
        for order in orders.drain(..) {
            match order {
                Order::Write(write) => group.push(write),
                Order::Checkpoint => is_nearly_empty = true,
                Order::Truncate(done) => truncate.push(done),
            }
        }
        if !group.is_empty() {
            written += group.len();
            commit(&mut conn, &mut group).await;
        }
        if written >= WRITES_A_CHECKPOINT {
            written = 0;
            // One that is under way will do.
            _ = full.try_send(());
        }
        if is_nearly_empty {
            empty(&mut conn).await;
        }
        // What was asked for before is committed by now.
        for done in truncate {
            drop(done.send(truncate_log(&mut conn).await));
        }
    }
    drop(conn.close().await);
}

/// Moves what is in the write-ahead log into the file whenever it is full, until the writer is gone.
async fn checkpoint(
    mut conn: SqliteConnection,
    mut filled: mpsc::Receiver<()>,
    writer: mpsc::WeakSender<Order>,
) {
    while filled.recv().await.is_some() {
        if empty(&mut conn).await >= PAGES_TO_END
            && let Some(writer) = writer.upgrade()
        {
            _ = writer.try_send(Order::Checkpoint);
        }
    }
    drop(conn.close().await);
}

/// Moves what nobody reads there any more from the write-ahead log into the file; says how many pages the
/// log has.
async fn empty(conn: &mut SqliteConnection) -> i64 {
    let emptied: sqlx::Result<(i64, i64, i64)> = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(conn)
        .await;
    match emptied {
        Ok((_, pages, _)) => pages,
        Err(error) => {
            // The next one will do it, or the writer, which else fails at a commit and says so.
            tracing::warn!(error = %error, "The write-ahead log could not be emptied");
            0
        }
    }
}

/// Waits only briefly for readers: everybody else waits for the writer meanwhile.
async fn truncate_log(conn: &mut SqliteConnection) -> Result<bool> {
    conn.execute("PRAGMA busy_timeout = 250").await?;
    let answer = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *conn)
        .await;
    conn.execute("PRAGMA busy_timeout = 5000").await?;
    let (busy, _, _): (i64, i64, i64) = answer?;
    Ok(busy == 0)
}

/// A job that panics fails alone: the writer lives as long as the process.
async fn guard(job: BoxFuture<'_, Result<Value>>) -> Result<Value> {
    AssertUnwindSafe(job)
        .catch_unwind()
        .await
        .unwrap_or(Err(Error::Panicked))
}

/// Commits a group, and tells each caller how its own write ended.
async fn commit(conn: &mut SqliteConnection, group: &mut Vec<Write>) {
    let mut finished = Vec::with_capacity(group.len());
    let outcome = async {
        conn.execute(sqlx::query("BEGIN IMMEDIATE; SAVEPOINT job"))
            .await?;
        for Write { job, done } in group.drain(..) {
            if done.is_closed() {
                continue;
            }
            let value = guard(job(Conn::Sqlite(conn))).await;
            // Each statement is a hop to SQLite's thread and back: one ends a job and begins the next.
            let next = if value.is_ok() {
                "RELEASE job; SAVEPOINT job"
            } else {
                "ROLLBACK TO job"
            };
            conn.execute(sqlx::query(next)).await?;
            finished.push((done, value));
        }
        // That ends the last savepoint, too.
        conn.execute("COMMIT").await?;
        Ok::<_, sqlx::Error>(())
    }
    .await;
    if let Err(error) = outcome {
        // A full disk, or an I/O error: nothing of the group is there.
        tracing::error!(error = %error, writes = finished.len(), "A commit failed");
        drop(conn.execute("ROLLBACK").await);
        for (done, value) in finished {
            drop(done.send(value.and(Err(Error::Closed))));
        }
        return;
    }
    for (done, value) in finished {
        // A caller that went away does not undo what it asked for.
        drop(done.send(value));
    }
}
