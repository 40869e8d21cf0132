//! Random choices from a seed.

/// splitmix64: small, good enough to choose with.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).expect("usize is at most 64 bits");
        usize::try_from((mixed ^ (mixed >> 31)) % end).expect("below a usize")
    }

    /// True in so many of a thousand cases.
    pub(crate) fn per_mille(&mut self, chance: usize) -> bool {
        self.below(1000) < chance
    }
}
