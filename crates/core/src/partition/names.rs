//! Which slot a key in memory has: looked up several times for every event, so by a number.
//!
//! Comparing texts in an ordered map follows a pointer at each step, mostly into memory that no
//! cache has. Keys are found by [`Key::number`] instead; the few that share theirs with another key
//! stand in an ordered map beside, so that somebody who chooses such keys on purpose gains nothing.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use crate::id::Key;
use crate::slab::Slot;

/// The slots of the keys in memory.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbered: BTreeMap<u64, (Key, Slot)>,
    /// Keys that came while another had their number.
    others: BTreeMap<Key, Slot>,
}

impl Names {
    /// The key's slot, if it is in memory.
    pub(super) fn get(&self, key: &Key) -> Option<&Slot> {
        match self.numbered.get(&key.number()) {
            Some((known, slot)) if known == key => Some(slot),
            _ if self.others.is_empty() => None,
            _ => self.others.get(key),
        }
    }

    pub(super) fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    /// Names the slot of a key that has none.
    pub(super) fn insert(&mut self, key: Key, slot: Slot) {
        debug_assert!(!self.contains_key(&key));
        self.insert_numbered(key.number(), key, slot);
    }

    fn insert_numbered(&mut self, number: u64, key: Key, slot: Slot) {
        match self.numbered.entry(number) {
            Entry::Vacant(place) => drop(place.insert((key, slot))),
            Entry::Occupied(_) => drop(self.others.insert(key, slot)),
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let number = key.number();
        if self.numbered.get(&number).is_some_and(|(known, _)| known == key) {
            self.numbered.remove(&number);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SourceId;
    use crate::slab::Slab;
    use alloc::sync::Arc;

    fn key(name: &str) -> Key {
        Key { source: SourceId(1), name: Arc::from(name) }
    }

    #[test]
    fn keys_that_share_a_number_are_told_apart() {
        let (mut names, mut slots) = (Names::default(), Slab::default());
        let [mine, other, third] = ["mine", "other", "third"].map(key);
        let [one, two, three] = [1, 2, 3].map(|value| slots.insert(value));
        // As if `other` and `third` had the number of `mine`.
        names.insert(mine.clone(), one);
        names.insert_numbered(mine.number(), other.clone(), two);
        names.insert_numbered(mine.number(), third.clone(), three);
        assert_eq!(
            [&mine, &other, &third].map(|key| names.get(key)),
            [&one, &two, &three].map(Some)
        );
        names.remove(&mine);
        assert_eq!([&mine, &other].map(|key| names.get(key)), [None, Some(&two)]);
        names.remove(&other);
        assert_eq!((names.len(), names.get(&other)), (1, None));
        names.clear();
        assert_eq!((names.len(), names.contains_key(&third)), (0, false));
    }
}
