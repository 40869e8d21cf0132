//! Keys that always fail beside keys that are served (promise 3, rule L2), on a model of a consumer.
//!
//! Knows only the rule: what is served waits for no poisoned key, wherever in the queue they stand,
//! and a destination that is dead sees few attempts all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::destination::{Destination, End, LaneRef, Request, Standing, Urgency};
use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, PartitionId, Place};
use sprag_core::slab::Slab;
use sprag_core::time::{ElapsedMicros, UnixMicros, micros};

use super::{MILLISECOND, TIMEOUT, settings};

const SECOND: u64 = 1_000 * MILLISECOND;
const CONCURRENCY: usize = 64;
/// How long an answer takes.
const ANSWER: u64 = 5 * MILLISECOND;
/// The longest a lane waits that failed often.
const CAP: u64 = 3_600 * SECOND;

/// What the consumer does with the events of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Served,
    /// 503, always.
    Poisoned,
    /// Never an answer.
    Hangs,
}
use Kind::{Hangs, Poisoned, Served};

/// What happens to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// Events of it are released.
    Released(u32),
    /// A failed event is due again.
    Due,
    Ends(Outcome),
}

struct Lane {
    kind: Kind,
    name: LaneRef,
    waiting: u32,
    /// When its head was released, and since when it waits for its first attempt.
    released: u64,
    tries: u32,
    acknowledged: Option<u64>,
    is_busy: bool,
}

/// A destination, its consumer, and lanes with something to send now and then.
struct Model {
    destination: Destination,
    slots: Slab<()>,
    lanes: Vec<Lane>,
    numbers: BTreeMap<LaneRef, usize>,
    agenda: BTreeSet<(u64, usize, Happening)>,
    /// Until when nobody listens.
    dead_until: u64,
    /// The longest backoff.
    cap: u64,
    now: u64,
    /// When each attempt left.
    attempts: Vec<u64>,
    /// When each event was delivered, and how long it had waited.
    delivered: Vec<(u64, u64)>,
}

impl Model {
    fn new() -> Self {
        Self {
            destination: Destination::new(&settings(CONCURRENCY, 4 * CONCURRENCY)),
            slots: Slab::default(),
            lanes: Vec::new(),
            numbers: BTreeMap::new(),
            agenda: BTreeSet::new(),
            dead_until: 0,
            cap: CAP,
            now: 0,
            attempts: Vec::new(),
            delivered: Vec::new(),
        }
    }

    /// So many new lanes get so many events each, a microsecond after one another.
    fn release(&mut self, at: u64, lanes: usize, kind: Kind, events: u32) {
        for after in 0..lanes as u64 {
            let name = LaneRef {
                partition: PartitionId(0),
                slot: self.slots.insert(()),
                destination: DestinationId(1),
                strand: None,
            };
            let number = self.lanes.len();
            self.numbers.insert(name, number);
            self.lanes.push(Lane {
                kind,
                name,
                waiting: 0,
                released: 0,
                tries: 0,
                acknowledged: None,
                is_busy: false,
            });
            self.agenda.insert((at + after, number, Happening::Released(events)));
        }
    }

    fn run(&mut self, until: u64) {
        loop {
            let next = self.agenda.first().map(|(at, _, _)| *at);
            let timer = self.destination.deadline().map(|due| due.0.max(self.now));
            let Some(at) = next.into_iter().chain(timer).min().filter(|at| *at <= until) else {
                break;
            };
            self.now = at;
            self.destination.tick(ElapsedMicros(at));
            while let Some((_, lane, what)) =
                self.agenda.first().copied().filter(|next| next.0 <= at)
            {
                self.agenda.pop_first();
                self.happens(lane, what);
                self.grant();
            }
            self.grant();
            let again = self.destination.deadline();
            assert!(again.is_none_or(|again| again.0 > at), "a timer that never ends");
        }
        self.now = until;
        self.destination.check_invariants();
    }

    fn happens(&mut self, number: usize, what: Happening) {
        let (now, cap) = (self.now, self.cap);
        let lane = &mut self.lanes[number];
        match what {
            Happening::Released(events) => {
                if lane.waiting == 0 {
                    lane.released = now;
                }
                lane.waiting += events;
            }
            Happening::Due => lane.is_busy = false,
            Happening::Ends(outcome) => {
                let end = End::Ended { key: number as u64, outcome, retry_after: None };
                self.destination.give_back(ElapsedMicros(now), lane.name, end);
                while self.destination.poll_breaker().is_some() {}
                if outcome.is_acknowledged() {
                    self.delivered.push((now, now - lane.released));
                    lane.waiting -= 1;
                    lane.released = now;
                    (lane.tries, lane.acknowledged, lane.is_busy) = (0, Some(now), false);
                } else {
                    let backoff = SECOND << lane.tries.min(20);
                    lane.tries += 1;
                    self.agenda.insert((now + backoff.min(cap), number, Happening::Due));
                }
            }
        }
        self.ask(number);
    }

    fn ask(&mut self, number: usize) {
        let now = ElapsedMicros(self.now);
        let lane = &mut self.lanes[number];
        if lane.is_busy || lane.waiting == 0 {
            return;
        }
        lane.is_busy = true;
        let lately = |at: u64| now.since(ElapsedMicros(at)) < Duration::from_secs(60);
        let standing = match lane.tries {
            0 if lane.acknowledged.is_some_and(lately) => Standing::Proven,
            0 => Standing::Unproven,
            tries => Standing::Struggling { tries, since: now },
        };
        let urgency = Urgency { recorded: UnixMicros(lane.released), place: Place::default() };
        self.destination.request(Request { urgency, lane: lane.name, standing });
    }

    fn grant(&mut self) {
        let now = self.now;
        while let Some(grant) = self.destination.poll_grant(ElapsedMicros(now)) {
            let number = self.numbers[&grant.lane];
            let kind = self.lanes[number].kind;
            let (takes, outcome) = match kind {
                _ if now < self.dead_until => (MILLISECOND, Outcome::Unreachable),
                Served => (ANSWER, Outcome::Answered { status: 200 }),
                Poisoned => (2 * MILLISECOND, Outcome::Answered { status: 503 }),
                Hangs => (TIMEOUT, Outcome::Unknown),
            };
            self.attempts.push(now);
            self.agenda.insert((now + takes, number, Happening::Ends(outcome)));
        }
    }

    fn attempts_between(&self, from: u64, to: u64) -> usize {
        self.attempts.iter().filter(|at| (from..to).contains(*at)).count()
    }

    fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.delivered.iter().map(|(_, waited)| *waited).max().unwrap_or(0))
    }
}

/// How long a consumer takes for so many events when nothing else is in its way.
fn alone(events: usize) -> u64 {
    events.div_ceil(CONCURRENCY) as u64 * ANSWER
}

/// Seen first: two hundred keys that are always answered 503 were there before the others.
#[test]
fn poisoned_keys_of_before_stop_no_others() {
    for seconds in [0, 2, 10] {
        let mut model = Model::new();
        model.release(0, 200, Poisoned, 1);
        let from = seconds * SECOND;
        model.release(from, 10_000, Served, 2);
        // Probes that failed made the next one wait: no longer than what has passed, twice.
        let most = 2 * from + 2 * alone(20_000) + 2 * SECOND;
        model.run(from + most);
        let delivered = model.delivered.len();
        assert_eq!(delivered, 20_000, "within {most} µs after {seconds} s");
    }
}

/// Wherever they stand in the queue, and be they half of all.
#[test]
fn poisoned_keys_stop_no_others_wherever_they_wait() {
    let (p, s) = (Poisoned, Served);
    let arrangements: [&[(usize, Kind)]; 7] = [
        &[(5_000, p), (5_000, s)],
        &[(5_000, s), (5_000, p)],
        &[(2_500, p), (5_000, s), (2_500, p)],
        &[(2_500, s), (5_000, p), (2_500, s)],
        &[(200, p), (5_000, s)],
        &[(100, p), (5_000, s), (100, p)],
        &[(10, p), (10, s), (1_000, p), (4_990, s)],
    ];
    for (events, arrangement) in [1, 3].into_iter().flat_map(|e| arrangements.map(|a| (e, a))) {
        let mut model = Model::new();
        let mut from = 0;
        for (lanes, kind) in arrangement {
            model.release(from, *lanes, *kind, if *kind == s { events } else { 1 });
            from += 10 * MILLISECOND;
        }
        let served = 5_000 * events as usize;
        let all: usize = arrangement.iter().map(|(lanes, _)| lanes).sum();
        model.run(120 * SECOND);
        assert_eq!(model.delivered.len(), served, "{events} each of {arrangement:?}");
        let (first, last) = (model.delivered[0].0, model.delivered[served - 1].0);
        println!("{events} each of {arrangement:?}: from {first} to {last} µs");
        // Until one is answered nothing tells them from a destination that is dead.
        assert!(first <= 60 * SECOND, "{events} each of {arrangement:?} began after {first} µs");
        let most = 3 * alone(all + served) + SECOND;
        assert!(last - first <= most, "{events} each of {arrangement:?}: {first} to {last} µs");
    }
}

/// At night a few events come beside two hundred keys that fail all the time, as they did by day: none
/// waits for them.
#[test]
fn what_comes_rarely_waits_for_no_poisoned_key() {
    for kind in [Poisoned, Hangs] {
        let mut model = Model::new();
        model.cap = 4 * SECOND;
        model.release(0, 200, kind, 1);
        model.release(SECOND, 10_000, Served, 2);
        model.run(1_000 * SECOND);
        assert_eq!(model.delivered.len(), 20_000);
        model.delivered.clear();
        for number in 0..60 {
            model.release(1_000 * SECOND + number * 61 * SECOND, 1, Served, 1);
        }
        model.run(5_000 * SECOND);
        assert_eq!(model.delivered.len(), 60);
        assert!(
            model.longest_wait() <= Duration::from_secs(2),
            "{kind:?} {:?}",
            model.longest_wait()
        );
    }
}

/// The only one that is served, of a thousand that are not and of which most were never tried.
#[test]
fn the_only_key_that_is_served_is_found() {
    let mut model = Model::new();
    model.release(0, 1_000, Poisoned, 1);
    let from = 600 * SECOND;
    model.release(from, 1, Served, 1);
    for number in 1..1_200 {
        model.agenda.insert((from + number * SECOND, 1_000, Happening::Released(1)));
    }
    model.run(from + 1_200 * SECOND);
    let (found, _) = model.delivered.remove(0);
    assert!(found < from + 600 * SECOND, "ten of the longest waits for a probe: {found}");
    assert_eq!(model.delivered.len(), 1_199);
    assert!(model.longest_wait() <= Duration::from_secs(1), "{:?}", model.longest_wait());
}

/// What is dead sees the attempts that were under way, and ever fewer probes, however many lanes wait
/// and whatever arrives meanwhile.
#[test]
fn a_dead_destination_sees_few_probes() {
    for (lanes, arriving) in
        [(100_000, 0), (100_000, 3_600), (30, 0), (30, 3_600), (4, 0), (0, 3_600)]
    {
        let mut model = Model::new();
        model.dead_until = u64::MAX;
        model.release(0, lanes, Served, 1);
        for number in 0..arriving {
            model.release(number * SECOND, 1, Served, 1);
        }
        model.run(3_600 * SECOND);
        let first = model.attempts_between(0, 60 * SECOND);
        let then = model.attempts_between(60 * SECOND, 3_600 * SECOND);
        println!("{lanes} and {arriving}: {first} in the first minute, {then} in the hour");
        // Twenty that fail, those under way with them, and probes of both kinds.
        assert!(first <= 20 + CONCURRENCY + 2 * 7, "{lanes} and {arriving}: {first}");
        assert!(then <= 2 * 60, "{lanes} and {arriving}: {then}");
    }
}

/// Back after ten minutes, it gets everything after the wait for one probe.
#[test]
fn a_destination_that_comes_back_gets_everything_after_one_probe() {
    let mut model = Model::new();
    let back = 600 * SECOND;
    model.dead_until = back;
    model.release(0, 200, Poisoned, 1);
    model.release(0, 10_000, Served, 2);
    let probe = micros(sprag_core::limits::PROBE_MOST);
    // The first probes of it may be of poisoned keys: one in fifty is.
    let most = back + 3 * probe + 2 * alone(20_000) + 2 * SECOND;
    model.run(most);
    assert_eq!(model.delivered.len(), 20_000);
}
