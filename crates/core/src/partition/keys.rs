//! Which keys are in memory: asked for, brought in, let go (DESIGN F4, F5, F10).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::hot::Hot;
use super::{Partition, Phase};
use crate::chain::Digest;
use crate::id::Key;
use crate::input::{Input, PageCursor, Ticket};
use crate::limits;
use crate::output::{Answer, Busy, Checkpoint, Output};
use crate::record::KeyRecord;
use crate::settings::OnGap;
use crate::slab::Slot;
use crate::time::OpenMicros;

/// How far the reading of keys with work has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Paging {
    /// Every key with work is in memory.
    #[default]
    Done,
    /// A page is on its way: no key may be let go meanwhile, or the page could bring back an
    /// older record of it.
    Asked,
    /// There is more, and no room for it.
    Waiting(PageCursor),
}

impl<D: Digest> Partition<D> {
    /// The key's slot; a key of which nothing is known gets an empty record.
    pub(super) fn slot_or_new(&mut self, key: &Key) -> Slot {
        if let Some(slot) = self.names.get(key) {
            return *slot;
        }
        self.insert(key.clone(), KeyRecord::default())
    }

    pub(super) fn insert(&mut self, key: Key, record: KeyRecord) -> Slot {
        let slot = self.keys.insert(Hot::new(key.clone(), record));
        self.names.insert(key, slot);
        slot
    }

    /// The key's slot if it is in memory; else the input waits until the key is loaded, or its
    /// ticket is answered busy.
    pub(super) fn slot_or_load(
        &mut self,
        key: &Key,
        input: impl FnOnce() -> Input,
    ) -> Option<Slot> {
        if let Some(slot) = self.names.get(key) {
            return Some(*slot);
        }
        let input = input();
        if let Some(waiting) = self.loading.get_mut(key) {
            if waiting.len() >= limits::COLD_KEY_INPUTS {
                self.answer_busy(&input, Busy::Loading);
            } else {
                waiting.push(input);
            }
        } else if self.names.len() + self.loading.len()
            >= self.settings.hot_keys.max(1).saturating_mul(2)
        {
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
        if !self.names.contains_key(&key) {
            let slot = self.insert(key, record.map(|record| *record).unwrap_or_default());
            self.arm(slot);
        }
        for input in waiting {
            self.dispatch(input);
        }
    }

    /// Keys with work came; those in memory already are newer there.
    pub(super) fn page(&mut self, keys: Vec<(Key, KeyRecord)>, next: Option<PageCursor>) {
        for (key, record) in keys {
            if !self.names.contains_key(&key) && !self.loading.contains_key(&key) {
                let slot = self.insert(key, record);
                self.arm(slot);
            }
        }
        self.paging = next.map_or(Paging::Done, Paging::Waiting);
        self.continue_paging();
    }

    /// Asks for the next page of keys with work when there is room.
    pub(super) fn continue_paging(&mut self) {
        if self.names.len() >= self.settings.hot_keys.max(1) {
            return;
        }
        if let Paging::Waiting(cursor) = &self.paging {
            self.outputs.push_back(Output::Page(Some(cursor.clone())));
            self.paging = Paging::Asked;
        }
    }

    /// Whether keys with work wait outside for room in memory.
    pub(super) fn wants_room(&self) -> bool {
        matches!(self.paging, Paging::Waiting(_))
    }

    /// Lets idle keys go while there are too many, or no room for the next page; a few are looked
    /// at in each step, more when only time has passed. A key goes only once the state
    /// store has all its facts.
    pub(super) fn make_room(&mut self, sweep: usize) {
        let crowded = self.names.len() > self.settings.hot_keys;
        if (crowded || self.wants_room()) && self.paging != Paging::Asked {
            for _ in 0..sweep {
                self.sweep = self.sweep.wrapping_add(1);
                if let Some((_, slot)) = self.keys.sweep(self.sweep) {
                    self.let_go(slot);
                }
            }
        }
        self.continue_paging();
    }

    fn let_go(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        if !hot.is_idle() || hot.record.newest.frame > self.stored || self.dirty.contains(&slot) {
            return;
        }
        if let Some(hot) = self.keys.remove(slot) {
            self.names.remove(&hot.key);
            for lane in &hot.lanes {
                lane.timer.map(|timer| self.timers.remove(&(timer, slot, lane.destination)));
            }
        }
    }

    /// Sets the timers of a key that came into memory, and serves its lanes.
    pub(super) fn arm(&mut self, slot: Slot) {
        self.arm_timers(slot);
        self.wake(slot);
    }

    /// Sets the timers of a key from what its record says is due.
    pub(super) fn arm_timers(&mut self, slot: Slot) {
        let (now, retry) = (self.now, self.settings.clone());
        if let Some(hot) = self.keys.get_mut(slot) {
            for (lane, record) in hot.lanes.iter_mut().zip(&hot.record.lanes) {
                // A stored due time may have been written by a clock that ran ahead (F9).
                let cap = retry.destinations.get(&lane.destination).map(|d| d.retry.cap);
                let wait = record.due.since(now.clock).min(cap.unwrap_or_default());
                lane.due = now.elapsed.after(wait);
            }
        }
        self.arm_hold(slot);
    }

    /// Keeps one timer per key for the end of its wait: the earliest deadline of what it holds,
    /// for the head gap is what all of it waits for (DESIGN G1).
    pub(super) fn arm_hold(&mut self, slot: Slot) {
        let wanted = self.hold_deadline(slot);
        let Some(hot) = self.keys.get_mut(slot) else { return };
        if hot.hold_timer == wanted {
            return;
        }
        if let Some(old) = hot.hold_timer {
            self.holds.remove(&(old, slot));
        }
        if let Some(new) = wanted {
            self.holds.insert((new, slot));
        }
        hot.hold_timer = wanted;
    }

    fn hold_deadline(&self, slot: Slot) -> Option<OpenMicros> {
        let hot = self.keys.get(slot)?;
        let source = self.settings.sources.get(&hot.key.source)?;
        let gap = super::order::head_gap(source, &hot.record.order);
        let waits_for_ever = gap.is_some() && source.on_gap == OnGap::Halt;
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
        let mut records: Vec<_> = dirty.iter().filter_map(record).collect();
        records.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(Checkpoint {
            through: self.taken,
            records,
            recorded: self.recorded,
            open: self.open_persisted,
            directory: self.directory_facts(),
        })
    }

    /// How many keys changed since the last checkpoint.
    #[must_use]
    pub fn dirty_keys(&self) -> usize {
        self.dirty.len()
    }

    fn directory_facts(&self) -> Vec<crate::fact::Fact> {
        if self.id.0 == 0 { self.directory.facts() } else { Vec::new() }
    }
}

/// Who waits for the answer to an input.
pub(super) fn ticket_of(input: &Input) -> Option<Ticket> {
    match input {
        Input::Receive { arrival, .. } => Some(arrival.ticket),
        Input::Ignore { ticket, .. } | Input::Command { ticket, .. } => Some(*ticket),
        _ => None,
    }
}
