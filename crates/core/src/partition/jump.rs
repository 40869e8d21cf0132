//! What a restore from a backup leaves in a partition (DESIGN D10).
//!
//! After the backup was made, sequences were given that the restored log does not know: consumers
//! have seen them, producers were told them. How many at the most is told from outside; the partition
//! writes that down once, before it decides anything else. No key is looked for: each jumps over so
//! many sequences when it next releases an event, and so does a key that was unknown until then, for
//! it may have come after the backup. Its record says which jumps its sequences lie behind.
//!
//! A lane that has events before the jump delivers them first; a jump is passed as soon as the lane's
//! head comes to it.

use super::Partition;
use super::evolve::{end_drain, forget_sent, keep_what_follows, omit};
use crate::chain::Digest;
use crate::fact::{Fact, Jumped, Restored};
use crate::id::{Key, Sequence};
use crate::limits;
use crate::ranges::Range;
use crate::record::{KeyRecord, Lane, OmitReason};
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Writes down that the log was restored, unless history has it.
    pub(super) fn note_restore(&mut self) {
        let Some(restore) = self.settings.restore else { return };
        let before = self.directory.restored;
        if before.is_some_and(|before| before.restore == restore.id) {
            return;
        }
        let total = before.map_or(0, |before| before.total).saturating_add(restore.jump);
        let (restore, jump) = (restore.id, restore.jump);
        self.write(Fact::Restored(Restored { restore, jump, total }));
    }

    /// Before it gives a sequence, a key jumps over those it may have given already.
    pub(super) fn jump(&mut self, slot: Slot, key: &Key) {
        let total = self.directory.restored.map_or(0, |restored| restored.total);
        let Some(record) = self.keys.get(slot).map(|hot| &hot.record) else { return };
        let due = total.saturating_sub(record.jumped);
        if due == 0 {
            return;
        }
        let from = record.sequence.next();
        let through = Sequence(record.sequence.0.saturating_add(due));
        self.write(Fact::Jumped(Jumped { key: key.clone(), from, through, total }));
    }
}

/// The key's sequences go on behind the jump.
pub(super) fn note(record: &mut KeyRecord, jumped: &Jumped) {
    record.sequence = jumped.through;
    record.jumped = jumped.total;
    // A list that grows by itself begins with room for four, and most keys jump once.
    record.jumps.reserve_exact(1);
    record.jumps.push(Range { from: jumped.from.0, to: jumped.through.0 });
}

/// Lanes that stand at a jump, or in it, go past it. One that all are past is kept: a lane may be set back over it, or
/// opened over it, and nothing else says that there never was an event.
pub(super) fn pass(record: &mut KeyRecord) {
    for jump in &record.jumps {
        for lane in record.lanes.iter_mut().filter(|lane| lane.strand.is_none()) {
            if jump.contains(lane.head.0) {
                skip(lane, Range { from: lane.head.0, to: jump.to }, OmitReason::Restored);
            }
        }
    }
    let lanes = record.lanes.iter().filter(|lane| lane.strand.is_none());
    let is_passed = |jump: &Range| lanes.clone().all(|lane| lane.head.0 > jump.to);
    let passed = record.jumps.partition_point(is_passed);
    record.jumps.drain(..passed.saturating_sub(limits::JUMPS));
}

/// The lane goes past what did not enter it; what of that is not given was not filtered.
pub(super) fn omit_filtered(lane: &mut Lane, passed: Range, jumps: &[Range]) {
    let mut from = passed.from;
    for jump in jumps.iter().filter(|jump| jump.from <= passed.to && jump.to >= passed.from) {
        if from < jump.from {
            omit(lane, Range { from, to: jump.from - 1 }, OmitReason::Filtered);
        }
        let never = Range { from: jump.from.max(from), to: jump.to.min(passed.to) };
        omit(lane, never, OmitReason::Restored);
        from = never.to.saturating_add(1);
    }
    if from <= passed.to {
        omit(lane, Range { from, to: passed.to }, OmitReason::Filtered);
    }
}

/// A lane of a key whose first event has not the first sequence: it began behind a floor, after a restore,
/// or both.
pub(super) fn begin(lane: &mut Lane, first: Sequence, boundary: Sequence) {
    if lane.head != Sequence(1) {
        return;
    }
    if boundary > Sequence(0) && boundary < first {
        skip(lane, Range { from: 1, to: boundary.0 }, OmitReason::Boundary);
    }
    if lane.head < first {
        skip(lane, Range { from: lane.head.0, to: first.0 - 1 }, OmitReason::Restored);
    }
}

fn skip(lane: &mut Lane, jump: Range, reason: OmitReason) {
    omit(lane, jump, reason);
    // Of what was released before the lane was opened, all was counted.
    let counted = (jump.to.min(lane.opened.min(lane.reach()).0) + 1).saturating_sub(jump.from);
    lane.waiting = lane.waiting.saturating_sub(counted);
    lane.head = Sequence(jump.to.saturating_add(1));
    lane.tail = Sequence(lane.tail.0.max(jump.to));
    keep_what_follows(lane);
    // It may have been the last that waited: stopped at nothing, the lane would keep what comes next.
    end_drain(lane);
    forget_sent(lane);
}
