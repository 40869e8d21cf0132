//! What retention asks for, and what it is told.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{FrameNumber, PartitionId};
use crate::time::UnixMicros;

/// A sealed segment, as far as retention needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number; newer ones have higher numbers.
    pub number: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// When the newest of it was recorded.
    pub newest: UnixMicros,
    /// Bytes of bodies that were left when it was rewritten, as received; none where it never was.
    pub kept: Option<u64>,
    /// By partition its first frame, and the one that follows its last.
    pub frames: Vec<(FrameNumber, FrameNumber)>,
}

/// Bodies to be left out of a segment: of each frame, the numbers of bodies as its `received`
/// facts have them.
pub type DeadBodies = BTreeMap<(PartitionId, FrameNumber), Vec<u32>>;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Seal the segment being written, so that what is in it can grow old.
    Seal,
    /// List the sealed segments behind one.
    List {
        /// Its number.
        after: u64,
    },
    /// Read frames of a partition, and bring them to it with what is known of their keys.
    Read(Reading),
    /// Write a segment anew.
    Rewrite {
        /// The segment.
        segment: u64,
        /// Without these bodies.
        dead: DeadBodies,
    },
    /// Delete history before these frames, by partition.
    Trim {
        /// The first frame that stays.
        before: Vec<FrameNumber>,
    },
}

/// A page to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The partition.
    pub partition: PartitionId,
    /// The first frame.
    pub from: FrameNumber,
    /// The frame behind the last.
    pub end: FrameNumber,
    /// Bodies received, and dead letters made, after this are live.
    pub expired: UnixMicros,
    /// Whether keys are to be carried: the segment is to be deleted.
    pub carries: bool,
}

/// What a partition says of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// The dead bodies: frame, number, bytes as received.
    pub dead: Vec<(FrameNumber, u32, u32)>,
    /// Bytes of the bodies that are live.
    pub live: u64,
    /// Whether an event of it is live, or one of its keys cannot be carried now.
    pub is_pinned: bool,
    /// Whether it must be read again: not all of its keys could be carried at once.
    pub is_incomplete: bool,
    /// How many keys were carried.
    pub carried: u64,
    /// The frame that must be committed before anything rests on this.
    pub rests_on: FrameNumber,
}

/// What was done since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Segments deleted.
    pub deleted: u64,
    /// Segments written anew.
    pub rewritten: u64,
    /// Bytes freed by both.
    pub freed: u64,
    /// Keys carried.
    pub carried: u64,
    /// Whether the oldest segment is old enough to be deleted and must stay for what waits.
    pub is_pinned: bool,
    /// What could not be done, and is tried again.
    pub failed: u64,
}
