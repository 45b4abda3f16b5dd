//! The console's password, and the code that lets whoever started the server set it.

use std::fs;
use std::io;
use std::path::Path;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::node::{Node, StartError};
use crate::secret::{read_private, write_private};

/// The file of the code, in the data folder, mode 0600; there until a password is set.
pub const CODE_FILE: &str = "console.code";

/// Letters of a code: an operator may write one into the file.
const LEAST_CODE: usize = 20;

/// Letters of a password.
pub(super) const LEAST: usize = 12;
/// Argon2 hashes every one of them.
pub(super) const MOST: usize = 1_024;

/// Makes the code's file where no password is set.
///
/// # Errors
///
/// When store or file cannot be read or written.
pub async fn prepare(node: &Node) -> Result<(), StartError> {
    if node.store.console_password().await?.is_some() {
        return Ok(());
    }
    let file = node.config().data_dir.join(CODE_FILE);
    if read_private(&file)?.is_none() {
        write_private(&file, &URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>()))?;
    }
    tracing::info!(
        code_file = %file.display(),
        "the console has no password yet; set one with the code in this file"
    );
    Ok(())
}

/// Whether a text is the code of the file; without a file, none is.
pub(super) fn is_code(data_dir: &Path, text: &str) -> bool {
    let code = read_private(&data_dir.join(CODE_FILE)).ok().flatten();
    code.is_some_and(|code| {
        let code = code.expose();
        code.len() >= LEAST_CODE
            && verify_slices_are_equal(code.as_bytes(), text.as_bytes()).is_ok()
    })
}

/// Whether a password may be set: there is a code that allows it.
pub(super) fn may_be_set(data_dir: &Path) -> bool {
    data_dir.join(CODE_FILE).exists()
}

/// The code was used.
pub(super) fn forget_code(data_dir: &Path) -> io::Result<()> {
    match fs::remove_file(data_dir.join(CODE_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is stored in a password's place: Argon2id with the parameters of RFC 9106's second choice
/// by the crate, which take tens of milliseconds. Not for a thread that others wait for.
pub(super) fn hash(password: &str) -> Option<String> {
    let hash = Argon2::default().hash_password(password.as_bytes()).ok()?;
    Some(hash.to_string())
}

/// Whether a password is the one of a hash. As slow.
pub(super) fn matches(password: &str, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
}
