//! Gives up what has waited longest for a destination for which too much waits (rule D9, decision 014).
//!
//! **Who says so.** How much waits is counted per partition, the limit is for all of them: the node
//! compares ([`backlog`](crate::backlog)) and tells the partition that has most to free so many bytes.
//!
//! **Which lanes.** Those without progress for longest, as the state store's queue
//! [`Queue::Backlogs`] orders them: pages of it bring their keys to memory, and each lane is given up
//! whole, in facts of at most [`limits::DROPPED_EVENTS`] events, until enough is freed. What is on that
//! page and moved since is passed over; so is a lane with an attempt under way, or whose consumer has
//! an event and has not acknowledged it. What the store does not have yet is too young to be the oldest.
//!
//! **What is left of a lane** is not exact where a fact names only a part of it: which of its events are the
//! lane's own is said by their releases, and those are not read for this. No more is left than follows, then and
//! as the lane goes on, so at the most too much is counted, until the lane is empty. A part ends before sequences that were never given
//! (`jump`): a lane passes those when it stands at the first of them.
//!
//! **Crashes.** What was not written is not given up: the node sees that as much waits as before.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Partition;
use super::evolve::{go_on_at, keep_waiting, omit};
use crate::chain::Digest;
use crate::fact::{BacklogDropped, Fact};
use crate::id::{DestinationId, Key, Sequence};
use crate::input::PageCursor;
use crate::limits;
use crate::output::{Output, PageRequest};
use crate::ranges::Range;
use crate::record::{KeyRecord, Lane, OmitReason, Queue, oldest};

/// What is being given up for one destination.
#[derive(Debug)]
pub(super) struct Overflow {
    /// Bytes still to be freed.
    bytes: u64,
    /// The next page; none behind the last.
    from: Option<PageCursor>,
    /// Whether it was asked for and has not come.
    asked: bool,
    /// Keys in memory whose lanes are the oldest, oldest first.
    keys: VecDeque<Key>,
}

impl<D: Digest> Partition<D> {
    /// More waits for a destination than may: so many bytes are to be freed here.
    pub(super) fn overflow(&mut self, destination: DestinationId, bytes: u64) {
        let from = Some(PageCursor { due: 0, key: None });
        let overflow = Overflow { bytes, from, asked: false, keys: VecDeque::new() };
        self.overflows.entry(destination).or_insert(overflow);
    }

    /// Whether it gives up what waits for a destination.
    #[must_use]
    pub fn is_overflowing(&self, destination: DestinationId) -> bool {
        self.overflows.contains_key(&destination)
    }

    /// Goes on giving up, as far as the frame being filled takes it.
    pub(super) fn give_up_oldest(&mut self) {
        let destinations: Vec<_> = self.overflows.keys().copied().collect();
        destinations.into_iter().for_each(|destination| self.give_up_for(destination));
    }

    fn give_up_for(&mut self, destination: DestinationId) {
        while !self.filling.is_full() {
            let Some(overflow) = self.overflows.get_mut(&destination) else { return };
            let is_over = overflow.keys.is_empty() && overflow.from.is_none() && !overflow.asked;
            if overflow.bytes == 0 || is_over {
                self.overflows.remove(&destination);
                return;
            }
            let Some(key) = overflow.keys.front().cloned() else {
                self.ask_oldest(destination);
                return;
            };
            let (freed, is_left) = self.give_up(destination, &key);
            if let Some(overflow) = self.overflows.get_mut(&destination) {
                overflow.bytes = overflow.bytes.saturating_sub(freed);
                if !is_left {
                    overflow.keys.pop_front();
                }
            }
        }
    }

    fn ask_oldest(&mut self, destination: DestinationId) {
        let Some(overflow) = self.overflows.get_mut(&destination) else { return };
        if overflow.asked {
            return;
        }
        let Some(from) = overflow.from.take() else { return };
        overflow.asked = true;
        let queue = Queue::Backlogs(destination);
        let (until, keys) = (u64::MAX, limits::OVERFLOW_KEYS);
        self.outputs.push_back(Output::Page(PageRequest { queue, from, until, keys }));
    }

    /// The oldest lanes came. What made progress since the store took it in is not among them.
    pub(super) fn oldest_came(
        &mut self,
        destination: DestinationId,
        keys: Vec<(Key, KeyRecord)>,
        next: Option<PageCursor>,
    ) {
        let Some(overflow) = self.overflows.get_mut(&destination).filter(|it| it.asked) else {
            return;
        };
        (overflow.asked, overflow.from) = (false, next);
        for (key, record) in keys {
            let stored = oldest(record.lanes_to(destination));
            // One that is being loaded comes with what it waits for; it is oldest another time.
            if self.loading.contains_key(&key) {
                continue;
            }
            let slot = self.slot_of(&key);
            let slot = slot.unwrap_or_else(|| {
                let slot = self.insert(key.clone(), record);
                self.arm(slot);
                slot
            });
            let hot = self.keys.get(slot);
            let waits = hot.and_then(|hot| oldest(hot.record.lanes_to(destination)));
            let is_oldest = waits.is_some() && waits == stored;
            if let Some(overflow) = self.overflows.get_mut(&destination).filter(|_| is_oldest) {
                overflow.keys.push_back(key);
            }
        }
    }

    /// Gives up what one fact may of a lane; says how many bytes that freed, and whether something is
    /// left in it.
    fn give_up(&mut self, destination: DestinationId, key: &Key) -> (u64, bool) {
        let slot = self.slot_of(key);
        let hot = slot.and_then(|slot| Some((slot, self.keys.get(slot)?)));
        let lane = hot.and_then(|(slot, hot)| Some((slot, hot, hot.lane_at(destination.into())?)));
        let Some((slot, hot, first)) = lane else { return (0, false) };
        // Of an unordered key each strand is given up by itself, and those that are busy are passed.
        let lanes = hot.record.lanes_to(destination).iter().zip(&hot.lanes[first..]);
        let mut idle = lanes.filter(|(lane, hot)| {
            hot.attempt.is_none() && lane.accepted.is_none() && lane.has_backlog()
        });
        let Some((lane, _)) = idle.next() else { return (0, false) };
        let are_others = idle.next().is_some();
        let from = lane.head;
        let most = Sequence(from.0.saturating_add(limits::DROPPED_EVENTS - 1));
        let to = lane.reach().min(most).min(before_jump(&hot.record, from));
        let is_left = to < lane.tail || are_others;
        let before = self.totals.backlog_of(destination).bytes;
        let key = key.clone();
        self.write(Fact::BacklogDropped(BacklogDropped { key, destination, from, to }));
        self.rest_on_written(slot, destination);
        self.withdraw_idle(slot);
        let after = self.totals.backlog_of(destination).bytes;
        (before.saturating_sub(after), is_left)
    }
}

/// The last sequence before the next that was never given.
fn before_jump(record: &KeyRecord, from: Sequence) -> Sequence {
    let next = record.jumps.iter().find(|jump| jump.from > from.0);
    next.map_or(Sequence(u64::MAX), |jump| Sequence(jump.from - 1))
}

/// The oldest of what waits in the lane are dead letters; nothing of what is left was tried.
pub(super) fn note(record: &mut KeyRecord, dropped: &BacklogDropped) {
    let BacklogDropped { destination, from, to, .. } = *dropped;
    // An event in a strand is given up by itself.
    let strand = record.strand(destination, from).map(Lane::id);
    let Some(at) = record.index_of(strand.unwrap_or(destination.into())) else { return };
    let behind = given_behind(record, to, record.lanes[at].tail);
    let lane = &mut record.lanes[at];
    omit(lane, Range { from: from.0, to: to.0 }, OmitReason::Dead);
    lane.batch = None;
    if lane.head <= to && lane.has_backlog() {
        keep_behind(lane, to, behind);
        go_on_at(lane, to.min(lane.tail).next());
    }
}

/// How many sequences were given behind an event, up to the tail of a lane.
fn given_behind(record: &KeyRecord, to: Sequence, tail: Sequence) -> u64 {
    let are_behind = |jump: &&Range| jump.from > to.0 && jump.to < tail.0;
    let jumps = record.jumps.iter().filter(are_behind);
    let never: u64 = jumps.map(|jump| jump.to - jump.from + 1).sum();
    tail.0.saturating_sub(to.0).saturating_sub(never)
}

/// What waits up to an event is given up; so many sequences were given `behind` it.
fn keep_behind(lane: &mut Lane, to: Sequence, behind: u64) {
    if to >= lane.tail {
        return keep_waiting(lane, 0);
    }
    // Of what was released before the lane was opened, all was counted.
    let counted = (to.min(lane.opened).0 + 1).saturating_sub(lane.head.0);
    let left = lane.waiting.saturating_sub(counted);
    let unknown = (to.0 + 1).saturating_sub(lane.head.0 + counted);
    if unknown == 0 {
        return keep_waiting(lane, left);
    }
    let all = u128::from(behind) + u128::from(unknown) + u128::from(counted);
    let bytes = u128::from(lane.bytes) * u128::from(behind) / all;
    lane.bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    lane.waiting = left.min(behind);
}

#[cfg(test)]
mod tests {
    use super::super::evolve::pass_filtered;
    use super::super::jump;
    use super::*;
    use crate::fact::Filtered;
    use crate::id::SourceId;
    use crate::invariants::broken;

    fn dropped(from: u64, to: u64) -> BacklogDropped {
        let key = Key { source: SourceId(1), name: "a".into() };
        let (from, to) = (Sequence(from), Sequence(to));
        BacklogDropped { key, destination: DestinationId(1), from, to }
    }

    fn record(lane: Lane, jumps: &[Range]) -> KeyRecord {
        let (sequence, lanes) = (lane.tail, Vec::from([lane]));
        KeyRecord { sequence, lanes, jumps: jumps.to_vec(), ..KeyRecord::default() }
    }

    /// What waits in its lane, and its bytes, after each part is given up.
    fn left(mut record: KeyRecord, parts: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let after = |(from, to): &(u64, u64)| {
            note(&mut record, &dropped(*from, *to));
            assert_eq!(broken(&record), None, "{record:?}");
            (record.lanes[0].waiting, record.lanes[0].bytes)
        };
        parts.iter().map(after).collect()
    }

    /// A thousand events and the last three are the lane's own; the thousand are given up, and it passes what follows.
    fn passed(tail: u64, jumps: &[Range], to: u64) -> KeyRecord {
        let lane = Lane::new(DestinationId(1), Sequence(1));
        let lane = Lane { tail: Sequence(tail), waiting: 1_003, bytes: 10_030, ..lane };
        let mut record = record(lane, jumps);
        let BacklogDropped { key, destination, .. } = dropped(1, 1_000);
        note(&mut record, &dropped(1, 1_000));
        let (from, to) = (Sequence(1_001), Sequence(to));
        pass_filtered(&mut record, &Filtered { key, destination, from, to });
        jump::pass(&mut record);
        assert_eq!(broken(&record), None, "{record:?}");
        record
    }

    #[test]
    fn no_more_waits_than_follows_as_the_lane_goes_on() {
        let record = passed(3_000, &[], 2_997);
        assert_eq!((record.lanes[0].waiting, record.lanes[0].bytes), (3, 19));
        let record = passed(9_003, &[Range { from: 1_201, to: 9_000 }], 1_200);
        assert_eq!((record.lanes[0].head, record.lanes[0].waiting), (Sequence(9_001), 3));
    }

    #[test]
    fn what_is_left_of_a_lane_whose_events_are_all_its_own_is_exact() {
        let lane = Lane::new(DestinationId(1), Sequence(1));
        let lane = Lane { tail: Sequence(2_500), waiting: 2_500, bytes: 25_000, ..lane };
        let parts = [(1, 1_000), (1_001, 2_000), (2_001, 2_500)];
        assert_eq!(left(record(lane, &[]), &parts), [(1_500, 15_000), (500, 5_000), (0, 0)]);
    }

    #[test]
    fn of_a_lane_that_others_passed_no_less_is_counted_than_waits() {
        // Every other event entered.
        let lane = Lane::new(DestinationId(1), Sequence(1));
        let lane = Lane { tail: Sequence(3_000), waiting: 1_500, bytes: 30_000, ..lane };
        let parts = [(1, 1_000), (1_001, 2_000), (2_001, 3_000)];
        assert_eq!(left(record(lane, &[]), &parts), [(1_500, 20_000), (1_000, 10_000), (0, 0)]);
    }

    #[test]
    fn of_what_was_released_before_a_lane_all_was_counted() {
        let lane = Lane::opened(DestinationId(1), Sequence(1_500));
        let (tail, waiting) = (Sequence(3_000), 1_500 + 700);
        let lane = Lane { tail, waiting, bytes: 7_000, ..lane };
        let counted = left(record(lane, &[]), &[(1, 1_000), (1_001, 2_000)]);
        assert_eq!(counted.iter().map(|(events, _)| *events).collect::<Vec<_>>(), [1_200, 700]);
    }

    #[test]
    fn a_part_ends_before_what_was_never_given_and_that_is_not_counted() {
        let jumps = [Range { from: 1_200, to: 9_000 }];
        let lane = Lane::new(DestinationId(1), Sequence(1));
        let lane = Lane { tail: Sequence(9_100), waiting: 1_299, bytes: 12_990, ..lane };
        let record = record(lane, &jumps);
        assert_eq!(before_jump(&record, Sequence(1_001)), Sequence(1_199));
        assert_eq!(before_jump(&record, Sequence(9_001)), Sequence(u64::MAX));
        assert_eq!(left(record, &[(1, 1_000)]), [(299, 2_990)]);
    }
}
