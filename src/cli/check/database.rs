//! The database: whether it can be reached and used, and how much it holds.

use std::path::PathBuf;

use super::{Finding, State};
use crate::app::App;
use crate::cli::output;
use crate::config::Config;
use crate::host::{Clock, Host};
use crate::store::{Db, Size};

/// Whether it answers, is up to date, fits our key, can be written, and how much it holds.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let what = "database";
    let url = config.database.url.expose();
    if let Some(path) = url.strip_prefix("sqlite://").map(PathBuf::from)
        && !path.exists()
    {
        let shown = path.display();
        let found = format!("{shown} will be made by `aftercall serve`");
        return vec![Finding::ok(what, found)];
    }
    let host = Host::new(Clock::System);
    let db = match Db::open(url, &host).await {
        Ok(db) => db,
        Err(error) => return vec![unreachable(&error)],
    };
    let findings = match db.pending_migrations().await {
        Ok(pending) if pending.is_empty() => {
            let found = format!("{} answers, and is up to date", db.kind());
            vec![
                Finding::ok(what, found),
                key_of(config, &db).await,
                permissions(&db).await,
                size(&db).await,
            ]
        }
        Ok(pending) => vec![Finding::failed(
            what,
            format!("{} lacks: {}", db.kind(), pending.join(", ")),
            "run `aftercall migrate`",
        )],
        Err(error) => vec![unreachable(&error)],
    };
    drop(db);
    host.drained().await;
    findings
}

fn unreachable(error: &crate::store::Error) -> Finding {
    Finding::failed(
        "database",
        error.to_string(),
        "check database.url, that the server runs, and that this user may use it",
    )
}

/// Whether what is kept opens under the secret key.
async fn key_of(config: &Config, db: &Db) -> Finding {
    let what = "database: secret key";
    match App::key_fits(config, db).await {
        Ok(true) => Finding::ok(what, "fits the records"),
        Ok(false) => Finding::failed(
            what,
            "another than the one that the records are sealed under",
            "put back the key, or set the one before it as AFTERCALL_SECRET_KEY_PREVIOUS",
        ),
        Err(error) => Finding::failed(what, error.to_string(), ""),
    }
}

/// Whether records can be written. Nothing is left behind.
async fn permissions(db: &Db) -> Finding {
    let what = "database: permissions";
    let tried = db
        .write(|mut conn| Box::pin(async move { crate::store::meta::try_write(&mut conn).await }))
        .await;
    match tried {
        Ok(()) => Finding::ok(what, "records can be written"),
        Err(error) => Finding::failed(
            what,
            error.to_string(),
            "let this user write all tables of the database, and check that the disk is not full",
        ),
    }
}

/// How much is held, and of what most.
async fn size(db: &Db) -> Finding {
    let what = "database: size";
    let sized = db
        .read(|mut conn| Box::pin(async move { crate::store::sizes(&mut conn).await }))
        .await;
    match sized {
        Ok(mut found) => {
            found
                .tables
                .sort_by_key(|size| std::cmp::Reverse(size.rows));
            let largest: Vec<_> = found
                .tables
                .iter()
                .filter(|size| size.rows > 0)
                .filter_map(told)
                .take(3)
                .collect();
            let mut found = output::bytes(found.bytes);
            if !largest.is_empty() {
                found = format!("{found}: {}", largest.join(", "));
            }
            Finding::ok(what, found)
        }
        Err(error) => Finding::new(what, State::Warning, error.to_string(), ""),
    }
}

/// As `about 12,000 messages of calls (5.0 MiB)`.
fn told(size: &Size) -> Option<String> {
    let rows = output::grouped(u64::try_from(size.rows).unwrap_or(0));
    let held = format!("about {rows} {}", size.holds()?);
    Some(match size.bytes {
        Some(bytes) => format!("{held} ({})", output::bytes(bytes)),
        None => held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_told_as_one() {
        let told = |rows, bytes| {
            told(&Size {
                table: "audit".to_owned(),
                rows,
                bytes,
            })
        };
        let one = "about 1 entry of the audit log";
        assert_eq!(told(1, None).as_deref(), Some(one));
        let many = "about 12,000 entries of the audit log (5.0 MiB)";
        assert_eq!(told(12_000, Some(5 << 20)).as_deref(), Some(many));
    }
}
