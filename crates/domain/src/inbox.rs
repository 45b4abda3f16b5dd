//! The rules of an inbox: positions, cursors, what is owed, what may go.
//!
//! ```text
//!   floor      cursor of B     delivered = cursor of A         head
//!     │  trimmed  │   B still lacks   │   nobody has acked        │
//!  ───┴───────────┴───────────────────┴───────────────────────────┴──▶ offset
//! ```

use crate::id::EntryId;
use crate::time::Time;

/// A place in an inbox; the first entry has offset 1, and "nothing yet" is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(i64);

impl Offset {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// From the store's number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The store's number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The offset of the next entry.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The epoch of an inbox: a random 63-bit number, new whenever history was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(i64);

impl Epoch {
    /// From a number; only the low 63 bits count.
    pub const fn from_number(number: i64) -> Self {
        Self(number & i64::MAX)
    }

    /// The number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// What a device says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The epoch it got the position in.
    pub epoch: Epoch,
    /// Everything up to here.
    pub offset: Offset,
    /// The entry at that offset, if the device says.
    pub entry: Option<EntryId>,
}

/// What the store knows about the inbox and the device when a position comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The inbox's epoch.
    pub epoch: Epoch,
    /// Its newest offset.
    pub head: Offset,
    /// What the device had acked before.
    pub cursor: Offset,
    /// The id of the entry at the position that came in, if it is still kept.
    pub entry_there: Option<EntryId>,
}

/// What a position that came in is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// New: the cursor moves to it.
    Progress(Offset),
    /// At or below the cursor: nothing to do.
    Nothing,
    /// Of another epoch: the device resumes at its stored cursor.
    OtherEpoch,
    /// Above the head, or another entry than the one stored there: the device has seen a history
    /// that this store has not.
    Contradiction,
}

/// Judges a position a device says it holds.
///
/// In an `ack` of a running session a contradiction is a protocol error: the session got all its
/// positions from this store. In `connect` it means the store was rolled back.
pub fn judge(held: Held, known: Known) -> Verdict {
    if held.epoch != known.epoch {
        return Verdict::OtherEpoch;
    }
    if held.offset > known.head {
        return Verdict::Contradiction;
    }
    if let (Some(said), Some(stored)) = (held.entry, known.entry_there)
        && said != stored
    {
        return Verdict::Contradiction;
    }
    if held.offset <= known.cursor {
        return Verdict::Nothing;
    }
    Verdict::Progress(held.offset)
}

/// Where a new device of a user starts: the first at the floor, a later one at what some device
/// has really acked, so that it does not get old messages as new ones.
pub fn starting_cursor(has_other_devices: bool, floor: Offset, delivered: Offset) -> Offset {
    if has_other_devices { delivered } else { floor }
}

/// One device, as far as trimming looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it acked.
    pub cursor: Offset,
    /// When it was last connected.
    pub last_seen: Time,
}

/// Up to where entries may go: what some device acked and every device that counts has.
///
/// A device silent since before `silent_before` holds nothing back. `delivered` bounds the answer,
/// because starting cursors are not acks.
pub fn trim_to(holders: &[Holder], delivered: Offset, silent_before: Time) -> Offset {
    holders
        .iter()
        .filter(|holder| holder.last_seen >= silent_before)
        .map(|holder| holder.cursor)
        .min()
        .unwrap_or(delivered)
        .min(delivered)
}

/// How much a recipient should be bothered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    /// The usual.
    #[default]
    Normal,
    /// Does not wait behind a burst.
    High,
}

/// What a device still has to get and be woken for: its unacknowledged, unexpired entries that
/// wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The oldest of them past what was pushed already, if any is.
    pub oldest_unpushed: Option<Offset>,
    /// The newest.
    pub head: Offset,
    /// How many, as far as was counted.
    pub count: u32,
    /// The highest urgency among those past what was pushed already, else among all.
    pub urgency: Urgency,
    /// When the last of them expires.
    pub expires_at: Time,
}

/// Why an entry that wakes is not pushed: it is owed all the same, but nobody is to be bothered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quiet {
    /// The user has muted its thread, or everything.
    Muted,
    /// The user has read it on another device.
    Read,
}

/// One entry as [`owing`] looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unacked {
    /// Its place.
    pub offset: Offset,
    /// Its urgency.
    pub urgency: Urgency,
    /// When it expires.
    pub expires_at: Time,
    /// Why it is not pushed, if it is not.
    pub quiet: Option<Quiet>,
}

/// What a device has not acknowledged, as far as it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owing {
    /// Nothing: its wake may close.
    Nothing,
    /// Something, but all of it is quiet: its wake stays open, and parked. The reason is that of
    /// the newest entry.
    Quiet(Quiet),
    /// Something to be pushed.
    Owed(Owed),
}

impl Owing {
    /// Whether nothing is owed, quiet entries included.
    pub const fn is_nothing(self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// Sums up unacknowledged entries that wake, in any order, as they stand at `now`.
pub fn owing(entries: impl IntoIterator<Item = Unacked>, pushed: Offset, now: Time) -> Owing {
    let mut sum: Option<Owed> = None;
    let mut unpushed_urgency: Option<Urgency> = None;
    let mut newest_quiet: Option<(Offset, Quiet)> = None;
    for entry in entries {
        if entry.expires_at <= now {
            continue;
        }
        if let Some(quiet) = entry.quiet {
            let newer = newest_quiet.is_none_or(|(offset, _)| entry.offset > offset);
            newest_quiet = if newer { Some((entry.offset, quiet)) } else { newest_quiet };
            continue;
        }
        let unpushed = (entry.offset > pushed).then_some(entry.offset);
        if unpushed.is_some() {
            unpushed_urgency = unpushed_urgency.max(Some(entry.urgency));
        }
        sum = Some(match sum {
            None => Owed {
                oldest_unpushed: unpushed,
                head: entry.offset,
                count: 1,
                urgency: entry.urgency,
                expires_at: entry.expires_at,
            },
            Some(sum) => Owed {
                oldest_unpushed: match (sum.oldest_unpushed, unpushed) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                },
                head: sum.head.max(entry.offset),
                count: sum.count.saturating_add(1),
                urgency: sum.urgency.max(entry.urgency),
                expires_at: sum.expires_at.max(entry.expires_at),
            },
        });
    }
    match (sum, newest_quiet) {
        (Some(sum), _) => {
            Owing::Owed(Owed { urgency: unpushed_urgency.unwrap_or(sum.urgency), ..sum })
        }
        (None, Some((_, quiet))) => Owing::Quiet(quiet),
        (None, None) => Owing::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EPOCH: Epoch = Epoch::from_number(7);

    fn held(offset: i64, entry: Option<u128>) -> Held {
        Held {
            epoch: EPOCH,
            offset: Offset::from_number(offset),
            entry: entry.map(EntryId::from_bits),
        }
    }

    fn known(head: i64, cursor: i64, entry_there: Option<u128>) -> Known {
        Known {
            epoch: EPOCH,
            head: Offset::from_number(head),
            cursor: Offset::from_number(cursor),
            entry_there: entry_there.map(EntryId::from_bits),
        }
    }

    #[test]
    fn positions_are_judged() {
        let at = Offset::from_number;
        let table = [
            ("new", held(5, Some(50)), known(9, 3, Some(50)), Verdict::Progress(at(5))),
            ("new, entry trimmed", held(5, Some(50)), known(9, 3, None), Verdict::Progress(at(5))),
            ("new, no entry said", held(5, None), known(9, 3, Some(50)), Verdict::Progress(at(5))),
            ("at the head", held(9, None), known(9, 3, None), Verdict::Progress(at(9))),
            ("at the cursor", held(3, None), known(9, 3, None), Verdict::Nothing),
            ("below the cursor", held(1, None), known(9, 3, None), Verdict::Nothing),
            ("nothing held", held(0, None), known(0, 0, None), Verdict::Nothing),
            ("above the head", held(10, None), known(9, 3, None), Verdict::Contradiction),
            ("another entry", held(5, Some(51)), known(9, 3, Some(50)), Verdict::Contradiction),
            ("another entry below", held(2, Some(1)), known(9, 3, Some(2)), Verdict::Contradiction),
        ];
        for (name, held, known, expected) in table {
            assert_eq!(judge(held, known), expected, "{name}");
        }
        let elsewhere = Held { epoch: Epoch::from_number(8), ..held(99, None) };
        assert_eq!(judge(elsewhere, known(9, 3, None)), Verdict::OtherEpoch);
    }

    #[test]
    fn silent_devices_hold_nothing_back_and_starting_cursors_trim_nothing() {
        let at = Offset::from_number;
        let seen = |cursor, last_seen| Holder {
            cursor: at(cursor),
            last_seen: Time::from_millis(last_seen),
        };
        let silent_before = Time::from_millis(100);
        assert_eq!(trim_to(&[seen(5, 200), seen(9, 200)], at(9), silent_before), at(5));
        assert_eq!(trim_to(&[seen(5, 50), seen(9, 200)], at(9), silent_before), at(9));
        assert_eq!(trim_to(&[seen(9, 200)], at(4), silent_before), at(4));
        assert_eq!(trim_to(&[], at(4), silent_before), at(4));
    }

    fn entries() -> impl Strategy<Value = Vec<Unacked>> {
        let quiet = prop_oneof![
            2 => Just(None),
            1 => Just(Some(Quiet::Muted)),
            1 => Just(Some(Quiet::Read)),
        ];
        let entry = (any::<bool>(), 0_i64..100, quiet);
        proptest::collection::btree_map(1_i64..50, entry, 0..12).prop_map(|map| {
            map.into_iter()
                .map(|(offset, (high, expires, quiet))| Unacked {
                    offset: Offset::from_number(offset),
                    urgency: if high { Urgency::High } else { Urgency::Normal },
                    expires_at: Time::from_millis(expires),
                    quiet,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_of_joining_does_not_matter(entries in entries(), pushed in 0_i64..50, now in 0_i64..100, rotation in 0_usize..12) {
            let pushed = Offset::from_number(pushed);
            let now = Time::from_millis(now);
            let mut turned = entries.clone();
            if !turned.is_empty() {
                let by = rotation % turned.len();
                turned.rotate_left(by);
                turned.reverse();
            }
            let found = owing(entries.clone(), pushed, now);
            prop_assert_eq!(found, owing(turned, pushed, now));
            let living: Vec<_> = entries.iter().filter(|entry| entry.expires_at > now).collect();
            let loud = living.iter().filter(|entry| entry.quiet.is_none()).count();
            let newest_quiet = living.last().and_then(|entry| entry.quiet);
            match found {
                Owing::Nothing => prop_assert!(living.is_empty()),
                // In the order of offsets, the last one is the newest.
                Owing::Quiet(quiet) => prop_assert!(loud == 0 && newest_quiet == Some(quiet)),
                Owing::Owed(owed) => prop_assert!(loud > 0 && owed.count as usize == loud),
            }
        }
    }
}
