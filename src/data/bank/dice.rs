//! Draws from a seeded stream.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::data::shuffle::shuffle;

/// A seeded source of draws; each (seed, stream) is independent of every other.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number below `n`; 0 where `n` is 0. The top 64 bits of a 64 by 64 bit product (Lemire 2019, without the
    /// rejection step: the bias for the small `n` here is below 2^-50).
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        ((self.0.next_u64() >> 11) as f64) * (-53.0f64).exp2() < p
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }

    /// Any order of `items`, each as likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        shuffle(items, |n| self.below(n as u64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_repeatable() {
        let mut counts = [0u32; 5];
        let mut dice = Dice::new(1, 0);
        for _ in 0..10_000 {
            counts[dice.below(5) as usize] += 1;
        }
        assert!(counts.iter().all(|&n| (1_800..2_200).contains(&n)), "{counts:?}");
        assert_eq!(Dice::new(3, 4).below(1 << 40), Dice::new(3, 4).below(1 << 40));
        assert_ne!(Dice::new(3, 4).below(1 << 40), Dice::new(3, 5).below(1 << 40));
        assert_eq!(Dice::new(0, 0).pick::<u8>(&[]), None);
    }
}
