//! Message encryption as a browser undoes it: `aes128gcm` (RFC 8188) with the keys of RFC 8291.
//!
//! ```text
//!  salt 16 │ rs 4 │ idlen 1 = 65 │ as_public 65 │ AES-128-GCM(plaintext 02 00… ) tag 16
//! ```

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    hmac,
};

/// Bytes of an uncompressed P-256 point (SEC 1, section 2.3.3).
pub(super) const POINT: usize = 65;
/// What such a point begins with.
pub(super) const UNCOMPRESSED: u8 = 4;
/// Bytes before the record.
const HEADER: usize = 16 + 4 + 1 + POINT;
/// Bytes of the authentication tag.
const TAG: usize = 16;
/// The smallest record size (RFC 8188, section 2.1): a delimiter, a tag and one byte.
const SMALLEST_RECORD: usize = 18;
/// Ends the plaintext of the last record (RFC 8188, section 2); what follows is padding.
const LAST: u8 = 2;

/// The keys of one subscription, as a browser keeps them.
pub(super) struct UserAgent {
    private: PrivateKey,
    /// `p256dh`.
    pub(super) public: [u8; POINT],
    /// The shared secret of RFC 8291, section 3.2.
    pub(super) auth: [u8; 16],
}

/// A message that was read.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Opened {
    pub(super) plaintext: Vec<u8>,
    /// The sender's key of this one message.
    pub(super) sender: [u8; POINT],
}

/// Why a browser cannot read a message; it would drop it without a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub &'static str);

impl UserAgent {
    /// New keys.
    pub(super) fn generate() -> Self {
        loop {
            // One in 2^32 random numbers is above the curve's order.
            if let Some(keys) = Self::from_parts(&rand::random(), rand::random()) {
                return keys;
            }
        }
    }

    /// Keys from a private scalar; `None` if it is none of P-256.
    fn from_parts(scalar: &[u8; 32], auth: [u8; 16]) -> Option<Self> {
        let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().try_into().ok()?;
        Some(Self { private, public, auth })
    }

    /// Reads a message.
    pub(super) fn open(&self, body: &[u8]) -> Result<Opened, Unreadable> {
        let (header, record) = body
            .split_at_checked(HEADER)
            .ok_or(Unreadable("the body is shorter than its encryption header, 86 bytes"))?;
        let header = Header::read(header)?;
        if header.record_size < SMALLEST_RECORD {
            return Err(Unreadable("the record size is below 18"));
        }
        // RFC 8291, section 4: one record, of which the record size is larger.
        if record.len() >= header.record_size {
            return Err(Unreadable("the record size is not larger than the one record"));
        }
        if record.len() <= TAG {
            return Err(Unreadable("the record has no room for a delimiter and a tag"));
        }
        let mut plaintext = self.decrypt(&header, record)?;
        let end = plaintext.iter().rposition(|byte| *byte != 0);
        match end.and_then(|end| plaintext.get(end).map(|byte| (end, *byte))) {
            Some((end, LAST)) => plaintext.truncate(end),
            Some(_) => return Err(Unreadable("the delimiter is not 2")),
            None => return Err(Unreadable("there is no delimiter, only padding")),
        }
        Ok(Opened { plaintext, sender: header.sender })
    }

    fn decrypt(&self, header: &Header, record: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let off_curve = Unreadable("the sender's key is no point of P-256");
        let peer = UnparsedPublicKey::new(&ECDH_P256, header.sender);
        let secret = agree(&self.private, peer, off_curve, |secret| Ok(secret.to_vec()))?;
        let derived = Derived::new(self, header, &secret);
        let broken = |_| Unreadable("the message does not decrypt with the subscription's keys");
        let key = UnboundKey::new(&AES_128_GCM, &derived.key).map_err(broken)?;
        let mut bytes = record.to_vec();
        let nonce = Nonce::assume_unique_for_key(derived.nonce);
        let plaintext = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), &mut bytes);
        let length = plaintext.map_err(broken)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// The header of an `aes128gcm` body (RFC 8188, section 2.1).
struct Header {
    salt: [u8; 16],
    record_size: usize,
    /// The key id, which Web Push makes the sender's public key.
    sender: [u8; POINT],
}

impl Header {
    /// Reads the first 86 bytes.
    fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let parts = bytes.split_first_chunk::<16>().and_then(|(salt, rest)| {
            let (size, rest) = rest.split_first_chunk::<4>()?;
            let (length, sender) = rest.split_first()?;
            Some((*salt, u32::from_be_bytes(*size), *length, sender))
        });
        let (salt, size, length, sender) =
            parts.ok_or(Unreadable("the encryption header is cut short"))?;
        if usize::from(length) != POINT {
            return Err(Unreadable("the length of the sender's key is not 65"));
        }
        let sender: [u8; POINT] =
            sender.try_into().map_err(|_| Unreadable("the sender's key is cut short"))?;
        if sender.first() != Some(&UNCOMPRESSED) {
            return Err(Unreadable("the sender's key is not an uncompressed point"));
        }
        Ok(Self { salt, record_size: usize::try_from(size).unwrap_or(usize::MAX), sender })
    }
}

/// What RFC 8291, section 3.4, derives for one message: HKDF, written out as its HMACs.
struct Derived {
    key: [u8; 16],
    nonce: [u8; NONCE_LEN],
}

impl Derived {
    fn new(agent: &UserAgent, header: &Header, secret: &[u8]) -> Self {
        let mut info = b"WebPush: info\0".to_vec();
        info.extend_from_slice(&agent.public);
        info.extend_from_slice(&header.sender);
        info.push(1);
        let input = mac(&mac(&agent.auth, secret), &info);
        let message = mac(&header.salt, &input);
        Self {
            key: first(mac(&message, b"Content-Encoding: aes128gcm\0\x01")),
            nonce: first(mac(&message, b"Content-Encoding: nonce\0\x01")),
        }
    }
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// The first bytes of a digest, which has more than are asked for.
fn first<const N: usize>(digest: [u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(digest).for_each(|(byte, from)| *byte = from);
    bytes
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291, appendix A.
    fn agent() -> UserAgent {
        let scalar = bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        UserAgent::from_parts(&scalar.try_into().unwrap(), auth.try_into().unwrap()).unwrap()
    }

    fn body() -> Vec<u8> {
        bytes(concat!(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc",
            "InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLV",
            "WGNWQexSgSxsj_Qulcy4a-fN",
        ))
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let agent = agent();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(agent.public),
            concat!(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkN",
                "toIAiw4"
            )
        );
        let opened = agent.open(&body()).unwrap();
        assert_eq!(opened.plaintext, b"When I grow up, I want to be a watermelon");
        assert_eq!(opened.sender, body()[21..86]);
    }

    #[test]
    fn the_steps_are_those_of_the_rfc() {
        let header = Header::read(&body()[..HEADER]).unwrap();
        assert_eq!(header.record_size, 4096);
        let secret = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let derived = Derived::new(&agent(), &header, &secret);
        assert_eq!(derived.key[..], bytes("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(derived.nonce[..], bytes("4h_95klXJ5E_qnoN"));
    }

    #[test]
    fn any_changed_bit_makes_a_message_unreadable() {
        for at in 0..body().len() {
            let mut changed = body();
            changed[at] ^= 1;
            // The low bits of the record size matter only below the length of the record.
            assert_eq!(agent().open(&changed).is_ok(), (16..20).contains(&at), "byte {at}");
        }
    }
}
