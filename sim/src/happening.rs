//! What happens in a world: of itself, in its time, or as a fault.
//!
//! Must not know: what comes of it.

use sprag_core::id::PartitionId;
use sprag_core::input::AttemptId;

use crate::schedule::Instant;

/// What happens. Things of a process carry its number: they die with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The process starts.
    Start,
    /// The process acts because time passed.
    Turn(u64),
    /// The log writes a batch.
    Write(u64),
    /// The log answers a query.
    Answer(u64),
    /// Completions of the log reach the process.
    Land(u64),
    /// The state store works a request off.
    Store(u64),
    /// The provider sends.
    Post(usize),
    /// A consumer answers, or its connection ends.
    Reply(u64, PartitionId, AttemptId),
    /// A consumer acknowledges by a request of its own.
    Acknowledge(usize),
    /// A source says what it has of a key.
    Compared(u64, u64),
    /// What it has comes in as an event.
    Theirs(u64, u64),
    /// A source answers that was asked for missing positions.
    Asked(u64, u64),
    /// An event of its answer comes in again, for it could not be taken in before.
    Bring(u64, u64, usize),
    /// All that it gave is answered.
    AskEnded(u64, u64),
    /// The list of a source is answered.
    Listed(u64, u64),
    /// An event of it comes in again, for it could not be taken in before.
    ListBring(u64, u64, usize),
    /// All that it gave is answered.
    ListEnded(u64, u64),
    /// The operator acts.
    Operate,
    /// Requests are refused before they reach the node.
    Refuse,
    /// A fault strikes.
    Strike(Strike),
    /// The world looks whether everything is through.
    Look,
}

/// A fault that comes at its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    Crash,
    Shutdown,
    /// The operator starts it again, with another configuration.
    Restart,
    Claim,
    ClockStep,
    Suspend,
    /// A suspended machine goes on; for so long it was away.
    Thaw(Instant),
    DiskFull,
    SpaceFreed,
    ConsumerDies,
    Outage,
    Flood,
    /// No fault, but it comes at its own time as well.
    Backup,
    /// The operator has the process read another configuration.
    Reload,
}
