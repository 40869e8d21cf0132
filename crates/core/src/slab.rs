//! Values in numbered slots; a slot that was given up is never mistaken for its next tenant.

use alloc::vec::Vec;

/// Names a value in a [`Slab`] for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    index: u32,
    tenancy: u64,
}

/// A growing table that reuses its slots.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Option<Entry<T>>>,
    free: Vec<u32>,
    /// The entries that hold a value, in no order: a sweep meets no empty one, however many there
    /// are.
    taken: Vec<u32>,
    tenancies: u64,
}

#[derive(Debug)]
struct Entry<T> {
    tenancy: u64,
    /// Where `taken` has it.
    at: usize,
    value: T,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), taken: Vec::new(), tenancies: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts a value in and names its slot.
    pub fn insert(&mut self, value: T) -> Slot {
        self.tenancies += 1;
        let tenancy = self.tenancies;
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        self.entries[index as usize] = Some(Entry { tenancy, at: self.taken.len(), value });
        self.taken.push(index);
        Slot { index, tenancy }
    }

    /// The value, if the slot is still its own.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let entry = self.entries.get(slot.index as usize)?.as_ref()?;
        (entry.tenancy == slot.tenancy).then_some(&entry.value)
    }

    /// The value to change, if the slot is still its own.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot.index as usize)?.as_mut()?;
        (entry.tenancy == slot.tenancy).then_some(&mut entry.value)
    }

    /// Takes the value out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let Entry { at, value, .. } = self.entries[slot.index as usize].take()?;
        self.free.push(slot.index);
        self.taken.swap_remove(at);
        if let Some(moved) = self.taken.get(at)
            && let Some(entry) = &mut self.entries[*moved as usize]
        {
            entry.at = at;
        }
        Some(value)
    }

    /// Drops every value; slots named before stay void.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.free.clear();
        self.taken.clear();
    }

    /// The value at a position, round and round: for sweeps that look at a few values at a time.
    #[must_use]
    pub fn sweep(&self, from: usize) -> Option<Slot> {
        let index = *self.taken.get(from.checked_rem(self.taken.len())?)?;
        let entry = self.entries.get(index as usize)?.as_ref()?;
        Some(Slot { index, tenancy: entry.tenancy })
    }

    /// Every value with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(at, entry)| {
            let entry = entry.as_ref()?;
            let index = u32::try_from(at).ok()?;
            Some((Slot { index, tenancy: entry.tenancy }, &entry.value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_given_up_is_void_for_ever() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&"b")));
        slab.clear();
        let third = slab.insert("c");
        assert_eq!((slab.get(second), slab.get(third)), (None, Some(&"c")));
    }

    #[test]
    fn a_sweep_meets_every_value_and_nothing_else() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..100).map(|value| slab.insert(value)).collect();
        for slot in slots.iter().filter(|slot| slot.index % 3 != 0) {
            slab.remove(*slot);
        }
        let left: Vec<_> = (0..34).filter_map(|at| slab.sweep(at)).collect();
        let mut values: Vec<_> = left.iter().filter_map(|slot| slab.get(*slot)).collect();
        values.sort();
        assert!(values.into_iter().copied().eq((0..100).step_by(3)));
        assert_eq!(slab.sweep(34), slab.sweep(0));
        assert_eq!(Slab::<()>::default().sweep(3), None);
    }
}
