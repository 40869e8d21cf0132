//! Where among numbered entries the newest of each hash stands: four bytes each, at most half full.
//!
//! An open table with linear probing. Where a hash begins to be looked for depends on a seed that nobody
//! outside knows: ids and keys that were chosen so that they share a place share none here. What an entry
//! has is not in the table: whoever looks says whose an entry is. Must not know: what an entry is.

use alloc::vec;
use alloc::vec::Vec;

use crate::chain::Fingerprint;
use crate::random::Random;

/// A slot without an entry: no entry has this number.
const FREE: u32 = u32::MAX;
/// Slots of a table that begins.
const LEAST: usize = 64;

/// By what an entry is found.
pub(crate) trait Hashed: Copy + Eq {
    /// As two numbers.
    fn halves(self) -> [u64; 2];
}

impl Hashed for Fingerprint {
    #[expect(clippy::cast_possible_truncation, reason = "halves of a number")]
    fn halves(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }
}

impl Hashed for u64 {
    fn halves(self) -> [u64; 2] {
        [self, 0]
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Index {
    slots: Vec<u32>,
    taken: usize,
    secret: [u64; 2],
}

impl Index {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { slots: Vec::new(), taken: 0, secret: [random.draw(), random.draw()] }
    }

    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    pub(crate) fn clear(&mut self) {
        self.slots = Vec::new();
        self.taken = 0;
    }

    /// The newest entry of a hash. `of` says whose an entry is.
    pub(crate) fn get<H: Hashed>(&self, hash: H, of: impl Fn(u32) -> H) -> Option<u32> {
        if self.taken == 0 {
            return None;
        }
        let slot = self.slots[self.find(hash, &of)];
        (slot != FREE).then_some(slot)
    }

    /// The newest entry of a hash is this one from now on; `of` knows it already.
    pub(crate) fn put<H: Hashed>(&mut self, hash: H, number: u32, of: impl Fn(u32) -> H) {
        if (self.taken + 1) * 2 > self.slots.len() {
            self.grow(&of);
        }
        let at = self.find(hash, &of);
        self.taken += usize::from(self.slots[at] == FREE);
        self.slots[at] = number;
    }

    /// Forgets a hash if this is its newest entry, which `of` still knows.
    pub(crate) fn remove<H: Hashed>(&mut self, hash: H, number: u32, of: impl Fn(u32) -> H) {
        if self.taken == 0 {
            return;
        }
        let mut hole = self.find(hash, &of);
        if self.slots[hole] != number {
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
            let wanted = self.begin(of(slot));
            if (at.wrapping_sub(wanted) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = slot;
                self.slots[at] = FREE;
                hole = at;
            }
        }
    }

    /// The slot that has the hash, else the free one where it goes. There is a free one.
    fn find<H: Hashed>(&self, hash: H, of: &impl Fn(u32) -> H) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.begin(hash);
        while self.slots[at] != FREE && of(self.slots[at]) != hash {
            at = (at + 1) & mask;
        }
        at
    }

    /// Where a hash is looked for first: the folded product of its halves, each with a
    /// secret of its own.
    #[expect(clippy::cast_possible_truncation, reason = "halves of a number, bits of a hash")]
    fn begin(&self, hash: impl Hashed) -> usize {
        let [low, high] = hash.halves();
        let wide = u128::from(low ^ self.secret[0]) * u128::from(high ^ self.secret[1]);
        ((wide as u64) ^ ((wide >> 64) as u64)) as usize & (self.slots.len() - 1)
    }

    fn grow<H: Hashed>(&mut self, of: &impl Fn(u32) -> H) {
        let size = (self.slots.len() * 2).max(LEAST);
        let before = core::mem::replace(&mut self.slots, vec![FREE; size]);
        for slot in before.into_iter().filter(|slot| *slot != FREE) {
            let at = self.find(of(slot), of);
            self.slots[at] = slot;
        }
    }
}
