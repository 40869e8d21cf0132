//! Where in a list the newest entry of each fingerprint stands: four bytes an entry, at most half full.
//!
//! An open table with linear probing. Where a fingerprint begins to be looked for depends on a seed that nobody
//! outside knows: ids that were chosen so that they share a place share none here. Must not know: what an entry is.

use alloc::vec;
use alloc::vec::Vec;

use crate::chain::Fingerprint;
use crate::random::Random;

/// Numbers of entries count modulo this; what lies above it is no number.
const NUMBERS: u32 = 1 << 31;
/// A slot without an entry.
const FREE: u32 = u32::MAX;
/// Slots of a table that begins.
const LEAST: usize = 64;

/// The number of an entry: they count up by one, modulo 2³¹.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Number(u32);

impl Number {
    #[expect(clippy::cast_possible_truncation, reason = "what is cut off is a multiple of 2³¹")]
    pub(super) fn plus(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count as u32) % NUMBERS)
    }

    /// How many come after `first` before this one.
    pub(super) fn since(self, first: Self) -> usize {
        (self.0.wrapping_sub(first.0) % NUMBERS) as usize
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Index {
    slots: Vec<u32>,
    taken: usize,
    secret: [u64; 2],
}

impl Index {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { slots: Vec::new(), taken: 0, secret: [random.draw(), random.draw()] }
    }

    pub(super) fn len(&self) -> usize {
        self.taken
    }

    pub(super) fn clear(&mut self) {
        self.slots = Vec::new();
        self.taken = 0;
    }

    /// The newest entry of a fingerprint. `of` says whose an entry is.
    pub(super) fn get(
        &self,
        fingerprint: Fingerprint,
        of: impl Fn(Number) -> Fingerprint,
    ) -> Option<Number> {
        if self.taken == 0 {
            return None;
        }
        let slot = self.slots[self.find(fingerprint, &of)];
        (slot != FREE).then_some(Number(slot))
    }

    /// The newest entry of a fingerprint is this one from now on; `of` knows it already.
    pub(super) fn put(
        &mut self,
        fingerprint: Fingerprint,
        number: Number,
        of: impl Fn(Number) -> Fingerprint,
    ) {
        if (self.taken + 1) * 2 > self.slots.len() {
            self.grow(&of);
        }
        let at = self.find(fingerprint, &of);
        self.taken += usize::from(self.slots[at] == FREE);
        self.slots[at] = number.0;
    }

    /// Forgets a fingerprint if this is its newest entry, which `of` still knows.
    pub(super) fn remove(
        &mut self,
        fingerprint: Fingerprint,
        number: Number,
        of: impl Fn(Number) -> Fingerprint,
    ) {
        if self.taken == 0 {
            return;
        }
        let mut hole = self.find(fingerprint, &of);
        if self.slots[hole] != number.0 {
            return;
        }
        self.slots[hole] = FREE;
        self.taken -= 1;
        // What was put behind it because it was in the way moves up.
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot == FREE {
                return;
            }
            let wanted = self.begin(of(Number(slot)));
            if (at.wrapping_sub(wanted) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = slot;
                self.slots[at] = FREE;
                hole = at;
            }
        }
    }

    /// The slot that has the fingerprint, else the free one where it goes. There is a free one.
    fn find(&self, fingerprint: Fingerprint, of: &impl Fn(Number) -> Fingerprint) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.begin(fingerprint);
        while self.slots[at] != FREE && of(Number(self.slots[at])) != fingerprint {
            at = (at + 1) & mask;
        }
        at
    }

    /// Where a fingerprint is looked for first: the folded product of its halves, each with a
    /// secret of its own.
    #[expect(clippy::cast_possible_truncation, reason = "halves of a number, bits of a hash")]
    fn begin(&self, fingerprint: Fingerprint) -> usize {
        let [low, high] = [fingerprint.0 as u64, (fingerprint.0 >> 64) as u64];
        let wide = u128::from(low ^ self.secret[0]) * u128::from(high ^ self.secret[1]);
        ((wide as u64) ^ ((wide >> 64) as u64)) as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self, of: &impl Fn(Number) -> Fingerprint) {
        let size = (self.slots.len() * 2).max(LEAST);
        let before = core::mem::replace(&mut self.slots, vec![FREE; size]);
        for slot in before.into_iter().filter(|slot| *slot != FREE) {
            let at = self.find(of(Number(slot)), of);
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_around() {
        let last = Number(NUMBERS - 1);
        assert_eq!((last.plus(1), last.plus(3).since(last)), (Number(0), 3));
    }
}
