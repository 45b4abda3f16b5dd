//! Private keys behind a password: `BEGIN ENCRYPTED PRIVATE KEY` (RFC 5958, section 3), as
//! `openssl pkcs8 -topk8` and `openssl pkcs12` write them.

use pkcs5::EncryptionScheme;
use pkcs5::pbes2::Kdf;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Sequence, Tag};
use zeroize::Zeroizing;

use crate::error::CredentialFault;

/// The most rounds of PBKDF2 that are worked through; openssl writes 2048. A file may ask for
/// four thousand million, which is an hour.
const MOST_ROUNDS: u32 = 1_000_000;
/// The most memory that scrypt may ask for, in bytes; openssl asks for 16 MiB.
const MOST_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// The most times that scrypt may use its memory; openssl does so once.
const MOST_PASSES: u16 = 16;

/// Opens an `EncryptedPrivateKeyInfo`; returns the PKCS#8 key in it.
///
/// # Errors
///
/// A [`CredentialFault`]: the password, the form, or an encryption that is not supported.
pub(super) fn unlock(der: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, CredentialFault> {
    let (algorithm, encrypted) =
        split(der).ok_or_else(|| unreadable("not an encrypted private key".to_owned()))?;
    let scheme = EncryptionScheme::try_from(algorithm)
        .map_err(|_| unreadable("its encryption is not supported".to_owned()))?;
    let Some(scheme) = scheme.pbes2() else {
        return Err(unreadable("its encryption is not supported".to_owned()));
    };
    check_cost(&scheme.kdf)?;
    let wrong = || match password {
        "" => CredentialFault::PasswordMissing,
        _ => CredentialFault::WrongPassword,
    };
    let key = match scheme.decrypt(password, encrypted) {
        Ok(key) => Zeroizing::new(key),
        Err(pkcs5::Error::DecryptFailed) => return Err(wrong()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    // One wrong password in 256 leaves good padding, and nonsense before it.
    match Sequence::from_der(&key) {
        Ok(([], _)) => Ok(key),
        _ => Err(wrong()),
    }
}

/// The algorithm's DER, and what it encrypted.
fn split(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, whole) = Any::from_der(der).ok()?;
    whole.tag().assert_eq(Tag::Sequence).ok()?;
    let (rest, _) = Any::from_der(whole.data).ok()?;
    let algorithm = whole.data.get(..whole.data.len().checked_sub(rest.len())?)?;
    let (_, encrypted) = Any::from_der(rest).ok()?;
    encrypted.tag().assert_eq(Tag::OctetString).ok()?;
    Some((algorithm, encrypted.data))
}

/// Refuses to work for a file that asks for too much of it.
fn check_cost(kdf: &Kdf) -> Result<(), CredentialFault> {
    if let Some(pbkdf2) = kdf.pbkdf2()
        && pbkdf2.iteration_count > MOST_ROUNDS
    {
        let rounds = pbkdf2.iteration_count;
        return Err(unreadable(format!("it asks for {rounds} rounds, at most {MOST_ROUNDS}")));
    }
    if let Some(scrypt) = kdf.scrypt() {
        let bytes = scrypt.cost_parameter.saturating_mul(128 * u64::from(scrypt.block_size));
        // The cost is a power of two; pkcs5 0.8.1 panics at 0.
        let good = scrypt.cost_parameter > 1
            && bytes <= MOST_MEMORY_BYTES
            && scrypt.parallelization <= MOST_PASSES;
        if !good {
            return Err(unreadable(format!("its scrypt asks for {bytes} bytes of memory")));
        }
    }
    Ok(())
}

/// The fault of a key that cannot be opened with any password.
fn unreadable(problem: String) -> CredentialFault {
    CredentialFault::Unreadable {
        input: "the encrypted private key",
        problem,
        remedy: "Write the key again, openssl pkcs8 -topk8 -in key.pem -out new.pem, and upload it after the certificate.",
    }
}

#[cfg(test)]
mod tests;
