//! What a push service may be asked of one device.
//!
//! Apple takes two or three background pushes an hour for a device; the server's budget is three,
//! shared by wakes and direct pushes, and is spent before the push is made. A repeat of one push is
//! no second one. What a restore undid was not spent as far as the server knows.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Violation;
use crate::evidence::{Evidence, Service};

/// In [`WINDOW`].
const BACKGROUND: usize = 3;
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut of_phone: HashMap<&str, Vec<(Timestamp, &str)>> = HashMap::new();
    let mut known = HashSet::new();
    for push in &evidence.pushes {
        let Some(id) = &push.id else { continue };
        let counts = push.service == Service::Apple && push.sort == "background" && push.taken;
        if counts && known.insert(id) {
            of_phone.entry(&push.phone).or_default().push((push.made_at, id));
        }
    }
    for (phone, pushes) in of_phone {
        for (now, _) in &pushes {
            let undone = |at: Timestamp| {
                evidence.restores.iter().any(|it| it.stopped <= *now && it.undid(at))
            };
            let spent = pushes
                .iter()
                .filter(|(at, _)| at <= now && now.duration_since(*at) < WINDOW && !undone(*at))
                .count();
            if spent > BACKGROUND {
                let what = format!("{phone} got {spent} background pushes in the hour to {now}");
                found.push(Violation::of_phone(phone, what));
                break;
            }
        }
    }
}
