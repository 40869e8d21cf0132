//! All chance of a simulation: one stream per organ, forked from the one seed, so that a change in
//! one organ does not reshuffle the others.
//!
//! Single throws can be set. Then everything is as under the seed until that throw, and what comes
//! of it is still something that chance could have brought: who searches for a bad outcome (the
//! fuzzer) changes one thing of a world, not the world.

use std::sync::Arc;

use sprag_core::random::Random;

/// A throw whose outcome is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throw {
    /// The organ whose stream it is of.
    pub organ: u64,
    /// Which of its throws, counted from 0.
    pub nth: u64,
    /// What it shows, any of 2⁶⁴.
    pub shows: u64,
}

/// What decides a simulation.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    number: u64,
    set: Arc<[Throw]>,
}

impl Seed {
    pub(crate) fn new(number: u64, set: &[Throw]) -> Self {
        Self { number, set: Arc::from(set) }
    }

    /// The number alone, for what has chance of its own.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// A stream of chance.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    random: Random,
    thrown: u64,
    /// The throws that are set, the next one last.
    set: Vec<Throw>,
}

impl Dice {
    /// The stream of an organ under a seed.
    pub(crate) fn new(seed: &Seed, organ: u64) -> Self {
        let mut mixer = Random::new(seed.number ^ organ.wrapping_mul(0xA076_1D64_78BD_642F));
        let mut set: Vec<Throw> =
            seed.set.iter().filter(|throw| throw.organ == organ).copied().collect();
        set.sort_by_key(|throw| std::cmp::Reverse(throw.nth));
        set.dedup_by_key(|throw| throw.nth);
        Self { random: Random::new(mixer.draw()), thrown: 0, set }
    }

    /// Any number.
    pub(crate) fn draw(&mut self) -> u64 {
        let drawn = self.random.draw();
        self.thrown += 1;
        let is_set = |throw: &mut Throw| throw.nth + 1 == self.thrown;
        self.set.pop_if(is_set).map_or(drawn, |throw| throw.shows)
    }

    /// A number below `limit`, as [`Random::below`] makes it.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.draw()) * u128::from(limit);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True that often in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1_000) < per_mille
    }

    /// An index into something of that length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// One of several values.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.index(values.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throws(set: &[Throw]) -> Vec<u64> {
        let mut dice = Dice::new(&Seed::new(7, set), 3);
        (0..5).map(|_| dice.draw()).collect()
    }

    #[test]
    fn a_throw_that_is_set_changes_no_other() {
        let throw = |organ, nth, shows| Throw { organ, nth, shows };
        let usual = throws(&[]);
        let set = throws(&[throw(3, 4, 1), throw(3, 1, 2), throw(4, 0, 3), throw(3, 99, 4)]);
        assert_eq!(set, [usual[0], 2, usual[2], usual[3], 1]);
    }

    #[test]
    fn numbers_are_those_of_the_core() {
        let mut dice = Dice::new(&Seed::new(7, &[]), 3);
        let mut same = dice.random.clone();
        assert!((1..100).all(|limit| dice.below(limit) == same.below(limit)));
    }
}
