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
//! **Crashes.** What was not written is not given up: the node sees that as much waits as before.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Partition;
use crate::chain::Digest;
use crate::fact::{BacklogDropped, Fact};
use crate::id::{DestinationId, Key, Sequence};
use crate::input::PageCursor;
use crate::limits;
use crate::output::{Output, PageRequest};
use crate::record::{KeyRecord, Queue, oldest};

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
            let slot = self.names.get(&key).copied();
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
        let slot = self.names.get(key).copied();
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
        let to = Sequence(lane.reach().0.min(from.0.saturating_add(limits::DROPPED_EVENTS - 1)));
        let is_left = to < lane.tail || are_others;
        let before = self.totals.backlog_of(destination).bytes;
        let key = key.clone();
        self.write(Fact::BacklogDropped(BacklogDropped { key, destination, from, to }));
        self.rest_on_written(slot, destination);
        let after = self.totals.backlog_of(destination).bytes;
        (before.saturating_sub(after), is_left)
    }
}
