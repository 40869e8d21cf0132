//! What of a page of history is still live, and keys said anew before their history is deleted.
//! When and why is `retention`'s (DESIGN D6).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Partition;
use super::recover::Frame;
use crate::chain::{Digest, Fingerprint};
use crate::clocks::KnownNode;
use crate::fact::{Carried, Consequence, Fact, KeysVisited, Received, Visit};
use crate::id::{FrameNumber, Key, Place, Sequence};
use crate::limits;
use crate::links::Break;
use crate::position::Position;
use crate::record::{Directory, KeyRecord, Lane, Reached};
use crate::retention::Looked;
use crate::slab::Slot;
use crate::time::{Now, UnixMicros};

/// A page of history, and what is known of the keys it names.
#[derive(Debug)]
pub struct Page<'a> {
    /// The frames, in order.
    pub frames: &'a [Frame<'a>],
    /// What the state store has of its keys. Those in memory are newer there.
    pub known: &'a BTreeMap<Key, Known>,
    /// The tombstones that the page says anew, as the state store has them.
    pub tombstones: &'a BTreeMap<Fingerprint, KeyRecord>,
    /// Bodies received, and dead letters made, after this are live.
    pub expired: UnixMicros,
    /// The last frame that is to be deleted: its keys are carried. None: only bodies are.
    pub deletes_through: Option<FrameNumber>,
}

/// What the state store has of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Its record, or its tombstone.
    pub record: Option<KeyRecord>,
    /// Its dead letters in lanes, and when they became that.
    pub letters: Vec<(Sequence, UnixMicros)>,
}

impl<D: Digest> Partition<D> {
    /// Looks at a page of history: which bodies are dead, and whether all of it may be deleted, for
    /// which keys are carried then. None while it cannot decide or the frame being filled is full.
    /// What the state store says must be brought at once, as everything it says.
    pub fn look_at(&mut self, now: Now, page: &Page<'_>) -> Option<Looked> {
        if !self.is_serving() || self.filling.is_full() {
            return None;
        }
        self.advance(now);
        let mut looked = self.judge_bodies(page);
        if let Some(through) = page.deletes_through
            && !looked.is_pinned
        {
            self.carry_names(page);
            self.carry(page, through, &mut looked);
        }
        let filling = self.filling.times.is_some();
        looked.rests_on = if filling { self.taken.next() } else { self.taken };
        self.make_room(limits::SWEEP_KEYS);
        self.check();
        Some(looked)
    }

    fn judge_bodies(&self, page: &Page<'_>) -> Looked {
        let mut looked = Looked::default();
        // What lanes take that are being opened shows once they are.
        let opens = self.visiting.iter().any(|(_, visit)| *visit == Visit::Opens);
        let facts = || page.frames.iter().flat_map(|frame| frame.facts);
        let released = facts().filter_map(|fact| match fact {
            Fact::Released(released) => Some((released.event, released.sequence)),
            _ => None,
        });
        let sequences: BTreeMap<Place, Sequence> = released.collect();
        for frame in page.frames {
            for (index, fact) in (0_u32..).zip(frame.facts) {
                let Fact::Received(received) = fact else { continue };
                let place = Place { partition: self.id, frame: frame.number, index };
                let young = frame.recorded > page.expired;
                let sequence = sequences.get(&place).copied();
                if young || opens || self.is_live(page, received, place, sequence) {
                    looked.live += u64::from(received.size);
                    looked.is_pinned = true;
                } else {
                    looked.dead.push((frame.number, received.body, received.size));
                }
            }
        }
        looked
    }

    /// Whether anything still waits for an event. One whose release is not on the page was held for
    /// long: then any event that its key waits with may be it.
    fn is_live(
        &self,
        page: &Page<'_>,
        received: &Received,
        place: Place,
        sequence: Option<Sequence>,
    ) -> bool {
        let known = page.known.get(&received.key);
        let letters = known.map(|known| &known.letters).into_iter().flatten();
        let mut letters = letters.filter(|(_, recorded)| *recorded > page.expired);
        // A key of which nothing is known was forgotten for good (DESIGN D8).
        let Some(record) = self.record_of(&received.key, known) else {
            return sequence.is_some_and(|sequence| letters.any(|(letter, _)| *letter == sequence));
        };
        let is_held = || record.order.held.values().any(|held| held.event == place);
        match sequence {
            _ if self.just_died(&received.key) => true,
            Some(sequence) => {
                record.lanes.iter().any(|lane| waits_with(lane, sequence))
                    || letters.any(|(letter, _)| *letter == sequence)
            }
            None => {
                let waits = |lane: &Lane| {
                    lane.has_backlog() || !lane.redrives.is_empty() || lane.accepted.is_some()
                };
                is_held() || record.lanes.iter().any(waits) || letters.next().is_some()
            }
        }
    }

    /// Whether an event of a key became a dead letter in the frame that is being filled: it is on no
    /// list yet.
    fn just_died(&self, key: &Key) -> bool {
        self.filling.facts.iter().any(|fact| match fact {
            Fact::Attempted(fact) => fact.consequence == Consequence::Dead && fact.key == *key,
            Fact::LateDead(fact) => fact.key == *key,
            _ => false,
        })
    }

    /// A key's record as it is: in memory, else as the state store has it.
    fn record_of<'a>(&'a self, key: &Key, known: Option<&'a Known>) -> Option<&'a KeyRecord> {
        let hot = self.slot_of(key).and_then(|slot| self.keys.get(slot));
        hot.map(|hot| &hot.record).or_else(|| self.newer(key, known?.record.as_ref()))
    }

    /// Says anew what the page says of no key: names and pauses in partition 0, in each how far keys
    /// jump after a restore, what all keys were visited for and where unknown ones begin.
    fn carry_names(&mut self, page: &Page<'_>) {
        let mut facts = page.frames.iter().flat_map(|frame| frame.facts);
        if facts.clone().any(|fact| matches!(fact, Fact::KeysVisited(_))) {
            for (destination, visit) in self.totals.visited.clone() {
                self.write(Fact::KeysVisited(KeysVisited { destination, visit }));
            }
        }
        if facts.clone().any(|fact| matches!(fact, Fact::Boundary(_))) {
            self.carry_floors();
        }
        if facts.any(|fact| Directory::default().evolve(fact)) {
            for fact in self.directory_facts() {
                self.write(fact);
            }
        }
    }

    /// Says the keys of the page anew that nothing behind it says whole.
    fn carry(&mut self, page: &Page<'_>, through: FrameNumber, looked: &mut Looked) {
        let facts = page.frames.iter().flat_map(|frame| frame.facts);
        let keys: BTreeSet<&Key> = facts.filter_map(Fact::key).collect();
        let mut bytes = 0;
        for key in keys {
            let known = page.known.get(key);
            let Some(record) = self.record_of(key, known) else { continue };
            // One that was only asked for since it was forgotten for good is in memory all the same.
            if record.carried > through || record.is_unknown() {
                continue;
            }
            if record.order.held.len() > limits::CARRIED_HELD {
                looked.is_pinned = true;
                return;
            }
            bytes += rough_bytes(record);
            if bytes > limits::CARRIED_BYTES && looked.carried > 0 {
                looked.is_incomplete = true;
                return;
            }
            if record.forgotten {
                let digest = Fingerprint::of_key(&self.digest, key);
                self.say_anew(digest, record.clone());
                looked.carried += 1;
                continue;
            }
            match self.slot_with(key, known) {
                Some(slot) => {
                    self.carry_key(slot);
                    looked.carried += 1;
                }
                // It is on its way into memory, or there is no room for it now.
                None => looked.is_incomplete = true,
            }
        }
        self.carry_tombstones(page, through, bytes, looked);
    }

    /// Says the tombstones anew that the page says and nothing behind it.
    fn carry_tombstones(
        &mut self,
        page: &Page<'_>,
        through: FrameNumber,
        mut bytes: usize,
        looked: &mut Looked,
    ) {
        let facts = page.frames.iter().flat_map(|frame| frame.facts);
        let digests: BTreeSet<Fingerprint> = facts
            .filter_map(|fact| match fact {
                Fact::Tombstone(tombstone) => Some(tombstone.digest),
                _ => None,
            })
            .collect();
        for digest in digests {
            let Some(record) = self.tombstone_of(digest, page.tombstones.get(&digest)) else {
                continue;
            };
            if record.carried > through {
                continue;
            }
            bytes += rough_bytes(record);
            if bytes > limits::CARRIED_BYTES && looked.carried > 0 {
                looked.is_incomplete = true;
                return;
            }
            let record = record.clone();
            self.say_anew(digest, record);
            looked.carried += 1;
        }
    }

    fn slot_with(&mut self, key: &Key, known: Option<&Known>) -> Option<Slot> {
        if let Some(slot) = self.slot_of(key) {
            return Some(slot);
        }
        if self.loading.contains_key(key) || !self.has_room() {
            return None;
        }
        let record = known?.record.clone()?;
        let slot = self.insert(key.clone(), record);
        self.arm(slot);
        Some(slot)
    }

    fn carry_key(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        let (key, record) = (hot.key.clone(), Box::new(hot.record.clone()));
        self.write(Fact::Carried(Carried { key, record }));
    }
}

/// Whether a lane still has to settle an event, or sends it again.
fn waits_with(lane: &Lane, sequence: Sequence) -> bool {
    let accepted = lane.accepted.as_ref().is_some_and(|accepted| accepted.sequence == sequence);
    let waits = (lane.head..=lane.tail).contains(&sequence) && !lane.jumps_over(sequence);
    accepted || waits || lane.redrives.contains(&sequence)
}

/// About how many bytes a record is written in.
fn rough_bytes(record: &KeyRecord) -> usize {
    let lists = record.order.abandoned.as_slice().len()
        + record.order.missing.as_slice().len()
        + record.jumps.len();
    let lanes: usize = record.lanes.iter().map(|lane| 64 + 8 * lane.omitted.len()).sum();
    let reached = match &record.order.reached {
        Reached::Fields(fields) => fields.iter().map(|field| field.name.len() + 24).sum(),
        Reached::Clock(seen) => {
            let nodes = seen.nodes();
            let of = |node: &KnownNode| {
                node.name.len() + 12 + 9 * nodes.len() + 12 * node.given_up.as_slice().len()
            };
            nodes.iter().map(of).sum()
        }
        Reached::State(machine) => machine.state.len() + 64,
        Reached::Link(tip) => {
            let of = |gap: &Break| gap.from.as_ref().map_or(0, |from| from.len()) + gap.to.len();
            let breaks = tip.breaks.iter().map(|gap| of(gap) + 6).sum::<usize>();
            tip.link.before.len() + tip.link.after.len() + 64 + breaks
        }
        Reached::Nothing | Reached::Settled { .. } => 8,
    };
    let long = record.order.held.values().map(|held| match &held.essence.position {
        Position::Clock(clock) => {
            clock.counters().iter().map(|one| one.node.len() + 11).sum::<usize>()
        }
        Position::Link(link) => link.before.len() + link.after.len(),
        _ => 0,
    });
    let held = 512 * record.order.held.len() + long.sum::<usize>();
    let order = 8 * lists + held + 16 * record.order.instant.len();
    256 + order + reached + lanes
}
