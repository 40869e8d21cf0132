//! The judge of forgetting (D8), from the promise: what waits is not forgotten, nothing is before its
//! time, a key that comes back goes on as if it had not been, or behind a boundary that is named; and
//! no sequence of it is ever given twice.

use std::collections::BTreeMap;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::{Boundary, Fact, Forgotten, Returned};
use sprag_core::id::{Hash, Key, PartitionId};

use super::key_history::KeyHistory;
use super::lane_history::When;
use super::policies::SourcePolicy;
use super::row::Row;
use super::{Verdict, must};
use crate::schedule::SECOND;
use crate::world::Sha256;

/// Between what is decided and what is handed over a frame may be filled for so long.
const SLACK: u64 = 3 * SECOND;

/// Tombstones and floors by history.
#[derive(Debug, Default)]
pub(crate) struct Buried {
    /// The keys that are forgotten, with the last sequence of each.
    tombstones: BTreeMap<Fingerprint, u64>,
    floors: BTreeMap<(PartitionId, u16), u64>,
}

impl Buried {
    /// Tombstones become floors: each must be there, and its bucket's floor as high as it was.
    pub(crate) fn boundary(&mut self, partition: PartitionId, fact: &Boundary) -> Verdict {
        for floor in &fact.floors {
            let known = self.floors.entry((partition, floor.bucket)).or_default();
            *known = floor.sequence.0.max(*known);
        }
        for digest in &fact.dropped {
            let last = self.tombstones.remove(digest);
            let floor = self.floors.get(&(partition, digest.bucket()));
            let covers = last.zip(floor).is_some_and(|(last, floor)| last <= *floor);
            must(covers, || format!("{last:?} is dropped above a floor of {floor:?}"))?;
        }
        Ok(())
    }

    fn floor(&self, partition: PartitionId, key: &Key) -> u64 {
        let bucket = Fingerprint::of_key(&Sha256, key).bucket();
        self.floors.get(&(partition, bucket)).copied().unwrap_or(0)
    }

    /// What a fact means for a key that may be forgotten.
    pub(crate) fn about(
        &mut self,
        partition: PartitionId,
        key: &Key,
        history: &mut KeyHistory,
        source: &SourcePolicy,
        (fact, when): (&Fact, When),
    ) -> Verdict {
        match fact {
            Fact::Forgotten(fact) => {
                if history.hash == Hash::default() {
                    history.begins_anew(history.sequence);
                } else {
                    let digest = Fingerprint::of_key(&Sha256, key);
                    self.tombstones.insert(digest, history.sequence);
                }
                history.forget(fact, source, when)
            }
            Fact::Returned(fact) => {
                let digest = Fingerprint::of_key(&Sha256, key);
                if self.tombstones.remove(&digest).is_some() {
                    return history.give_back(fact);
                }
                let floor = self.floor(partition, key);
                history.begin_behind(fact, floor)
            }
            // That it was compared, or asked for in vain, is no sign of life.
            Fact::Carried(_) | Fact::Reconciled(_) | Fact::RefillEnded(_) => Ok(()),
            _ => {
                history.active = Some((when.recorded, when.uptime));
                let is_new = history.hash == Hash::default() && history.sequence == 0;
                let is_nothing = is_new && history.events.is_empty();
                if history.is_forgotten || is_nothing {
                    let digest = Fingerprint::of_key(&Sha256, key);
                    let is_kept = self.tombstones.contains_key(&digest);
                    let floor = self.floor(partition, key);
                    must(!is_kept && floor == 0 && history.hash == Hash::default(), || {
                        format!("forgotten, behind floor {floor}, and goes on with {fact:?}")
                    })?;
                    history.is_forgotten = false;
                }
                Ok(())
            }
        }
    }
}

impl KeyHistory {
    /// It is forgotten: nothing of it may wait, and it must be idle for so long.
    fn forget(&mut self, fact: &Forgotten, source: &SourcePolicy, when: When) -> Verdict {
        must(!self.is_forgotten, || "forgotten twice".to_owned())?;
        must(self.holds().is_empty() && !self.paused, || {
            format!("forgotten, {:?} are held, paused {}", self.holds(), self.paused)
        })?;
        let waits = |lane: &&super::lane_history::LaneHistory| lane.is_busy();
        let waits = self.lanes.values().find(waits);
        must(waits.is_none(), || format!("forgotten, and {waits:?}"))?;
        let after = source.forget_after;
        let (recorded, uptime) = self.active.unwrap_or_default();
        let aged = when.recorded.saturating_sub(recorded);
        let up = when.uptime.zip(uptime).map(|(now, then)| now.saturating_sub(then) + SLACK);
        let is_old = after.is_some_and(|after| aged >= after || up.is_none_or(|up| up >= after));
        must(is_old, || format!("forgotten after {aged} µs, {up:?} up, {after:?} is due"))?;
        let is_kept = fact.record.sequence.0 == self.sequence && fact.record.hash == self.hash;
        must(is_kept || self.hash == Hash::default(), || {
            format!("{fact:?} of sequence {}", self.sequence)
        })?;
        self.is_forgotten = true;
        self.forgotten_through = self.sequence;
        Ok(())
    }

    /// It comes back as if it had never been forgotten.
    fn give_back(&mut self, fact: &Returned) -> Verdict {
        let record = &fact.record;
        self.is_forgotten = false;
        must(record.sequence.0 == self.sequence && record.hash == self.hash, || {
            format!("{fact:?} after sequence {}", self.sequence)
        })
    }

    /// It comes, or comes back, and nothing was known of it: behind its floor, with a chain and
    /// positions of its own.
    fn begin_behind(&mut self, fact: &Returned, floor: u64) -> Verdict {
        let record = &fact.record;
        must(record.sequence.0 >= floor.max(1) && record.hash == Hash::default(), || {
            format!("{fact:?} behind a floor of {floor}")
        })?;
        must(record.sequence.0 >= self.sequence, || {
            format!("{fact:?} although {} was given", self.sequence)
        })?;
        self.is_forgotten = false;
        self.boundary = record.sequence.0;
        self.applied.begin_anew();
        self.begins_anew(record.sequence.0);
        Ok(())
    }

    /// Nothing of before says anything about what comes.
    fn begins_anew(&mut self, sequence: u64) {
        (self.sequence, self.hash) = (sequence, Hash::default());
        (self.next, self.last, self.gap) = (None, None, None);
        (self.newest, self.row) = (super::newest::Newest::default(), Row::default());
        self.settled.begin_anew();
        self.merged.begin_anew();
        self.causal.begin_anew();
        self.machine.begin_anew();
        self.links.begin_anew();
        self.positions.clear();
        self.abandoned.clear();
        self.lanes.values_mut().for_each(super::lane_history::LaneHistory::forget);
    }
}
