//! What a consumer remembers of one key, and what it expects next.
//!
//! Judges of DESIGN promises 2, 4 and 5 and rules C1, C2, G3 and L5, from the consumer's side
//! alone: it must not know how the gateway decides.

use super::clocks::{Clocks, Told};
use super::delivery::Delivery;
use super::limits::SEEN;
use super::numbers::first_uncovered;
use super::undone::Undone;
use super::violation::{Violation, ViolationKind};
use crate::limits::EPOCH_JUMP;
use std::collections::VecDeque;

/// One key at this consumer.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The newest deliveries, in the order they first came.
    seen: VecDeque<Seen>,
    /// The highest sequence that came in order; 0 before the first.
    head: u64,
    /// The highest sequence acknowledged in order; 0 before the first.
    settled: u64,
    /// The highest position of an event that came in its place.
    position: Option<u64>,
    /// What came by clocks, and whether everything came since the key began.
    clocks: Clocks,
    is_whole: bool,
    /// What was undone for a late event and comes again.
    undone: Undone,
    /// The newest epoch.
    epoch: u64,
    /// The sequence that the key began behind; none where it began with its first.
    boundary: Option<u64>,
    /// Did anything come yet?
    known: bool,
    /// The first event of the range that is being taken in: what is in it is answered together.
    within: Option<u64>,
    /// The range that came last.
    range: Option<(u64, u64)>,
    /// Where it stood when it was set back; none while nothing comes again.
    before: Option<Before>,
}

/// Where a lane stood: head, settled, position.
type Before = (u64, u64, Option<u64>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    sequence: u64,
    body_digest: [u8; 32],
    hash: [u8; 32],
    acknowledged: bool,
}

/// What a delivery was in its lane.
#[derive(Debug)]
pub(super) struct Followed {
    /// Is it the first of its sequence, as far as is remembered?
    pub(super) fresh: bool,
    /// What is wrong.
    pub(super) violations: Vec<Violation>,
}

/// Collects what is wrong with one delivery.
struct Notes<'a>(&'a Delivery, Vec<Violation>);

impl Notes<'_> {
    fn note(&mut self, kind: ViolationKind, detail: String) {
        self.1.push(Violation { kind, id: self.0.id.clone(), detail });
    }
}

impl Lane {
    /// Takes a delivery in. With `from_first` the lane must begin at its first event; without, an
    /// unknown key may begin anywhere.
    pub(super) fn follow(&mut self, delivery: &Delivery, from_first: bool) -> Followed {
        let mut notes = Notes(delivery, Vec::new());
        self.go_back(delivery);
        self.begin_again(delivery);
        self.begin_anew(delivery);
        let repeated = self.seen(delivery.sequence).copied();
        match repeated {
            Some(seen) => self.check_repeat(delivery, seen, &mut notes),
            None => self.check_new(delivery, from_first, &mut notes),
        }
        self.check_link(delivery, &mut notes);
        if repeated.is_none() {
            self.check_clock(delivery, &mut notes);
            self.check_undone(delivery, &mut notes);
            self.remember(delivery);
        } else if !delivery.out_of_order {
            self.head = self.head.max(delivery.sequence);
        }
        self.known = true;
        Followed { fresh: repeated.is_none(), violations: notes.1 }
    }

    /// The gateway was restored from a backup: its epochs rise by [`EPOCH_JUMP`] and more. It goes on
    /// from where the backup stood (rule D10); what every id stood for stays as it was.
    fn go_back(&mut self, delivery: &Delivery) {
        let was_restored = self.known && delivery.epoch >= self.epoch + EPOCH_JUMP;
        self.epoch = self.epoch.max(delivery.epoch);
        if let Some(previous) = delivery.previous.filter(|_| was_restored) {
            self.head = self.head.min(previous);
            self.settled = self.settled.min(previous);
            self.position = None;
            (self.clocks, self.is_whole) = (Clocks::default(), false);
            self.undone = Undone::default();
        }
    }

    /// An operator has the gateway send history again: its first event says at its first try that it may have
    /// come before, and accounts for nothing before it. From there all comes in order; behind what had come, the lane is
    /// where it was (decision 037).
    fn begin_again(&mut self, delivery: &Delivery) {
        // A retry counts its tries on.
        let is_first = delivery.redelivery && delivery.attempt == 1 && !delivery.out_of_order;
        let begins = is_first && delivery.previous == Some(0);
        if begins && self.known && delivery.sequence < self.head {
            let before = self.before.unwrap_or((self.head, self.settled, self.position));
            self.before = Some(before);
            self.head = delivery.sequence - 1;
            self.settled = self.settled.min(self.head);
            self.position = None;
            self.range = None;
        } else if let Some(before) = self.before.take_if(|before| delivery.sequence > before.0) {
            self.head = self.head.max(before.0);
            self.settled = self.settled.max(before.1);
            self.position = self.position.max(before.2);
        }
    }

    /// The gateway had forgotten the key for good: it begins behind all it may have given before, with
    /// positions and a chain of their own (rule D8).
    fn begin_anew(&mut self, delivery: &Delivery) {
        let boundary = delivery.boundary.filter(|boundary| Some(*boundary) > self.boundary);
        if let Some(boundary) = boundary {
            self.boundary = Some(boundary);
            self.position = self.position.filter(|_| boundary < self.head);
            (self.clocks, self.is_whole) = (Clocks::default(), false);
            self.undone = Undone::default();
        }
    }

    /// A range of events follows. One that begins as the last one did must end as it did (rule L9).
    pub(super) fn begin_range(
        &mut self,
        range: (u64, u64),
        first: Option<&Delivery>,
    ) -> Option<Violation> {
        self.within = Some(range.0);
        let was_restored = first.is_some_and(|first| first.epoch >= self.epoch + EPOCH_JUMP);
        let before = self.range.replace(range).filter(|_| !was_restored);
        let known = before.filter(|(from, to)| *from == range.0 && *to != range.1)?;
        let detail = format!("came before as the range {}-{}", known.0, known.1);
        let id = first.map(|first| first.id.clone()).unwrap_or_default();
        Some(Violation { kind: ViolationKind::RepeatDiffers, id, detail })
    }

    /// All of the range is taken in.
    pub(super) fn end_range(&mut self) {
        self.within = None;
    }

    /// The consumer answers 2xx. Says whether it did so for the first time.
    pub(super) fn acknowledge(&mut self, delivery: &Delivery) -> bool {
        if !delivery.out_of_order {
            self.settled = self.settled.max(delivery.sequence);
        }
        let seen = self.seen.iter_mut().find(|seen| seen.sequence == delivery.sequence);
        seen.is_some_and(|seen| !std::mem::replace(&mut seen.acknowledged, true))
    }

    fn seen(&self, sequence: u64) -> Option<&Seen> {
        self.seen.iter().rev().find(|seen| seen.sequence == sequence)
    }

    fn remember(&mut self, delivery: &Delivery) {
        if self.seen.len() == SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen {
            sequence: delivery.sequence,
            body_digest: delivery.body_digest,
            hash: delivery.hash,
            acknowledged: false,
        });
        if delivery.out_of_order {
            return;
        }
        self.head = self.head.max(delivery.sequence);
        if delivery.is_in_place() {
            self.position = self.position.max(delivery.position_number());
        }
    }

    fn check_repeat(&self, delivery: &Delivery, seen: Seen, notes: &mut Notes<'_>) {
        if seen.body_digest != delivery.body_digest {
            notes.note(ViolationKind::RepeatDiffers, "came before with another body".into());
        } else if seen.hash != delivery.hash {
            notes.note(ViolationKind::RepeatDiffers, "came before with another hash".into());
        }
        if !delivery.redelivery {
            let detail = "came before, and is not marked sprag-redelivery: true";
            notes.note(ViolationKind::UnflaggedRedelivery, detail.into());
        }
        // The events of a range come again together, each before the last of them.
        let before = delivery.sequence < self.head && !self.is_within(delivery.sequence);
        if !delivery.out_of_order && before {
            let detail = format!("came again after {}", self.head);
            notes.note(ViolationKind::Order, detail);
        }
    }

    fn check_new(&self, delivery: &Delivery, from_first: bool, notes: &mut Notes<'_>) {
        // An attempt out of order says so and has no place to be judged by (rule L4).
        if delivery.out_of_order {
            return;
        }
        if self.known && delivery.sequence <= self.head {
            notes.note(ViolationKind::Order, format!("came after {}", self.head));
            return;
        }
        if let Some(previous) = delivery.previous {
            self.check_previous(delivery, previous, from_first, notes);
        }
        self.check_position(delivery, notes);
    }

    /// Everything between the last acknowledged event and this one must be accounted for.
    fn check_previous(
        &self,
        delivery: &Delivery,
        previous: u64,
        from_first: bool,
        notes: &mut Notes<'_>,
    ) {
        if previous >= delivery.sequence {
            let detail = format!("sprag-previous-sequence {previous} is not before it");
            notes.note(ViolationKind::Malformed, detail);
            return;
        }
        let begins = !self.known && !from_first;
        if !begins && previous > self.head {
            let detail =
                format!("{previous} is called delivered; the last that came is {}", self.head);
            notes.note(ViolationKind::Loss, detail);
        } else if !begins && previous > self.settled && !self.is_within(previous) {
            let detail = format!("came before {previous} was acknowledged");
            notes.note(ViolationKind::Order, detail);
        }
        let between = (previous + 1, delivery.sequence - 1);
        if let Some(missing) = first_uncovered(between.0, between.1, &delivery.omitted) {
            self.note_unaccounted(missing, notes);
        }
    }

    fn is_within(&self, sequence: u64) -> bool {
        self.within.is_some_and(|first| sequence >= first)
    }

    fn note_unaccounted(&self, missing: u64, notes: &mut Notes<'_>) {
        match self.seen(missing) {
            Some(seen) if !seen.acknowledged => {
                let detail = format!("came before {missing} was acknowledged");
                notes.note(ViolationKind::Order, detail);
            }
            _ => {
                let detail = format!("{missing} is neither delivered nor in sprag-omitted");
                notes.note(ViolationKind::Loss, detail);
            }
        }
    }

    /// The sequence is the gateway's own number; the position is the source's word on order.
    fn check_position(&self, delivery: &Delivery, notes: &mut Notes<'_>) {
        let (Some(highest), Some(position)) = (self.position, delivery.position_number()) else {
            return;
        };
        if !delivery.is_in_place() {
            return;
        }
        if position <= highest {
            let detail = format!("has position {position} after position {highest}");
            notes.note(ViolationKind::Order, detail);
            return;
        }
        // Positions of omitted events are not known here.
        if self.head + 1 != delivery.sequence {
            return;
        }
        if let Some(missing) = first_uncovered(highest + 1, position - 1, &delivery.missing) {
            let detail = format!("position {missing} is missing and not in sprag-missing");
            notes.note(ViolationKind::UnnamedGap, detail);
        }
    }

    /// What an event knows came before it, or is named. A consumer that did not get all that was released cannot
    /// tell.
    fn check_clock(&mut self, delivery: &Delivery, notes: &mut Notes<'_>) {
        if delivery.out_of_order {
            return;
        }
        let is_first = delivery.sequence == self.boundary.map_or(1, |boundary| boundary + 1);
        let follows = self.known && self.head + 1 == delivery.sequence;
        self.is_whole = (self.is_whole && follows) || is_first;
        let Some(clock) = delivery.clock.as_ref().filter(|_| delivery.is_in_place()) else {
            return;
        };
        let missing = delivery.missing_causes.as_ref();
        let told = Told { clock, missing, concurrent: delivery.concurrent };
        if let Some(detail) = self.clocks.follow(told, self.is_whole) {
            notes.note(ViolationKind::Order, detail);
        }
    }

    /// What is undone comes again. A consumer that did not get all that was released cannot tell.
    fn check_undone(&mut self, delivery: &Delivery, notes: &mut Notes<'_>) {
        if delivery.out_of_order || self.before.is_some() {
            return;
        }
        let wrong = self.undone.follow(delivery, self.head);
        if let Some(detail) = wrong.filter(|_| self.is_whole) {
            notes.note(ViolationKind::Order, detail);
        }
    }

    /// Rule C1 between two links: the previous hash is that of the event before.
    fn check_link(&self, delivery: &Delivery, notes: &mut Notes<'_>) {
        let before = match delivery.sequence {
            0 => {
                notes.note(ViolationKind::Malformed, "sequences begin at 1".into());
                return;
            }
            1 => Some([0; 32]),
            sequence if self.boundary == Some(sequence - 1) => Some([0; 32]),
            sequence => self.seen(sequence - 1).map(|seen| seen.hash),
        };
        if before.is_some_and(|hash| hash != delivery.previous_hash) {
            let detail = format!("sprag-previous-hash is not that of {}", delivery.sequence - 1);
            notes.note(ViolationKind::Chain, detail);
        }
    }
}
