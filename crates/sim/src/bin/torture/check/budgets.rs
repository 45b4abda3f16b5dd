//! What a push service may be asked of one device.
//!
//! Apple takes two or three background pushes an hour for a device; the server's budget is three,
//! shared by wakes and direct pushes, and is spent before the push is made. A repeat of one push is
//! no second one. What a restore undid was not spent as far as the server knows.
//!
//! Google takes 240 messages a minute and 5,000 an hour for a device. It counts requests, so a
//! repeat is one more, and no restore takes one back.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Violation;
use crate::evidence::{Evidence, PushRecord, Service};

/// In [`WINDOW`].
const BACKGROUND: usize = 3;
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How many messages Google takes for a device, and within what.
const GOOGLE: [(usize, SignedDuration, &str); 2] =
    [(240, SignedDuration::from_mins(1), "minute"), (5_000, WINDOW, "hour")];

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    apple(evidence, found);
    google(evidence, found);
}

fn google(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut of_phone: HashMap<&str, Vec<Timestamp>> = HashMap::new();
    for push in evidence.pushes.iter().filter(|it| it.service == Service::Google && it.taken) {
        of_phone.entry(&push.phone).or_default().push(push.seen_at);
    }
    for (phone, mut times) in of_phone {
        times.sort_unstable();
        for (most, window, name) in GOOGLE {
            // The first of one more than may be is within the window of the last.
            let over =
                times.windows(most + 1).find(|run| run[most].duration_since(run[0]) < window);
            if let Some(run) = over {
                let what =
                    format!("{phone} got more than {most} messages in the {name} to {}", run[most]);
                found.push(Violation::of_phone(phone, what));
            }
        }
    }
}

fn apple(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut of_phone: HashMap<&str, Vec<&PushRecord>> = HashMap::new();
    let mut known = HashSet::new();
    for push in &evidence.pushes {
        let Some(id) = &push.id else { continue };
        let counts = push.service == Service::Apple && push.sort == "background" && push.taken;
        if counts && known.insert(id) {
            of_phone.entry(&push.phone).or_default().push(push);
        }
    }
    for (phone, pushes) in of_phone {
        for now in pushes.iter().map(|push| push.made_at) {
            let undone = |push: &PushRecord| {
                evidence.restores.iter().any(|it| it.stopped <= now && it.undid(push))
            };
            let within = |at: Timestamp| at <= now && now.duration_since(at) < WINDOW;
            let spent = pushes.iter().filter(|push| within(push.made_at) && !undone(push)).count();
            if spent > BACKGROUND {
                let what = format!("{phone} got {spent} background pushes in the hour to {now}");
                found.push(Violation::of_phone(phone, what));
                break;
            }
        }
    }
}
