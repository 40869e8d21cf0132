//! That each rule is seen to be broken: what checks every step of every simulation is checked here.

use alloc::boxed::Box;

use super::*;
use crate::clocks::{Clock, Counter};
use crate::fact::{HoldReason, Kind};
use crate::held::{HeldAt, HeldEvent, Tie};
use crate::id::{DestinationId, Hash, Place};
use crate::position::Position;
use crate::ranges::{Range, Ranges};
use crate::record::{Acceptance, Essence, Omission, OmitReason, Reached};
use crate::time::{OpenMicros, UnixMicros};
use alloc::vec::Vec;

const APP: DestinationId = DestinationId(2);

/// Ten events were released; those from the fifth to the seventh wait.
fn record() -> KeyRecord {
    let lane = Lane {
        head: Sequence(5),
        tail: Sequence(7),
        waiting: 3,
        delivered: Sequence(4),
        omitted: Vec::new(),
        ..Lane::new(APP, Sequence(5))
    };
    let order = Order { next: Some(20), ..Order::default() };
    KeyRecord { sequence: Sequence(10), lanes: Vec::from([lane]), order, ..KeyRecord::default() }
}

/// As that one, but its events have no order: the fourth is in a strand.
fn unordered() -> KeyRecord {
    let mut record = record();
    record.unordered = true;
    record.lanes.push(Lane::strand(APP, Sequence(4), 1));
    record
}

fn held() -> HeldEvent {
    let essence = Essence {
        id: None,
        position: Position::None,
        event_type: "".into(),
        content_type: "".into(),
        digest: Hash::default(),
        size: 0,
        depends_on: None,
    };
    let (reason, deadline) = (HoldReason::Gap, OpenMicros(0));
    HeldEvent { event: Place::default(), reason, deadline, essence }
}

fn accepted(sequence: u64, out_of_order: bool) -> Option<Box<Acceptance>> {
    Some(Box::new(Acceptance {
        sequence: Sequence(sequence),
        last: None,
        number: 1,
        out_of_order,
        started: UnixMicros(0),
        until: OpenMicros(0),
    }))
}

/// Many ranges that do not touch, below the next position.
fn many(count: usize) -> Ranges {
    let mut ranges = Ranges::default();
    (0..count as u64).for_each(|number| ranges.insert(Range::one(3 * number)));
    ranges
}

fn after(mut record: KeyRecord, change: impl FnOnce(&mut KeyRecord)) -> Option<&'static str> {
    assert_eq!(broken(&record), None, "{record:?}");
    change(&mut record);
    broken(&record)
}

#[test]
fn lanes_stand_in_order_and_wait_for_what_is_given() {
    let wrong = Some("lanes are not in the order of their destinations");
    let with = |destination| {
        after(record(), |record| {
            record.lanes.push(Lane::new(DestinationId(destination), Sequence(11)));
        })
    };
    assert_eq!([with(3), with(2), with(1)], [None, wrong, wrong]);
    let jump = |from, to| after(record(), |record| record.jumps.push(Range { from, to }));
    let wrong = Some("a lane waits for a sequence that is not given");
    assert_eq!([jump(4, 4), jump(5, 6), jump(6, 6)], [None, wrong, None]);
}

#[test]
fn a_lane_counts_what_waits_between_its_head_and_its_tail() {
    let lane = |change: &dyn Fn(&mut Lane)| after(record(), |record| change(&mut record.lanes[0]));
    let nothing = |lane: &mut Lane| (lane.head, lane.waiting) = (Sequence(8), 0);
    assert_eq!(lane(&nothing), None);
    let past = Some("a lane's head is past its tail");
    assert_eq!(lane(&|lane| (lane.head, lane.waiting) = (Sequence(9), 0)), past);
    let counts = Some("a lane counts what waits wrongly");
    assert_eq!(lane(&|lane| lane.waiting = 0), counts);
    assert_eq!(lane(&|lane| lane.waiting = 9), counts);
    assert_eq!(lane(&|lane| lane.head = Sequence(8)), counts);
    assert_eq!(lane(&|lane| lane.tail = Sequence(10)), None);
    assert_eq!(
        lane(&|lane| lane.tail = Sequence(11)),
        Some("a lane holds an event that was not released")
    );
    assert_eq!(lane(&|lane| lane.delivered = Sequence(5)), Some("a lane delivered past its head"));
}

#[test]
fn a_lane_has_so_many_exceptions_and_only_behind_its_head() {
    let lane = |change: &dyn Fn(&mut Lane)| after(record(), |record| change(&mut record.lanes[0]));
    let omission = Omission { range: Range::one(1), reason: OmitReason::Dead, merged: false };
    let (ranges, redrives) = (limits::HEADER_RANGES, limits::LANE_EXCEPTIONS);
    assert_eq!(lane(&|lane| lane.omitted = alloc::vec![omission; ranges]), None);
    assert_eq!(lane(&|lane| lane.redrives = alloc::vec![Sequence(1); redrives]), None);
    let more = Some("a lane has more exceptions than allowed");
    assert_eq!(lane(&|lane| lane.omitted = alloc::vec![omission; ranges + 1]), more);
    assert_eq!(lane(&|lane| lane.redrives = alloc::vec![Sequence(1); redrives + 1]), more);
    assert_eq!(lane(&|lane| lane.redrives.push(Sequence(4))), None);
    let ahead = Some("an event is redriven out of order that the lane has not passed");
    assert_eq!(lane(&|lane| lane.redrives.push(Sequence(5))), ahead);
}

#[test]
fn a_lane_waits_for_an_acknowledgement_of_what_it_sent() {
    let lane = |change: &dyn Fn(&mut Lane)| after(record(), |record| change(&mut record.lanes[0]));
    let not_sent = Some("a lane waits for an acknowledgement of what it does not send");
    assert_eq!(lane(&|lane| lane.accepted = accepted(5, false)), None);
    assert_eq!(lane(&|lane| lane.accepted = accepted(6, false)), not_sent);
    let stopped = |lane: &mut Lane| {
        (lane.accepted, lane.mode) = (accepted(5, false), LaneMode::Halted);
    };
    assert_eq!(lane(&stopped), not_sent);
    let none_waits = |lane: &mut Lane| {
        (lane.accepted, lane.head, lane.waiting) = (accepted(8, false), Sequence(8), 0);
    };
    assert_eq!(lane(&none_waits), not_sent);
    assert_eq!(lane(&|lane| lane.accepted = accepted(3, true)), not_sent);
    let redriven = |lane: &mut Lane| {
        (lane.accepted, lane.redrives) = (accepted(3, true), alloc::vec![Sequence(3)]);
    };
    assert_eq!(lane(&redriven), None);
    let range = Some("a lane's range is not at its head");
    let batch = |to: u64| lane(&|lane| lane.batch = Some(Sequence(to)));
    assert_eq!([batch(4), batch(5), batch(7), batch(8)], [range, None, None, range]);
}

#[test]
fn a_lane_stops_at_something_and_drains_as_far_as_it_waited() {
    let lane = |mode, head: u64| {
        after(record(), |record| {
            let lane = &mut record.lanes[0];
            (lane.mode, lane.head, lane.waiting) = (mode, Sequence(head), 8 - head);
        })
    };
    let nothing = Some("a lane stopped at nothing");
    assert_eq!([lane(LaneMode::Halted, 7), lane(LaneMode::Halted, 8)], [None, nothing]);
    assert_eq!([lane(LaneMode::Parked, 7), lane(LaneMode::Parked, 8)], [None, nothing]);
    let (until, drained) = (Sequence(6), Some("a drained lane still drains"));
    for mode in [LaneMode::DrainingHalted { until }, LaneMode::DrainingParked { until }] {
        assert_eq!([lane(mode, 6), lane(mode, 7)], [None, drained]);
    }
}

#[test]
fn a_strand_is_of_an_unordered_key_and_has_its_own_event() {
    let of = |change: &dyn Fn(&mut KeyRecord)| after(unordered(), change);
    let waits = Some("a strand has an event that waits in its lane");
    assert_eq!(of(&|record| record.unordered = false), waits);
    assert_eq!(of(&|record| drop(record.lanes.remove(0))), waits);
    assert_eq!(of(&|record| record.lanes[1] = Lane::strand(APP, Sequence(5), 1)), waits);
    let another = Some("a strand has another event than its own");
    assert_eq!(of(&|record| record.lanes[1].strand = Some(Sequence(3))), another);
    let settled = |lane: &mut Lane| {
        (lane.head, lane.waiting, lane.redrives) = (Sequence(5), 0, alloc::vec![Sequence(4)]);
    };
    assert_eq!(of(&|record| settled(&mut record.lanes[1])), None);
    assert_eq!(of(&|record| record.lanes[1].redrives.push(Sequence(3))), another);
    let sends = Some("a lane without order sends an event itself");
    assert_eq!(of(&|record| record.lanes[0].failures = 1), sends);
    assert_eq!(of(&|record| record.lanes[0].redrives.push(Sequence(1))), sends);
    assert_eq!(of(&|record| record.lanes[0].accepted = accepted(5, false)), sends);
    assert_eq!(of(&|record| record.lanes[0].mode = LaneMode::Halted), sends);
}

#[test]
fn a_lane_has_so_many_strands() {
    let of = |strands: usize| {
        after(unordered(), |record| {
            let first = 1_000;
            record.lanes.truncate(1);
            let lane = &mut record.lanes[0];
            (lane.head, lane.tail) = (Sequence(2_000), Sequence(1_999));
            lane.waiting = 0;
            record.sequence = Sequence(3_000);
            let events = (first..).take(strands);
            record.lanes.extend(events.map(|event| Lane::strand(APP, Sequence(event), 1)));
        })
    };
    let most = limits::STRANDS + limits::LANE_EXCEPTIONS;
    assert_eq!(of(most), None);
    assert_eq!(of(most + 1), Some("a lane has more strands than allowed"));
}

#[test]
fn positions_that_are_given_up_and_that_wait_do_not_meet() {
    let order = |change: &dyn Fn(&mut Order)| after(record(), |record| change(&mut record.order));
    assert_eq!(order(&|order| drop(order.held.insert(HeldAt::numbered(21), held()))), None);
    let waits = Some("an event waits although nothing before it is missing");
    assert_eq!(order(&|order| drop(order.held.insert(HeldAt::numbered(20), held()))), waits);
    assert_eq!(order(&|order| order.abandoned.insert(Range { from: 10, to: 19 })), None);
    let comes = Some("a position is abandoned that can still come in order");
    assert_eq!(order(&|order| order.abandoned.insert(Range { from: 10, to: 20 })), comes);
    let settles = |rank, released| {
        order(&|order| {
            let held = HeldEvent { reason: HoldReason::Settle { rank }, ..held() };
            let at = HeldAt { number: 19, rank, tie: Tie::Only };
            (order.next, order.reached) = (Some(20), Reached::Settled { rank: released });
            order.held.insert(at, held);
        })
    };
    let behind = Some("an event settles although one behind it was released");
    assert_eq!((settles(3, 3), settles(2, 3)), (None, behind));
    let unsettled = |order: &mut Order| {
        order.next = None;
        order.held.insert(HeldAt::numbered(1), held());
    };
    assert_eq!(order(&unsettled), None, "its base may still come");
    let ranges =
        |count| order(&|order| (order.abandoned, order.next) = (many(count), Some(1 << 20)));
    assert_eq!(ranges(limits::ABANDONED_RANGES), None);
    let more = Some("more abandoned ranges than allowed");
    assert_eq!(ranges(limits::ABANDONED_RANGES + 1), more);
    let upside_down = Range { from: 9, to: 3 };
    let touch = Some("abandoned ranges touch or overlap");
    assert_eq!(order(&|order| order.abandoned.insert(upside_down)), touch);
    assert_eq!(order(&|order| order.missing.insert(upside_down)), touch);
}

#[test]
fn what_a_clock_knows_is_waited_for_and_nothing_else() {
    let clock = |node: &str, count| {
        let counter = Counter { node: node.into(), count };
        Clock::new(node, Vec::from([counter])).unwrap()
    };
    let waits_behind = |released: &Clock, waiting: Clock| {
        let mut order = Order::default();
        contract::take_clock(&mut order, released, Kind::Event);
        let mut event = held();
        event.essence.position = Position::Clock(waiting);
        order.held.insert(HeldAt::of(&event), event);
        after(record(), |record| record.order = order.clone())
    };
    let waits = Some("an event waits although everything its clock knows came");
    assert_eq!(waits_behind(&clock("a", 1), clock("a", 2)), waits);
    assert_eq!(waits_behind(&clock("a", 1), clock("a", 1)), waits, "it is passed");
    assert_eq!(waits_behind(&clock("a", 1), clock("a", 3)), None);
    assert_eq!(waits_behind(&clock("a", 1), clock("b", 2)), None);
}
