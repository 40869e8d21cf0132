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
    entries: Vec<Option<(u64, T)>>,
    free: Vec<u32>,
    tenancies: u64,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), tenancies: 0 }
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
        self.entries[index as usize] = Some((tenancy, value));
        Slot { index, tenancy }
    }

    /// The value, if the slot is still its own.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let entry = self.entries.get(slot.index as usize)?.as_ref()?;
        (entry.0 == slot.tenancy).then_some(&entry.1)
    }

    /// The value to change, if the slot is still its own.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot.index as usize)?.as_mut()?;
        (entry.0 == slot.tenancy).then_some(&mut entry.1)
    }

    /// Takes the value out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        self.free.push(slot.index);
        self.entries[slot.index as usize].take().map(|(_, value)| value)
    }

    /// Drops every value; slots named before stay void.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.free.clear();
    }

    /// The next value at or after a position of the table, round and round: for sweeps that look
    /// at a few values at a time.
    #[must_use]
    pub fn sweep(&self, from: usize) -> Option<(usize, Slot)> {
        let at = from.checked_rem(self.entries.len())?;
        let tenancy = self.entries[at].as_ref().map(|(tenancy, _)| *tenancy)?;
        Some((at, Slot { index: u32::try_from(at).ok()?, tenancy }))
    }

    /// Every value with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(at, entry)| {
            let (tenancy, value) = entry.as_ref()?;
            Some((Slot { index: u32::try_from(at).ok()?, tenancy: *tenancy }, value))
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
}
