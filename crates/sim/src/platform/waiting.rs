//! What a push service keeps for one app on one device that it cannot reach.
//!
//! | service | rule | source |
//! |---|---|---|
//! | APNs | one push for each device and app; the newest, which Apple does not promise | "Sending notification requests to APNs" |
//! | FCM | four collapse keys, the newest of each; which four is left open, here the newest | "About FCM messages" |
//! | FCM | a hundred others; one more and all are dropped, and the app is told to fetch everything | "About FCM messages" |
//! | FCM | a time to live of 0 is never kept; four weeks at most | "About FCM messages" |
//! | Web Push | every message, one of each topic; `TTL: 0` is never kept | RFC 8030, sections 5.2 and 5.4 |
//! | all | what has expired does not arrive | the same |

use jiff::Timestamp;

use crate::device::{Expiration, Facts, Priority, Reach, Service};

/// FCM keeps this many distinct collapse keys for a device that is away.
const FCM_COLLAPSE_KEYS: usize = 4;
/// FCM keeps this many messages without a collapse key, then drops all.
const FCM_STORED: usize = 100;

/// What waits, oldest first. `P` is whatever the caller keeps of a push.
#[derive(Clone, Debug)]
pub struct Waiting<P>(Vec<Kept<P>>);

#[derive(Clone, Debug)]
struct Kept<P> {
    facts: Facts,
    collapse: Option<String>,
    /// It stands for all that FCM has dropped.
    deleted: bool,
    push: P,
}

/// What leaves the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released<P> {
    /// FCM has dropped what it had stored; the push is the one that was too many.
    Deleted(P),
    /// A push that has waited.
    Push(P),
}

impl<P> Default for Waiting<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P> Waiting<P> {
    /// Keeps a push for later; false if it is lost instead. `push` is made only if it is kept.
    pub fn keep(
        &mut self,
        facts: Facts,
        collapse: Option<String>,
        now: Timestamp,
        push: impl FnOnce() -> P,
    ) -> bool {
        if !facts.may_be_kept(now) {
            return false;
        }
        let kept = |push| Kept { facts, collapse, deleted: false, push };
        match facts.service {
            Service::Apns => self.0 = vec![kept(push())],
            Service::Fcm => self.keep_fcm(kept(push())),
            Service::Webpush => self.keep_webpush(kept(push())),
        }
        true
    }

    /// What gets through now that the device is so reached; what has expired is gone.
    pub fn release(&mut self, reach: Reach, now: Timestamp) -> Vec<Released<P>> {
        let mut released = Vec::new();
        let mut staying = Vec::new();
        for kept in std::mem::take(&mut self.0) {
            if !reach.lets_through(kept.facts.priority) {
                staying.push(kept);
            } else if kept.facts.may_be_kept(now) {
                let Kept { deleted, push, .. } = kept;
                released.push(if deleted { Released::Deleted(push) } else { Released::Push(push) });
            }
        }
        self.0 = staying;
        released
    }

    /// Takes back what fits; says whether anything waited that did.
    pub fn withdraw(&mut self, fits: impl Fn(&P) -> bool) -> bool {
        let waiting = self.0.len();
        self.0.retain(|kept| !fits(&kept.push));
        self.0.len() < waiting
    }

    /// Forgets everything: the token has died.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A message takes the place of a waiting one with the same topic.
    fn keep_webpush(&mut self, kept: Kept<P>) {
        self.drop_same_key(&kept);
        self.0.push(kept);
    }

    fn keep_fcm(&mut self, kept: Kept<P>) {
        if kept.collapse.is_some() {
            self.drop_same_key(&kept);
            let keys = self.0.iter().filter(|other| other.collapse.is_some()).count();
            let oldest = self.0.iter().position(|other| other.collapse.is_some());
            if let (true, Some(oldest)) = (keys >= FCM_COLLAPSE_KEYS, oldest) {
                self.0.remove(oldest);
            }
            self.0.push(kept);
            return;
        }
        if self.0.iter().any(|other| other.deleted) {
            // The app fetches everything anyway, so what follows the flush is part of it.
            return;
        }
        if self.0.iter().filter(|other| other.collapse.is_none()).count() < FCM_STORED {
            self.0.push(kept);
            return;
        }
        let facts =
            Facts { priority: Priority::High, expiration: Expiration::Vendor, ..kept.facts };
        self.0 = vec![Kept { facts, deleted: true, ..kept }];
    }

    fn drop_same_key(&mut self, kept: &Kept<P>) {
        if kept.collapse.is_some() {
            self.0.retain(|other| other.collapse != kept.collapse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    /// Keeps pushes numbered from 0, each with its collapse key, and gives what is released.
    fn check(service: Service, keys: &[Option<&str>], expected: &[Released<usize>]) {
        let mut waiting = Waiting::default();
        let facts = Facts { service, priority: Priority::High, expiration: Expiration::Vendor };
        for (number, key) in keys.iter().enumerate() {
            assert!(waiting.keep(facts, key.map(str::to_owned), at(0), || number));
        }
        assert_eq!(waiting.release(Reach::Online, at(1)), expected, "{service:?} {keys:?}");
        assert!(waiting.is_empty());
    }

    fn pushes<const N: usize>(numbers: [usize; N]) -> Vec<Released<usize>> {
        numbers.map(Released::Push).to_vec()
    }

    #[test]
    fn apple_keeps_one_push_for_each_app() {
        check(Service::Apns, &[None, Some("a"), None], &pushes([2]));
    }

    #[test]
    fn google_keeps_four_collapse_keys() {
        let keys = [Some("a"), Some("b"), Some("c"), Some("d"), Some("e"), Some("b")];
        check(Service::Fcm, &keys, &pushes([2, 3, 4, 5]));
    }

    #[test]
    fn google_keeps_a_hundred_others_and_then_says_that_all_are_gone() {
        let hundred: Vec<_> = (0..100).map(Released::Push).collect();
        check(Service::Fcm, &[None; 100], &hundred);
        check(Service::Fcm, &[None; 101], &[Released::Deleted(100)]);
        check(Service::Fcm, &[None; 150], &[Released::Deleted(100)]);
    }

    #[test]
    fn a_browsers_service_keeps_one_of_each_topic() {
        check(Service::Webpush, &[Some("a"), None, Some("b"), Some("a"), None], &{
            pushes([1, 2, 3, 4])
        });
    }

    #[test]
    fn what_may_not_be_stored_or_has_expired_is_lost() {
        for service in [Service::Apns, Service::Fcm, Service::Webpush] {
            let mut waiting = Waiting::default();
            let mut keep = |expiration, now| {
                let facts = Facts { service, priority: Priority::High, expiration };
                waiting.keep(facts, None, now, || 0)
            };
            assert!(!keep(Expiration::Never, at(0)));
            assert!(!keep(Expiration::Until(at(5)), at(5)));
            assert!(keep(Expiration::Until(at(5)), at(0)));
            assert_eq!(waiting.release(Reach::Offline, at(1)), []);
            assert_eq!(waiting.len(), 1);
            assert_eq!(waiting.release(Reach::Online, at(5)), []);
        }
    }

    #[test]
    fn a_device_that_dozes_gets_what_is_urgent_alone() {
        let mut waiting = Waiting::default();
        for (number, priority) in
            [Priority::Normal, Priority::High, Priority::Low].iter().enumerate()
        {
            let facts = Facts {
                service: Service::Fcm,
                priority: *priority,
                expiration: Expiration::Vendor,
            };
            waiting.keep(facts, None, at(0), || number);
        }
        assert_eq!(waiting.release(Reach::Dozing, at(1)), pushes([1]));
        assert_eq!(waiting.release(Reach::Online, at(1)), pushes([0, 2]));
    }
}
