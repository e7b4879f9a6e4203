//! The secret key: given by settings, or made once and kept.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::StartError;
use crate::host::Dice;
use crate::secret::{SealKey, Secret};
use crate::store::{Db, meta};

/// The key for sealed bodies and barriers: the one given, else the one in `folder/secret-key`, which
/// is made at the first start.
pub(super) fn seal_key(
    given: Option<&Secret>,
    previous: Option<&Secret>,
    folder: &Path,
    dice: Dice,
) -> Result<SealKey, StartError> {
    let previous = previous.map(|key| read_key(key.expose(), "AFTERCALL_SECRET_KEY_PREVIOUS"));
    let previous = previous.transpose()?;
    if let Some(given) = given {
        return Ok(SealKey::new(
            read_key(given.expose(), "AFTERCALL_SECRET_KEY")?,
            previous,
        ));
    }
    let file = folder.join("secret-key");
    let text = read_or_make(&file, || STANDARD.encode(dice.bytes::<32>()))?;
    Ok(SealKey::new(
        read_key(&text, &file.display().to_string())?,
        previous,
    ))
}

fn read_key(text: &str, name: &str) -> Result<[u8; 32], StartError> {
    STANDARD
        .decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| StartError::SecretKey(name.to_owned()))
}

/// The key of several processes that share a database: the one given, else the one that `migrate`
/// made and keeps there.
pub(super) async fn shared_seal_key(
    given: Option<&Secret>,
    previous: Option<&Secret>,
    db: &Db,
    dice: Dice,
) -> Result<SealKey, StartError> {
    let previous = previous.map(|key| read_key(key.expose(), "AFTERCALL_SECRET_KEY_PREVIOUS"));
    let previous = previous.transpose()?;
    if let Some(given) = given {
        return Ok(SealKey::new(
            read_key(given.expose(), "AFTERCALL_SECRET_KEY")?,
            previous,
        ));
    }
    let fresh = STANDARD.encode(dice.bytes::<32>());
    let text = db
        .write(move |mut conn| {
            Box::pin(async move { meta::put_once(&mut conn, "secret_key", &fresh).await })
        })
        .await?;
    Ok(SealKey::new(
        read_key(&text, "the key in the database")?,
        previous,
    ))
}

fn read_or_make(file: &Path, make: impl FnOnce() -> String) -> Result<String, StartError> {
    let failed = |error| StartError::Folder(file.display().to_string(), error);
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => return Ok(text),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let text = make();
    // Written aside and renamed: a process killed in between leaves no half a key behind.
    let aside = file.with_extension("new");
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut open = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        writeln!(open, "{text}")?;
        open.sync_all()?;
        std::fs::rename(&aside, file)
    };
    write().map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = seal_key(None, None, folder.path(), Dice).unwrap();
        let sealed = first.seal(b"x", [1; 12]);
        let again = seal_key(None, None, folder.path(), Dice).unwrap();
        assert_eq!(again.open(&sealed).unwrap(), b"x");
        let mode = std::fs::metadata(folder.path().join("secret-key"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let short = Secret::new("c2hvcnQ=").unwrap();
        let error = seal_key(Some(&short), None, folder.path(), Dice).unwrap_err();
        assert!(
            error.to_string().contains("AFTERCALL_SECRET_KEY"),
            "{error}"
        );
        assert!(!error.to_string().contains("c2hvcnQ"), "{error}");
    }
}
