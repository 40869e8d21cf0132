//! Which keys are in memory, and how one that is not gets there (DESIGN F4, F10). Those that wait
//! may leave: that is `waiting`'s.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::hot::Hot;
use super::{Partition, Phase};
use crate::chain::Digest;
use crate::id::Key;
use crate::input::{Input, Ticket};
use crate::limits;
use crate::output::{Answer, Busy, Checkpoint, Output};
use crate::record::{KeyRecord, Lane};
use crate::slab::Slot;
use crate::time::OpenMicros;

impl<D: Digest> Partition<D> {
    /// The key's slot, if it is in memory.
    pub(super) fn slot_of(&self, key: &Key) -> Option<Slot> {
        self.names.get(key, &self.keys)
    }

    /// The key's slot; a key of which nothing is known gets an empty record.
    pub(super) fn slot_or_new(&mut self, key: &Key) -> Slot {
        if let Some(slot) = self.slot_of(key) {
            return slot;
        }
        self.insert(key.clone(), KeyRecord::default())
    }

    pub(super) fn insert(&mut self, key: Key, record: KeyRecord) -> Slot {
        let slot = self.keys.insert(Hot::new(key, record));
        self.note_tombstone(slot);
        self.names.insert(slot, &self.keys);
        slot
    }

    /// The key's slot if it is in memory; else the input waits until the key is loaded, or its
    /// ticket is answered busy.
    pub(super) fn slot_or_load(
        &mut self,
        key: &Key,
        input: impl FnOnce() -> Input,
    ) -> Option<Slot> {
        // A key that is being loaded may have come into memory otherwise: what waits for it came first.
        let waits = self.loading.get(key).is_some_and(|waiting| !waiting.is_empty());
        if !waits && let Some(slot) = self.slot_of(key) {
            return Some(slot);
        }
        let input = input();
        if let Some(waiting) = self.loading.get_mut(key) {
            if waiting.len() >= limits::COLD_KEY_INPUTS {
                self.answer_busy(&input, Busy::Loading);
            } else {
                waiting.push(input);
            }
        } else if !self.has_room() {
            self.answer_busy(&input, Busy::Keys);
        } else {
            self.loading.insert(key.clone(), Vec::from([input]));
            self.outputs.push_back(Output::Load(key.clone()));
        }
        None
    }

    fn answer_busy(&mut self, input: &Input, busy: Busy) {
        if let Some(ticket) = ticket_of(input) {
            self.outputs.push_back(Output::Answer { ticket, answer: Answer::Busy(busy) });
        }
    }

    /// A cold key came: what waited for it happens now, in its order.
    pub(super) fn loaded(&mut self, key: Key, record: Option<Box<KeyRecord>>) {
        let Some(waiting) = self.loading.remove(&key) else { return };
        let came_otherwise = self.slot_of(&key);
        let slot = came_otherwise.unwrap_or_else(|| {
            let record = self.known_of(&key, record.map(|record| *record));
            let slot = self.insert(key, record.unwrap_or_default());
            self.arm(slot);
            slot
        });
        for input in waiting {
            self.dispatch(input);
        }
        self.answer_asks(slot, true);
        // Its wait for missing positions may be over.
        if came_otherwise.is_some() {
            self.arm_hold(slot);
        }
    }

    /// Sets the timers of a key that came into memory, and serves its lanes.
    pub(super) fn arm(&mut self, slot: Slot) {
        self.visit(slot);
        self.arm_timers(slot);
        self.wake(slot);
    }

    /// Sets the timers of a key from what its record says is due.
    pub(super) fn arm_timers(&mut self, slot: Slot) {
        let (now, steady, retry) = (self.now.elapsed, self.steady, self.settings.clone());
        let (claim, began) = (self.claim, self.began);
        if let Some(hot) = self.keys.get_mut(slot) {
            // A due time stored in an earlier term may rest on a clock that ran ahead (F9).
            let earlier = hot.record.newest.frame < claim;
            for (lane, record) in hot.lanes.iter_mut().zip(&hot.record.lanes) {
                let cap = retry.destinations.get(&record.destination).map(|d| d.retry.cap);
                let latest = match cap.unwrap_or_default() {
                    cap if earlier => began.after(cap),
                    cap => steady.after(cap.max(limits::RETRY_AFTER_MAX)),
                };
                lane.due = now.after(record.due.min(latest).since(steady));
            }
            hot.judges_anew = true;
            hot.came = hot.record.lanes.iter().any(Lane::has_backlog).then_some(now);
        }
        self.arm_hold(slot);
        self.arm_acceptances(slot);
    }

    /// Keeps one timer per key for the end of its wait: the earliest deadline of what it holds,
    /// for the head gap is what all of it waits for (DESIGN G1). What need not wait any more ends its wait at once.
    pub(super) fn arm_hold(&mut self, slot: Slot) {
        let is_out_of_place = self.is_out_of_place(slot);
        let wanted = if is_out_of_place { Some(self.open) } else { self.hold_deadline(slot) };
        let Some(hot) = self.keys.get_mut(slot) else { return };
        hot.judges_anew = is_out_of_place;
        let was = core::mem::replace(&mut hot.hold_timer, wanted);
        if was != wanted {
            was.map(|old| self.holds.remove(&(old, slot)));
            wanted.map(|new| self.holds.insert((new, slot)));
        }
        self.arm_refill(slot);
    }

    /// Whether what a key holds is to be judged anew, and need not wait: where it is neither just loaded nor are its
    /// settings others, nothing is looked at.
    fn is_out_of_place(&self, slot: Slot) -> bool {
        let Some(hot) = self.keys.get(slot).filter(|hot| hot.judges_anew) else { return false };
        let source = self.settings.sources.get(&hot.key.source);
        source.is_some_and(|source| super::states::is_out_of_place(source, &hot.record.order))
    }

    pub(super) fn hold_deadline(&self, slot: Slot) -> Option<OpenMicros> {
        let hot = self.keys.get(slot)?;
        let source = self.settings.sources.get(&hot.key.source)?;
        let waits_for_ever = super::order::waits_for_ever(source, &hot.record.order);
        let deadlines = hot.record.order.held.values().map(|held| held.deadline);
        if waits_for_ever { None } else { deadlines.min() }
    }

    /// The keys that changed since the last checkpoint, as they are in the newest frame taken;
    /// perhaps none, where frames held nothing about keys. None while a frame is being filled: call
    /// it right after [`Self::poll_frame`]. None when no frame was taken since the last.
    pub fn checkpoint(&mut self) -> Option<Checkpoint> {
        let nothing_new = self.dirty.is_empty() && self.checkpointed == self.taken;
        if self.phase == Phase::Recovering || self.filling.times.is_some() || nothing_new {
            return None;
        }
        self.checkpointed = self.taken;
        let dirty = core::mem::take(&mut self.dirty);
        let record =
            |slot: &Slot| self.keys.get(*slot).map(|hot| (hot.key.clone(), hot.record.clone()));
        // Room for all at once: a list that doubles would be copied as it grows, a megabyte of it.
        let mut records = Vec::with_capacity(dirty.len());
        records.extend(dirty.iter().filter_map(record));
        Some(Checkpoint {
            through: self.taken,
            records,
            recorded: self.recorded,
            open: self.open_persisted,
            directory: self.directory_facts(),
            totals: self.totals.clone(),
            tombstones: self.take_tombstones(),
        })
    }

    /// How many keys changed since the last checkpoint.
    #[must_use]
    pub fn dirty_keys(&self) -> usize {
        self.dirty.len() + self.forgetting.unstored()
    }

    /// What the partition knows beside its keys, as facts.
    pub(super) fn directory_facts(&self) -> Vec<crate::fact::Fact> {
        if self.id.0 == 0 {
            return self.directory.facts();
        }
        self.directory.restored.map(crate::fact::Fact::Restored).into_iter().collect()
    }
}

/// Who waits for the answer to an input.
pub(super) fn ticket_of(input: &Input) -> Option<Ticket> {
    match input {
        Input::Receive { arrival, .. } | Input::NotLookedUp(arrival) => Some(arrival.ticket),
        Input::Ignore { ticket, .. } | Input::Command { ticket, .. } => Some(*ticket),
        _ => None,
    }
}
