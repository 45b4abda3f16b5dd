//! Inputs made out of examples and out of nothing.
//!
//! Each change is one that foreign bytes come with: cut on their way, written by another version,
//! or meant to hurt.

use crate::rng::Rng;

/// No input is longer, but for an example that is.
pub(crate) const LONGEST: usize = 64 * 1024;
/// The deepest nesting that is put in: deeper than what JSON's and TOML's readers allow.
const DEEPEST: usize = 400;

/// Bytes that mean something to somebody.
const BYTES: &[u8] =
    b"\0\x01\x02\x04\x05\x06\x09\x0a\x0d\x20\"'\\/{}[]()<>:;,=&|!%#@*+-_.~0789aAzZ\
\x30\x31\x7f\x80\x81\x82\x84\xa0\xc0\xc2\xed\xf4\xfe\xff";

/// Texts that readers trip over: characters that grow or shrink in another case, are no scalar
/// values, are invisible, or are not UTF-8 at all.
const TEXTS: &[&[u8]] = &[
    "\u{0}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{130}".as_bytes(),
    "\u{df}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{fffd}".as_bytes(),
    "\u{1f469}\u{200d}\u{1f467}".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x92",
    b"\\u0000",
    b"\\ud800",
    b"\\ud83d\\ude00",
    b"\r\n",
    b"\r\n\r\n",
    b"-----BEGIN ",
    b"-----END ",
    b"../",
    b"%00",
    b"%",
];

/// Numbers at the ends of what holds them.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1",
    "00",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "1e-400",
    "0.5",
    "1e3",
    "123456789012345678901234567890",
];

/// Values that stand where another one was expected.
const VALUES: &[&str] =
    &["null", "true", "false", "0", "-1", "0.5", "1e400", "\"\"", "\"x\"", "[]", "{}", "[null]"];

/// What nestings begin and end with.
const NESTINGS: &[(&[u8], &[u8])] = &[
    (b"[", b"]"),
    (b"{\"a\":", b"}"),
    (b"(", b")"),
    (b"\x30\x80", b"\0\0"),
    (b"!", b""),
    (b"a.", b""),
];

/// A change.
type Change = fn(&mut Vec<u8>, &mut Rng, &Source);

/// Every change that is made.
const CHANGES: &[Change] = &[
    break_utf8,
    copy_part,
    cut_end,
    |input, rng, _| flip_bit(input, rng),
    fold_length,
    grow,
    insert_bytes,
    nest,
    |input, rng, _| put_byte(input, rng),
    put_number,
    put_value,
    put_word,
    remove_part,
    splice,
    |input, rng, _| swap_parts(input, rng),
];

/// What inputs are made from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) examples: Vec<Vec<u8>>,
}

impl Source {
    /// Inputs from these examples.
    pub(crate) const fn new(examples: Vec<Vec<u8>>) -> Self {
        Self { examples }
    }

    /// One change.
    pub(crate) fn change(&self, input: &mut Vec<u8>, rng: &mut Rng) {
        if let Some(change) = rng.one_of(CHANGES) {
            change(input, rng, self);
        }
    }
}

/// A byte that means something to somebody.
pub(crate) fn telling_byte(rng: &mut Rng) -> u8 {
    rng.one_of(BYTES).copied().unwrap_or_default()
}

/// A part of the input, short ones more often than long ones.
fn part(input: &[u8], rng: &mut Rng) -> std::ops::Range<usize> {
    let start = rng.below(input.len() + 1);
    let length = rng.length((input.len() - start).min(64));
    start..start + length
}

/// A stretch of bytes of one sort around a place that the numbers choose; `None` if the input has
/// none of that sort there.
fn stretch(input: &[u8], rng: &mut Rng, sort: fn(u8) -> bool) -> Option<std::ops::Range<usize>> {
    let from = rng.below(input.len() + 1);
    let start = from + input.get(from..)?.iter().position(|byte| sort(*byte))?;
    let before = input.get(..start)?.iter().rev().take_while(|byte| sort(**byte)).count();
    let after = input.get(start..)?.iter().take_while(|byte| sort(**byte)).count();
    Some(start - before..start + after)
}

fn replace(input: &mut Vec<u8>, range: std::ops::Range<usize>, by: &[u8]) {
    input.splice(range, by.iter().copied());
}

fn flip_bit(input: &mut [u8], rng: &mut Rng) {
    let (place, bit) = (rng.below(input.len()), rng.below(8));
    if let Some(byte) = input.get_mut(place) {
        *byte ^= 1 << bit;
    }
}

fn put_byte(input: &mut [u8], rng: &mut Rng) {
    let place = rng.below(input.len());
    if let Some(byte) = input.get_mut(place) {
        *byte = telling_byte(rng);
    }
}

fn insert_bytes(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let place = rng.below(input.len() + 1);
    let bytes: Vec<u8> = (0..=rng.length(8)).map(|_| telling_byte(rng)).collect();
    replace(input, place..place, &bytes);
}

fn remove_part(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let range = part(input, rng);
    input.drain(range);
}

fn cut_end(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    input.truncate(rng.below(input.len() + 1));
}

fn copy_part(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let copied = input.get(part(input, rng)).unwrap_or_default().to_vec();
    let place = rng.below(input.len() + 1);
    replace(input, place..place, &copied);
}

fn swap_parts(input: &mut [u8], rng: &mut Rng) {
    let (one, other) = (rng.below(input.len()), rng.below(input.len()));
    let most = one.abs_diff(other).min(input.len() - one.max(other));
    for place in 0..rng.length(most) {
        input.swap(one + place, other + place);
    }
}

/// The start of this and the end of another example.
fn splice(input: &mut Vec<u8>, rng: &mut Rng, source: &Source) {
    let Some(other) = rng.one_of(&source.examples) else { return };
    input.truncate(rng.below(input.len() + 1));
    input.extend_from_slice(other.get(rng.below(other.len() + 1)..).unwrap_or_default());
}

/// Another example's word in a word's place.
fn put_word(input: &mut Vec<u8>, rng: &mut Rng, source: &Source) {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let Some(other) = rng.one_of(&source.examples) else { return };
    let Some(theirs) = stretch(other, rng, word) else { return };
    let Some(ours) = stretch(input, rng, word) else { return };
    replace(input, ours, other.get(theirs).unwrap_or_default());
}

/// A number at the end of some type in a number's place, or behind one.
fn put_number(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let number = rng.one_of(NUMBERS).map_or(&b""[..], |number| number.as_bytes());
    if let Some(digits) = stretch(input, rng, |byte| byte.is_ascii_digit()) {
        replace(input, digits, number);
    }
}

/// A JSON value of another sort in the place of a text or word.
fn put_value(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let value = rng.one_of(VALUES).map_or(&b""[..], |value| value.as_bytes());
    let word = |byte: u8| !matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',');
    if let Some(found) = stretch(input, rng, word) {
        replace(input, found, value);
    }
}

/// A length of DER (X.690, section 8.1.3) that does not fit what follows: the byte behind a tag.
fn fold_length(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    const LENGTHS: &[&[u8]] = &[
        b"\0",
        b"\x7f",
        b"\x80",
        b"\x81\xff",
        b"\x82\xff\xff",
        b"\x84\x7f\xff\xff\xff",
        b"\x84\xff\xff\xff\xff",
        b"\x88\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff",
    ];
    let tag = |byte: u8| matches!(byte, 0x02..=0x06 | 0x0c | 0x13 | 0x16 | 0x17 | 0x30 | 0x31 | 0xa0..=0xa3);
    let Some(found) = stretch(input, rng, tag) else { return };
    let length = rng.one_of(LENGTHS).copied().unwrap_or_default();
    match (rng.below(2), input.get_mut(found.end)) {
        (0, Some(byte)) => *byte = byte.wrapping_add(rng.byte() % 5).wrapping_sub(2),
        (_, Some(_)) => replace(input, found.end..found.end + 1, length),
        (_, None) => {}
    }
}

fn break_utf8(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let place = rng.below(input.len() + 1);
    let text = rng.one_of(TEXTS).copied().unwrap_or_default();
    replace(input, place..place, text);
}

/// A part inside many brackets, or many brackets that never end.
fn nest(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let Some((begin, end)) = rng.one_of(NESTINGS) else { return };
    let (range, depth) = (part(input, rng), rng.length(DEEPEST) + 1);
    let depth = if rng.below(4) == 0 { DEEPEST } else { depth };
    let inner = input.get(range.clone()).unwrap_or_default().to_vec();
    let closed = rng.below(2) == 0;
    let mut nested = begin.repeat(depth);
    nested.extend(inner);
    nested.extend(end.repeat(if closed { depth } else { 0 }));
    replace(input, range, &nested);
}

/// A part many times over.
fn grow(input: &mut Vec<u8>, rng: &mut Rng, _: &Source) {
    let range = part(input, rng);
    let copied = input.get(range.clone()).unwrap_or_default();
    let times = 1 + rng.length(LONGEST / copied.len().max(1));
    let grown = copied.repeat(times);
    replace(input, range, &grown);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn source() -> Source {
        let examples =
            [&br#"{"name": "caf\u00e9", "ttl": 60, "list": [1, 2]}"#[..], b"\x30\x03\x02\x01\x05"];
        Source::new(examples.map(<[u8]>::to_vec).to_vec())
    }

    #[test]
    fn every_change_changes_something_and_takes_nothing_at_all() {
        let source = source();
        for (place, change) in CHANGES.iter().enumerate() {
            let mut seen = BTreeSet::new();
            for number in 0..200 {
                for example in source.examples.iter().chain([&Vec::new()]) {
                    let mut input = example.clone();
                    change(&mut input, &mut Rng::of_run(1, number), &source);
                    seen.insert(input);
                }
            }
            assert!(seen.len() > 5, "change {place} makes {} inputs", seen.len());
        }
    }
}
