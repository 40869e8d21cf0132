//! Compensation: a late event is put in its place for consumers that can undo (decision 040).
//!
//! What was released after its place is undone newest first, then the late event goes, then what was undone goes once more.
//! All of it is decided at once and stands in one frame; each is an event of its own, with a copy of the
//! body, so that lanes, retries, retention and chain know nothing of compensations.
//!
//! ```text
//!   released          1   3   4                                     late: 2
//!   the frame                    ▏ undo 4   undo 3   2 (late)   3   4 ▕
//!   sequence          1   2   3       4        5        6       7   8
//!   stands for                        3        2                2   3
//! ```
//!
//! **What was released after its place.** History is a stack: an event puts itself on it, a compensation takes the
//! topmost off. Read backwards from the newest release, a compensation of `s` says that everything between
//! `s` and itself is undone or repeated behind it: reading goes on before `s`. What stands on the stack is undone down
//! to the first that is in its place and sorts before the late one. Of a late event that was delivered at the tail the
//! place is unknown: it is undone with the others and repeated as what it was. Those that are dead letters
//! or went aside stand on no stack.
//!
//! **States of a late event.**
//!
//! ```text
//!   judged late ──▶ asking ◀──▶ reading (a page of history is on its way)
//!                     │ place found, nothing was released meanwhile        │ too much, or history is gone
//!                     ▼                                                   ▼
//!                 one frame: received, released of all              received, released: a dead letter
//! ```
//!
//! While it is asked for, nothing is written and nothing answered; other inputs of its key wait, a bounded number of them, and
//! so does the end of its wait for missing positions: what closes the gap may be among them.
//!
//! **Crashes.** Before the frame is durable nothing has happened: its source sends the event again. Behind it the
//! releases are those of ordinary events: killed between any two of them, a lane goes on at its head.
//!
//! **Who may write what.** Only an arriving event that its contract calls late, of a source that wants it so.
//!
//! Must not know: where history is kept; that comes page by page.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Partition;
use super::draft::Promise;
use super::order::Form;
use crate::chain::Digest;
use crate::contract;
use crate::fact::{Kind, Late, Origin, Received, Released};
use crate::id::{DestinationId, Key, Sequence};
use crate::input::{Arrival, Input, Recalled, Ticket};
use crate::limits;
use crate::output::{Answer, Busy, DraftBody, Output, Status};
use crate::position::Position;
use crate::ranges::Ranges;
use crate::recent::Seen;
use crate::record::KeyRecord;
use crate::settings::{Contract, SourceSettings};
use crate::slab::Slot;

/// A late event whose place is looked for.
#[derive(Debug)]
pub(super) struct Recall {
    ticket: Ticket,
    /// It, while history is read; then it goes the way of every arriving event once more.
    arrival: Option<(Box<Arrival>, Seen)>,
    /// The key's newest release when reading began.
    newest: Sequence,
    /// The next release to look at, downwards.
    at: Sequence,
    /// What is to be undone, newest first, and the bytes of its bodies.
    undone: Vec<Recalled>,
    bytes: u64,
    found: Found,
    /// Other events of its key, in the order they came.
    waiting: VecDeque<Input>,
}

/// How far looking for the place has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// History is read.
    NotYet,
    /// What is to be undone is at hand.
    Place,
    /// More is to be undone than may be, or some of it is kept no longer.
    Nothing,
}

impl Recall {
    fn new(arrival: Box<Arrival>, seen: Seen, newest: Sequence, waiting: VecDeque<Input>) -> Self {
        let ticket = arrival.ticket;
        let (arrival, undone) = (Some((arrival, seen)), Vec::new());
        let (at, bytes, found) = (newest, 0, Found::NotYet);
        Self { ticket, arrival, newest, at, undone, bytes, found, waiting }
    }

    /// What waited for something else before waits for it now: it was let in already.
    pub(super) fn wait_behind(&mut self, waiting: VecDeque<Input>) {
        self.waiting.extend(waiting);
    }

    /// Everybody whose answer rests on it.
    pub(super) fn tickets(self) -> impl Iterator<Item = Ticket> {
        let own = self.arrival.map(|(arrival, _)| arrival.ticket);
        own.into_iter()
            .chain(self.waiting.iter().filter_map(super::keys::ticket_of).collect::<Vec<_>>())
    }

    /// Takes in a page of history, from its newest release down.
    fn take_in(
        &mut self,
        page: Vec<Recalled>,
        floor: Sequence,
        is_before: impl Fn(&Recalled) -> bool,
    ) {
        let began = self.at;
        for recalled in page.into_iter().rev() {
            if recalled.released.sequence > self.at {
                continue;
            }
            self.found = self.look_at(recalled, &is_before);
            if self.found != Found::NotYet {
                return;
            }
        }
        if self.at <= floor {
            self.found = self.at_place();
        } else if self.at == began {
            self.found = Found::Nothing;
        }
    }

    fn look_at(&mut self, recalled: Recalled, is_before: &impl Fn(&Recalled) -> bool) -> Found {
        let Released { sequence, kind, late, earlier, .. } = recalled.released;
        if sequence != self.at {
            return Found::Nothing;
        }
        self.at = Sequence(sequence.0 - 1);
        if kind == Kind::Compensation {
            self.at = Sequence(earlier.unwrap_or(sequence).0.saturating_sub(1));
            return Found::NotYet;
        }
        if matches!(late, Late::Dead | Late::Aside) {
            return Found::NotYet;
        }
        if is_before(&recalled) {
            return self.at_place();
        }
        if recalled.body.is_none() {
            return Found::Nothing;
        }
        self.bytes += u64::from(recalled.received.size);
        self.undone.push(recalled);
        let is_within =
            self.undone.len() <= limits::COMPENSATED && self.bytes <= limits::COMPENSATED_BYTES;
        if is_within { Found::NotYet } else { Found::Nothing }
    }

    /// What has no place and stands right above it need not be undone: the late event goes on top of it as well.
    fn at_place(&mut self) -> Found {
        while self.undone.last().is_some_and(|last| !is_placed(&last.released)) {
            self.undone.pop();
        }
        Found::Place
    }
}

/// Whether an event stands in its place: a late one that was delivered at the tail does not.
fn is_placed(released: &Released) -> bool {
    released.kind == Kind::Event || released.late == Late::InPlace
}

/// Where an event stands among those of its key by what its source says.
fn standing(source: &SourceSettings, position: &Position, event_type: &str) -> (u64, u32) {
    let number = position.number().unwrap_or_default();
    match source.contract {
        Contract::Settle => (number, contract::rank(source, event_type)),
        _ => (number, 0),
    }
}

impl<D: Digest> Partition<D> {
    /// Whether an arriving event waits for a late one of its key; if so, it does from now on.
    pub(super) fn waits_behind_late(&mut self, arrival: &Arrival, seen: &Seen) -> bool {
        let recall = self.recalls.get_mut(&arrival.key);
        let Some(recall) = recall.filter(|recall| recall.ticket != arrival.ticket) else {
            return false;
        };
        let ticket = arrival.ticket;
        if recall.waiting.len() < limits::RECALL_WAITING {
            let arrival = Box::new(arrival.clone());
            recall.waiting.push_back(Input::Receive { arrival, seen: *seen });
        } else {
            let answer = Answer::Busy(Busy::Loading);
            self.outputs.push_back(Output::Answer { ticket, answer });
        }
        true
    }

    /// A late event goes to its place, once that is found; until then it is looked for, and this is false.
    pub(super) fn go_to_place(&mut self, slot: Slot, arrival: Box<Arrival>, seen: &Seen) -> bool {
        let Some(hot) = self.keys.get(slot) else { return true };
        let (newest, written) = (hot.record.sequence, hot.record.newest.frame);
        if newest == Sequence(0) {
            self.settle_late(slot, *arrival, Some(&[]));
            return true;
        }
        let key = arrival.key.clone();
        let recall = self.recalls.get_mut(&key);
        if let Some(recall) = recall
            && recall.newest == newest
            && recall.found != Found::NotYet
        {
            let is_found = recall.found == Found::Place;
            let undone = core::mem::take(&mut recall.undone);
            self.settle_late(slot, *arrival, is_found.then_some(&undone));
            return true;
        }
        if !self.recalls.contains_key(&key) && self.recalls.len() >= self.recalls_most() {
            let (ticket, answer) = (arrival.ticket, Answer::Busy(Busy::Loading));
            self.outputs.push_back(Output::Answer { ticket, answer });
            return false;
        }
        // What was read is not what there is: something was released meanwhile.
        let waiting = self.recalls.remove(&key).map(|recall| recall.waiting).unwrap_or_default();
        self.recalls.insert(key.clone(), Recall::new(arrival, *seen, newest, waiting));
        // Only what is durable can be read.
        if written > self.committed {
            self.promise(Promise::Recall(key));
        } else {
            self.recall(key);
        }
        false
    }

    /// Asks for the next page of a key's history.
    pub(super) fn recall(&mut self, key: Key) {
        let Some(recall) = self.recalls.get(&key) else { return };
        let to = recall.at;
        // Below its floor nothing of a key is to be read.
        let hot = self.slot_of(&key).and_then(|slot| self.keys.get(slot));
        let floor = hot.map_or(Sequence(0), |hot| hot.record.boundary);
        let from = Sequence(to.0.saturating_sub(limits::RECALLED - 1)).max(floor.next());
        self.outputs.push_back(Output::Recall { key, from, to });
    }

    /// A page of history came, or cannot be read now: then the late event cannot be taken, and its source tries again.
    pub(super) fn recalled(&mut self, key: Key, to: Sequence, page: Option<Vec<Recalled>>) {
        let slot = self.slot_of(&key);
        let source = self.settings.sources.get(&key.source);
        let Some(recall) = self.recalls.get_mut(&key) else { return };
        if recall.at != to || recall.found != Found::NotYet {
            return;
        }
        let Some((arrival, _)) = &recall.arrival else { return };
        let hot = slot.and_then(|slot| self.keys.get(slot));
        let Some(((page, source), hot)) = page.zip(source).zip(hot) else {
            let ticket = arrival.ticket;
            self.outputs.push_back(Output::Answer { ticket, answer: Answer::Unavailable });
            return self.end_recall(&key);
        };
        let late = standing(source, &arrival.position, &arrival.event_type);
        let stands = |of: &Received| standing(source, &of.position, &of.event_type);
        let (since, floor) = (hot.record.order.since, hot.record.boundary);
        recall.take_in(page, floor, |recalled| {
            let is_of_before = recalled.released.event < since;
            is_of_before || (is_placed(&recalled.released) && stands(&recalled.received) <= late)
        });
        if recall.found == Found::NotYet {
            return self.recall(key);
        }
        if let Some((arrival, seen)) = recall.arrival.take() {
            self.receive(arrival, &seen);
        }
    }

    /// Nothing of a key is looked for any more: what waited for it happens now, in its order.
    pub(super) fn end_recall(&mut self, key: &Key) {
        if let Some(recall) = self.recalls.remove(key) {
            self.go_on_behind(key, recall.waiting);
        }
    }

    /// A late event of which is known what is to be undone; where that cannot be, it is a dead letter.
    fn settle_late(&mut self, slot: Slot, arrival: Arrival, undone: Option<&[Recalled]>) {
        let (ticket, key) = (arrival.ticket, arrival.key.clone());
        let number = arrival.position.number();
        for recalled in undone.unwrap_or_default() {
            self.release_again(slot, recalled, Kind::Compensation, None);
        }
        let (event, essence) = self.write_received(arrival);
        let late = if undone.is_some() { Late::InPlace } else { Late::Dead };
        let form = Form { late: Some(late), ..Form::of(Kind::Late) };
        let sequence = self.release_as(slot, &key, event, &essence, form);
        for recalled in undone.unwrap_or_default().iter().rev() {
            self.release_again(slot, recalled, recalled.released.kind, number);
        }
        self.drain(slot, &key);
        let (status, event, sequence) = (Status::Late, Some(event), Some(sequence));
        self.promise(Promise::Answer(ticket, Answer::Event { status, event, sequence }));
    }

    /// Something that was released is undone, or released once more: an event of its own, with a copy of the body.
    /// What came late is missing no more.
    fn release_again(&mut self, slot: Slot, recalled: &Recalled, kind: Kind, came: Option<u64>) {
        // Without its body it was not noted to be undone.
        let Recalled { released, received, body: Some(body) } = recalled else { return };
        let key = &released.key;
        let Some(source) = self.settings.sources.get(&key.source) else { return };
        let Some(record) = self.keys.get(slot).map(|hot| &hot.record) else { return };
        let lanes = self.lanes_again(source, record, recalled);
        let (late, mut missing) = match kind {
            Kind::Compensation => (Late::Delivered, Ranges::default()),
            Kind::Event | Kind::Late => (released.late, released.missing.clone()),
        };
        if let Some(came) = came {
            missing.remove(came);
        }
        let (late, earlier) = (Some(late), Some(released.sequence));
        let form = Form { kind, late, earlier, lanes: Some(lanes), missing: Some(missing) };
        let received = Received { origin: Origin::Again, ..received.clone() };
        let (event, essence) = self.write_event(received, DraftBody::Again(body.clone()));
        self.release_as(slot, key, event, &essence, form);
    }

    /// The lanes that an event entered, or were opened or set back over it, and that its source still leads to; and the others.
    fn lanes_again(
        &self,
        source: &SourceSettings,
        record: &KeyRecord,
        recalled: &Recalled,
    ) -> (Vec<DestinationId>, Vec<DestinationId>) {
        let Recalled { released, received, .. } = recalled;
        let was_opened = |to: &DestinationId| {
            let lane = record.lanes_to(*to).first();
            let is_over = lane.is_some_and(|lane| lane.covers(released.sequence));
            is_over && !released.filtered.contains(to) && self.takes_type(*to, &received.event_type)
        };
        let entered = |to: &&DestinationId| released.lanes.contains(to) || was_opened(to);
        source.destinations.iter().partition(entered)
    }
}
