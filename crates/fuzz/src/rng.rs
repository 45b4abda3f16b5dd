//! Random numbers that are the same for the same seed, on every machine and in every version.

/// SplitMix64: small, and good enough to choose by (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The numbers of one run: runs of one seed have nothing to do with each other, so that one can
    /// be had again without those before it.
    pub(crate) const fn of_run(seed: u64, number: u64) -> Self {
        let mut seed = Self(seed);
        let start = seed.next();
        let mut mixed = Self(start ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed.next();
        mixed
    }

    /// The next 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        let chosen = self.next().checked_rem(end).unwrap_or_default();
        usize::try_from(chosen).unwrap_or_default()
    }

    /// A byte.
    pub(crate) const fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// One of these; `None` if there are none.
    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let place = self.below(choices.len());
        choices.get(place)
    }

    /// A length up to `most`, short ones more often than long ones.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        let ceiling = self.below(most.saturating_add(1));
        let ceiling = self.below(ceiling.saturating_add(1));
        self.below(ceiling.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_the_same_again_and_no_other() {
        let numbers = |seed, number| {
            let mut rng = Rng::of_run(seed, number);
            [rng.next(), rng.next(), rng.next()]
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn choices_stay_within_their_bounds() {
        let mut rng = Rng::of_run(0, 0);
        for most in [0, 1, 2, 7, 1_000] {
            for _ in 0..100 {
                assert!(rng.length(most) <= most);
                assert!(rng.below(most) < most.max(1));
            }
        }
        assert_eq!(rng.one_of::<u8>(&[]), None);
        assert!(rng.one_of(&[1, 2]).is_some());
    }
}
