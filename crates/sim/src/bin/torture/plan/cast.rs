//! Who takes part.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use sim::phone::Platform;

/// One phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) platform: Platform,
    pub(crate) ignores_background: bool,
    /// Its user takes calls so long after the screen lit up.
    pub(crate) answers: Option<Duration>,
    /// How many minutes its clock is ahead, or behind.
    pub(crate) clock_ahead: i64,
    pub(crate) topic: Membership,
}

/// Whether a phone is in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Always,
    Never,
    /// It comes and goes.
    Changing,
}

/// A phone in this many is an iPhone that ignores background pushes.
const IGNORING: usize = 5;
/// The furthest that a phone's clock is off, in minutes.
const CLOCK_OFF: i64 = 14 * 60;

/// Users of one phone, and every fourth or so of two or three.
pub(super) fn cast(draw: &mut StdRng, phones: usize) -> Vec<Role> {
    let mut cast = Vec::new();
    let mut user = 0;
    while cast.len() < phones {
        user += 1;
        let devices = match draw.random_range(0..16) {
            0..12 => 1,
            12..15 => 2,
            _ => 3,
        };
        for _ in 0..devices.min(phones - cast.len()) {
            let number = cast.len();
            let role = role(draw, format!("p{number:03}"), format!("user{user:03}"));
            cast.push(role);
        }
    }
    cast
}

fn role(draw: &mut StdRng, name: String, user: String) -> Role {
    let platform = match draw.random_range(0..20) {
        0..9 => Platform::Android,
        9..18 => Platform::Ios,
        _ => Platform::Web,
    };
    Role {
        name,
        user,
        platform,
        ignores_background: platform == Platform::Ios && draw.random_range(0..IGNORING) == 0,
        answers: draw
            .random_bool(0.5)
            .then(|| Duration::from_millis(draw.random_range(100..2_500))),
        clock_ahead: if draw.random_bool(0.3) {
            draw.random_range(-CLOCK_OFF..=CLOCK_OFF)
        } else {
            0
        },
        topic: match draw.random_range(0..3) {
            0 => Membership::Always,
            1 => Membership::Never,
            _ => Membership::Changing,
        },
    }
}
