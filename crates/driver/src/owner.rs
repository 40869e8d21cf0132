//! A partition and what surrounds it: its place in recovery, its bodies, its checkpoints.

use std::collections::VecDeque;
use std::sync::Arc;

use sprag_core::id::{Epoch, FrameNumber};
use sprag_core::input::{Input, Ticket};
use sprag_core::partition::Partition;
use sprag_core::time::ElapsedMicros;
use sprag_log::{Claim, Frames};

use crate::numbered::ByNumber;
use crate::state::{Batch, LetterChange};

/// How far a partition is on its way to serve.
#[derive(Debug)]
pub(crate) enum Stage {
    /// It has no term; the next claim is due.
    Unclaimed(ElapsedMicros),
    /// A term was asked for.
    Claiming,
    /// What the state store reflects was asked for.
    Opening(Claim),
    /// Frames behind it were asked for.
    Reading(Claim),
    /// The records of the keys that these frames name were asked for.
    Loading(Claim, Frames),
    /// All history is taken in; the settings are not known yet.
    Recovered(Epoch),
    /// It decides.
    Serving,
}

/// A partition and what surrounds it.
#[derive(Debug)]
pub(crate) struct Owner<D> {
    pub(crate) partition: Partition<D>,
    pub(crate) stage: Stage,
    /// Claims that led to nothing since it last served.
    pub(crate) failed_claims: u32,
    /// Inputs that wait because the frame being filled is full.
    pub(crate) inbox: VecDeque<Input>,
    /// Bodies of events that are not written yet.
    pub(crate) bodies: ByNumber<Ticket, Arc<[u8]>>,
    /// Changes of the list of dead letters that are in no batch yet, with their frame.
    pub(crate) letters: VecDeque<(FrameNumber, LetterChange)>,
    /// A batch that waits for the commit of its frame.
    pub(crate) ready: Option<Box<Batch>>,
    /// Whether a batch is on its way to the state store.
    pub(crate) writing: bool,
    /// The changes of the list of dead letters in it: the store may not have them yet.
    pub(crate) letters_under_way: Vec<LetterChange>,
    /// A batch the store refused, and when it is offered again.
    pub(crate) refused: Option<(ElapsedMicros, Box<Batch>)>,
    /// Everything up to here is in the state store.
    pub(crate) stored: FrameNumber,
    /// When the next batch is due.
    pub(crate) checkpoint_due: ElapsedMicros,
    /// Bytes of events that were written since the last batch was made.
    pub(crate) unstored_bytes: u64,
}

impl<D> Owner<D> {
    pub(crate) fn new(partition: Partition<D>) -> Self {
        Self {
            partition,
            stage: Stage::Unclaimed(ElapsedMicros(0)),
            failed_claims: 0,
            inbox: VecDeque::new(),
            bodies: ByNumber::default(),
            letters: VecDeque::new(),
            ready: None,
            writing: false,
            letters_under_way: Vec::new(),
            refused: None,
            stored: FrameNumber(0),
            checkpoint_due: ElapsedMicros(0),
            unstored_bytes: 0,
        }
    }

    /// Whether no batch is between it and the state store.
    pub(crate) fn is_settled(&self) -> bool {
        self.ready.is_none() && !self.writing && self.refused.is_none()
    }
}
