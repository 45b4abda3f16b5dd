//! Chance that can be had again: the same seed gives the same numbers.

use std::time::Duration;

/// A stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of one device for one purpose. What one stream is asked for is no matter to the
    /// others, so that the policies that are compared live through the same day.
    pub(crate) fn new(seed: u64, device: u64, purpose: u64) -> Self {
        let mut dice = Self(seed);
        for part in [device, purpose] {
            dice = Self(dice.number() ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        dice
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// At least 0, below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        const BITS: u32 = 53;
        (self.number() >> (64 - BITS)) as f64 / (1_u64 << BITS) as f64
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, share: f64) -> bool {
        self.unit() * 100.0 < share
    }

    /// A pause between events that come independently of each other.
    pub(crate) fn pause(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }

    /// A time that is mostly around its median and now and then a multiple of it.
    pub(crate) fn around(&mut self, median: Duration, spread: f64) -> Duration {
        // Twelve uniform numbers make a normal one that is good enough here.
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median.mul_f64((spread * normal).exp())
    }

    /// Anywhere between two times.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.unit())
    }
}
