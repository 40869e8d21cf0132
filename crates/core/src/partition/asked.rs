//! What a lane that waits for another resource is told of it (`depends_on`, decision 042): the side that answers.
//!
//! The answer is found anew for each ask, from the record of the key that is asked about and what stands at its lane's
//! head. Where that waits for another resource itself, the ask goes on to that one:
//!
//! ```text
//!            ┌ settled its first event there, or has no lane there ─▶ met, once that is durable (behind another: pending)
//!            ├ moves by itself ───────────────────────────────────────▶ pending
//!  asked ────┼ waits for another ──▶ asked there; in a circle, or too far: not yet
//!            ├ released nothing there, or only an operator moves it ──▶ not yet
//!            └ not at hand: loaded and read first; no room: pending
//! ```
//!
//! **Circles.** Nobody answers from what he was told: *pending* comes from a lane that moves, or from one that cannot be looked
//! at now, or one whose wait is over. So no word goes round among those that wait for each other: of those in a circle whose
//! waits are over, the first by the end of its wait, then by name, is told *not yet* and goes, and the others wait for it.
//! The ends of waits are compared as numbers, whatever the open times of their partitions are: an order is all that is needed.
//!
//! **Bounds.** Asks wait in [`Partition`]'s `asks` while a key is loaded or its head is read: for so many keys, so many of
//! each; who finds no room is told *pending* and asks again. They are apart from what arrives, so that no event is refused
//! because of them, and a row of keys has room beside a full memory, so that no stream of events keeps them waiting. With
//! the partition they are lost, and made again.
//!
//! Must not know: why a lane asks, in which partition a key is.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Partition;
use super::depends::{waits_for, was_tried};
use super::draft::Promise;
use super::hot::Hot;
use crate::chain::Digest;
use crate::fact::DependsOn;
use crate::id::{DestinationId, Sequence};
use crate::input::{Ask, Word};
use crate::limits;
use crate::output::Output;
use crate::record::{Lane, Omission, OmitReason};
use crate::slab::Slot;

/// How far a key has come with its first event in a destination.
enum Standing {
    /// It is settled there, or there is nothing to settle.
    Settled,
    /// It is on its way there.
    Moves,
    /// It is not there, or only an operator moves it.
    Stands,
    /// It waits for another resource.
    Waits(DependsOn),
    /// What stands at the head of this lane is to be read first.
    Unread(usize),
}

impl<D: Digest> Partition<D> {
    /// A lane asks about a key of this partition.
    pub(super) fn asked(&mut self, ask: Box<Ask>) {
        let Some(slot) = self.slot_of(&ask.reached) else {
            return self.load_for(ask);
        };
        // A lane that is to be opened over what the key released has nothing settled yet.
        self.visit(slot);
        self.consider(slot, ask, true);
    }

    /// Asks that waited for a key are answered.
    pub(super) fn answer_asks(&mut self, slot: Slot, may_read: bool) {
        let Some(key) = self.keys.get(slot).map(|hot| hot.key.clone()) else { return };
        for ask in self.asks.remove(&key).unwrap_or_default() {
            self.consider(slot, Box::new(ask), may_read);
        }
    }

    /// What could not be looked at is not told from what was last known: who asks, asks again.
    pub(super) fn tell_unknown(&mut self, ask: Box<Ask>) {
        self.outputs.push_back(Output::Tell { ask, word: Word::Pending });
    }

    fn consider(&mut self, slot: Slot, ask: Box<Ask>, may_read: bool) {
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let newest = hot.record.newest.frame;
        let word = match standing(hot, ask.destination) {
            // What waits for it goes on, and is not there yet.
            Standing::Settled if ask.steps > 0 => Word::Pending,
            Standing::Settled if newest > self.committed => {
                return self.promise(Promise::Tell(ask));
            }
            Standing::Settled => Word::Met,
            Standing::Moves => Word::Pending,
            Standing::Stands if ask.over.is_some() => Word::Pending,
            Standing::Stands => Word::NotYet,
            Standing::Waits(depends_on) => return self.pass_on(ask, depends_on),
            Standing::Unread(at) if may_read => return self.read_for(slot, at, ask),
            Standing::Unread(_) => Word::Pending,
        };
        self.outputs.push_back(Output::Tell { ask, word });
    }

    /// An ask goes on to the resource that this one waits for. In a circle the one whose wait is over first does not wait for
    /// the others.
    fn pass_on(&mut self, mut ask: Box<Ask>, DependsOn { of, until }: DependsOn) {
        // Who asks waits with its first event itself: else that is settled, and what refers to it does not wait.
        let is_circle = ask.reached == ask.asker;
        let own = Some((until, ask.reached.clone()));
        let own = own.filter(|_| until <= self.open && !is_circle);
        ask.over = ask.over.into_iter().chain(own).min();
        if !is_circle && ask.steps < limits::ASK_STEPS {
            (ask.reached, ask.steps) = (of, ask.steps + 1);
            self.outputs.push_back(Output::Ask(ask));
            return;
        }
        let over = ask.over.as_ref().map(|(until, key)| (*until, key));
        let goes_before = over.is_some_and(|over| over < (ask.until, &ask.asker));
        let word = if goes_before { Word::Pending } else { Word::NotYet };
        self.outputs.push_back(Output::Tell { ask, word });
    }

    fn read_for(&mut self, slot: Slot, at: usize, ask: Box<Ask>) {
        if self.keep_ask(ask) {
            self.ask_backlog(slot, at);
        }
    }

    fn load_for(&mut self, ask: Box<Ask>) {
        let key = ask.reached.clone();
        let is_loading = self.loading.contains_key(&key);
        let is_beside = !is_loading && !self.has_room();
        if is_beside && !self.has_room_beside() {
            self.tell_unknown(ask);
        } else if self.keep_ask(ask) && !is_loading {
            if is_beside {
                self.beside.insert(key.clone());
            }
            self.loading.insert(key.clone(), Vec::new());
            self.outputs.push_back(Output::Load(key));
        }
    }

    /// An ask waits for its key, if there is room for it.
    fn keep_ask(&mut self, ask: Box<Ask>) -> bool {
        let (keys, most) = (self.asks.len(), self.asked_keys_most());
        let waiting = self.asks.get(&ask.reached).map(Vec::len);
        let has_room = waiting.map_or(keys < most, |asks| asks < limits::KEY_ASKS);
        if has_room {
            self.asks.entry(ask.reached.clone()).or_default().push(*ask);
        } else {
            self.tell_unknown(ask);
        }
        has_room
    }
}

fn standing(hot: &mut Hot, destination: DestinationId) -> Standing {
    if hot.record.begins() {
        return Standing::Stands;
    }
    // One that released events and has no lane there has nothing to settle.
    let Some(at) = hot.lane_at(destination.into()) else { return Standing::Settled };
    let is_unread = hot.head_of(at).is_none();
    let (lane, record) = (&hot.lanes[at], &hot.record.lanes[at]);
    if has_settled(record) {
        return Standing::Settled;
    }
    let is_stopped = hot.record.paused || !record.mode.delivers() || hot.record.unordered;
    if !record.has_backlog() || is_stopped {
        return Standing::Stands;
    }
    if was_tried(record) || lane.attempt.is_some() {
        return Standing::Moves;
    }
    match waits_for(lane, record) {
        Some(depends_on) => Standing::Waits(depends_on.clone()),
        None if lane.is_damaged() => Standing::Stands,
        None if is_unread => Standing::Unread(at),
        None => Standing::Moves,
    }
}

/// Whether a lane has gone past an event of its own. What a newer one took the place of is not settled: that one is on its
/// way. What the lane does not know of (`restored`, `boundary`) says nothing.
fn has_settled(lane: &Lane) -> bool {
    let was_passed = |omitted: &Omission| {
        omitted.merged || matches!(omitted.reason, OmitReason::Filtered | OmitReason::Dead)
    };
    lane.delivered > Sequence(0) || lane.rewound.is_some() || lane.omitted.iter().any(was_passed)
}
