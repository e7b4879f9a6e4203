use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::Overrides;
use crate::host::{Clock, Host};

struct Place {
    folder: tempfile::TempDir,
    db: Db,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        let db = Db::open(&url, &Host::new(Clock::System)).await.unwrap();
        Self { folder, db }
    }

    fn config(&self, key: Option<u8>, previous: Option<u8>) -> Config {
        let mut config = Config::load(&Overrides {
            data_dir: Some(self.folder.path().to_owned()),
            ..Overrides::default()
        })
        .unwrap();
        let secret = |byte: u8| Secret::new(STANDARD.encode([byte; 32])).unwrap();
        config.secret_key = key.map(secret);
        config.previous_secret_key = previous.map(secret);
        config
    }

    async fn start(&self, key: Option<u8>, previous: Option<u8>) -> Result<SealKey, StartError> {
        let config = self.config(key, previous);
        let seal = open(&config, &self.db, Dice).await?;
        join(&config, &self.db, &seal, Dice).await?;
        assert!(fits(&config, &self.db).await.unwrap());
        Ok(seal)
    }
}

#[tokio::test]
async fn a_key_is_made_once_and_nobody_else_may_read_it() {
    let place = Place::new().await;
    let first = place.start(None, None).await.unwrap();
    let sealed = first.seal(b"x", [1; 12]);
    let again = place.start(None, None).await.unwrap();
    assert_eq!(again.open(&sealed).unwrap(), b"x");
    let file = place.folder.path().join("secret-key");
    let mode = std::fs::metadata(file).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_key_that_is_none_is_named() {
    let place = Place::new().await;
    let mut config = place.config(None, None);
    config.secret_key = Some(Secret::new("c2hvcnQ=").unwrap());
    let error = open(&config, &place.db, Dice)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("AFTERCALL_SECRET_KEY"), "{error}");
    assert!(!error.contains("c2hvcnQ"), "{error}");
}

#[tokio::test]
async fn what_was_hashed_is_found_after_any_number_of_rotations() {
    let place = Place::new().await;
    let by_file = place.start(None, None).await.unwrap();
    let hash = by_file.keyed_hash("caller", "+1");
    // The file's key is succeeded by one that is given, without a word about the file.
    for (key, previous) in [(1, None), (2, Some(1)), (3, Some(2)), (3, None)] {
        let seal = place.start(Some(key), previous).await.unwrap();
        assert!(seal.keyed_hashes("caller", "+1").contains(&hash), "{key}");
        assert_eq!(seal.open(&by_file.seal(b"x", [key; 12])).unwrap(), b"x");
    }
}

#[tokio::test]
async fn a_key_of_another_database_is_refused() {
    let place = Place::new().await;
    place.start(Some(1), None).await.unwrap();
    let refused = place.start(Some(9), None).await.unwrap_err();
    assert!(matches!(refused, StartError::ForeignKey), "{refused}");
    assert!(!fits(&place.config(Some(9), None), &place.db).await.unwrap());
    place.start(Some(1), None).await.unwrap();
}

#[tokio::test]
async fn a_lost_key_is_not_made_anew() {
    let place = Place::new().await;
    place.start(None, None).await.unwrap();
    let file = place.folder.path().join("secret-key");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let refused = place.start(None, None).await.unwrap_err();
    assert!(matches!(refused, StartError::LostKey(_)), "{refused}");
    assert!(!file.exists());
    std::fs::write(&file, kept).unwrap();
    place.start(None, None).await.unwrap();
}
