use pkcs5::der::Encode;
use pkcs5::pbes2::{EncryptionScheme as Cipher, Parameters, Pbkdf2Params, ScryptParams};
use proptest::prelude::*;

use super::*;
use crate::apns::Credential;

/// A key behind a password, with this cost of PBKDF2.
fn pbkdf2(rounds: u32) -> Parameters {
    let kdf = Pbkdf2Params::hmac_sha256(rounds, b"salt salt").expect("good parameters");
    Parameters { kdf: kdf.into(), encryption: Cipher::Aes256Cbc { iv: [7; 16] } }
}

/// The same with scrypt.
fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Parameters {
    let salt = b"salt salt".as_slice().try_into().expect("a short salt");
    let kdf = ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None };
    Parameters { kdf: Kdf::Scrypt(kdf), encryption: Cipher::Aes256Cbc { iv: [7; 16] } }
}

/// One DER element of less than 256 bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u8::try_from(content.len()).expect("short");
    let mut element = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    element.extend(content);
    element
}

/// `AlgorithmIdentifier` of PBES2 with these parameters.
fn algorithm(parameters: &Parameters) -> Vec<u8> {
    EncryptionScheme::from(parameters.clone()).to_der().expect("encodes")
}

/// `EncryptedPrivateKeyInfo`.
fn locked(parameters: &Parameters, encrypted: &[u8]) -> Vec<u8> {
    der(0x30, &[&algorithm(parameters), &der(0x04, &[encrypted])])
}

#[test]
fn what_a_password_locked_it_unlocks() {
    let key = der(0x30, &[b"a key"]);
    for parameters in [pbkdf2(2048), pbkdf2(1), scrypt(16_384, 8, 1)] {
        let encrypted = parameters.encrypt("open", &key).expect("encrypts");
        let file = locked(&parameters, &encrypted);
        assert_eq!(unlock(&file, "open").expect("opens").as_slice(), key);
        assert_eq!(unlock(&file, "shut"), Err(CredentialFault::WrongPassword));
        assert_eq!(unlock(&file, ""), Err(CredentialFault::PasswordMissing));
    }
}

#[test]
fn good_padding_around_nonsense_is_a_wrong_password() {
    let parameters = pbkdf2(1);
    for nonsense in [&b"nonsense"[..], &[0x30, 1, 0, 0], &[]] {
        let encrypted = parameters.encrypt("open", nonsense).expect("encrypts");
        let result = unlock(&locked(&parameters, &encrypted), "open");
        assert_eq!(result, Err(CredentialFault::WrongPassword), "{nonsense:?}");
    }
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused_unworked() {
    let check = |parameters: Parameters, message: &str| {
        let fault = unlock(&locked(&parameters, &[0; 32]), "x").expect_err(message);
        let expected = format!("the encrypted private key cannot be read: {message}");
        assert_eq!(fault.to_string(), expected);
    };
    check(pbkdf2(1_000_001), "it asks for 1000001 rounds, at most 1000000");
    check(scrypt(1 << 20, 8, 1), "its scrypt asks for 1073741824 bytes of memory");
    check(
        scrypt(1 << 63, u16::MAX, 1),
        &format!("its scrypt asks for {} bytes of memory", u64::MAX),
    );
    check(scrypt(2, 1, 17), "its scrypt asks for 256 bytes of memory");
    check(scrypt(0, 8, 1), "its scrypt asks for 0 bytes of memory");
    // Not a power of two: refused by the library.
    check(scrypt(3, 1, 1), "PKCS#5 parameters for algorithm 1.3.6.1.4.1.11591.4.11 are invalid");
}

/// pkcs5 0.8.1 panics at a scrypt cost of 0, and p12-keystore 0.4.1 lets it come to that.
#[test]
fn a_p12_whose_reader_panics_is_only_unreadable() {
    let data = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let encrypted_data = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
    let content = der(0x30, &[data, &algorithm(&scrypt(0, 8, 1)), &der(0x80, &[&[0; 16]])]);
    let content = der(0xa0, &[&der(0x30, &[b"\x02\x01\x00", &content])]);
    let safe = der(0x30, &[&der(0x30, &[encrypted_data, &content])]);
    let safe = der(0x30, &[data, &der(0xa0, &[&der(0x04, &[&safe])])]);
    let file = der(0x30, &[b"\x02\x01\x03", &safe]);
    let fault = Credential::parse_p12(&file, "x", domain::Time::EPOCH).expect_err("a fault");
    let message = "the .p12 file cannot be read: its reader gave up on it";
    assert_eq!(fault.to_string(), message);
}

proptest! {
    #[test]
    fn never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        cost: u64,
        block_size: u16,
        parallelization: u16,
        at: proptest::sample::Index,
        byte: u8,
    ) {
        let _ = unlock(&bytes, "x");
        // A good file with one byte changed; the costs stay small.
        let mut file = locked(&pbkdf2(1), &[0; 32]);
        let at = at.index(file.len());
        file[at] = byte;
        let _ = unlock(&file, "x");
        let costly = scrypt(cost, block_size, parallelization);
        if let Err(fault) = check_cost(&costly.kdf) {
            prop_assert!(fault.to_string().contains("its scrypt asks for"));
        }
    }
}
