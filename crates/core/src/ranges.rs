//! A sorted set of numbers kept as ranges: abandoned positions, omitted sequences.

use alloc::vec::Vec;

/// An inclusive range of numbers, `from` ≤ `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first number in it.
    pub from: u64,
    /// The last number in it.
    pub to: u64,
}

impl Range {
    /// The range of one number.
    #[must_use]
    pub fn one(number: u64) -> Self {
        Self { from: number, to: number }
    }

    /// Whether the number lies in it.
    #[must_use]
    pub fn contains(self, number: u64) -> bool {
        (self.from..=self.to).contains(&number)
    }

    /// How many numbers lie in it, saturating.
    #[must_use]
    pub fn len(self) -> u64 {
        (self.to - self.from).saturating_add(1)
    }

    /// Never: a range holds at least one number.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }
}

/// Ranges in ascending order that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// Builds the set from ranges in any order.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }

    /// Adds a range, merging it with those it touches.
    pub fn insert(&mut self, range: Range) {
        let start = self.0.partition_point(|r| r.to.saturating_add(1) < range.from);
        let end = self.0.partition_point(|r| r.from <= range.to.saturating_add(1));
        let mut merged = range;
        for touched in &self.0[start..end] {
            merged.from = merged.from.min(touched.from);
            merged.to = merged.to.max(touched.to);
        }
        self.0.splice(start..end, [merged]);
    }

    /// Takes one number out; says whether it was in.
    pub fn remove(&mut self, number: u64) -> bool {
        let at = self.0.partition_point(|r| r.to < number);
        let Some(range) = self.0.get(at).copied().filter(|range| range.contains(number)) else {
            return false;
        };
        let mut parts = Vec::with_capacity(2);
        if range.from < number {
            parts.push(Range { from: range.from, to: number - 1 });
        }
        if number < range.to {
            parts.push(Range { from: number + 1, to: range.to });
        }
        self.0.splice(at..=at, parts);
        true
    }

    /// Merges the two oldest ranges until at most `most` are left (DESIGN G2).
    pub fn merge_oldest(&mut self, most: usize) {
        while self.0.len() > most.max(1) {
            let oldest = self.0.remove(0);
            self.0[0].from = oldest.from;
        }
    }

    /// Whether the number is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|r| r.to < number);
        self.0.get(at).is_some_and(|range| range.contains(number))
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }

    /// How many numbers are in the set, saturating.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add(range.len()))
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the ranges are sorted and apart, as every operation leaves them.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.0.iter().all(|range| range.from <= range.to)
            && self.0.windows(2).all(|pair| pair[0].to.saturating_add(1) < pair[1].from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    /// Every operation agrees with a plain set, for all short sequences of small operations.
    #[test]
    fn agrees_with_a_plain_set() {
        let mut seed = crate::random::Random::new(7);
        for _ in 0..200 {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for _ in 0..30 {
                let from = seed.below(40);
                if seed.below(3) == 0 {
                    assert_eq!(ranges.remove(from), model.remove(&from));
                } else {
                    let to = from + seed.below(4);
                    ranges.insert(Range { from, to });
                    model.extend(from..=to);
                }
                assert!(ranges.is_sound(), "{ranges:?}");
                assert_eq!(ranges.count(), model.len() as u64);
                assert!((0..45).all(|n| ranges.contains(n) == model.contains(&n)));
            }
        }
    }

    #[test]
    fn merging_the_oldest_keeps_every_number_and_the_newest_ranges() {
        let mut ranges = Ranges::from_ranges([1, 5, 9, 13].map(Range::one));
        ranges.merge_oldest(2);
        assert_eq!(ranges.as_slice(), [Range { from: 1, to: 9 }, Range::one(13)]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut ranges = Ranges::from_ranges([Range { from: u64::MAX - 1, to: u64::MAX }]);
        ranges.insert(Range { from: 0, to: u64::MAX });
        assert_eq!(ranges.count(), u64::MAX);
        assert!(ranges.remove(u64::MAX) && !ranges.contains(u64::MAX));
    }
}
