//! All chance of a simulation: one stream per organ, forked from the one seed, so that a change in
//! one organ does not reshuffle the others.

use sprag_core::random::Random;

/// A stream of chance.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Random);

impl Dice {
    /// The stream of an organ under a seed.
    pub(crate) fn new(seed: u64, organ: u64) -> Self {
        let mut mixer = Random::new(seed ^ organ.wrapping_mul(0xA076_1D64_78BD_642F));
        Self(Random::new(mixer.draw()))
    }

    /// Any number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0.below(limit)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// True that often in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.0.below(1_000) < per_mille
    }

    /// An index into something of that length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.0.below(length as u64)).unwrap_or(0)
    }

    /// One of several values.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.index(values.len())]
    }
}
