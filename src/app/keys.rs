//! The secret key: given by settings, or made once and kept; and the keys before it, which the
//! database keeps sealed under it.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::StartError;
use crate::config::Config;
use crate::host::Dice;
use crate::secret::{Key, SealKey, Secret};
use crate::store::{Conn, Db, meta};

mod keychain;

/// Where the database keeps the key of processes that were given none.
const SHARED: &str = "secret_key";

/// What an embedded installation without a given key keeps it in.
fn file_of(config: &Config) -> PathBuf {
    config.data_dir.join("secret-key")
}

/// The key: the one given, else the one that is kept, which is made at the first start: in the data
/// folder, or where several processes share a database, in there.
pub(super) async fn open(config: &Config, db: &Db, dice: Dice) -> Result<SealKey, StartError> {
    let previous = previous_of(config)?;
    let current = match given_to(config)? {
        Some(given) => given,
        None if config.database.is_embedded() => {
            let file = file_of(config);
            match read_kept(&file)? {
                Some(kept) => kept,
                // A new key beside old records would forget whom they keep away.
                None if previous.is_none() && keychain::is_there(db).await? => {
                    return Err(StartError::LostKey(file.display().to_string()));
                }
                None => make(&file, dice)?,
            }
        }
        None => shared(db, dice).await?,
    };
    Ok(SealKey::new(current, previous))
}

/// Enters the key among those of the database, and takes over the ones before it.
pub(super) async fn join(
    config: &Config,
    db: &Db,
    seal: &SealKey,
    dice: Dice,
) -> Result<(), StartError> {
    if seal.knows_older() {
        return Ok(());
    }
    let beside = kept_beside(config)?;
    let keys = keychain::join(db, seal, beside, dice.bytes()).await?;
    seal.succeed(keys.ok_or(StartError::ForeignKey)?);
    Ok(())
}

/// Whether the key is one of the database's. Nothing is made or changed.
pub(super) async fn fits(config: &Config, db: &Db) -> Result<bool, StartError> {
    let keys = [
        given_to(config)?,
        previous_of(config)?,
        kept_beside(config)?,
    ];
    keychain::opens(db, keys.into_iter().flatten().collect()).await
}

fn given_to(config: &Config) -> Result<Option<Key>, StartError> {
    read_given(config.secret_key.as_ref(), "AFTERCALL_SECRET_KEY")
}

fn previous_of(config: &Config) -> Result<Option<Key>, StartError> {
    let previous = config.previous_secret_key.as_ref();
    read_given(previous, "AFTERCALL_SECRET_KEY_PREVIOUS")
}

/// The key in the data folder: one given since succeeds it.
fn kept_beside(config: &Config) -> Result<Option<Key>, StartError> {
    if !config.database.is_embedded() {
        return Ok(None);
    }
    read_kept(&file_of(config))
}

/// The key that the database keeps for its processes.
async fn shared(db: &Db, dice: Dice) -> Result<Key, StartError> {
    let fresh = STANDARD.encode(dice.bytes::<32>());
    let text = db
        .write(move |mut conn| {
            Box::pin(async move {
                match meta::get(&mut conn, SHARED).await? {
                    // Its processes were given one: theirs must not be succeeded by a key in the open.
                    None if keychain::is_in(&mut conn).await? => Ok(None),
                    _ => meta::put_once(&mut conn, SHARED, &fresh).await.map(Some),
                }
            })
        })
        .await?;
    read_key(
        &text.ok_or(StartError::ForeignKey)?,
        "the key in the database",
    )
}

/// The same, if there is one.
async fn kept_in(conn: &mut Conn<'_>) -> crate::store::Result<Option<Key>> {
    let kept = meta::get(conn, SHARED).await?;
    Ok(kept.and_then(|text| key_of(&text)))
}

fn read_given(given: Option<&Secret>, name: &str) -> Result<Option<Key>, StartError> {
    given.map(|key| read_key(key.expose(), name)).transpose()
}

fn read_key(text: &str, name: &str) -> Result<Key, StartError> {
    key_of(text).ok_or_else(|| StartError::SecretKey(name.to_owned()))
}

fn key_of(text: &str) -> Option<Key> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

fn read_kept(file: &Path) -> Result<Option<Key>, StartError> {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => read_key(&text, &name).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StartError::Folder(name, error)),
    }
}

fn make(file: &Path, dice: Dice) -> Result<Key, StartError> {
    let key = dice.bytes::<32>();
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
        writeln!(open, "{}", STANDARD.encode(key))?;
        open.sync_all()?;
        std::fs::rename(&aside, file)
    };
    write().map_err(|error| StartError::Folder(file.display().to_string(), error))?;
    Ok(key)
}

#[cfg(test)]
mod tests;
