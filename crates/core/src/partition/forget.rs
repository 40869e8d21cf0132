//! Keys that are idle for long are forgotten, and come back as if they had not been (DESIGN D8).
//!
//! **States of a key.** Its record is kept by its name; a *tombstone*, by the fingerprint of its name;
//! of a key that is forgotten for good only that nothing its hash bucket's *floor* covers is given
//! again.
//!
//! ```text
//!             forgotten                     boundary (too many, the oldest first)
//!   record ─────────────▶ tombstone ───────────────────────────▶ floor of the bucket
//!      ▲     returned         │ ▲ tombstone (said anew)                  │
//!      ├──────────────────────┘ └─ before its segment is deleted         │
//!      └───────────── returned: begins behind the floor ◀────────────────┘
//! ```
//!
//! - **Forgetting.** The state store is asked for keys about which nothing was written down for
//!   `forget_after`, a page at a time. One that waits for nothing ([`KeyRecord::is_idle`]), with
//!   nothing of it under way, is forgotten by a fact that says its tombstone.
//! - **Coming back.** A tombstone is loaded like a record. It answers repeats and old positions as the
//!   record would; before any other fact about its key, `returned` is written in the same frame and
//!   says all that the key goes on with. So evolving needs neither the tombstone nor its name.
//! - **Too many.** With its answer the store brings the oldest tombstones beyond `limits.forgotten`.
//!   One `boundary` fact drops them and raises the floors of their buckets. A key of which nothing
//!   is known begins behind its bucket's floor, by `returned` too; its lanes say `boundary` for what
//!   lies before, and its positions begin anew (DESIGN K7).
//!
//! **Who may write what.** Only this partition writes tombstones; what it wrote and the store does not
//! have yet stands in `moved`, and is newer than all the store says. A tombstone that was written or
//! loaded, and one the store may have in another state, is not dropped until the store has its
//! newest. A key that was forgotten leaves memory like any other: once that is stored.
//!
//! **Crashes.** Whatever the store lost is in the log behind what it reflects. A tombstone is said anew
//! before the segment that says it last is deleted, and so are floors: what is left of a log adds up to
//! the same. A crash between two pages begins the look anew; what is forgotten is not found again.
//!
//! Must not know: how tombstones are stored.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::Partition;
use super::hot::Hot;
use crate::chain::{Digest, Fingerprint};
use crate::fact::{Boundary, Fact, Floor, Forgotten, Returned, Tombstone};
use crate::id::{FrameNumber, Key, Place, Sequence, SourceId};
use crate::limits;
use crate::output::{IdleRequest, Output};
use crate::record::KeyRecord;
use crate::slab::Slot;
use crate::time::{ElapsedMicros, UnixMicros, micros};

/// What memory knows of tombstones, and how far the look for idle keys is.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// Keys in memory of which there is but a tombstone.
    here: BTreeMap<Fingerprint, Slot>,
    /// Tombstones that came or are gone since what the state store has.
    moved: BTreeMap<Fingerprint, Moved>,
    /// Those of them that were not in a checkpoint yet.
    unstored: BTreeSet<Fingerprint>,
    /// Where the look for idle keys goes on: a source, and a key of it.
    at: (SourceId, Option<Key>),
    due: ElapsedMicros,
    is_asked: bool,
    tally: ForgetTally,
}

/// What was forgotten since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForgetTally {
    /// Keys that were forgotten.
    pub forgotten: u64,
    /// Keys that came back.
    pub returned: u64,
    /// Tombstones that became a floor.
    pub dropped: u64,
    /// Keys that began behind a floor.
    pub behind: u64,
}

#[derive(Debug)]
struct Moved {
    /// The frame of the newest fact about it.
    frame: FrameNumber,
    /// None: it is gone.
    record: Option<KeyRecord>,
}

impl Forgetting {
    /// How many tombstones came or are gone since the last checkpoint.
    pub(super) fn unstored(&self) -> usize {
        self.unstored.len()
    }

    fn moves(&mut self, digest: Fingerprint, frame: FrameNumber, record: Option<KeyRecord>) {
        self.moved.insert(digest, Moved { frame, record });
        self.unstored.insert(digest);
    }
}

impl<D: Digest> Partition<D> {
    /// What was forgotten since the process began.
    #[must_use]
    pub fn forgetting(&self) -> ForgetTally {
        self.forgetting.tally
    }

    /// Tombstones that the state store may not have yet, or still has: with the frame that says so.
    pub fn tombstones(
        &self,
    ) -> impl Iterator<Item = (Fingerprint, FrameNumber, Option<&KeyRecord>)> {
        let moved = self.forgetting.moved.iter();
        moved.map(|(digest, moved)| (*digest, moved.frame, moved.record.as_ref()))
    }

    /// The look for idle keys begins with the first.
    pub(super) fn begin_forgetting(&mut self) {
        self.forgetting.at = (SourceId(0), None);
        self.forgetting.is_asked = false;
        self.forgetting.due = self.now.elapsed.after(self.idle_every());
    }

    /// The first source from this on whose keys are forgotten.
    fn forgetful(&self, from: SourceId) -> Option<(SourceId, Duration)> {
        let mut sources = self.settings.sources.range(from..);
        sources.find_map(|(id, source)| Some((*id, source.forget_after?)))
    }

    /// How often all keys are looked through.
    fn idle_every(&self) -> Duration {
        let after = self.settings.sources.values().filter_map(|source| source.forget_after).min();
        let (least, most) = limits::IDLE_EVERY;
        (after.unwrap_or(most) / 16).clamp(least, most)
    }

    /// When time alone has idle keys looked for.
    pub(super) fn looks_for_idle_at(&self) -> Option<ElapsedMicros> {
        let looks = !self.looks() && self.forgetful(SourceId(0)).is_some();
        looks.then_some(self.forgetting.due)
    }

    /// Whether a page of quiet keys is awaited: one at a time, whatever for.
    pub(super) fn looks(&self) -> bool {
        self.forgetting.is_asked || self.tails.is_looking() || self.looks_for_compared()
    }

    /// Asks for the next page of idle keys, if it is time. While keys are visited for a destination none
    /// is forgotten: the visits would not find it.
    pub(super) fn look_for_idle(&mut self) {
        if self.looks_for_idle_at().is_none_or(|due| due > self.now.elapsed) {
            return;
        }
        let (from, key) = self.forgetting.at.clone();
        let Some((source, after)) = self.forgetful(from) else { return self.rest_from_idle() };
        if !self.visiting.is_empty() || self.filling.is_full() {
            self.forgetting.due = self.now.elapsed.after(limits::IDLE_PAUSE);
            return;
        }
        let from = key.filter(|key| key.source == source);
        self.forgetting.at = (source, from.clone());
        self.forgetting.is_asked = true;
        let until = self.idle_since(after);
        let tombstones = self.settings.forgotten;
        let request = IdleRequest { source, from, until, tombstones };
        self.outputs.push_back(Output::FindIdle(request));
    }

    /// What was last written down then or before is idle. A clock that steps ahead makes nothing older
    /// than it is, and while recorded time stands, because it stepped back, nothing is.
    fn idle_since(&self, after: Duration) -> UnixMicros {
        UnixMicros(self.steady.min(self.recorded).0.saturating_sub(micros(after)))
    }

    fn rest_from_idle(&mut self) {
        self.forgetting.at = (SourceId(0), None);
        self.forgetting.due = self.now.elapsed.after(self.idle_every());
    }

    /// A page of idle keys came.
    pub(super) fn idle(
        &mut self,
        keys: Vec<(Key, KeyRecord)>,
        next: Option<Key>,
        beyond: Vec<(Fingerprint, Sequence)>,
    ) {
        if self.tails.is_looking() {
            return self.tails_came(keys, next);
        }
        if self.looks_for_compared() {
            return self.compared_came(keys, next);
        }
        if !core::mem::take(&mut self.forgetting.is_asked) {
            return;
        }
        for (key, record) in keys {
            if self.filling.is_full() {
                break;
            }
            if let Some(slot) = self.slot_of_idle(key, record) {
                self.forget(slot);
            }
        }
        self.drop_oldest(beyond);
        let (source, _) = self.forgetting.at;
        let next = match next {
            Some(key) => Some((source, Some(key))),
            None => self.forgetful(SourceId(source.0.saturating_add(1))).map(|(id, _)| (id, None)),
        };
        match next {
            Some(at) => {
                self.forgetting.at = at;
                self.forgetting.due = self.now.elapsed.after(limits::IDLE_PAUSE);
            }
            None => self.rest_from_idle(),
        }
    }

    pub(super) fn slot_of_idle(&mut self, key: Key, record: KeyRecord) -> Option<Slot> {
        if let Some(slot) = self.slot_of(&key) {
            return Some(slot);
        }
        if self.loading.contains_key(&key) || !self.has_room() {
            return None;
        }
        let slot = self.insert(key, record);
        self.arm(slot);
        Some(slot)
    }

    /// Forgets a key that is idle and of which nothing is under way.
    fn forget(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        let source = self.settings.sources.get(&hot.key.source);
        let Some(after) = source.and_then(|source| source.forget_after) else { return };
        let is_old = hot.record.active <= self.idle_since(after);
        if self.visiting.is_empty() && is_old && hot.is_at_rest() {
            let (key, record) = (hot.key.clone(), Box::new(hot.record.tombstone()));
            self.write(Fact::Forgotten(Forgotten { key, record }));
            self.forgetting.tally.forgotten += 1;
        }
    }

    /// The oldest tombstones become the floors of their buckets; those that are in memory, or that the
    /// store may have as they were, do so another time.
    fn drop_oldest(&mut self, beyond: Vec<(Fingerprint, Sequence)>) {
        let Forgetting { here, moved, .. } = &self.forgetting;
        let is_settled =
            |digest: &Fingerprint| !here.contains_key(digest) && !moved.contains_key(digest);
        let beyond = beyond.into_iter().filter(|(digest, _)| is_settled(digest));
        let mut floors: BTreeMap<u16, Sequence> = BTreeMap::new();
        let mut dropped = Vec::new();
        for (digest, sequence) in beyond.take(limits::IDLE_DROPPED) {
            let floor = floors.entry(digest.bucket()).or_default();
            *floor = (*floor).max(sequence);
            dropped.push(digest);
        }
        if dropped.is_empty() {
            return;
        }
        self.forgetting.tally.dropped += dropped.len() as u64;
        self.write(Fact::Boundary(Boundary { floors: listed(&floors), dropped }));
    }

    /// Before a fact about a key of which there is no record: what it goes on with.
    pub(super) fn revive(&mut self, fact: &Fact) {
        let says_all = matches!(fact, Fact::Forgotten(_) | Fact::Returned(_) | Fact::Carried(_));
        let Some(key) = fact.key().filter(|_| !says_all) else { return };
        let Some(hot) = self.slot_of(key).and_then(|slot| self.keys.get(slot)) else { return };
        let record = &hot.record;
        let is_tombstone = record.forgotten && !record.begins();
        let record = if is_tombstone {
            KeyRecord { forgotten: false, ..record.clone() }
        } else if record.is_unknown() {
            let Some(floor) = self.floor_of(key) else { return };
            KeyRecord::behind(floor)
        } else {
            return;
        };
        let tally = &mut self.forgetting.tally;
        *(if is_tombstone { &mut tally.returned } else { &mut tally.behind }) += 1;
        self.write(Fact::Returned(Returned { key: key.clone(), record: Box::new(record) }));
    }

    /// Behind which sequence a key begins of which nothing is known, if behind any.
    pub(super) fn floor_of(&self, key: &Key) -> Option<Sequence> {
        if self.totals.floors.is_empty() {
            return None;
        }
        let bucket = Fingerprint::of_key(&self.digest, key).bucket();
        self.totals.floors.get(&bucket).copied()
    }

    /// Takes in facts about tombstones that name no key.
    pub(super) fn evolve_tombstones(&mut self, place: Place, fact: &Fact) {
        match fact {
            Fact::Tombstone(Tombstone { digest, record }) => {
                let record = KeyRecord {
                    newest: place,
                    carried: place.frame,
                    forgotten: true,
                    ..(**record).clone()
                };
                let slot = self.forgetting.here.get(digest).copied();
                if let Some(hot) = slot.and_then(|slot| self.keys.get_mut(slot)) {
                    hot.record = record.clone();
                }
                self.forgetting.moves(*digest, place.frame, Some(record));
            }
            Fact::Boundary(boundary) => {
                for digest in &boundary.dropped {
                    self.drop_tombstone(place, *digest);
                }
            }
            _ => {}
        }
    }

    /// A tombstone is gone. A key in memory, as recovery has it, is then one of which nothing is known.
    fn drop_tombstone(&mut self, place: Place, digest: Fingerprint) {
        self.forgetting.moves(digest, place.frame, None);
        let Some(slot) = self.forgetting.here.remove(&digest) else { return };
        if let Some(hot) = self.keys.get_mut(slot) {
            let nothing = KeyRecord { forgotten: true, ..KeyRecord::default() };
            hot.restore(&nothing, place, UnixMicros::default());
            self.dirty.insert(slot);
        }
    }

    /// A fact about a key may have made a tombstone of it, or a record of that.
    pub(super) fn note_forgotten(&mut self, slot: Slot, place: Place, fact: &Fact) {
        let (key, is_gone, begins) = match fact {
            Fact::Forgotten(forgotten) => (&forgotten.key, false, forgotten.record.begins()),
            Fact::Returned(returned) => (&returned.key, true, returned.record.begins()),
            _ => return,
        };
        if begins {
            return;
        }
        let digest = Fingerprint::of_key(&self.digest, key);
        if is_gone {
            self.forgetting.here.remove(&digest);
            self.forgetting.moves(digest, place.frame, None);
        } else {
            let record = self.keys.get(slot).map(|hot| hot.record.clone());
            self.forgetting.here.insert(digest, slot);
            self.forgetting.moves(digest, place.frame, record);
        }
    }

    /// A key came into memory; it may be a tombstone.
    pub(super) fn note_tombstone(&mut self, slot: Slot) {
        let is_tombstone = |hot: &&Hot| hot.record.forgotten && !hot.record.begins();
        let Some(hot) = self.keys.get(slot).filter(is_tombstone) else { return };
        let digest = Fingerprint::of_key(&self.digest, &hot.key);
        self.forgetting.here.insert(digest, slot);
    }

    /// A key leaves memory; it may be a tombstone.
    pub(super) fn leave_tombstone(&mut self, hot: &Hot) {
        if hot.record.forgotten {
            let digest = Fingerprint::of_key(&self.digest, &hot.key);
            self.forgetting.here.remove(&digest);
        }
    }

    /// What is known of a key, given what the state store has of it.
    pub(super) fn known_of(&self, key: &Key, stored: Option<KeyRecord>) -> Option<KeyRecord> {
        match self.moved_of(key, stored.as_ref()) {
            Some(moved) => moved.record.clone(),
            None => stored,
        }
    }

    /// As [`Self::known_of`].
    pub(super) fn newer<'a>(
        &'a self,
        key: &Key,
        stored: Option<&'a KeyRecord>,
    ) -> Option<&'a KeyRecord> {
        match self.moved_of(key, stored) {
            Some(moved) => moved.record.as_ref(),
            None => stored,
        }
    }

    /// What is newer about a tombstone than what the store has. A record in the store was not forgotten
    /// since: its key would be in memory.
    fn moved_of(&self, key: &Key, stored: Option<&KeyRecord>) -> Option<&Moved> {
        let is_record = stored.is_some_and(|record| !record.forgotten);
        if is_record || self.forgetting.moved.is_empty() {
            return None;
        }
        self.forgetting.moved.get(&Fingerprint::of_key(&self.digest, key))
    }

    /// A tombstone as it is, given what the state store has of it.
    pub(super) fn tombstone_of<'a>(
        &'a self,
        digest: Fingerprint,
        stored: Option<&'a KeyRecord>,
    ) -> Option<&'a KeyRecord> {
        match self.forgetting.moved.get(&digest) {
            Some(moved) => moved.record.as_ref(),
            None => stored,
        }
    }

    /// Says a tombstone anew.
    pub(super) fn say_anew(&mut self, digest: Fingerprint, record: KeyRecord) {
        self.write(Fact::Tombstone(Tombstone { digest, record: Box::new(record) }));
    }

    /// Says all floors anew.
    pub(super) fn carry_floors(&mut self) {
        let floors = listed(&self.totals.floors);
        self.write(Fact::Boundary(Boundary { floors, dropped: Vec::new() }));
    }

    /// What the state store is to take in of tombstones.
    pub(super) fn take_tombstones(&mut self) -> Vec<(Fingerprint, Option<KeyRecord>)> {
        let unstored = core::mem::take(&mut self.forgetting.unstored);
        let moved = &self.forgetting.moved;
        let of = |digest| Some((digest, moved.get(&digest)?.record.clone()));
        unstored.into_iter().filter_map(of).collect()
    }

    /// The state store has everything up to a frame: what is forgotten leaves memory.
    pub(super) fn note_stored(&mut self, frame: FrameNumber) {
        self.stored = self.stored.max(frame);
        if self.forgetting.moved.is_empty() && self.forgetting.here.is_empty() {
            return;
        }
        let stored = self.stored;
        let Forgetting { moved, unstored, .. } = &mut self.forgetting;
        moved.retain(|digest, moved| moved.frame > stored || unstored.contains(digest));
        let here: Vec<_> = self.forgetting.here.values().copied().collect();
        for slot in here {
            self.let_go_if_idle(slot);
        }
    }
}

fn listed(floors: &BTreeMap<u16, Sequence>) -> Vec<Floor> {
    let floor =
        |(bucket, sequence): (&u16, &Sequence)| Floor { bucket: *bucket, sequence: *sequence };
    floors.iter().map(floor).collect()
}
