//! Every key that something in the database was sealed or hashed under, kept there, sealed under the
//! present one. So barriers and suppression outlive any number of rotations, and a key that has
//! nothing to do with the records is noticed before it is used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{StartError, kept_in, key_of};
use crate::secret::{Key, SealKey};
use crate::store::{Conn, Db, meta};

/// Where it is kept.
const NAME: &str = "keychain";

/// Whether the database has keys already.
pub(super) async fn is_there(db: &Db) -> Result<bool, StartError> {
    Ok(read(db).await?.is_some())
}

/// Whether one of `keys`, or the one that the database keeps for its processes, opens the chain.
pub(super) async fn opens(db: &Db, keys: Vec<Key>) -> Result<bool, StartError> {
    let Some(sealed) = read(db).await? else {
        return Ok(true);
    };
    let shared = db
        .read(|mut conn| Box::pin(async move { kept_in(&mut conn).await }))
        .await?;
    let mut keys = keys.into_iter().chain(shared);
    Ok(keys.any(|key| open(&sealed, &key).is_some()))
}

async fn read(db: &Db) -> Result<Option<String>, StartError> {
    let read = db.read(|mut conn| Box::pin(async move { meta::get(&mut conn, NAME).await }));
    Ok(read.await?)
}

/// The same as [`is_there`], within a transaction.
pub(super) async fn is_in(conn: &mut Conn<'_>) -> crate::store::Result<bool> {
    Ok(meta::get(conn, NAME).await?.is_some())
}

/// Adds the present key and the ones known to come before it, and gives all of them; none when the
/// chain opens under none of these. `nonce` must be fresh.
pub(super) async fn join(
    db: &Db,
    seal: &SealKey,
    beside: Option<Key>,
    nonce: [u8; 12],
) -> Result<Option<Vec<Key>>, StartError> {
    let ours: Vec<Key> = seal.keys().copied().chain(beside).collect();
    let seal = seal.clone();
    let joined = db
        .write(move |mut conn| {
            Box::pin(async move {
                let shared = kept_in(&mut conn).await?;
                let ours: Vec<Key> = ours.into_iter().chain(shared).collect();
                let kept = meta::get(&mut conn, NAME).await?;
                let Some(joined) = Joined::of(kept.as_deref(), ours) else {
                    return Ok(None);
                };
                if joined.is_news {
                    let sealed = seal.seal(&joined.text(), nonce);
                    meta::put(&mut conn, NAME, &sealed).await?;
                }
                Ok(Some(joined.keys))
            })
        })
        .await?;
    Ok(joined)
}

/// The chain with our keys in it.
struct Joined {
    keys: Vec<Key>,
    /// Whether it is to be written: it has grown, or is sealed under a key before ours.
    is_news: bool,
}

impl Joined {
    /// `ours` has the present key first.
    fn of(kept: Option<&str>, ours: Vec<Key>) -> Option<Self> {
        let (mut keys, by) = match kept {
            None => (Vec::new(), None),
            Some(sealed) => {
                let found = ours
                    .iter()
                    .find_map(|key| Some((open(sealed, key)?, Some(*key))));
                found?
            }
        };
        let (before, present) = (keys.len(), ours.first().copied());
        for key in ours {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let is_news = keys.len() > before || by != present;
        Some(Self { keys, is_news })
    }

    /// A key a line, in base64.
    fn text(&self) -> Vec<u8> {
        let keys: Vec<String> = self.keys.iter().map(|key| STANDARD.encode(key)).collect();
        keys.join("\n").into_bytes()
    }
}

fn open(sealed: &str, key: &Key) -> Option<Vec<Key>> {
    let plain = SealKey::new(*key, None).open(sealed).ok()?;
    std::str::from_utf8(&plain)
        .ok()?
        .lines()
        .map(key_of)
        .collect()
}
