//! The lines of history: every fact the core can decide.
//!
//! Decisions become facts; recovery and followers only evolve them, so a fact carries all that
//! `evolve` needs and no configuration is read again (DESIGN F6). How a fact becomes bytes is
//! `sprag-log`'s, one file per fact; a change here follows the procedure written there.

mod about;
mod acknowledged;
mod attempted;
mod batched;
mod forgotten;
mod lane;
mod late;
mod reconciled;
mod refill_ended;
mod released;
mod strands_taken;
mod unmet;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::{DestinationId, Epoch, Hash, Key, Place, Sequence, SourceId};
use crate::position::Position;
use crate::ranges::Range;
use crate::record::KeyRecord;
use crate::time::{OpenMicros, UnixMicros};

pub use acknowledged::Acknowledged;
pub use attempted::{Attempted, Batch, Consequence, Outcome, Toll};
pub use batched::Batched;
pub use forgotten::{Boundary, Floor, Forgotten, Returned, Tombstone};
pub use lane::{
    BacklogDropped, Filtered, KeysVisited, LaneEnded, LaneOpened, Rewound, Superseded, Visit,
};
pub use late::{Late, LateDead};
pub use reconciled::Reconciled;
pub use refill_ended::{Origin, RefillEnded, RefillOutcome};
pub use released::Released;
pub use strands_taken::StrandsTaken;
pub use unmet::{DependsOn, Unmet};

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A new owner's term begins.
    Claimed(Claimed),
    /// A source as first started with, and what must not change (DESIGN F6, K8).
    SourceDeclared(SourceDeclared),
    /// A destination as first started with.
    DestinationDeclared(DestinationDeclared),
    /// A destination takes nothing any more; what waits for it is abandoned.
    DestinationRetired(DestinationRetired),
    /// All attempts to a destination stop.
    DestinationPaused(DestinationPaused),
    /// An operator let attempts to a destination go on.
    DestinationResumed(DestinationResumed),
    /// An event came in and is kept. The fact after it says what became of it.
    Received(Received),
    /// The event that was just received waits behind missing positions, for states between, or to settle.
    Held(Held),
    /// An event got its sequence and entered its lanes.
    Released(Released),
    /// An event that was known already; nothing but this line is kept.
    Duplicate(Duplicate),
    /// An event contradicts one with the same position (K5), or the state of its key: dead-lettered. It was just
    /// received, or waited.
    Conflict(Conflict),
    /// The event just received has an impossible position: dead-lettered (K4).
    Invalid(Invalid),
    /// An event is older than what its key released: kept, not delivered. It was just received, or waited.
    Stale(Stale),
    /// An event of a type the source does not accept; nothing but this line is kept.
    Ignored(Ignored),
    /// A request that was refused: nothing of it is kept but this line (DESIGN D7).
    Refused(Refused),
    /// Many old positions in a row with new ids: the source seems to count anew (DESIGN K9).
    SequenceReset(SequenceReset),
    /// An operator lets the positions of a key begin anew (DESIGN K9).
    Rebased(Rebased),
    /// The log was restored from a backup: what was given after that is not given again.
    Restored(Restored),
    /// A key goes on behind the sequences it may have given before its log was restored.
    Jumped(Jumped),
    /// A key waits for missing positions.
    GapOpened(GapOpened),
    /// The missing positions came.
    GapFilled(GapFilled),
    /// The missing positions were given up.
    GapAbandoned(GapAbandoned),
    /// An ask for missing positions is over.
    RefillEnded(RefillEnded),
    /// The authority has another position of a key than was released last.
    Reconciled(Reconciled),
    /// A try to deliver, and what came of it.
    Attempted(Attempted),
    /// The next attempt of a lane carries a range of events: the same on every retry.
    Batched(Batched),
    /// Events that waited in a lane of an unordered source got strands.
    StrandsTaken(StrandsTaken),
    /// A consumer acknowledged what it has, with a request of its own.
    Acknowledged(Acknowledged),
    /// A newer event took the place of older ones that waited in a lane.
    Superseded(Superseded),
    /// A lane went past events that did not enter it.
    Filtered(Filtered),
    /// A lane came to a late event that is to be a dead letter.
    LateDead(LateDead),
    /// A lane waited in vain for another resource that the event at its head refers to, and sends it all the same.
    Unmet(Unmet),
    /// More waited for a destination than may: the oldest of what waited in a lane is given up.
    BacklogDropped(BacklogDropped),
    /// A lane was set back by an operator: it sends what it had settled again, in order.
    Rewound(Rewound),
    /// A lane was opened over what its key had released before.
    LaneOpened(LaneOpened),
    /// The lane to a retired destination ended.
    LaneEnded(LaneEnded),
    /// Every key of the partition was visited for a destination.
    KeysVisited(KeysVisited),
    /// An operator sent dead letters of a lane on their way again.
    Redriven(Redriven),
    /// An operator gave a dead letter up for good.
    Dropped(Dropped),
    /// An operator stopped the lanes of a key.
    KeyPaused(KeyPaused),
    /// An operator let the lanes of a key go on.
    KeyResumed(KeyResumed),
    /// All that is known of a key, so that what history says of it before can be deleted (D6).
    Carried(Carried),
    /// A key was idle for long: of its name nothing is known any more, of the rest a tombstone (D8).
    Forgotten(Forgotten),
    /// A key of which no record was kept goes on, or begins behind what it may have given before.
    Returned(Returned),
    /// A tombstone said anew, so that what history says of it before can be deleted.
    Tombstone(Tombstone),
    /// Tombstones are gone: what their keys may have given is not given again in their buckets.
    Boundary(Boundary),
}

/// See [`Fact::Claimed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The term that begins.
    pub epoch: Epoch,
}

/// See [`Fact::SourceDeclared`]. Written to partition 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDeclared {
    /// The number facts use.
    pub source: SourceId,
    /// The name in the configuration.
    pub name: Arc<str>,
    /// The fields of rule K8 (id, key, position, contract, first) as one canonical text.
    pub identity: Arc<str>,
}

/// See [`Fact::DestinationDeclared`]. Written to partition 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationDeclared {
    /// The number facts use.
    pub destination: DestinationId,
    /// The name in the configuration.
    pub name: Arc<str>,
    /// Where its lanes begin; decided once (DESIGN L7).
    pub start: Start,
}

/// Where the lanes of a destination begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Start {
    /// With what is released once it is known.
    #[default]
    Now,
    /// With the first event of each key, as far as events are kept.
    Earliest,
    /// With the first event of each key that was released at this time or later.
    At(UnixMicros),
}

/// See [`Fact::DestinationRetired`]. Written to partition 0 (DESIGN L7). Its name may come again: as
/// another destination, with another number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRetired {
    /// The destination.
    pub destination: DestinationId,
}

/// See [`Fact::DestinationPaused`]. Written to partition 0 (DESIGN F7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationPaused {
    /// The destination.
    pub destination: DestinationId,
    /// Why.
    pub reason: PauseReason,
}

/// Why a destination is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PauseReason {
    /// An operator asked for it.
    #[default]
    Operator,
    /// It answered 410 to several keys: it says that it is gone (DESIGN L3).
    Gone,
}

/// See [`Fact::DestinationResumed`]. Written to partition 0 (DESIGN F7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationResumed {
    /// The destination.
    pub destination: DestinationId,
}

/// A provider's header that is kept with the event (DESIGN F13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHeader {
    /// The name in lower case.
    pub name: Arc<str>,
    /// The value as received.
    pub value: Arc<[u8]>,
}

/// See [`Fact::Received`]. Its place is the event's permanent id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The resource it is about.
    pub key: Key,
    /// The source's id of the event; none where the source has none (DESIGN D3).
    pub id: Option<Arc<str>>,
    /// What the source says about its order.
    pub position: Position,
    /// The event's type; empty where the source names none.
    pub event_type: Arc<str>,
    /// The content type as received; empty when absent.
    pub content_type: Arc<str>,
    /// The headers that are kept.
    pub headers: Vec<StoredHeader>,
    /// SHA-256 of the body: Dₙ of the chain (DESIGN C1).
    pub digest: Hash,
    /// The body's length in bytes.
    pub size: u32,
    /// Which body of the frame is its own, from 0.
    pub body: u32,
    /// How it came.
    pub origin: Origin,
    /// Another resource that it refers to (`depends_on`); none where it does not.
    pub depends_on: Option<Key>,
}

/// Why an event waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldReason {
    /// Positions before it are missing.
    Gap,
    /// Its key is unknown and where it begins is not settled (DESIGN K7).
    Start,
    /// What sorts before it may still come: nothing is known to be missing (contract `settle`).
    Settle {
        /// The rank of its type among events of one instant, as it was when the event came.
        rank: u32,
    },
}

/// See [`Fact::Held`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The resource.
    pub key: Key,
    /// The event that was just received.
    pub event: Place,
    /// Why it waits.
    pub reason: HoldReason,
    /// The open time at which waiting ends, unless the gap fills before.
    pub deadline: OpenMicros,
}

/// What a delivery tells its consumer about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// In its place.
    Event,
    /// Released after its place was given up (DESIGN G4).
    Late,
    /// What the consumer got under an earlier sequence is to be undone (decision 040).
    Compensation,
}

impl Kind {
    /// The text of the `sprag-kind` header and of the chain (DESIGN C1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Late => "late",
            Self::Compensation => "compensation",
        }
    }
}

/// By what a repeat was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recognised {
    /// The source's id of the event.
    Id,
    /// The position.
    Position,
}

/// See [`Fact::Duplicate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The resource.
    pub key: Key,
    /// The source's id of the repeat.
    pub id: Option<Arc<str>>,
    /// The repeat's position.
    pub position: Position,
    /// SHA-256 of the repeat's body.
    pub digest: Hash,
    /// The event it repeats; none when that fact is no longer kept (DESIGN F4).
    pub original: Option<Place>,
    /// By what it was recognised.
    pub by: Recognised,
    /// Whether the repeat's body differs from the original's (same id, other body: DESIGN K5).
    pub altered: bool,
}

/// See [`Fact::Conflict`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The resource.
    pub key: Key,
    /// The event that was just received, dead-lettered.
    pub event: Place,
    /// The event that has the position.
    pub other: Place,
    /// SHA-256 of the body of the event that has the position.
    pub other_digest: Hash,
}

/// Why a position is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InvalidReason {
    /// Further ahead than `hold.span` of the highest position known (DESIGN K4).
    BeyondSpan,
    /// Before the `first` position of its source (decision record 001).
    BeforeFirst,
    /// An instant further ahead of its receipt than `max_ahead` (DESIGN K4).
    AheadOfTime,
    /// Its key, type or position cannot be read: it belongs to no resource.
    Unreadable,
    /// With its new fields the key would have more than `limits::FIELDS` (contract `merge`).
    TooManyFields,
    /// Its clock knows less than that of an event before it of the same node (contract `causal`).
    ShrinkingClock,
    /// With its clock the key would have more than `limits::CLOCK_NODES` (contract `causal`).
    TooManyNodes,
    /// The table of its source does not have its state (contract `states`).
    UnknownState,
}

/// See [`Fact::Invalid`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The resource.
    pub key: Key,
    /// The dead-lettered event: the one just received, or a held one judged when its base was
    /// chosen (DESIGN K4).
    pub event: Place,
    /// Its position.
    pub position: Position,
    /// Why it cannot be.
    pub reason: InvalidReason,
}

/// See [`Fact::Stale`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The resource.
    pub key: Key,
    /// The event that was just received.
    pub event: Place,
    /// Its position.
    pub position: Position,
    /// The sequence of the event that made it stale: the last released.
    pub newest: Sequence,
}

/// See [`Fact::Ignored`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The source.
    pub source: SourceId,
    /// The source's id of the event.
    pub id: Option<Arc<str>>,
    /// The type that is not accepted.
    pub event_type: Arc<str>,
    /// SHA-256 of the body.
    pub digest: Hash,
}

/// See [`Fact::Refused`]. Written to partition 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The source it was meant for.
    pub source: SourceId,
    /// The code of the problem it was answered with.
    pub code: Arc<str>,
    /// Who sent it: the address of the peer.
    pub peer: Arc<str>,
    /// SHA-256 of its body; none when that was not read.
    pub digest: Option<Hash>,
    /// Requests of this source refused since the last such line and only counted.
    pub counted: u64,
}

/// See [`Fact::SequenceReset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceReset {
    /// The resource.
    pub key: Key,
    /// The last of the old positions.
    pub position: Position,
}

/// See [`Fact::Rebased`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// The resource.
    pub key: Key,
}

/// See [`Fact::Restored`]. Written to every partition, as its first decision after a restore (DESIGN
/// D10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Which restore it was: chosen by whoever restored, so that a crash writes no second one.
    pub restore: u64,
    /// How many sequences of each key may have been given after the backup was made.
    pub jump: u64,
    /// The jumps of all restores of this log, this one among them.
    pub total: u64,
}

/// See [`Fact::Jumped`]. Written before a key's first release behind a [`Restored`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jumped {
    /// The resource.
    pub key: Key,
    /// The first sequence that is not given here: it may have been given before.
    pub from: Sequence,
    /// The last of them.
    pub through: Sequence,
    /// The jumps its sequences lie behind now.
    pub total: u64,
}

/// See [`Fact::GapOpened`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapOpened {
    /// The resource.
    pub key: Key,
    /// The positions it waits for.
    pub missing: Range,
}

/// See [`Fact::GapFilled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapFilled {
    /// The resource.
    pub key: Key,
}

/// Why missing positions were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbandonReason {
    /// `hold.wait` passed.
    Waited,
    /// More than `hold.events` waited behind it.
    Full,
    /// The key begins at a higher position than `first`: no gap, but what lies before it counts
    /// as abandoned (DESIGN K7).
    Start,
    /// An operator let the positions of the key begin anew.
    Rebased,
    /// The source was asked for them and says that there is none.
    Gone,
    /// An operator gave them up, whatever `on_gap` says.
    Operator,
}

/// See [`Fact::GapAbandoned`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapAbandoned {
    /// The resource.
    pub key: Key,
    /// The positions given up.
    pub missing: Range,
    /// Why.
    pub reason: AbandonReason,
}

/// See [`Fact::Redriven`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redriven {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// One event the lane has gone past, sent out of order, or of an unordered source the event of a
    /// stopped strand; none: the lane drains in order, and so does each stopped strand of it.
    pub passed: Option<Sequence>,
}

/// What an operator gives up for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadLetter {
    /// An event in a lane.
    InLane {
        /// The lane's destination.
        destination: DestinationId,
        /// The event's sequence.
        sequence: Sequence,
    },
    /// An event that never got a sequence: a conflict or an invalid one.
    AtIngress {
        /// The event.
        event: Place,
    },
}

/// See [`Fact::Dropped`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The resource.
    pub key: Key,
    /// What is given up.
    pub letter: DeadLetter,
}

/// See [`Fact::KeyPaused`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPaused {
    /// The resource.
    pub key: Key,
}

/// See [`Fact::KeyResumed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyResumed {
    /// The resource.
    pub key: Key,
}

/// See [`Fact::Carried`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The resource.
    pub key: Key,
    /// Its record, as all facts before add up to it.
    pub record: Box<KeyRecord>,
}
