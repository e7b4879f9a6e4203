//! The first admin tokens: the one from the settings, and the one in the data folder.

use std::io::{self, Write as _};
use std::path::Path;

use crate::host::Host;
use crate::secret::Secret;
use crate::store::tokens::{ensure_admin, mint};
use crate::store::{self, Db};

/// There is no admin token to begin with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file can't be read or written.
    #[error("the admin token's file {0} can't be read or written")]
    File(String, #[source] io::Error),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Sees to it that the token of the settings (`AFTERCALL_ADMIN_TOKEN`) works, and the one in `file`,
/// which is made (0600) when it is not there.
pub async fn ensure(
    db: &Db,
    host: &Host,
    given: Option<&Secret>,
    file: Option<&Path>,
) -> Result<(), Error> {
    if let Some(token) = given {
        let name = "AFTERCALL_ADMIN_TOKEN";
        keep(db, host, "token_environment", name, token.clone()).await?;
    }
    if let Some(path) = file {
        let token = read_or_make(path, &mint(host.dice.bytes()))
            .map_err(|error| Error::File(path.display().to_string(), error))?;
        keep(db, host, "token_admin_file", "the file admin-token", token).await?;
    }
    Ok(())
}

async fn keep(
    db: &Db,
    host: &Host,
    id: &'static str,
    name: &'static str,
    token: Secret,
) -> store::Result<()> {
    let now = host.now();
    db.write(move |mut conn| {
        Box::pin(async move { ensure_admin(&mut conn, id, name, &token, now).await })
    })
    .await
}

/// The token in the file, else `fresh`, which is then written there.
fn read_or_make(path: &Path, fresh: &str) -> io::Result<Secret> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            // Empty: a crash came between making and filling it.
            if let Ok(token) = Secret::new(text.trim()) {
                return Ok(token);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(format!("{fresh}\n").as_bytes())?;
    file.sync_all()?;
    Secret::new(fresh).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;
    use crate::store::tokens::{Scope, Token, by_hash, hash, revoke};

    async fn token_of(db: &Db, text: &str) -> Option<Token> {
        let hash = hash(text.trim());
        db.read(move |mut conn| Box::pin(async move { by_hash(&mut conn, &hash).await }))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn both_work_and_a_changed_one_ends_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::System);
        let url = format!("sqlite://{}/t.db", folder.path().display());
        let db = Db::open(&url, &host).await.unwrap();
        let file = folder.path().join("admin-token");
        let given = Secret::new("ac_given").unwrap();
        for _ in 0..2 {
            ensure(&db, &host, Some(&given), Some(&file)).await.unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for text in [text.as_str(), "ac_given"] {
            assert_eq!(token_of(&db, text).await.unwrap().scopes, [Scope::Admin]);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let next = Secret::new("ac_next").unwrap();
        ensure(&db, &host, Some(&next), None).await.unwrap();
        assert_eq!(token_of(&db, "ac_given").await, None);
        assert!(token_of(&db, "ac_next").await.is_some());
    }

    #[tokio::test]
    async fn a_revoked_one_stays_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::System);
        let url = format!("sqlite://{}/t.db", folder.path().display());
        let db = Db::open(&url, &host).await.unwrap();
        let given = Secret::new("ac_given").unwrap();
        ensure(&db, &host, Some(&given), None).await.unwrap();
        let now = host.now();
        db.write(move |mut conn| {
            Box::pin(async move { revoke(&mut conn, "token_environment", now).await })
        })
        .await
        .unwrap();
        ensure(&db, &host, Some(&given), None).await.unwrap();
        let token = token_of(&db, "ac_given").await.unwrap();
        assert!(token.revoked_at.is_some());
    }
}
