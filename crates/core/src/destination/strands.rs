//! Of how many lanes some strands are: a key whose events go beside each other is one active lane,
//! so that its events alone never make many keys of it (DESIGN L2). And whose turn it is among the
//! struggling strands of one lane: a key that fails many events takes no more turns than one that
//! fails one (DESIGN D4, promise 3).

use alloc::collections::{BTreeMap, VecDeque};

use super::lane::LaneRef;
use crate::id::PartitionId;
use crate::slab::Slot;
use crate::time::ElapsedMicros;

/// The strands among some lanes, by the key they are of. Lanes themselves are in no such count.
#[derive(Debug, Default)]
pub(super) struct Strands {
    keys: BTreeMap<(PartitionId, Slot), usize>,
}

impl Strands {
    pub(super) fn add(&mut self, lane: LaneRef) {
        if lane.strand.is_some() {
            *self.keys.entry((lane.partition, lane.slot)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, lane: LaneRef) {
        let name = (lane.partition, lane.slot);
        let Some(count) = self.keys.get_mut(&name).filter(|_| lane.strand.is_some()) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.keys.remove(&name);
        }
    }

    pub(super) fn remove_all(&mut self, partition: PartitionId) {
        self.keys.retain(|(of, _), _| *of != partition);
    }

    /// How many more strands than lanes they are of, here and elsewhere together.
    pub(super) fn surplus(&self, elsewhere: &Self) -> usize {
        let both = self.keys.values().chain(elsewhere.keys.values()).sum::<usize>();
        let only_here = self.keys.keys().filter(|key| !elsewhere.keys.contains_key(key)).count();
        both - only_here - elsewhere.keys.len()
    }
}

/// A struggling lane or strand that asks for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) since: ElapsedMicros,
    pub(super) lane: LaneRef,
    pub(super) tries: u32,
}

/// The struggling strands of lanes, in the order in which they asked: the first of each waits among
/// those of other lanes, the rest behind it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lanes: BTreeMap<(PartitionId, Slot), VecDeque<Turn>>,
    /// How many are not the first of their lanes.
    behind: usize,
}

/// What a lane was that asks no more.
#[derive(Debug)]
pub(super) enum Left {
    /// No strand: these are in no order here.
    NoStrand,
    /// The first of its lane's strands, and which is now.
    First(Turn, Option<Turn>),
    /// One behind the first.
    Behind,
    /// It did not ask.
    Nothing,
}

impl Turns {
    /// Takes one in; says whether it waits among those of other lanes.
    pub(super) fn take(&mut self, turn: Turn) -> bool {
        if turn.lane.strand.is_none() {
            return true;
        }
        let lane = self.lanes.entry((turn.lane.partition, turn.lane.slot)).or_default();
        lane.push_back(turn);
        let is_first = lane.len() == 1;
        self.behind += usize::from(!is_first);
        is_first
    }

    /// The first of a lane asks anew.
    pub(super) fn begin(&mut self, turn: Turn) {
        let lane = self.lanes.get_mut(&(turn.lane.partition, turn.lane.slot));
        if let Some(first) = lane.and_then(|lane| lane.front_mut()) {
            *first = turn;
        }
    }

    /// One asks no more.
    pub(super) fn leave(&mut self, lane: LaneRef) -> Left {
        if lane.strand.is_none() {
            return Left::NoStrand;
        }
        let name = (lane.partition, lane.slot);
        let Some(turns) = self.lanes.get_mut(&name) else { return Left::Nothing };
        let Some(at) = turns.iter().position(|turn| turn.lane == lane) else {
            return Left::Nothing;
        };
        let Some(turn) = turns.remove(at) else { return Left::Nothing };
        let next = turns.front().copied();
        self.behind -= usize::from(next.is_some());
        if next.is_none() {
            self.lanes.remove(&name);
        }
        if at == 0 { Left::First(turn, next) } else { Left::Behind }
    }

    pub(super) fn remove_all(&mut self, partition: PartitionId) {
        self.lanes.retain(|(of, _), _| *of != partition);
        self.behind = self.lanes.values().map(|turns| turns.len() - 1).sum();
    }

    /// How many wait behind the first of their lanes.
    pub(super) fn behind(&self) -> usize {
        self.behind
    }
}
