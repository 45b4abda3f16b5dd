//! Encryption of a payload for one browser: `aes128gcm` (RFC 8188) with the keys of a push
//! subscription (RFC 8291).
//!
//! ```text
//!  our fresh key ─┬─ ECDH with p256dh ─▶ secret ─┐
//!                 │              auth ───────────┴─HKDF─▶ IKM ─┐
//!                 │              fresh salt ───────────────────┴─HKDF─▶ key, nonce
//!                 ▼                                                       │
//!  body = salt ‖ record size ‖ 65 ‖ our public key ‖ AES-128-GCM(payload ‖ 02 ‖ zeros)
//! ```
//!
//! The push service sees the length and nothing else; padding makes it tell less.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::subscription::{Keys, POINT};

/// The largest body that every push service must take (RFC 8030, section 7.2), and the record size
/// that stands in the header.
const LARGEST_BODY: usize = 4096;
/// Salt, record size, key length and key.
const HEADER: usize = SALT + 4 + 1 + POINT;
/// The length of the salt.
const SALT: usize = 16;
/// The byte after the payload of a last record (RFC 8188, section 2).
const LAST_RECORD: u8 = 2;
/// The largest payload: 3993 bytes.
pub(super) const LARGEST_PAYLOAD: usize = LARGEST_BODY - HEADER - 1 - MAX_TAG_LEN;
/// Up to here a payload reaches browsers behind a bridge too: Firefox on Android gets its pushes
/// through FCM, which leaves this much. Padding does not go beyond it by itself.
const LARGEST_BRIDGED: usize = 2744;

/// Encrypts a payload, padded to a multiple of `pad_to_bytes`, with a fresh key and salt. `None`
/// if the crypto library fails, or the payload is larger than [`LARGEST_PAYLOAD`].
pub(super) fn encrypt(payload: &[u8], pad_to_bytes: usize, keys: &Keys) -> Option<Bytes> {
    let ours = PrivateKey::generate(&ECDH_P256).ok()?;
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    seal(payload, padded(payload.len(), pad_to_bytes), keys, &ours, salt)
}

/// How long a payload of this length is made.
fn padded(length: usize, pad_to_bytes: usize) -> usize {
    let block = pad_to_bytes.clamp(1, LARGEST_BODY);
    if block == 1 {
        return length;
    }
    let most = if length <= LARGEST_BRIDGED { LARGEST_BRIDGED } else { LARGEST_PAYLOAD };
    // An empty payload is padded too, or it alone would show itself.
    length.max(1).next_multiple_of(block).min(most).max(length)
}

/// Encrypts a payload with these keys and this salt, none of which may be used again.
fn seal(
    payload: &[u8],
    padded: usize,
    keys: &Keys,
    ours: &PrivateKey,
    salt: [u8; SALT],
) -> Option<Bytes> {
    if payload.len() > LARGEST_PAYLOAD || padded > LARGEST_PAYLOAD {
        return None;
    }
    let public = ours.compute_public_key().ok()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &keys.public);
    let ikm = agree(ours, theirs, (), |secret| {
        let info = [b"WebPush: info\0".as_slice(), &keys.public, public.as_ref()];
        derive(&*keys.secret, secret, &info).ok_or(())
    });
    let ikm: Zeroizing<[u8; 32]> = ikm.ok()?;
    let key: Zeroizing<[u8; 16]> = derive(&salt, &*ikm, &[b"Content-Encoding: aes128gcm\0"])?;
    // There is one record, number 0, which the XOR with its number leaves as it is.
    let nonce: Zeroizing<[u8; 12]> = derive(&salt, &*ikm, &[b"Content-Encoding: nonce\0"])?;

    let mut body = Vec::with_capacity(HEADER + padded + 1 + MAX_TAG_LEN);
    body.extend(salt);
    body.extend(u32::try_from(LARGEST_BODY).ok()?.to_be_bytes());
    body.push(u8::try_from(POINT).ok()?);
    body.extend(public.as_ref());
    body.extend(payload);
    body.push(LAST_RECORD);
    body.resize(HEADER + padded.max(payload.len()) + 1, 0);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &*key).ok()?);
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let record = body.get_mut(HEADER..)?;
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), record).ok()?;
    body.extend(tag.as_ref());
    Some(body.into())
}

/// HKDF with SHA-256 (RFC 5869): as many bytes as asked for, at most 32.
fn derive<const LENGTH: usize>(
    salt: &[u8],
    secret: &[u8],
    info: &[&[u8]],
) -> Option<Zeroizing<[u8; LENGTH]>> {
    let mut output = Zeroizing::new([0; LENGTH]);
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    key.expand(info, Length(LENGTH)).ok()?.fill(&mut *output).ok()?;
    Some(output)
}

/// How many bytes HKDF is to give.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::webpush::base64_of;

    /// RFC 8291, appendix A, to the byte.
    #[test]
    fn the_rfcs_example_comes_out() {
        let bytes = |text| base64_of(text).expect("base64url");
        let keys = Keys {
            public: bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
                .as_slice()
                .try_into()
                .expect("65 bytes"),
            secret: Zeroizing::new(
                bytes("BTBZMqHH6r4Tts7J_aSIgg").as_slice().try_into().expect("16 bytes"),
            ),
        };
        let private = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let ours = PrivateKey::from_private_key(&ECDH_P256, &private).expect("a private key");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").as_slice().try_into().expect("16 bytes");
        let payload = b"When I grow up, I want to be a watermelon";

        let body = seal(payload, payload.len(), &keys, &ours, salt).expect("encrypts");

        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(body, bytes(expected).as_slice());
        assert_eq!(body.len(), 144);
    }

    #[test]
    fn lengths_are_rounded_up_within_the_limits() {
        let check = |length, block, expected| {
            assert_eq!(padded(length, block), expected, "{length} to {block}");
        };
        check(0, 1, 0);
        check(0, 128, 128);
        check(1, 128, 128);
        check(128, 128, 128);
        check(129, 128, 256);
        check(41, 1, 41);
        check(41, 0, 41);
        check(2560, 512, 2560);
        // 3072 would not reach browsers behind a bridge any more.
        check(2561, 512, LARGEST_BRIDGED);
        check(LARGEST_BRIDGED, 512, LARGEST_BRIDGED);
        check(LARGEST_BRIDGED + 1, 512, 3072);
        check(3990, 512, LARGEST_PAYLOAD);
        check(LARGEST_PAYLOAD, 512, LARGEST_PAYLOAD);
        check(10, usize::MAX, LARGEST_BRIDGED);
        assert_eq!(LARGEST_PAYLOAD, 3993);
    }

    #[test]
    fn no_key_and_no_salt_is_used_twice() {
        let theirs = PrivateKey::generate(&ECDH_P256).expect("a key");
        let public = theirs.compute_public_key().expect("its public key");
        let keys = Keys {
            public: public.as_ref().try_into().expect("65 bytes"),
            secret: Zeroizing::new([1; 16]),
        };
        let [one, other] = [(); 2].map(|()| encrypt(b"x", 1, &keys).expect("encrypts"));
        let (salts, points) = (0..SALT, SALT + 5..HEADER);
        assert_ne!(one.slice(salts.clone()), other.slice(salts));
        assert_ne!(one.slice(points.clone()), other.slice(points.clone()));
        assert_ne!(one.slice(points), public.as_ref());
        assert!(encrypt(&[0; LARGEST_PAYLOAD], 512, &keys).is_some());
        assert!(encrypt(&[0; LARGEST_PAYLOAD + 1], 512, &keys).is_none());
    }

    proptest! {
        #[test]
        fn padding_hides_and_never_cuts(length in 0..=LARGEST_PAYLOAD, block in 0_usize..5000) {
            let padded = padded(length, block);
            prop_assert!(padded >= length && padded <= LARGEST_PAYLOAD);
            prop_assert!(length > LARGEST_BRIDGED || padded <= LARGEST_BRIDGED);
        }
    }
}
