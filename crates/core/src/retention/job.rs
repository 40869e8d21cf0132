//! A look at one segment: how far it is, and what was found so far.

use alloc::collections::BTreeMap;

use super::said::{DeadBodies, Segment};
use crate::id::{FrameNumber, PartitionId};
use crate::time::ElapsedMicros;

/// A look at one segment.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) segment: Segment,
    pub(super) deletes: bool,
    /// The partition being read, and the frame it is read from.
    pub(super) at: usize,
    pub(super) from: FrameNumber,
    pub(super) dead: DeadBodies,
    pub(super) dead_bytes: u64,
    pub(super) live_bytes: u64,
    pub(super) rests_on: BTreeMap<PartitionId, FrameNumber>,
    pub(super) redrives: u64,
    /// When the next page may be read.
    pub(super) due: ElapsedMicros,
}

impl Job {
    pub(super) fn new(segment: Segment, deletes: bool, redrives: u64, due: ElapsedMicros) -> Self {
        Self {
            segment,
            deletes,
            at: 0,
            from: FrameNumber(0),
            dead: DeadBodies::new(),
            dead_bytes: 0,
            live_bytes: 0,
            rests_on: BTreeMap::new(),
            redrives,
            due,
        }
    }

    /// Whether writing the segment anew is worth it: once for anything, again for over half of
    /// what was left.
    pub(super) fn is_worth_it(&self) -> bool {
        match self.segment.kept {
            None => self.dead_bytes > 0,
            Some(kept) => self.live_bytes < kept / 2,
        }
    }
}
