//! What must hold of a partition after every step, checked in simulations and debug builds.

#[cfg(test)]
mod tests;

use crate::chain::Digest;
use crate::contract;
use crate::fact::HoldReason;
use crate::id::Sequence;
use crate::limits;
use crate::partition::Partition;
use crate::record::{KeyRecord, Lane, LaneMode, Order, Reached};

/// The first thing that is wrong with a record, if anything is.
#[must_use]
pub fn broken(record: &KeyRecord) -> Option<&'static str> {
    let sorted = record.lanes.windows(2).all(|pair| pair[0].id() < pair[1].id());
    if !sorted {
        return Some("lanes are not in the order of their destinations");
    }
    let lanes = record.lanes.iter().filter(|lane| lane.strand.is_none());
    let passed =
        |jump: &&crate::ranges::Range| lanes.clone().any(|lane| jump.contains(lane.head.0));
    if record.jumps.iter().find(passed).is_some() {
        return Some("a lane waits for a sequence that is not given");
    }
    broken_order(&record.order)
        .or_else(|| record.lanes.iter().find_map(|lane| broken_lane(lane, record.sequence)))
        .or_else(|| record.lanes.iter().find_map(|lane| broken_strand(record, lane)))
}

fn broken_strand(record: &KeyRecord, lane: &Lane) -> Option<&'static str> {
    let most = limits::STRANDS + limits::LANE_EXCEPTIONS;
    if record.lanes_to(lane.destination).len() > most + 1 {
        return Some("a lane has more strands than allowed");
    }
    let Some(event) = lane.strand else {
        let sends = lane.failures > 0 || !lane.redrives.is_empty() || lane.accepted.is_some();
        let sends = sends || lane.mode != LaneMode::Active;
        return (record.unordered && sends).then_some("a lane without order sends an event itself");
    };
    if !record.unordered || record.lane(lane.destination).is_none_or(|lane| lane.head <= event) {
        return Some("a strand has an event that waits in its lane");
    }
    let waits = lane.head == event && lane.redrives.is_empty();
    let is_redriven = lane.head == event.next() && lane.redrives == [event];
    (lane.tail != event || waits == is_redriven)
        .then_some("a strand has another event than its own")
}

fn broken_order(order: &Order) -> Option<&'static str> {
    if !order.abandoned.is_sound() || !order.missing.is_sound() {
        return Some("abandoned ranges touch or overlap");
    }
    if order.abandoned.as_slice().len() > limits::ABANDONED_RANGES {
        return Some("more abandoned ranges than allowed");
    }
    if contract::next_turn(order, None).is_some() {
        return Some("an event waits although everything its clock knows came");
    }
    if contract::next_link(order).is_some() {
        return Some("an event waits although its key stands where it begins");
    }
    if contract::tip(order).is_some_and(|tip| tip.breaks.len() > limits::LINK_BREAKS) {
        return Some("more breaks in its links than allowed");
    }
    if let Reached::Clock(seen) = &order.reached
        && seen.nodes().iter().any(|node| node.given_up.as_slice().len() > limits::NODE_RANGES)
    {
        return Some("more ranges of a node are given up than allowed");
    }
    let next = order.next?;
    if let Some((lowest, held)) = order.held.first_key_value() {
        let settles = matches!(held.reason, HoldReason::Settle { .. });
        if settles && Some((lowest.number, lowest.rank)) < contract::newest(order) {
            return Some("an event settles although one behind it was released");
        }
        if !settles && lowest.number <= next {
            return Some("an event waits although nothing before it is missing");
        }
    }
    if order.abandoned.as_slice().last().is_some_and(|last| last.to >= next) {
        return Some("a position is abandoned that can still come in order");
    }
    None
}

fn broken_lane(lane: &Lane, released: Sequence) -> Option<&'static str> {
    if lane.head.0 > lane.tail.0 + 1 {
        return Some("a lane's head is past its tail");
    }
    let follow = (lane.tail.0 + 1).saturating_sub(lane.head.0);
    if lane.has_backlog() != (lane.waiting > 0) || lane.waiting > follow {
        return Some("a lane counts what waits wrongly");
    }
    if lane.tail > released {
        return Some("a lane holds an event that was not released");
    }
    if lane.delivered >= lane.head {
        return Some("a lane delivered past its head");
    }
    if lane.omitted.len() > limits::HEADER_RANGES || lane.redrives.len() > limits::LANE_EXCEPTIONS {
        return Some("a lane has more exceptions than allowed");
    }
    if lane.redrives.iter().any(|sequence| *sequence >= lane.head) {
        return Some("an event is redriven out of order that the lane has not passed");
    }
    if lane.covered.as_ref().is_some_and(|covered| {
        covered.as_slice().len() > limits::COVERED || covered.contains(released.0 + 1)
    }) {
        return Some("a lane was led over more than is known");
    }
    if let Some(accepted) = lane.accepted() {
        let is_head = accepted.sequence == lane.head && lane.has_backlog() && lane.mode.delivers();
        let is_redriven = lane.redrives.contains(&accepted.sequence);
        if if accepted.out_of_order { !is_redriven } else { !is_head } {
            return Some("a lane waits for an acknowledgement of what it does not send");
        }
    }
    if lane.batch.is_some_and(|to| to < lane.head || to > lane.tail) {
        return Some("a lane's range is not at its head");
    }
    if lane.rewound.as_ref().is_some_and(|rewind| {
        lane.head > rewind.until
            || rewind.until >= rewind.resume
            || rewind.resume.0 > lane.tail.0 + 1
    }) {
        return Some("a lane that sends again is through, or never was");
    }
    match lane.mode {
        LaneMode::Halted | LaneMode::Parked if !lane.has_backlog() => {
            Some("a lane stopped at nothing")
        }
        LaneMode::DrainingHalted { until } | LaneMode::DrainingParked { until }
            if lane.head > until =>
        {
            Some("a drained lane still drains")
        }
        _ => None,
    }
}

impl<D: Digest> Partition<D> {
    /// Checks everything that must hold, of every key in memory.
    ///
    /// # Panics
    /// When something does not hold: that is a bug in the core.
    pub fn check_invariants(&self) {
        for (key, record) in self.records() {
            assert_eq!(broken(record), None, "{key:?}: {record:?}");
        }
        self.assert_counts();
        self.assert_refills();
    }
}
