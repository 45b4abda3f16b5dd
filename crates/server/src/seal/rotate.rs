//! A new master key: everything sealed is sealed anew, while no server runs.
//!
//! ```text
//!   master.key.next written ─▶ one transaction seals anew ─▶ renamed to master.key
//!                                          │ cut off here: the next start finds that the note opens
//!                                          └─▶ with master.key.next, and renames it itself
//! ```
//!
//! The old key stays beside it as `master.key.old`: backups made before open with that one.

use std::path::{Path, PathBuf};

use store::Store;

use super::{MASTER_KEY_FILE, MasterKey, SealError};
use crate::config::Config;
use crate::secret::{self, SecretError};

/// The note by which a start sees that the master key is the one that sealed this database: a
/// missing key file is made anew, and would seal new credentials beside unreadable old ones.
pub const MASTER_KEY_NOTE: &str = "master_key_check";

/// The key that is about to become the master key.
const NEXT: &str = "master.key.next";
/// The one that it was before.
const OLD: &str = "master.key.old";

/// Why the master key could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Give the key that sealed the database, or do without what it sealed.
    #[error(
        "there is no master key, and what is in this database is sealed with one; put back the \
         file {}, or set REVEILLE_MASTER_KEY; if it is lost, `reveille backup --without-master-key` \
         and `reveille restore --without-master-key` save all else", .file.display()
    )]
    Lost {
        /// Where it belongs.
        file: PathBuf,
    },
    /// Give the key that sealed the database.
    #[error(
        "the master key is not the one that sealed this database; put back the file master.key, \
         or set REVEILLE_MASTER_KEY to the key that was used"
    )]
    OtherKey,
    /// Make the files usable.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Make the files usable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What the store says.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The master key of a configuration, checked against the database. A key is made for a database
/// that has none yet, and for no other: it would open nothing, and lie where the lost one belongs.
///
/// # Errors
///
/// [`RotateError::Lost`] if there is none, [`RotateError::OtherKey`] if it is another one.
pub async fn open(store: &Store, config: &Config) -> Result<MasterKey, RotateError> {
    let file = config.data_dir.join(MASTER_KEY_FILE);
    let is_there = config.master_key.is_some() || file.exists();
    if !is_there && store.note(MASTER_KEY_NOTE).await?.is_some() {
        return Err(RotateError::Lost { file });
    }
    check(store, MasterKey::of(config)?, &config.data_dir).await
}

/// Looks whether the key is the one that sealed what is in the database, and takes a change of the
/// key that was cut off to its end. A new database remembers its key from here on.
///
/// # Errors
///
/// [`RotateError::OtherKey`] if it is another one.
pub async fn check(
    store: &Store,
    key: MasterKey,
    data_dir: &Path,
) -> Result<MasterKey, RotateError> {
    let Some(sealed) = store.note(MASTER_KEY_NOTE).await? else {
        let sealed = key.seal(MASTER_KEY_NOTE, b"reveille")?;
        store.set_note(MASTER_KEY_NOTE, sealed).await?;
        return Ok(key);
    };
    if key.open(MASTER_KEY_NOTE, &sealed).is_ok() {
        return Ok(key);
    }
    match next_key(data_dir)? {
        Some(next) if next.open(MASTER_KEY_NOTE, &sealed).is_ok() => {
            put_in_place(data_dir)?;
            Ok(next)
        }
        Some(_) | None => Err(RotateError::OtherKey),
    }
}

/// What a change of the master key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// How many values were sealed anew.
    pub values: usize,
    /// The fingerprint of the key before.
    pub old: String,
    /// The fingerprint of the key now.
    pub new: String,
}

/// Seals everything in the database of a folder anew, with a new key in the file `master.key`.
/// `key` is the one in use.
///
/// # Errors
///
/// [`RotateError::OtherKey`] if `key` is not the one; [`store::Error::InUse`] when a server runs.
pub async fn rotate(data_dir: &Path, key: MasterKey) -> Result<Rotated, RotateError> {
    let store = Store::open(&store::Options::new(data_dir))?;
    let key = check(&store, key, data_dir).await?;
    let text = MasterKey::generate_text();
    // One that was left by a change that was cut off before it began opens nothing.
    secret::replace_private(&data_dir.join(NEXT), text.expose())?;
    let new = next_key(data_dir)?.ok_or(RotateError::OtherKey)?;
    let (old, fingerprint) = (key.fingerprint().to_owned(), new.fingerprint().to_owned());
    let again = move |context: &str, sealed: &[u8]| {
        let plain = key.open(context, sealed).map_err(|error| error.to_string())?;
        new.seal(context, &plain).map_err(|error| error.to_string())
    };
    let values = store.reseal(again, MASTER_KEY_NOTE).await?;
    store.close();
    put_in_place(data_dir)?;
    Ok(Rotated { values, old, new: fingerprint })
}

fn next_key(data_dir: &Path) -> Result<Option<MasterKey>, SealError> {
    let path = data_dir.join(NEXT);
    match secret::read_private(&path)? {
        Some(text) => MasterKey::from_text(text.expose(), &path.display().to_string()).map(Some),
        None => Ok(None),
    }
}

/// The next key becomes the key; the one before stays beside it, if it was a file.
fn put_in_place(data_dir: &Path) -> Result<(), SecretError> {
    let current = data_dir.join(MASTER_KEY_FILE);
    // Copied and not moved: a start that found no key would make one, and take it for the old one.
    if let Some(text) = secret::read_private(&current)? {
        secret::replace_private(&data_dir.join(OLD), text.expose())?;
    }
    let path = data_dir.join(NEXT);
    std::fs::rename(&path, &current).map_err(|source| SecretError::File { path, source })
}

#[cfg(test)]
mod tests {
    use domain::{AppId, Time};
    use store::model::NewCredential;

    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    fn key_of(dir: &Path) -> MasterKey {
        MasterKey::load_or_create(&dir.join(MASTER_KEY_FILE)).unwrap()
    }

    async fn open_checked(dir: &Path) -> Result<(Store, MasterKey), RotateError> {
        let store = Store::open(&store::Options::new(dir)).unwrap();
        let key = check(&store, key_of(dir), dir).await?;
        Ok((store, key))
    }

    #[tokio::test]
    async fn a_lost_key_is_told_and_no_other_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults().unwrap();
        config.data_dir = folder.path().to_owned();
        let store = Store::open(&store::Options::new(folder.path())).unwrap();
        let first = open(&store, &config).await.unwrap().fingerprint().to_owned();
        let file = folder.path().join(MASTER_KEY_FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        for _ in 0..2 {
            let refused = open(&store, &config).await;
            assert!(matches!(refused, Err(RotateError::Lost { .. })), "{refused:?}");
            assert!(!file.exists(), "a key was made that opens nothing");
        }
        config.master_key = Some(secret::Secret::new(text.trim().to_owned()));
        assert_eq!(open(&store, &config).await.unwrap().fingerprint(), first);
        store.close();
    }

    async fn with_credential(dir: &Path) -> AppId {
        let (store, key) = open_checked(dir).await.unwrap();
        let app = store.add_app("clinic".to_owned(), NOW).await.unwrap().id;
        let sealed = key.seal(&store::credential_context(app), b"secret").unwrap();
        let new = NewCredential {
            app,
            kind: "apns_key".to_owned(),
            facts: "{}".to_owned(),
            sealed,
            not_after: None,
            now: NOW,
        };
        store.add_credential(new).await.unwrap();
        store.close();
        app
    }

    async fn opens(dir: &Path, app: AppId) -> bool {
        let (store, key) = open_checked(dir).await.unwrap();
        let sealed = store.credentials(Some(app)).await.unwrap().remove(0).sealed;
        store.close();
        key.open(&store::credential_context(app), &sealed).is_ok_and(|plain| *plain == b"secret")
    }

    #[tokio::test]
    async fn everything_opens_with_the_new_key_and_nothing_with_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let app = with_credential(folder.path()).await;
        let before = key_of(folder.path()).fingerprint().to_owned();
        let rotated = rotate(folder.path(), key_of(folder.path())).await.unwrap();
        assert_eq!((rotated.values, &rotated.old), (2, &before), "the credential and the note");
        assert_eq!(key_of(folder.path()).fingerprint(), rotated.new);
        assert!(opens(folder.path(), app).await);
        let old = MasterKey::load_or_create(&folder.path().join(OLD)).unwrap();
        assert_eq!(old.fingerprint(), before);
        let store = Store::open(&store::Options::new(folder.path())).unwrap();
        let refused = check(&store, old, &folder.path().join("elsewhere")).await;
        assert!(matches!(refused, Err(RotateError::OtherKey)));
    }

    #[tokio::test]
    async fn a_change_cut_off_after_its_commit_is_ended_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let app = with_credential(folder.path()).await;
        rotate(folder.path(), key_of(folder.path())).await.unwrap();
        // As if the process had died right after the transaction.
        let path = |name| folder.path().join(name);
        std::fs::rename(path(MASTER_KEY_FILE), path(NEXT)).unwrap();
        std::fs::copy(path(OLD), path(MASTER_KEY_FILE)).unwrap();
        let before = key_of(folder.path()).fingerprint().to_owned();
        assert!(opens(folder.path(), app).await);
        assert_ne!(key_of(folder.path()).fingerprint(), before);
        let old = MasterKey::load_or_create(&path(OLD)).unwrap();
        assert_eq!(old.fingerprint(), before, "what opens the backups made before");
        assert!(!path(NEXT).exists());
    }

    #[tokio::test]
    async fn a_change_cut_off_before_its_commit_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let app = with_credential(folder.path()).await;
        let text = MasterKey::generate_text();
        secret::write_private(&folder.path().join(NEXT), text.expose()).unwrap();
        assert!(opens(folder.path(), app).await);
        rotate(folder.path(), key_of(folder.path())).await.unwrap();
        assert!(opens(folder.path(), app).await);
    }
}
