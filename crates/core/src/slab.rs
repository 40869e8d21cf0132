//! Values in numbered slots; a slot that was given up is never mistaken for its next tenant.

use alloc::vec::Vec;

/// Names a value in a [`Slab`] for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    index: u32,
    tenancy: u64,
}

/// Values of a page: so many are made room for at a time. One list of all would double, and of a hundred
/// thousand keys the room for the next would be tens of megabytes.
const PAGE: usize = 64;

/// A growing table that reuses its slots.
#[derive(Debug)]
pub struct Slab<T> {
    /// All but the last have [`PAGE`] entries, and nothing moves when another is begun.
    pages: Vec<Vec<Option<Entry<T>>>>,
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
    at: u32,
    value: T,
}

impl Slot {
    /// Where the slab has it: a number that the slot shares with its next tenant.
    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), taken: Vec::new(), tenancies: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts a value in and names its slot.
    pub fn insert(&mut self, value: T) -> Slot {
        self.tenancies += 1;
        let tenancy = self.tenancies;
        let index = self.free.pop().unwrap_or_else(|| self.add());
        let at = u32::try_from(self.taken.len()).unwrap_or(u32::MAX);
        if let Some(entry) = self.entry_mut(index) {
            *entry = Some(Entry { tenancy, at, value });
        }
        self.taken.push(index);
        Slot { index, tenancy }
    }

    /// One more entry, without a value.
    fn add(&mut self) -> u32 {
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let before = (self.pages.len() - 1) * PAGE;
        let Some(page) = self.pages.last_mut() else { return u32::MAX };
        page.push(None);
        u32::try_from(before + page.len() - 1).unwrap_or(u32::MAX)
    }

    fn entry(&self, index: u32) -> Option<&Entry<T>> {
        let index = index as usize;
        self.pages.get(index / PAGE)?.get(index % PAGE)?.as_ref()
    }

    fn entry_mut(&mut self, index: u32) -> Option<&mut Option<Entry<T>>> {
        let index = index as usize;
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    /// The value with this index and its slot, if there is one.
    pub(crate) fn at(&self, index: u32) -> Option<(Slot, &T)> {
        let entry = self.entry(index)?;
        Some((Slot { index, tenancy: entry.tenancy }, &entry.value))
    }

    /// The value, if the slot is still its own.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let entry = self.entry(slot.index)?;
        (entry.tenancy == slot.tenancy).then_some(&entry.value)
    }

    /// The value to change, if the slot is still its own.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let entry = self.entry_mut(slot.index)?.as_mut()?;
        (entry.tenancy == slot.tenancy).then_some(&mut entry.value)
    }

    /// Takes the value out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let Entry { at, value, .. } = self.entry_mut(slot.index)?.take()?;
        self.free.push(slot.index);
        self.taken.swap_remove(at as usize);
        let moved = self.taken.get(at as usize).copied();
        if let Some(Some(entry)) = moved.and_then(|moved| self.entry_mut(moved)) {
            entry.at = at;
        }
        Some(value)
    }

    /// Drops every value; slots named before stay void.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.free.clear();
        self.taken.clear();
    }

    /// The value at a position, round and round: for sweeps that look at a few values at a time.
    #[must_use]
    pub fn sweep(&self, from: usize) -> Option<Slot> {
        let index = *self.taken.get(from.checked_rem(self.taken.len())?)?;
        let entry = self.entry(index)?;
        Some(Slot { index, tenancy: entry.tenancy })
    }

    /// Every value with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let entries = self.pages.iter().flatten().enumerate();
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
        let slots: Vec<_> = (0..1_000).map(|value| slab.insert(value)).collect();
        for slot in slots.iter().filter(|slot| slot.index % 3 != 0) {
            slab.remove(*slot);
        }
        let left: Vec<_> = (0..334).filter_map(|at| slab.sweep(at)).collect();
        let mut values: Vec<_> = left.iter().filter_map(|slot| slab.get(*slot)).collect();
        values.sort();
        assert!(values.into_iter().copied().eq((0..1_000).step_by(3)));
        assert_eq!(slab.sweep(334), slab.sweep(0));
        assert_eq!(Slab::<()>::default().sweep(3), None);
    }
}
