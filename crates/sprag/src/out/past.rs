//! The past of a lane: which events of a key entered it, as they are kept, and what became of the others.
//!
//! What a lane took is in each release; what was released before the lane was opened is its own where the
//! destination takes its type, as the core decides it when the lane comes there (DESIGN L7). What the lane
//! passed as a dead letter is said to be one: only an operator sends it again. What waits in the lane is an
//! event like those that were delivered. Must not know requests, nor how a page is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprag_core::fact::{Fact, Released};
use sprag_core::id::{DestinationId, Key, PartitionId, Sequence};
use sprag_core::pattern::{self, Pattern};
use sprag_core::ranges::Range;
use sprag_core::record::{KeyRecord, OmitReason};
use sprag_driver::cache::{ReleasedEvent, StoredEvent};

use super::reading::Reading;
use crate::dispatch::reason;
use crate::limits;
use crate::problem::Problem;

/// Why a sequence has no event on a page whose body, or history, is kept no longer.
const GONE: &str = "gone";

/// A key's lane to a destination.
pub(super) struct Past<'a> {
    pub(super) reading: &'a Reading,
    pub(super) partition: PartitionId,
    pub(super) key: &'a Key,
    pub(super) record: &'a KeyRecord,
    pub(super) destination: DestinationId,
    /// The types that the destination takes.
    pub(super) types: &'a [Pattern],
}

/// What became of a sequence in a lane.
pub(super) enum Told {
    Event(Box<ReleasedEvent>),
    Omitted(Range, &'static str),
}

impl Past<'_> {
    /// Tells of each sequence from `from` to `to` in turn, until `tell` wants no more or enough was looked
    /// at. Gives the last sequence that was told of; none before the first.
    pub(super) async fn tell(
        &self,
        (from, to): (u64, u64),
        mut tell: impl FnMut(Told) -> bool,
    ) -> Result<Option<u64>, Problem> {
        let mut through = None;
        for _ in 0..limits::OUT_LOOKS {
            let at = through.map_or(from, |through: u64| through + 1);
            if at > to {
                break;
            }
            let last = to.min(at.saturating_add(limits::OUT_SEQUENCES - 1));
            let kept = self.reading.releases(self.partition, self.key, (at, last)).await?;
            let dead = self.dead((at, last)).await?;
            let mut at = at;
            // Behind the last that is kept nothing is until the next look finds where it goes on.
            let ends = kept.is_empty().then_some(last);
            for stored in kept {
                let Fact::Released(released) = stored.fact else { continue };
                let sequence = released.sequence.0;
                if at < sequence {
                    tell(Told::Omitted(Range { from: at, to: sequence - 1 }, GONE));
                    through = Some(sequence - 1);
                }
                let told = match self.told(released, &dead).await {
                    Ok(told) => told,
                    // What stands before it can be read.
                    Err(_) if through.is_some() => return Ok(through),
                    Err(problem) => return Err(problem),
                };
                if !tell(told) {
                    return Ok(through);
                }
                through = Some(sequence);
                at = sequence + 1;
            }
            if let Some(last) = ends {
                tell(Told::Omitted(Range { from: at, to: last }, GONE));
                through = Some(last);
            }
        }
        Ok(through)
    }

    /// The dead letters of a range.
    async fn dead(&self, (from, to): (u64, u64)) -> Result<BTreeSet<u64>, Problem> {
        let (partition, key, destination) = (self.partition, self.key.clone(), self.destination);
        let range = Range { from, to };
        let read = move |store: &crate::state::StateReader| {
            store.letters_of(partition, &key, destination, range)
        };
        Ok(self.reading.look_up(read).await?.into_iter().collect())
    }

    async fn told(&self, released: Released, dead: &BTreeSet<u64>) -> Result<Told, Problem> {
        let sequence = released.sequence.0;
        let omitted = |reason| Ok(Told::Omitted(Range::one(sequence), reason));
        let entered = self.entered(&released);
        if entered == Some(false) {
            return omitted(reason(OmitReason::Filtered));
        }
        if let Some(why) = self.passed(sequence, dead) {
            return omitted(reason(why));
        }
        let Some(stored) = self.reading.event(released.event).await? else { return omitted(GONE) };
        let takes = || pattern::matches_any(self.types, &stored.received.event_type);
        if !entered.unwrap_or_else(takes) {
            return omitted(reason(OmitReason::Filtered));
        }
        let (body, recorded) = (stored.body.bytes, stored.recorded);
        let event = Arc::new(StoredEvent { received: stored.received, body, recorded });
        Ok(Told::Event(Box::new(ReleasedEvent { released: Arc::new(released), event })))
    }

    /// Whether an event entered the lane; none where its type decides.
    fn entered(&self, released: &Released) -> Option<bool> {
        if released.lanes.contains(&self.destination) {
            return Some(true);
        }
        let opened = self.record.lane(self.destination).map(|lane| lane.opened);
        let is_before = opened.is_some_and(|opened| released.sequence <= opened);
        let is_said = released.filtered.contains(&self.destination);
        (is_said || !is_before).then_some(false)
    }

    /// Why the lane passed an event without delivering it, where that is known.
    fn passed(&self, sequence: u64, dead: &BTreeSet<u64>) -> Option<OmitReason> {
        let is_dead = || dead.contains(&sequence).then_some(OmitReason::Dead);
        let Some(lane) = self.record.lane(self.destination) else { return is_dead() };
        let waits = sequence >= lane.head.0 || lane.redrives.contains(&Sequence(sequence));
        if waits || self.record.strand(self.destination, Sequence(sequence)).is_some() {
            return None;
        }
        let exact = lane.omitted.iter().filter(|omission| !omission.merged);
        let said = exact.into_iter().find(|omission| omission.range.contains(sequence));
        match said.map(|omission| omission.reason) {
            Some(reason @ (OmitReason::Dead | OmitReason::Skipped)) => Some(reason),
            _ => is_dead(),
        }
    }
}
