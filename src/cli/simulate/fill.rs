//! `aftercall simulate --into-database`: made-up calls in bulk, to see how pages and lists fare at size.

use std::io::{IsTerminal as _, Write as _};

use anyhow::bail;

use crate::cli::{Globals, output};
use crate::config::Config;
use crate::host::{Clock, Host};
use crate::store::Db;
use crate::store::filling::{self, MESSAGES};

/// Calls that one transaction writes.
const BATCH: i64 = 2_000;

/// The most calls: each seed has so many numbers of its own.
const MOST: i64 = 1_000_000_000;

/// Writes so many calls into the database of the settings.
pub(super) async fn run(globals: &Globals, calls: u64, seed: u64) -> anyhow::Result<()> {
    let calls = i64::try_from(calls).unwrap_or(i64::MAX);
    let Some(first) = i64::try_from(seed)
        .ok()
        .and_then(|seed| seed.checked_mul(MOST))
    else {
        bail!("--seed is too large to number calls by; take one below 9000000000");
    };
    if calls > MOST {
        bail!("--calls: at most {MOST} go into a database");
    }
    let config = Config::load(&globals.overrides())?;
    let host = Host::new(Clock::System);
    let db = Db::open(config.database.url.expose(), &host).await?;
    db.migrate().await?;
    let (began, bar) = (host.now(), std::io::stderr().is_terminal());
    let mut done = 0;
    while done < calls {
        let next = calls.min(done + BATCH);
        let (from, to) = (first + done, first + next);
        db.write(move |mut conn| {
            Box::pin(async move { filling::calls(&mut conn, from, to, began).await })
        })
        .await?;
        done = next;
        if bar {
            // A progress line that can't be written is no reason to stop.
            let _ = write!(std::io::stderr(), "\r  {done} of {calls} calls");
        }
    }
    drop(db);
    let took = host.now().since(began).as_secs();
    host.drained().await;
    output::say(&format!(
        "{calls} made-up calls and {} messages are in the database, after {took} s. On PostgreSQL, \
         run ANALYZE before you measure.",
        calls.saturating_mul(MESSAGES)
    ))?;
    Ok(())
}
