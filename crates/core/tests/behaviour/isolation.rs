//! The bound of rule D4 on a model of a consumer: lanes that are served, beside lanes that hang.
//!
//! Knows only the rule: what a lane that is served waits for permits on account of those that hang.

mod given_up;
mod poison;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sprag_core::destination::{Destination, End, LaneRef, Pool, Request, Standing, Urgency};
use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, PartitionId, Place};
use sprag_core::settings::{Ack, DestinationSettings, OnGiveUp, Retry};
use sprag_core::slab::Slab;
use sprag_core::time::{ElapsedMicros, UnixMicros, micros};

const SLOW_AFTER: Duration = Duration::from_secs(1);
const MILLISECOND: u64 = 1_000;
/// An attempt that hangs times out after this, and its lane asks again a second later.
const TIMEOUT: u64 = 15_000 * MILLISECOND;
const BACKOFF: u64 = 1_000 * MILLISECOND;

fn settings(concurrency: usize, slow_concurrency: usize) -> DestinationSettings {
    DestinationSettings {
        name: Arc::from("app"),
        start: sprag_core::settings::Start::Now,
        types: vec![sprag_core::pattern::Pattern::any()],
        concurrency,
        slow_concurrency: Some(slow_concurrency),
        slow_after: SLOW_AFTER,
        rate: None,
        key_rate: None,
        retry: Retry {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(1),
            give_up_after: Duration::from_secs(60),
            attempts: None,
        },
        on_give_up: OnGiveUp::Halt,
        ack: Ack::Answer,
        batch: None,
    }
}

/// What happens to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Asks,
    Ends,
}

/// Lanes that always have something to send; the first so many hang.
struct Model {
    destination: Destination,
    lanes: Vec<LaneRef>,
    hung: usize,
    answer: u64,
    agenda: BTreeMap<(u64, usize, Happening), ()>,
    asked: Vec<u64>,
    standing: Vec<Standing>,
    slow_at: Vec<u64>,
    /// Answers to lanes that are served, and the longest of their waits for a permit.
    answers: u64,
    longest: u64,
    /// Waits that began after this count.
    from: u64,
}

impl Model {
    fn new(settings: &DestinationSettings, hung: usize, served: usize, answer: u64) -> Self {
        let mut slab = Slab::default();
        let lane = |_| LaneRef {
            partition: PartitionId(0),
            slot: slab.insert(()),
            destination: DestinationId(1),
            strand: None,
        };
        let all = hung + served;
        Self {
            destination: Destination::new(settings),
            lanes: (0..all).map(lane).collect(),
            hung,
            answer,
            agenda: (0..all).map(|at| ((0, at, Happening::Asks), ())).collect(),
            asked: vec![0; all],
            standing: vec![Standing::Unproven; all],
            slow_at: vec![0; all],
            answers: 0,
            longest: 0,
            from: 0,
        }
    }

    fn run(&mut self, until: u64) {
        while let Some(((now, at, what), ())) = self.next(until) {
            match what {
                Happening::Asks => self.ask(now, at),
                Happening::Ends => self.end(now, at),
            }
            self.grant(now);
        }
    }

    /// The next thing that happens, with the destination's own timers before it.
    fn next(&mut self, until: u64) -> Option<((u64, usize, Happening), ())> {
        loop {
            let first = self.agenda.first_key_value().map(|(key, ())| *key)?;
            match self.destination.deadline().filter(|due| due.0 <= first.0.min(until)) {
                Some(due) => {
                    self.destination.tick(due);
                    self.grant(due.0);
                    let again = self.destination.deadline();
                    assert!(again.is_none_or(|again| again > due), "a timer that never ends");
                }
                None if first.0 > until => return None,
                None => return self.agenda.pop_first(),
            }
        }
    }

    fn ask(&mut self, now: u64, at: usize) {
        self.asked[at] = now;
        let urgency = Urgency { recorded: UnixMicros(now), place: Place::default() };
        let standing = match self.standing[at] {
            Standing::Struggling { tries, .. } => {
                Standing::Struggling { tries, since: ElapsedMicros(now) }
            }
            other => other,
        };
        self.destination.request(Request { urgency, lane: self.lanes[at], standing });
    }

    fn end(&mut self, now: u64, at: usize) {
        let hangs = at < self.hung;
        let outcome = if hangs { Outcome::Unknown } else { Outcome::Answered { status: 200 } };
        let end = End::Ended { key: at as u64, outcome, retry_after: None };
        self.destination.give_back(ElapsedMicros(now), self.lanes[at], end);
        let struggles = hangs || now >= self.slow_at[at];
        let since = ElapsedMicros(now);
        self.standing[at] =
            if struggles { Standing::Struggling { tries: 1, since } } else { Standing::Proven };
        self.answers += u64::from(!hangs);
        let asks = if hangs { now + BACKOFF } else { now };
        self.agenda.insert((asks, at, Happening::Asks), ());
    }

    fn grant(&mut self, now: u64) {
        while let Some(grant) = self.destination.poll_grant(ElapsedMicros(now)) {
            let at = self.lanes.iter().position(|lane| *lane == grant.lane).expect("a lane");
            self.slow_at[at] = grant.slow_at.0;
            if at >= self.hung && self.asked[at] >= self.from {
                self.longest = self.longest.max(now - self.asked[at]);
            }
            let takes = if at < self.hung { TIMEOUT } else { self.answer };
            self.agenda.insert((now + takes, at, Happening::Ends), ());
        }
        self.destination.check_invariants();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// While all that hang fit the slow pool: nobody who is served waits longer on their account
    /// than ⌈hung ÷ concurrency⌉ × `slow_after`, and once they are there nobody waits for them.
    #[test]
    fn lanes_that_hang_cost_a_place_once(
        concurrency in 1..9_usize, share in 1..101_usize, served in 1..12_usize, answer in 1..40_u64,
    ) {
        let slow = 4 * concurrency;
        let hung = (slow * share).div_ceil(100);
        let answer = answer * MILLISECOND;
        let mut model = Model::new(&settings(concurrency, slow), hung, served, answer);
        let turns = hung.div_ceil(concurrency) as u64;
        let once = turns * micros(SLOW_AFTER);
        model.run(once + 1);
        // In turns among themselves.
        let own = answer * served.div_ceil((concurrency / 2).max(1)) as u64;
        prop_assert!(model.longest <= once + own, "{} > {once} + {own}", model.longest);
        model.from = once + own + 1;
        model.longest = 0;
        model.run(once + 40_000 * MILLISECOND);
        prop_assert!(model.longest <= own, "{} > {own} afterwards", model.longest);
    }

    /// However many hang: those that were answered lately keep half of `concurrency`.
    #[test]
    fn beyond_the_slow_pool_half_is_theirs(
        concurrency in 2..9_usize, slow in 1..20_usize, hung in 1..200_usize, served in 1..12_usize,
    ) {
        half_is_theirs(concurrency, slow, hung, served);
    }
}

/// A case that chance does not always find: slow attempts leave `concurrency` also while lanes wait to
/// start in the slow pool.
#[test]
fn half_is_theirs_where_many_wait_for_the_slow_pool() {
    half_is_theirs(2, 13, 28, 1);
}

fn half_is_theirs(concurrency: usize, slow: usize, hung: usize, served: usize) {
    let answer = 20 * MILLISECOND;
    let mut model = Model::new(&settings(concurrency, slow), 0, served, answer);
    model.run(1_000 * MILLISECOND);
    // From now on so many hang.
    let mut slab = Slab::default();
    let lane = |_| LaneRef {
        partition: PartitionId(1),
        slot: slab.insert(()),
        destination: DestinationId(1),
        strand: None,
    };
    let all = model.lanes.len();
    let mut lanes: Vec<_> = (0..hung).map(lane).collect();
    lanes.append(&mut model.lanes);
    model.lanes = lanes;
    model.hung = hung;
    model.agenda = std::mem::take(&mut model.agenda)
        .into_keys()
        .map(|(now, at, what)| ((now, at + hung, what), ()))
        .collect();
    let now = 1_000 * MILLISECOND + 1;
    model.agenda.extend((0..hung).map(|at| ((now, at, Happening::Asks), ())));
    model.asked = [vec![now; hung], std::mem::take(&mut model.asked)].concat();
    model.standing = [vec![Standing::Unproven; hung], std::mem::take(&mut model.standing)].concat();
    model.slow_at = [vec![0; hung], std::mem::take(&mut model.slow_at)].concat();
    let before = model.answers;
    model.run(now + 30_000 * MILLISECOND);
    let usual = model.destination.in_flight_of(Pool::Usual);
    assert!(usual <= concurrency);
    // Half the places for half a minute, less one slow turn at the beginning and a tenth for turns.
    let places = served.min(concurrency - (concurrency / 2).max(1)) as u64;
    let fair = places * 29_000 * MILLISECOND / answer * 9 / 10;
    let answers = model.answers - before;
    assert!(answers >= fair, "{answers} answers, {fair} are due of {all}");
}
