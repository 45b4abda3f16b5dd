//! Faults that chance does not find, one for each thing that libFuzzer is told: which code ran, which
//! numbers and which texts were compared. They are one input in 2^32 or fewer for whoever tries
//! blindly, and are found in a moment if the code under test is built for it.

use std::panic::catch_unwind;

/// A parser that looks at its bytes one after the other.
fn byte_by_byte(bytes: &[u8]) {
    let has = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    if has(0, 0x8b) && has(1, b'W') && has(2, b'b') && has(3, 0x1e) {
        panic!("planted");
    }
}

/// One that takes its first bytes for a number.
fn number(bytes: &[u8]) {
    let number = bytes.first_chunk().copied().map(u64::from_le_bytes);
    assert!(number != Some(0x8b57_6250_751e_9cd3), "planted");
}

/// One that knows a word.
fn word(bytes: &[u8]) {
    assert!(!bytes.starts_with(b"BadDeviceToken"), "planted");
}

fn check(name: &str, entry: fn(&[u8])) {
    let found = catch_unwind(|| ::fuzz::run(name, entry, vec![b"example".to_vec()]));
    assert!(found.is_err(), "nothing guides: is the code under test built with coverage?");
}

#[test]
fn guided_by_code() {
    check("guided_by_code", byte_by_byte);
}

#[test]
fn guided_by_numbers() {
    check("guided_by_numbers", number);
}

#[test]
fn guided_by_texts() {
    check("guided_by_texts", word);
}
