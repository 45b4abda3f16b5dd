//! Names that are keyed hashes: the same every time for the same thing, and no news to anybody
//! who lacks the key.

use aws_lc_rs::hmac;
use domain::{AppId, EventId, MessageId, PushId, Time};

/// The key that goes with a database, and what is named by it.
pub struct Ids(hmac::Key);

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

impl Ids {
    /// Names by the key of a database.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The id of a message, from what makes a send unique: resent after any time, it is the same.
    pub fn message(&self, app: AppId, sender: &str, client_id: &str) -> MessageId {
        let hash = self.keyed_hash("message", &[&app.to_string(), sender, client_id]);
        MessageId::from_bits(u128::from_be_bytes(hash))
    }

    /// The id of a direct push, from what makes it unique.
    pub fn push(&self, app: AppId, key: &str, client_id: &str) -> PushId {
        let hash = self.keyed_hash("push", &[&app.to_string(), key, client_id]);
        PushId::from_bits(u128::from_be_bytes(hash))
    }

    /// The id of an event: its number, and what tells it from another that has the same number in a
    /// database that was put back.
    pub fn event(&self, app: AppId, number: i64, at: Time) -> EventId {
        let at = at.as_micros().to_string();
        let hash = self.keyed_hash("event", &[&app.to_string(), &number.to_string(), &at]);
        let low = u128::from_be_bytes(hash) & u128::from(u64::MAX);
        EventId::from_bits(u128::from(number.unsigned_abs()) << 64 | low)
    }

    /// The first 128 bits of a keyed hash over parts, each told from the next by its length;
    /// `domain` keeps names of different things apart.
    pub fn keyed_hash(&self, domain: &str, parts: &[&str]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&domain).chain(parts) {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_send_has_the_same_id_and_any_other_another() {
        let (ids, app) = (Ids::new(&[7; 32]), AppId::from_number(1));
        let id = ids.message(app, "key_1", "a");
        assert_eq!(Ids::new(&[7; 32]).message(app, "key_1", "a"), id);
        for other in [
            ids.message(AppId::from_number(2), "key_1", "a"),
            ids.message(app, "key_2", "a"),
            ids.message(app, "key_1", "b"),
            // The same letters in a row, cut elsewhere.
            ids.message(app, "key_", "1a"),
            Ids::new(&[8; 32]).message(app, "key_1", "a"),
        ] {
            assert_ne!(other, id);
        }
    }
}
