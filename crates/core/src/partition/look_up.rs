//! Events whose ids and positions are looked up in older history (DESIGN F4), and those of their keys that wait behind them.
//!
//! What is looked up is here. Were those behind it judged first, it would be missing to them: a gap could be given up for
//! what has come already, and an event that was in time would be late. So the events of a key are judged in the order in
//! which they came; under contract `unordered`, where each is by itself, they are not kept waiting.
//!
//! | a key of which … | what happens |
//! |---|---|
//! | nothing is looked up | an event is judged at once, or looked up |
//! | an event is looked up | others wait behind it, up to a bound; the key's wait for missing positions does not end ([`limits::HISTORY_WAIT`] at the most), and what it holds keeps it in memory |
//! | that event comes back | it is judged, then those behind it, until another of them has to be looked up |
//! | history cannot be read | it is answered `unavailable`, for its source tries again; those behind it go on |
//! | the term ends | those behind it are answered `unavailable`, and so is it when it comes back before the next serves |
//!
//! Nothing of this is durable: nobody has been answered yet. Must not know: how history is searched.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Partition;
use super::keys::ticket_of;
use crate::chain::Digest;
use crate::id::Key;
use crate::input::{Arrival, Input, Ticket};
use crate::limits;
use crate::output::{Answer, Busy, Output};
use crate::recent::Seen;
use crate::settings::Contract;
use crate::slab::Slot;
use crate::time::OpenMicros;

/// The events of a key behind one that is looked up.
#[derive(Debug)]
pub(super) struct LookUp {
    ticket: Ticket,
    waiting: VecDeque<Input>,
}

impl<D: Digest> Partition<D> {
    /// An event came in, or comes back from being looked up.
    pub(super) fn receive(&mut self, arrival: Box<Arrival>, seen: &Seen) {
        if self.look_ups.is_empty() {
            return self.take_in(arrival, seen);
        }
        let key = arrival.key.clone();
        let Some(look_up) = self.look_ups.remove(&key) else {
            return self.take_in(arrival, seen);
        };
        if look_up.ticket == arrival.ticket {
            self.take_in(arrival, seen);
            return self.go_on_behind(&key, look_up.waiting);
        }
        let look_up = self.look_ups.entry(key).or_insert(look_up);
        if look_up.waiting.len() < limits::COLD_KEY_INPUTS {
            look_up.waiting.push_back(Input::Receive { arrival, seen: *seen });
        } else {
            let (ticket, answer) = (arrival.ticket, Answer::Busy(Busy::Loading));
            self.outputs.push_back(Output::Answer { ticket, answer });
        }
    }

    /// What older frames know of an event is asked for; it comes again.
    pub(super) fn look_up(&mut self, arrival: Box<Arrival>) {
        let source = self.settings.sources.get(&arrival.key.source);
        let has_order = source.is_some_and(|source| source.contract != Contract::Unordered);
        // Events that cannot be read have no key in common.
        if has_order && !arrival.key.name.is_empty() {
            let look_up = LookUp { ticket: arrival.ticket, waiting: VecDeque::new() };
            self.look_ups.insert(arrival.key.clone(), look_up);
        }
        self.outputs.push_back(Output::LookUp(arrival));
    }

    /// Without knowing what came before, an event cannot be taken.
    pub(super) fn not_looked_up(&mut self, arrival: &Arrival) {
        let (ticket, answer) = (arrival.ticket, Answer::Unavailable);
        self.outputs.push_back(Output::Answer { ticket, answer });
        if self.look_ups.get(&arrival.key).is_some_and(|look_up| look_up.ticket == ticket)
            && let Some(look_up) = self.look_ups.remove(&arrival.key)
        {
            self.go_on_behind(&arrival.key, look_up.waiting);
        }
    }

    /// What waited happens now, in its order, until another of it is looked up or put in its place.
    pub(super) fn go_on_behind(&mut self, key: &Key, mut waiting: VecDeque<Input>) {
        loop {
            if let Some(look_up) = self.look_ups.get_mut(key) {
                return look_up.waiting.append(&mut waiting);
            }
            // One of them is late, and is put in its place.
            if let Some(recall) = self.recalls.get_mut(key) {
                return recall.wait_behind(waiting);
            }
            let Some(input) = waiting.pop_front() else { break };
            self.dispatch(input);
        }
        // Its wait for missing positions may be over.
        if let Some(slot) = self.slot_of(key) {
            self.arm_hold(slot);
        }
    }

    /// Whether events of a key wait until it is loaded: what comes behind them is looked up in its turn. A key that is
    /// loaded may have come into memory otherwise meanwhile.
    pub(super) fn waits_for_key(&self, key: &Key) -> bool {
        self.loading.contains_key(key) && self.slot_of(key).is_none()
    }

    /// Whether events of a key have come and are not judged yet: history or the key itself is being read for one of them, and
    /// others may wait behind it.
    pub(super) fn is_read_for(&self, slot: Slot) -> bool {
        let Some(key) = self.keys.get(slot).map(|hot| &hot.key) else { return false };
        let is_loading = || self.loading.get(key).is_some_and(|waiting| !waiting.is_empty());
        self.look_ups.contains_key(key) || self.recalls.contains_key(key) || is_loading()
    }

    /// When it is to be looked again whether a key's wait for missing positions is over, since what it waits for may be among what
    /// has come; none once that took too long: nobody waits for an answer any more then, and what is read for may be others, one
    /// after another.
    pub(super) fn waits_for_history(&self, slot: Slot, deadline: OpenMicros) -> Option<OpenMicros> {
        let ends = self.hold_deadline(slot).unwrap_or(deadline).after(limits::HISTORY_WAIT);
        let waits = self.is_read_for(slot) && self.open < ends;
        waits.then(|| self.open.after(limits::OPEN_STEP).min(ends))
    }

    /// The term ends: what waits is answered, and what is looked up comes back.
    pub(super) fn end_look_ups(&mut self) {
        let waiting = core::mem::take(&mut self.look_ups).into_values();
        for ticket in waiting.flat_map(|look_up| look_up.waiting).filter_map(|it| ticket_of(&it)) {
            self.outputs.push_back(Output::Answer { ticket, answer: Answer::Unavailable });
        }
    }
}
