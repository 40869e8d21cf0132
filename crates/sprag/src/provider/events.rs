//! Which events happen: some keys, each counted from its first position, interleaved in time.

use sprag_core::random::Random;

/// One thing that happened at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// Which resource, from 0.
    pub key: u32,
    /// Its number within the key.
    pub sequence: u64,
}

/// So many events of so many keys in the order of time. The same for the same seed.
#[must_use]
pub fn events(count: u64, keys: u64, first: u64, random: &mut Random) -> Vec<Event> {
    let keys = u32::try_from(keys).unwrap_or(u32::MAX).max(1);
    let mut next = vec![first; keys as usize];
    let event = |_| {
        // Below the number of keys, which is a u32.
        let key = u32::try_from(random.below(u64::from(keys))).unwrap_or_default();
        let sequence = next[key as usize];
        next[key as usize] = sequence.saturating_add(1);
        Event { key, sequence }
    };
    (0..count).map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_key_is_counted_from_its_first_position() {
        let events = events(5_000, 100, 1, &mut Random::new(7));
        let mut last: BTreeMap<u32, u64> = BTreeMap::new();
        for event in &events {
            let last = last.entry(event.key).or_default();
            assert_eq!(event.sequence, *last + 1);
            *last = event.sequence;
        }
        assert_eq!((events.len(), last.len()), (5_000, 100));
    }

    #[test]
    fn the_same_seed_gives_the_same_events() {
        let draw = |seed| events(1_000, 10, 1, &mut Random::new(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
