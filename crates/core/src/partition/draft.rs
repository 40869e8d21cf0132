//! The frame being filled, the frames that wait for their commit, and what rests on each.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::fact::Fact;
use crate::id::{FrameNumber, Key, Place};
use crate::input::{Ask, Ticket};
use crate::limits;
use crate::output::{Answer, DraftBody};
use crate::slab::Slot;
use crate::time::{OpenMicros, UnixMicros};

/// What leaves once a frame is committed (DESIGN D1, D2, F11).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Promise {
    /// An answer.
    Answer(Ticket, Answer),
    /// A key's lanes may go on.
    Wake(Slot),
    /// Every key's lanes may go on: the claim of a term is durable.
    WakeAll,
    /// A fact concerns other partitions.
    Forward(Place, Box<Fact>),
    /// An operator must know that a key seems to count anew.
    ResetNoticed(Key),
    /// What a key released is durable, and can be read.
    Recall(Key),
    /// What a lane asked about is so, durably.
    Tell(Box<Ask>),
}

/// The times of a frame, fixed by its first fact: `evolve` reads these and no others, so that
/// memory and recovery come to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    pub(super) recorded: UnixMicros,
    pub(super) open: OpenMicros,
}

/// The frame being filled.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// None until the first fact, or until open time must be persisted.
    pub(super) times: Option<Times>,
    pub(super) facts: Vec<Fact>,
    pub(super) bodies: Vec<DraftBody>,
    pub(super) body_bytes: u64,
    pub(super) promises: Vec<Promise>,
}

impl Filling {
    /// Whether it takes no further input before it is taken.
    pub(super) fn is_full(&self) -> bool {
        self.facts.len() >= limits::FRAME_FACTS || self.body_bytes >= limits::FRAME_BODY_BYTES
    }
}

/// A frame that waits for its commit.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) number: FrameNumber,
    pub(super) promises: Vec<Promise>,
}

/// The tickets that wait for an answer in frames that failed.
pub(super) fn tickets(filling: &Filling, in_flight: &VecDeque<InFlight>) -> Vec<Ticket> {
    let waiting = in_flight.iter().flat_map(|frame| &frame.promises).chain(&filling.promises);
    let ticket = |promise: &Promise| match promise {
        Promise::Answer(ticket, _) => Some(*ticket),
        _ => None,
    };
    waiting.filter_map(ticket).collect()
}
