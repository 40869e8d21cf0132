//! Replay: a lane is set back and sends history again, in order (decision 037).
//!
//! **A lane is a cursor** (DESIGN F5), so nothing is copied and nothing new is released: its head goes back to
//! an event that it has settled, and from there it sends what it sends, under the ids and sequences it had.
//! What waits stays behind that, arrivals append behind what waits: the order of the lane is what it was.
//!
//! ```text
//!            from          until        resume        tail
//!   settled ──┼── again ─────┼── not again ─┼── waits ──┤◀ arrivals
//!             ▲ head         └─────────────▶ the head jumps
//! ```
//!
//! - **Setting back.** `rewound` says from where to where. The record keeps where the lane goes on behind that,
//!   and what it had told its consumer there ([`Rewind`]). What failed counts no more towards giving up, dead
//!   letters of the range are on their way again: what becomes of them now is what they are.
//! - **Again.** Which of the range is sent is decided when the lane comes to it, as with a lane that is opened
//!   over what was released before (`visit`): what is kept, and what the destination takes by now. All else
//!   is passed. Each attempt is a redelivery (DESIGN F11).
//! - **Behind it.** When the head has passed the range, it jumps to where it stood, and tells its consumer what
//!   it would have told it without the replay. An event that was tried there is tried on: it was taken.
//!
//! **Who may write what.** Only an operator's command sets a lane back, and only one that is at rest: with no
//! attempt under way, nothing accepted, no range fixed, no events on their way from the log (they would be
//! taken for those of the new head), not stopped, and not set back already. What is refused says so, and is
//! asked again.
//!
//! **Crashes.** Before the fact is durable nothing was sent again: what the lane sends next rests on it. Behind
//! it the cursor is the plan: killed anywhere, the lane goes on at its head, as ever; the event that was under
//! way is sent once more. Bodies of the range are live from the fact on; while something is being deleted the
//! node holds the command back, for what it judged before would go (DESIGN D6).
//!
//! Must not know: what is kept; that comes with the events.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Partition;
use super::evolve::{end_drain, forget_failures};
use super::hot::Hot;
use crate::chain::Digest;
use crate::fact::{Fact, Rewound};
use crate::id::{DestinationId, Key, Sequence};
use crate::output::Rejection;
use crate::pattern;
use crate::ranges::Range;
use crate::record::{KeyRecord, Lane, Omission, OmitReason, Rewind};
use crate::slab::Slot;
use crate::time::{ElapsedMicros, UnixMicros};

impl<D: Digest> Partition<D> {
    /// Sets a lane back. One that the key does not have begins so, where its source leads there; but not
    /// where a visit is to open it over all that was released: then that comes first.
    pub(super) fn rewind(
        &mut self,
        slot: Option<Slot>,
        key: Key,
        destination: DestinationId,
        (from, until): (Sequence, Sequence),
    ) -> Result<(), Rejection> {
        if let Some(slot) = slot {
            self.visit(slot);
        }
        let hot = slot.and_then(|slot| self.keys.get(slot));
        let hot = hot.filter(|hot| hot.record.newest.frame.0 > 0).ok_or(Rejection::UnknownKey)?;
        if !self.settings.destinations.contains_key(&destination) {
            return Err(Rejection::UnknownDestination);
        }
        let source = self.settings.sources.get(&key.source);
        let leads = source.is_some_and(|source| source.destinations.contains(&destination));
        let at = hot.lane_at(destination.into());
        if at.is_none() && !leads {
            return Err(Rejection::UnknownLane);
        }
        let record = &hot.record;
        if record.unordered {
            return Err(Rejection::Unordered);
        }
        if let Some(at) = at {
            is_at_rest(hot, at)?;
        }
        let resume = at.map_or(record.sequence.next(), |at| record.lanes[at].head);
        let from = from.max(record.boundary.next());
        let until = until.min(Sequence(resume.0.saturating_sub(1)));
        if until < from {
            return Err(Rejection::NothingToReplay);
        }
        self.write(Fact::Rewound(Rewound { key, destination, from, until }));
        Ok(())
    }

    /// Whether a destination takes events of a type, as it is configured now.
    pub(super) fn takes_type(&self, destination: DestinationId, event_type: &str) -> bool {
        let to = self.settings.destinations.get(&destination);
        to.is_some_and(|to| pattern::matches_any(&to.types, event_type))
    }
}

fn is_at_rest(hot: &Hot, at: usize) -> Result<(), Rejection> {
    let (record, lane) = (&hot.record.lanes[at], &hot.lanes[at]);
    if record.is_stopped() {
        return Err(Rejection::Stopped);
    }
    let is_under_way = lane.attempt.is_some() || lane.asked || hot.is_outlived(lane.id);
    let is_told = record.accepted.is_some() || record.batch.is_some();
    if is_under_way || is_told || record.rewound.is_some() {
        return Err(Rejection::LaneBusy);
    }
    Ok(())
}

/// The lane is set back.
pub(super) fn note(hot: &mut Hot, rewound: &Rewound) {
    let Rewound { destination, from, until, .. } = *rewound;
    let next = hot.record.sequence.next();
    set_back(hot.lane_or_new(destination, next), from, until);
    let Some(at) = hot.lane_at(destination.into()) else { return };
    let lane = &mut hot.lanes[at];
    lane.window.clear();
    (lane.is_reread, lane.is_gone, lane.damaged_until) = (false, false, None);
    lane.due = ElapsedMicros::default();
}

fn set_back(lane: &mut Lane, from: Sequence, until: Sequence) {
    let resume = lane.head;
    if from < Sequence(1) || until < from || until >= resume || lane.rewound.is_some() {
        return;
    }
    // What lies before was settled once, however: nobody is told how again.
    let before = Range { from: 1, to: from.0 - 1 };
    let before = Omission { range: before, reason: OmitReason::Filtered, merged: true };
    let told = if from > Sequence(1) { Vec::from([before]) } else { Vec::new() };
    let omitted = core::mem::replace(&mut lane.omitted, told);
    let delivered = core::mem::take(&mut lane.delivered);
    let failures = core::mem::take(&mut lane.failures);
    lane.rewound = Some(Box::new(Rewind { until, resume, delivered, omitted, failures }));
    lane.head = from;
    // As of a lane that is opened: all of the range counts as waiting until the lane comes to it.
    lane.opened = lane.opened.max(Sequence(resume.0 - 1));
    lane.cover(from, until);
    lane.waiting = lane.waiting.saturating_add(until.0 - from.0 + 1);
    lane.due = UnixMicros::default();
    forget_failures(lane);
    lane.redrives.retain(|sequence| *sequence < from);
}

/// Lanes that are through with what they send again go on where they stood; says whether one jumped there.
pub(super) fn pass(record: &mut KeyRecord) -> bool {
    let mut jumped = false;
    for lane in &mut record.lanes {
        let (head, batch) = (lane.head, &mut lane.batch);
        let is_through = |rewind: &mut Box<Rewind>| head > rewind.until;
        let Some(rewind) = lane.rewound.take_if(is_through) else { continue };
        if head > rewind.resume {
            continue;
        }
        if head < rewind.resume {
            lane.head = rewind.resume;
            batch.take_if(|last| *last < rewind.resume);
            (lane.delivered, lane.omitted) = (rewind.delivered, rewind.omitted);
            end_drain(lane);
            jumped = true;
        }
        // Of a range that carried it too a part was taken just now, and the rest failed once more.
        lane.failures = lane.failures.saturating_add(rewind.failures);
    }
    jumped
}
