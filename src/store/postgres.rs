//! PostgreSQL: a pool whose connections wait for nothing without an end.

use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::{Error, Result};

/// Connections of one process.
const CONNECTIONS: u32 = 16;

/// Connections that are kept open: who waits briefly must find one, for one that is given up half open
/// is lost.
const KEPT: u32 = 2;

/// How long a free connection is waited for, or a new one. Who has less time, as a receiver, waits less.
const ACQUIRE: Duration = Duration::from_secs(5);

/// How long a connection may lie idle.
const IDLE: Duration = Duration::from_mins(5);

/// Limits of every session: a statement that hangs, a lock that is never given, and a transaction whose
/// process has died must not hold anybody up for ever.
const LIMITS: &str = "SET statement_timeout = '20s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '30s'";

/// Opens a pool. The server need not be there yet. TLS is as `sslmode` and `sslrootcert` in the URL
/// say.
pub(super) fn open(url: &str) -> Result<PgPool> {
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(KEPT)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        .after_connect(|conn, _| {
            Box::pin(async move {
                conn.execute(LIMITS).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options(url)?))
}

fn options(url: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().map_err(Error::Sql)?;
    // No statement is ever logged: bound values are what callers said.
    Ok(options
        .application_name("aftercall")
        .disable_statement_logging())
}
