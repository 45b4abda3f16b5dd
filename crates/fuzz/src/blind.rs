//! The engine of an ordinary build: examples changed by chance, and bytes that come from nowhere.

use std::ops::ControlFlow;

use crate::budget::Budget;
use crate::mutate::{LONGEST, Source, telling_byte};
use crate::rng::Rng;

/// The longest input that comes from nowhere.
const LONGEST_RANDOM: usize = 512;
/// The most changes to one input.
const MOST_CHANGES: usize = 5;

/// Hands inputs over until there shall be no more; says how it went. Each can be had again by the
/// seed and its number.
pub(crate) fn feed(
    _: &str,
    budget: &Budget,
    examples: Vec<Vec<u8>>,
    each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> String {
    let source = Source::new(examples);
    let mut number = 0;
    while each(&input(&source, budget.seed, number)).is_continue() {
        number += 1;
    }
    String::new()
}

/// The input of one run: first the examples as they are, then what is made of them.
fn input(source: &Source, seed: u64, number: u64) -> Vec<u8> {
    let example = usize::try_from(number).ok().and_then(|number| source.examples.get(number));
    if let Some(example) = example {
        return example.clone();
    }
    let mut rng = Rng::of_run(seed, number);
    let mut input = match rng.one_of(&source.examples) {
        // One in sixteen comes from nowhere.
        Some(example) if rng.below(16) > 0 => example.clone(),
        Some(_) | None => random(&mut rng),
    };
    let longest = LONGEST.max(input.len());
    // One change more often than many: what is changed everywhere is refused at the door.
    for _ in 0..=rng.length(MOST_CHANGES - 1) {
        source.change(&mut input, &mut rng);
        input.truncate(longest);
    }
    input
}

/// Bytes from nowhere: of all kinds, or of those that mean something.
fn random(rng: &mut Rng) -> Vec<u8> {
    let (length, telling) = (rng.length(LONGEST_RANDOM), rng.below(2) == 0);
    (0..length).map(|_| if telling { telling_byte(rng) } else { rng.byte() }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_examples_come_first_and_a_run_comes_again() {
        let source =
            Source::new(vec![b"{\"name\": \"caf\\u00e9\"}".to_vec(), b"\x30\x03".to_vec()]);
        assert_eq!(input(&source, 7, 0), source.examples[0]);
        assert_eq!(input(&source, 7, 1), source.examples[1]);
        for number in 2..200 {
            let made = input(&source, 7, number);
            assert_eq!(input(&source, 7, number), made);
            assert!(made.len() <= LONGEST);
        }
    }

    #[test]
    fn without_examples_there_are_inputs_all_the_same() {
        let source = Source::new(Vec::new());
        let inputs: BTreeSet<_> = (0..100).map(|number| input(&source, 1, number)).collect();
        assert!(inputs.len() > 50, "{}", inputs.len());
    }
}
