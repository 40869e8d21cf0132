//! Which slot a key in memory has: looked up several times for every event, so by a number.
//!
//! Keys are found by [`Key::number`] in a table that has only where they are: what a slot's key is says the
//! slab. The few that share their number with another key stand in an ordered map beside, so that somebody who
//! chooses such keys on purpose gains nothing.

use alloc::collections::BTreeMap;

use crate::id::Key;
use crate::index::Index;
use crate::slab::{Slab, Slot};

/// What is found by a key.
pub(super) trait Named {
    /// Its key.
    fn key(&self) -> &Key;

    /// The number of its key.
    fn number(&self) -> u64;
}

/// The slots of the keys in memory.
#[derive(Debug)]
pub(super) struct Names {
    numbered: Index,
    /// Keys that came while another had their number.
    others: BTreeMap<Key, Slot>,
}

impl Names {
    /// No key. What it answers does not depend on the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { numbered: Index::new(seed), others: BTreeMap::new() }
    }

    /// The key's slot, if it is in memory.
    pub(super) fn get<T: Named>(&self, key: &Key, keys: &Slab<T>) -> Option<Slot> {
        self.find(key, key.number(), keys)
    }

    fn find<T: Named>(&self, key: &Key, number: u64, keys: &Slab<T>) -> Option<Slot> {
        match self.numbered(number, keys) {
            Some((slot, known)) if known == key => Some(slot),
            _ if self.others.is_empty() => None,
            _ => self.others.get(key).copied(),
        }
    }

    /// Who has a number.
    fn numbered<'a, T: Named>(&self, number: u64, keys: &'a Slab<T>) -> Option<(Slot, &'a Key)> {
        let index = self.numbered.get(number, |index| number_of(index, keys))?;
        keys.at(index).map(|(slot, named)| (slot, named.key()))
    }

    /// Names the slot of a key that has none, and is in it already.
    pub(super) fn insert<T: Named>(&mut self, slot: Slot, keys: &Slab<T>) {
        let Some(named) = keys.get(slot) else { return };
        let (key, number) = (named.key(), named.number());
        debug_assert!(self.find(key, number, keys).is_none());
        if self.numbered(number, keys).is_some() {
            self.others.insert(key.clone(), slot);
        } else {
            self.numbered.put(number, slot.index(), |index| number_of(index, keys));
        }
    }

    /// Forgets the slot of a key, which is in it still.
    pub(super) fn remove<T: Named>(&mut self, slot: Slot, keys: &Slab<T>) {
        let Some(named) = keys.get(slot) else { return };
        let (key, number) = (named.key(), named.number());
        if self.numbered(number, keys).is_some_and(|(has, _)| has == slot) {
            self.numbered.remove(number, slot.index(), |index| number_of(index, keys));
        } else {
            self.others.remove(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.numbered.len() + self.others.len()
    }

    pub(super) fn clear(&mut self) {
        self.numbered.clear();
        self.others.clear();
    }
}

/// The number of the key in a slot. The table has only those of slots that are taken.
fn number_of<T: Named>(index: u32, keys: &Slab<T>) -> u64 {
    keys.at(index).map_or(0, |(_, named)| named.number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SourceId;
    use alloc::sync::Arc;

    /// A key with the number of another.
    struct Numbered(Key, u64);

    impl Named for Numbered {
        fn key(&self) -> &Key {
            &self.0
        }

        fn number(&self) -> u64 {
            self.1
        }
    }

    fn key(name: &str) -> Key {
        Key { source: SourceId(1), name: Arc::from(name) }
    }

    #[test]
    fn keys_that_share_a_number_are_told_apart() {
        let (mut names, mut keys) = (Names::new(1), Slab::default());
        let all = ["mine", "other", "third", "its own"].map(key);
        let slots = [0, 1, 2, 3].map(|at: usize| {
            let number = if at < 3 { 7 } else { 8 };
            let slot = keys.insert(Numbered(all[at].clone(), number));
            names.insert(slot, &keys);
            slot
        });
        let found = |names: &Names, keys: &Slab<Numbered>| {
            [0, 1, 2, 3].map(|at: usize| {
                let number = if at < 3 { 7 } else { 8 };
                names.find(&all[at], number, keys).map(|slot| slot == slots[at])
            })
        };
        let here = Some(true);
        assert_eq!(found(&names, &keys), [here; 4]);
        for (gone, left) in [
            (0, [None, here, here, here]),
            (1, [None, None, here, here]),
            (3, [None, None, here, None]),
        ] {
            names.remove(slots[gone], &keys);
            keys.remove(slots[gone]);
            assert_eq!(found(&names, &keys), left);
        }
        assert_eq!(names.len(), 1);
        names.clear();
        assert_eq!((names.len(), found(&names, &keys)), (0, [None; 4]));
    }

    /// Beside an ordered map: keys come and go, and slots have other tenants.
    #[test]
    fn every_key_is_found_in_its_slot() {
        let mut random = crate::random::Random::new(3);
        let (mut names, mut keys) = (Names::new(4), Slab::default());
        let mut all: BTreeMap<Key, Slot> = BTreeMap::new();
        for _ in 0..5_000 {
            let name = key(&alloc::format!("{}", random.below(300)));
            if let Some(slot) = all.remove(&name) {
                names.remove(slot, &keys);
                keys.remove(slot);
            } else {
                // Some share a number.
                let number = name.number() % 250;
                let slot = keys.insert(Numbered(name.clone(), number));
                names.insert(slot, &keys);
                all.insert(name, slot);
            }
            assert_eq!(names.len(), all.len());
            for (name, slot) in &all {
                assert_eq!(names.find(name, name.number() % 250, &keys), Some(*slot));
            }
        }
    }
}
