//! What the configuration says to the core. Decisions read it; `evolve` never does (DESIGN F6).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::id::{DestinationId, Revision, SourceId};

pub use crate::fact::Start;
use crate::fact::{Kind, Late};
use crate::pattern::{self, Pattern};
use crate::rate::Rate;
use crate::states::StateTable;

/// How long history is kept (DESIGN D6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Bodies that nothing waits for.
    pub bodies: Duration,
    /// Facts.
    pub facts: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self { bodies: Duration::from_secs(30 * DAY), facts: Duration::from_secs(400 * DAY) }
    }
}

/// Everything the core is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The revision written into what is decided under it.
    pub revision: Revision,
    /// The sources by number.
    pub sources: BTreeMap<SourceId, SourceSettings>,
    /// The destinations by number.
    pub destinations: BTreeMap<DestinationId, DestinationSettings>,
    /// The destinations that are retired: what waits for them is abandoned (DESIGN L7).
    pub retired: BTreeSet<DestinationId>,
    /// Keys a partition keeps in memory before it lets go what is not under way; at twice as many
    /// that are and one of each queue, new keys are answered busy.
    pub hot_keys: usize,
    /// Events one key may hold behind a gap before its source is answered busy (DESIGN G2).
    pub key_backlog: usize,
    /// Ids and positions a partition keeps in memory for dedupe; older ones are looked up.
    pub dedupe_ids: usize,
    /// Tombstones a partition keeps; beyond, the oldest become the floors of their buckets (DESIGN D8).
    pub forgotten: usize,
    /// How many events may come in per partition (DESIGN L8); none: as many as come.
    pub partition_rate: Option<Rate>,
    /// The restore that this log comes from; none where it was not restored.
    pub restore: Option<Restore>,
}

/// What is told of a restore (DESIGN D10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// Which it is: another number for each.
    pub id: u64,
    /// How many sequences of each key may have been given after the backup was made.
    pub jump: u64,
}

/// One source.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// Its name, part of the chain (DESIGN C1).
    pub name: Arc<str>,
    /// How its positions become an order.
    pub contract: Contract,
    /// How long an event waits for what is missing before it, or may still come, in open time.
    pub hold_wait: Duration,
    /// Events that may wait before waiting ends under [`OnGap::Skip`].
    pub hold_events: usize,
    /// How far ahead of the highest known position one may be (DESIGN K4).
    pub hold_span: u64,
    /// How far ahead of its receipt an instant may be (DESIGN K4).
    pub max_ahead: Duration,
    /// The patterns of types in the order in which events of one instant are released; a type that none
    /// fits comes last (contract `settle`).
    pub ranks: Vec<Pattern>,
    /// How a resource may go from state to state (contract `states`).
    pub states: Arc<StateTable>,
    /// What ends a wait that was in vain.
    pub on_gap: OnGap,
    /// What becomes of an event that comes after its place was given up.
    pub on_late: OnLate,
    /// How long an id is remembered (DESIGN D3).
    pub dedupe: Duration,
    /// How long facts are kept (DESIGN D6): so long an id can be found, also when it is not remembered any more.
    pub facts: Duration,
    /// How long a key must be idle to be forgotten (DESIGN D8); none: it never is.
    pub forget_after: Option<Duration>,
    /// The destinations that take its events, ascending.
    pub destinations: Vec<DestinationId>,
    /// How many of its events may come in (DESIGN L8); none: as many as come.
    pub rate: Option<Rate>,
    /// How it is asked for what is missing; none: it is not.
    pub refill: Option<RefillSettings>,
    /// How the list of all it has is read; none: it is not.
    pub list: Option<ListSettings>,
    /// The source of the resources that its events refer to, and how long they are waited for; none: they refer to
    /// none.
    pub depends_on: Option<DependsOnSettings>,
}

/// What the events of a source wait for that is not of their own key (decision 042).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependsOnSettings {
    /// The source of the other resources.
    pub source: SourceId,
    /// How long an event waits after its release, in open time.
    pub wait: Duration,
}

/// When the list of a whole source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListSettings {
    /// How old an event is before it is taken from the list.
    pub after: Duration,
    /// How often it is read.
    pub every: Duration,
    /// How far back it is read when nothing is known of it.
    pub reach: Duration,
    /// How many requests it may be asked with.
    pub rate: Rate,
    /// After how long a silence of the source it is read once more; none: at no other times.
    pub silence: Option<Duration>,
}

/// When a source is asked for positions that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefillSettings {
    /// How long they are missing before it is asked, in elapsed time; each ask in vain doubles it.
    pub after: Duration,
    /// Asks in vain after which only `hold_wait` goes on.
    pub attempts: u32,
    /// How many asks may be made of the source, over all its keys.
    pub rate: Rate,
    /// After how long a silence of a key what may follow its last position is asked for, and again when
    /// that has doubled; none never.
    pub every: Option<Duration>,
}

impl SourceSettings {
    /// What it wants done with an event of this kind.
    #[must_use]
    pub fn late(&self, kind: Kind) -> Late {
        match (kind, self.on_late) {
            (Kind::Event | Kind::Compensation, _) | (Kind::Late, OnLate::Deliver) => {
                Late::Delivered
            }
            // Where it cannot be put in its place.
            (Kind::Late, OnLate::DeadLetter | OnLate::Compensate) => Late::Dead,
            (Kind::Late, OnLate::To(_)) => Late::Aside,
        }
    }
}

impl Settings {
    /// The destinations of a source that take an event of this type, and those that do not; a late one is taken
    /// where its source wants it.
    #[must_use]
    pub fn entered_by(
        &self,
        source: &SourceSettings,
        event_type: &str,
        kind: Kind,
    ) -> (Vec<DestinationId>, Vec<DestinationId>) {
        let takes = |to: &DestinationId| {
            let types = self.destinations.get(to).map(|to| to.types.as_slice());
            types.is_none_or(|types| pattern::matches_any(types, event_type))
        };
        match source.on_late {
            OnLate::To(only) if kind == Kind::Late => {
                let others = source.destinations.iter().copied().filter(|to| *to != only);
                let (enters, refuses) = [only].into_iter().partition(takes);
                let filtered: BTreeSet<_> = others.chain::<Vec<_>>(refuses).collect();
                (enters, filtered.into_iter().collect())
            }
            _ => source.destinations.iter().partition(|to| takes(to)),
        }
    }
}

/// How positions become an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// Contiguous sequence numbers per key.
    Fifo {
        /// Where the numbers of a key begin.
        first: First,
    },
    /// No positions: the order of arrival.
    Arrival,
    /// No positions and no order: each event by itself, none waits for another of its key.
    Unordered,
    /// Only what is newer than everything before is released; the rest is stale.
    Latest {
        /// Whether a newer event supersedes older ones that wait to be delivered.
        coalesce: bool,
    },
    /// Instants: an event waits for what may still come before it, then all that settled is released in
    /// the order of instants, ranks of types, and ids.
    Settle,
    /// Each field of an event has a version of its own; an event is released when it brings anything newer.
    Merge,
    /// Vector clocks: an event is released behind everything its clock knows.
    Causal,
    /// A table says how a resource may go from state to state; what skips ahead waits for what lies between.
    States,
    /// Hash links in place of numbers: each event leads from what was before it to what is after it.
    Link,
}

/// Where the positions of a key begin (DESIGN K7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// At this number. A key that begins higher waits, then starts at its lowest.
    At(u64),
    /// At this number, and what is missing from there on is a gap like any other.
    Strictly(u64),
    /// Anywhere: every unknown key waits before it starts at its lowest.
    Any,
}

/// What happens when missing positions do not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGap {
    /// They are abandoned and the key goes on.
    Skip,
    /// The key waits.
    Halt,
}

/// What becomes of an event that comes after its place was given up (rule G4). It has a sequence in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLate {
    /// It goes where any event of its source goes.
    Deliver,
    /// It is a dead letter of each lane that takes its type.
    DeadLetter,
    /// What was released after its place is undone, and released once more behind it (decision 040).
    Compensate,
    /// It goes to this destination alone, if that takes its type.
    To(DestinationId),
}

/// One destination.
#[derive(Debug, Clone)]
pub struct DestinationSettings {
    /// Its name.
    pub name: Arc<str>,
    /// Where its lanes begin, as history has it (DESIGN L7).
    pub start: Start,
    /// The types of the events it takes; others are `filtered`.
    pub types: Vec<Pattern>,
    /// Attempts under way at the same time that are not slow.
    pub concurrency: usize,
    /// Slow attempts under way at the same time, a hard cap (DESIGN D4); none: 4 × `concurrency`.
    pub slow_concurrency: Option<usize>,
    /// An attempt older than this is slow in any case (DESIGN D4: 1 s).
    pub slow_after: Duration,
    /// How many attempts may be made (DESIGN L8); none: as many as there are.
    pub rate: Option<Rate>,
    /// How many attempts may be made in one lane (DESIGN L8); none: as many as there are.
    pub key_rate: Option<Rate>,
    /// When a failed attempt is made again, and how long.
    pub retry: Retry,
    /// What becomes of a lane whose event is given up.
    pub on_give_up: OnGiveUp,
    /// What acknowledges an event that is answered 202.
    pub ack: Ack,
    /// How many events one attempt carries at the most (rule L9); none: each is sent by itself.
    pub batch: Option<usize>,
}

/// What acknowledges an event that is answered 202; any other 2xx does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// The answer.
    Answer,
    /// A request of its own.
    Explicit {
        /// How long it is waited for, in open time; then the try has failed.
        timeout: Duration,
    },
}

/// Backoff: exponential with full jitter.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The first delay's upper bound; it doubles with every failure.
    pub first: Duration,
    /// The longest delay.
    pub cap: Duration,
    /// Giving up after failing for so long, in open time.
    pub give_up_after: Duration,
    /// Giving up after so many attempts; none: only time counts.
    pub attempts: Option<u32>,
}

/// What becomes of a lane whose event is given up (DESIGN L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The lane stops and keeps the event.
    Halt,
    /// The event and all that follow become dead letters, in order.
    Park,
    /// The event becomes a dead letter; the lane goes on.
    Skip,
}
