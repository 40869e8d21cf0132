//! Permits, pools and the breaker of a destination, by themselves. Must not know partitions.

use super::*;
use crate::id::{DestinationId, Place};
use crate::settings::{Ack, OnGiveUp, Retry};
use crate::slab::Slab;
use crate::time::UnixMicros;
use alloc::vec::Vec;

const ANSWERED: Outcome = Outcome::Answered { status: 200 };
const FAILED: Outcome = Outcome::Answered { status: 500 };

fn settings(concurrency: usize) -> DestinationSettings {
    DestinationSettings {
        name: "app".into(),
        start: crate::settings::Start::Now,
        types: alloc::vec![crate::pattern::Pattern::any()],
        concurrency,
        slow_concurrency: None,
        slow_after: Duration::from_secs(1),
        rate: None,
        key_rate: None,
        retry: Retry {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(1),
            give_up_after: Duration::from_secs(1),
            attempts: None,
        },
        on_give_up: OnGiveUp::Halt,
        ack: Ack::Answer,
        batch: None,
    }
}

fn lanes(count: usize) -> Vec<LaneRef> {
    let mut slab = Slab::default();
    let lane = |slot| LaneRef {
        partition: PartitionId(0),
        slot,
        destination: DestinationId(1),
        strand: None,
    };
    (0..count).map(|_| lane(slab.insert(()))).collect()
}

fn request(lane: LaneRef, recorded: u64, standing: Standing) -> Request {
    let urgency = Urgency { recorded: UnixMicros(recorded), place: Place::default() };
    Request { urgency, lane, standing }
}

fn at(millis: u64) -> ElapsedMicros {
    ElapsedMicros(millis * 1_000)
}

fn ended(key: u64, outcome: Outcome) -> End {
    End::Ended { key, outcome, retry_after: None }
}

fn grants(destination: &mut Destination, now: ElapsedMicros) -> Vec<LaneRef> {
    destination.tick(now);
    let grants = core::iter::from_fn(|| destination.poll_grant(now)).map(|grant| grant.lane);
    let grants = grants.collect();
    destination.check_invariants();
    grants
}

#[test]
fn the_oldest_goes_first_and_never_more_than_allowed() {
    let lanes = lanes(3);
    let mut destination = Destination::new(&settings(2));
    destination.request(request(lanes[0], 30, Standing::Unproven));
    destination.request(request(lanes[1], 10, Standing::Proven));
    destination.request(request(lanes[2], 20, Standing::Unproven));
    assert_eq!(grants(&mut destination, at(0)), [lanes[1], lanes[2]]);
    destination.give_back(at(1), lanes[1], ended(1, ANSWERED));
    assert_eq!(grants(&mut destination, at(1)), [lanes[0]]);
}

#[test]
fn a_pause_grants_nothing_and_a_withdrawal_takes_only_its_own() {
    let lanes = lanes(1);
    let other = LaneRef { partition: PartitionId(1), ..lanes[0] };
    let mut destination = Destination::new(&settings(9));
    destination.request(request(lanes[0], 1, Standing::Proven));
    destination.request(request(other, 2, Standing::Unproven));
    destination.set_paused(true);
    assert_eq!(grants(&mut destination, at(0)), []);
    assert_eq!(destination.deadline(), None);
    destination.set_paused(false);
    destination.withdraw(PartitionId(0));
    assert_eq!(grants(&mut destination, at(0)), [other]);
    destination.give_back(at(0), other, End::Unused);
    let since = Standing::Struggling { tries: 1, since: at(7) };
    destination.request(request(lanes[0], 3, since));
    destination.request(request(other, 4, Standing::Proven));
    destination.withdraw_lane(request(lanes[0], 3, since));
    assert_eq!(grants(&mut destination, at(0)), [other]);
}

/// The bound of D4, first part: 8 lanes hang for ever, 2 places, slow pool of 8. Each takes a place
/// once for at most `slow_after`; a lane that is served waits no longer than ⌈8 ÷ 2⌉ × 1 s in all.
#[test]
fn lanes_that_hang_hold_each_place_once() {
    let (hung, served) = (8, 2);
    let all = lanes(hung + served);
    let mut destination = Destination::new(&settings(2));
    for (number, lane) in (0..).zip(&all[..hung]) {
        destination.request(request(*lane, number, Standing::Unproven));
    }
    for lane in &all[hung..] {
        destination.request(request(*lane, 100, Standing::Unproven));
    }
    let mut first = None;
    let mut now = at(0);
    for round in 0.. {
        assert!(round < 100);
        let granted = grants(&mut destination, now);
        if granted.iter().any(|lane| all[hung..].contains(lane)) {
            first = Some(now);
            break;
        }
        now = destination.deadline().expect("a hung attempt turns slow");
    }
    assert_eq!(first, Some(at(4_000)));
    assert_eq!(destination.in_flight_of(Pool::Slow), hung);
    // From then on they are served at once, for the slow pool has all that hang.
    destination.give_back(now, all[hung], ended(99, ANSWERED));
    destination.request(request(all[hung], 101, Standing::Proven));
    assert_eq!(grants(&mut destination, now).len(), 2, "both that are served");
}

/// The bound of D4, second part: however many hang, lanes that were answered lately have half.
#[test]
fn beyond_the_slow_pool_half_is_left_to_lanes_that_answer() {
    let all = lanes(200);
    let mut destination = Destination::new(&settings(8));
    for (number, lane) in (0..).zip(&all[..199]) {
        destination.request(request(*lane, number, Standing::Unproven));
    }
    let mut now = at(0);
    for _ in 0..60 {
        grants(&mut destination, now);
        now = destination.deadline().unwrap_or_else(|| now.after(Duration::from_secs(1)));
    }
    assert_eq!(destination.in_flight_of(Pool::Slow), 32);
    assert_eq!(destination.in_flight_of(Pool::Usual), 4, "half, and all of them hang");
    destination.request(request(all[199], 999, Standing::Proven));
    assert_eq!(grants(&mut destination, now), [all[199]]);
}

#[test]
fn lanes_that_struggle_come_round_in_turns_and_only_in_the_slow_pool() {
    let all = lanes(4);
    let told = DestinationSettings { slow_concurrency: Some(2), ..settings(4) };
    let mut destination = Destination::new(&told);
    for (asked, lane) in (0..).zip(&all) {
        destination.request(request(
            *lane,
            9 - asked,
            Standing::Struggling { tries: 1, since: at(asked) },
        ));
    }
    assert_eq!(grants(&mut destination, at(9)), [all[0], all[1]]);
    assert_eq!(destination.in_flight_of(Pool::Usual), 0);
    destination.give_back(at(10), all[0], ended(0, Outcome::Answered { status: 404 }));
    destination.request(request(all[0], 1, Standing::Struggling { tries: 1, since: at(10) }));
    assert_eq!(grants(&mut destination, at(10)), [all[2]]);
}

#[test]
fn a_probe_is_of_the_lane_that_was_tried_least() {
    let all = lanes(4);
    let mut destination = Destination::new(&settings(4));
    attempt_all(&mut destination, &all[..3], 0, FAILED);
    for (asked, lane) in (0..3).zip(&all) {
        let (tries, since) = (9 - asked, at(u64::from(asked)));
        destination.request(request(*lane, 1, Standing::Struggling { tries, since }));
    }
    let mut probe = |now| destination.poll_grant(now).map(|grant| grant.lane);
    assert_eq!(probe(at(1_000)), Some(all[2]));
    destination.give_back(at(1_000), all[2], ended(2, FAILED));
    destination.request(request(all[3], 1, Standing::Unproven));
    assert_eq!(destination.poll_grant(at(3_000)).map(|grant| grant.lane), Some(all[3]));
}

/// Sends one attempt of each lane and ends it; says how many were granted.
fn attempt_all(destination: &mut Destination, lanes: &[LaneRef], now: u64, outcome: Outcome) {
    for (key, lane) in (0..).zip(lanes) {
        destination.request(request(*lane, key, Standing::Unproven));
        if grants(destination, at(now)) == [*lane] {
            destination.give_back(at(now), *lane, ended(key, outcome));
        } else {
            destination.withdraw_lane(request(*lane, key, Standing::Unproven));
        }
    }
}

#[test]
fn opens_on_distinct_keys_probes_ever_more_rarely_and_closes_with_a_ramp() {
    let all = lanes(8);
    let mut destination = Destination::new(&settings(8));
    // One key that fails often, or two, open nothing.
    (0..30).for_each(|now| attempt_all(&mut destination, &all[..2], now, FAILED));
    assert!(!destination.is_open());
    attempt_all(&mut destination, &all[..3], 40, Outcome::Unknown);
    assert_eq!((destination.is_open(), destination.poll_breaker()), (true, Some(true)));
    all.iter().for_each(|lane| destination.request(request(*lane, 1, Standing::Unproven)));
    let mut now = destination.deadline().expect("a probe is due");
    assert_eq!(now, at(40), "at once");
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert_eq!(destination.poll_grant(ElapsedMicros(now.0 - 1)), None);
        let grant = destination.poll_grant(now).expect("the probe");
        assert!(grant.probe && destination.poll_grant(now).is_none(), "one at a time");
        destination.give_back(now, grant.lane, ended(9, FAILED));
        destination.request(request(grant.lane, 1, Standing::Unproven));
        let next = destination.deadline().expect("the next probe");
        waits.push(next.since(now).as_secs());
        now = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    let probe = destination.poll_grant(now).expect("the probe");
    destination.give_back(now, probe.lane, ended(9, ANSWERED));
    assert_eq!(destination.poll_breaker(), Some(false));
    let mut rounds = Vec::new();
    for _ in 0..4 {
        let granted = grants(&mut destination, now);
        rounds.push(granted.len());
        for lane in granted {
            destination.give_back(now, lane, ended(9, ANSWERED));
            destination.request(request(lane, 1, Standing::Proven));
        }
    }
    assert_eq!(rounds, [1, 2, 4, 7]);
}

/// Two hundred attempts that hung time out together: what was sent since and answered counts more.
#[test]
fn old_attempts_that_time_out_together_open_nothing() {
    let all = lanes(60);
    let mut destination = Destination::new(&settings(64));
    all.iter().for_each(|lane| destination.request(request(*lane, 1, Standing::Unproven)));
    assert_eq!(grants(&mut destination, at(0)).len(), 60);
    let extra = lanes(64);
    attempt_all(&mut destination, &extra[60..], 14_000, ANSWERED);
    for (key, lane) in (100..).zip(&all) {
        destination.give_back(at(15_000), *lane, ended(key, Outcome::Unknown));
    }
    assert!(!destination.is_open());
}

#[test]
fn a_429_halves_what_is_in_use_once_a_rest() {
    let all = lanes(8);
    let mut destination = Destination::new(&settings(8));
    let ask = |destination: &mut Destination, lane: LaneRef| {
        destination.request(request(lane, 1, Standing::Proven));
    };
    all.iter().for_each(|lane| ask(&mut destination, *lane));
    assert_eq!(grants(&mut destination, at(0)).len(), 8);
    for (key, lane) in (0..).zip(&all) {
        destination.give_back(at(1), *lane, ended(key, Outcome::Answered { status: 429 }));
        ask(&mut destination, *lane);
    }
    assert!(grants(&mut destination, at(1_000)).is_empty());
    assert_eq!(destination.deadline(), Some(at(1_001)));
    let granted = grants(&mut destination, at(1_001));
    assert_eq!(granted.len(), 4);
    for lane in granted {
        destination.give_back(at(1_002), lane, ended(1, ANSWERED));
        ask(&mut destination, lane);
    }
    assert_eq!(grants(&mut destination, at(1_002)).len(), 8);
    assert!(!destination.is_open(), "429 is no failure");
}

/// What is less than a second is written as 0.
#[test]
fn a_429_that_asks_for_no_time_is_a_429_that_does_not_say() {
    let all = lanes(8);
    let mut destination = Destination::new(&settings(8));
    all.iter().for_each(|lane| destination.request(request(*lane, 1, Standing::Proven)));
    assert_eq!(grants(&mut destination, at(0)).len(), 8);
    for (key, lane) in (0..).zip(&all) {
        let outcome = Outcome::Answered { status: 429 };
        let retry_after = Some(Duration::ZERO);
        destination.give_back(at(1), *lane, End::Ended { key, outcome, retry_after });
        destination.request(request(*lane, 1, Standing::Proven));
    }
    assert!(grants(&mut destination, at(1_000)).is_empty());
    assert_eq!(grants(&mut destination, at(1_001)).len(), 4);
}

#[test]
fn gone_for_three_keys_within_a_minute_it_asks_to_be_paused() {
    let all = lanes(4);
    let mut destination = Destination::new(&settings(8));
    let gone = Outcome::Answered { status: 410 };
    (0..9).for_each(|now| attempt_all(&mut destination, &all[..2], now, gone));
    attempt_all(&mut destination, &all[..1], 61_000, gone);
    assert!(!destination.is_gone());
    attempt_all(&mut destination, &all[..3], 61_001, gone);
    assert!(destination.is_gone());
    destination.request(request(all[3], 1, Standing::Proven));
    assert!(grants(&mut destination, at(62_000)).is_empty());
    destination.set_paused(true);
    assert!(!destination.is_gone());
    destination.set_paused(false);
    assert_eq!(grants(&mut destination, at(63_000)), [all[3]]);
}

#[test]
fn a_rate_lets_a_burst_go_and_then_its_share() {
    let rate = Some(Rate { count: 2, period: Duration::from_secs(1) });
    let mut destination = Destination::new(&DestinationSettings { rate, ..settings(8) });
    let all = lanes(5);
    all.iter().for_each(|lane| destination.request(request(*lane, 1, Standing::Proven)));
    let granted = grants(&mut destination, at(0));
    assert_eq!(granted.len(), 2);
    assert_eq!(destination.deadline(), Some(at(500)));
    destination.give_back(at(0), granted[0], End::Unused);
    assert_eq!(grants(&mut destination, at(0)).len(), 1, "what was not used is there again");
    assert_eq!(grants(&mut destination, at(500)).len(), 1);
}

/// However many events of one key fail, its lane comes round once before any comes twice.
#[test]
fn struggling_strands_take_the_turns_of_one_lane() {
    let lanes = lanes(2);
    let strand = |event| LaneRef { strand: Some(crate::id::Sequence(event)), ..lanes[0] };
    let slow = DestinationSettings { slow_concurrency: Some(1), ..settings(1) };
    let mut destination = Destination::new(&slow);
    let struggling = |since| Standing::Struggling { tries: 1, since: at(since) };
    for event in 1..=4 {
        destination.request(request(strand(event), 1, struggling(event)));
    }
    destination.request(request(lanes[1], 1, struggling(9)));
    let mut order = Vec::new();
    let withdrawn = request(strand(3), 1, struggling(3));
    destination.withdraw_lane(withdrawn);
    assert_eq!(destination.waiting(), 4);
    for round in 0..4 {
        let granted = grants(&mut destination, at(100 + round));
        assert_eq!(granted.len(), 1);
        destination.give_back(at(100 + round), granted[0], End::BrokenOff);
        order.extend(granted);
    }
    assert_eq!(order, [strand(1), lanes[1], strand(2), strand(4)]);
    assert_eq!(destination.waiting(), 0);
}

/// Many events of one key are one active lane: three keys that fail are an outage all the same.
#[test]
fn strands_of_one_key_are_one_lane_to_the_breaker() {
    let lanes = lanes(3);
    let mut destination = Destination::new(&settings(200));
    let strands =
        (1..=60).map(|event| LaneRef { strand: Some(crate::id::Sequence(event)), ..lanes[0] });
    for lane in strands.chain(lanes[1..].iter().copied()) {
        destination.request(request(lane, 1, Standing::Proven));
    }
    let granted = grants(&mut destination, at(0));
    assert_eq!(granted.len(), 62);
    for (key, lane) in [(0, granted[0]), (1, lanes[1]), (2, lanes[2])] {
        destination.give_back(at(10), lane, ended(key, FAILED));
    }
    assert!(destination.is_open(), "a key with many events makes no other number of keys");
}

/// Five that hang stay in `concurrency` when there are to be two; in the slow pool there is room by
/// now, but never may more be under way than one of both settings allows.
#[test]
fn what_stays_out_beyond_other_sizes_leaves_as_many_less_for_the_other_pool() {
    let all = lanes(8);
    let sizes = |concurrency, slow| DestinationSettings {
        slow_concurrency: Some(slow),
        ..settings(concurrency)
    };
    let mut destination = Destination::new(&sizes(5, 1));
    for lane in &all[..5] {
        destination.request(request(*lane, 1, Standing::Proven));
    }
    assert_eq!(grants(&mut destination, at(0)).len(), 5);
    destination.revise(&sizes(2, 4));
    for lane in &all[5..] {
        destination.request(request(*lane, 2, Standing::Struggling { tries: 1, since: at(0) }));
    }
    assert_eq!(grants(&mut destination, at(0)).len(), 1, "six were allowed, and are");
    assert_eq!(destination.deadline(), Some(at(1_000)), "no timer that brings nothing");
    destination.give_back(at(1), all[0], ended(0, ANSWERED));
    assert_eq!(grants(&mut destination, at(1)).len(), 1);
}

#[test]
fn what_says_gone_after_it_was_paused_asks_for_nothing() {
    let all = lanes(3);
    let mut destination = Destination::new(&settings(9));
    for lane in &all {
        destination.request(request(*lane, 1, Standing::Unproven));
    }
    assert_eq!(grants(&mut destination, at(0)).len(), 3);
    destination.set_paused(true);
    for (key, lane) in (0..).zip(&all) {
        destination.give_back(at(1), *lane, ended(key, Outcome::Answered { status: 410 }));
    }
    assert!(!destination.is_gone(), "it is paused already");
    destination.set_paused(false);
    assert!(!destination.is_gone(), "what was said before it was let go on says nothing now");
}

#[test]
fn another_rate_begins_with_a_full_bucket_and_the_same_does_not() {
    let all = lanes(4);
    let rated = |count| DestinationSettings {
        rate: Some(Rate { count, period: Duration::from_secs(1) }),
        ..settings(9)
    };
    let mut destination = Destination::new(&rated(1));
    for (number, lane) in (0..).zip(&all) {
        destination.request(request(*lane, number, Standing::Proven));
    }
    assert_eq!(grants(&mut destination, at(0)), [all[0]]);
    destination.revise(&rated(1));
    assert_eq!(grants(&mut destination, at(0)), []);
    destination.revise(&rated(2));
    assert_eq!(grants(&mut destination, at(0)), [all[1], all[2]]);
}

#[test]
fn a_pause_is_told_to_operators() {
    let mut destination = Destination::new(&settings(1));
    assert!(!destination.is_paused());
    destination.set_paused(true);
    assert!(destination.is_paused());
}
