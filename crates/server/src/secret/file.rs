//! Secrets in files that only their owner may read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{KeyKind, KeyText, Secret, SecretError};

/// The file of the admin key, inside the data folder.
pub const ADMIN_KEY_FILE: &str = "admin.key";
/// The file of an app's key, beside the configuration file.
pub const APP_KEY_FILE: &str = "app.key";

/// No key file is larger; one that is was named by mistake.
const LARGEST_FILE: u64 = 4096;

/// The admin key of a data folder, made at the first start. The folder must exist.
///
/// # Errors
/// When the file cannot be read or written, may be read by others, or holds something else.
pub fn load_or_create_admin_key(data_dir: &Path) -> Result<KeyText, SecretError> {
    let path = data_dir.join(ADMIN_KEY_FILE);
    if let Some(text) = read_private(&path)? {
        return KeyText::parse_kind(text.expose(), KeyKind::Admin);
    }
    let key = KeyText::generate(KeyKind::Admin);
    match write_private(&path, key.expose()) {
        Ok(()) => Ok(key),
        // Another process was faster; its key is the one.
        Err(SecretError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            load_key(&path, KeyKind::Admin)
        }
        Err(error) => Err(error),
    }
}

/// The key in a file.
///
/// # Errors
/// When the file is missing or cannot be read, may be read by others, or holds something else.
pub fn load_key(path: &Path, kind: KeyKind) -> Result<KeyText, SecretError> {
    let missing = || file_error(path, io::Error::from(io::ErrorKind::NotFound));
    let text = read_private(path)?.ok_or_else(missing)?;
    KeyText::parse_kind(text.expose(), kind)
}

/// Reads a file of one line that only its owner may read; `None`: there is none.
///
/// # Errors
/// When it cannot be read, or may be read by others.
pub fn read_private(path: &Path) -> Result<Option<Secret<String>>, SecretError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path, error)),
    };
    check_mode(path, &file)?;
    let mut text = zeroize::Zeroizing::new(String::new());
    let mut limited = file.take(LARGEST_FILE);
    limited.read_to_string(&mut text).map_err(|error| file_error(path, error))?;
    Ok(Some(Secret::new(text.trim().to_owned())))
}

/// Writes a new file of one line that only its owner may read: whole or not at all, also when
/// the power fails meanwhile.
///
/// # Errors
/// When the file exists already ([`io::ErrorKind::AlreadyExists`]) or cannot be written.
pub fn write_private(path: &Path, line: &str) -> Result<(), SecretError> {
    write_new(path, line).map_err(|error| file_error(path, error))
}

/// Writes a file of one line that only its owner may read, in place of the one that may be there:
/// a reader sees the old one or the new one, whole.
///
/// # Errors
/// When it cannot be written.
pub fn replace_private(path: &Path, line: &str) -> Result<(), SecretError> {
    let replace = || {
        let (file, folder) = prepared(path, line)?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    replace().map_err(|error| file_error(path, error))
}

fn write_new(path: &Path, line: &str) -> io::Result<()> {
    let (file, folder) = prepared(path, line)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// The content on disk under another name, and the folder of both.
fn prepared<'a>(path: &'a Path, line: &str) -> io::Result<(NamedTempFile, &'a Path)> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    // Such a file has mode 0600 on Unix from its first moment.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    Ok((file, folder))
}

/// Makes a new name in a folder durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file, and the system sees to it.
#[cfg(not(unix))]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::metadata(folder).map(|_| ())
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = file.metadata().map_err(|error| file_error(path, error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretError::Open { path: path.to_owned(), mode }) }
}

/// Elsewhere the folder's access list decides, and it is the owner's by default.
#[cfg(not(unix))]
fn check_mode(path: &Path, file: &File) -> Result<(), SecretError> {
    file.metadata().map(|_| ()).map_err(|error| file_error(path, error))
}

fn file_error(path: &Path, source: io::Error) -> SecretError {
    SecretError::File { path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_admin_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let made = load_or_create_admin_key(folder.path()).unwrap();
        let loaded = load_or_create_admin_key(folder.path()).unwrap();
        assert_eq!(made.expose(), loaded.expose());
        assert_eq!(made.kind(), KeyKind::Admin);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        load_or_create_admin_key(folder.path()).unwrap();
        let path = folder.path().join(ADMIN_KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create_admin_key(folder.path()).unwrap_err().to_string();
        assert!(error.contains("mode 0644") && error.contains("run `chmod 600 "), "{error}");
    }

    #[test]
    fn a_file_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.key");
        write_private(&path, "first").unwrap();
        let error = write_private(&path, "second").unwrap_err();
        let SecretError::File { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_private(&path).unwrap().unwrap().expose(), "first");
    }

    #[test]
    fn a_file_with_something_else_is_named_for_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ADMIN_KEY_FILE);
        write_private(&path, KeyText::generate(KeyKind::App).expose()).unwrap();
        let error = load_or_create_admin_key(folder.path()).unwrap_err();
        assert!(matches!(error, SecretError::WrongKind { given: KeyKind::App, .. }), "{error}");
        let missing = load_key(&folder.path().join("none.key"), KeyKind::App).unwrap_err();
        assert!(matches!(missing, SecretError::File { .. }), "{missing}");
    }
}
