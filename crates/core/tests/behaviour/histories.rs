//! Random histories: events in any order with repeats and losses, commits that fail, processes
//! that die, consumers that misbehave, operators that interfere.
//!
//! The judge looks at every durable fact, answer and attempt; at the end faults stop, and nothing
//! may stay behind. Whoever has chance can make one: the properties, and the fuzzer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sprag_core::clocks::{Clock, Counter};
use sprag_core::fact::{DeadLetter, Origin, Outcome, RefillOutcome};
use sprag_core::fields::{At, Field, Fields};
use sprag_core::id::{DestinationId, FrameNumber, Key, Revision, Sequence, SourceId};
use sprag_core::input::{Command, Input};
use sprag_core::links::Link;
use sprag_core::output::Fetch;
use sprag_core::pattern::Pattern;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::rate::Rate;
use sprag_core::settings::{
    Ack, Contract, DependsOnSettings, DestinationSettings, First, OnGap, OnGiveUp, OnLate,
    RefillSettings, Retry, Settings, SourceSettings,
};
use sprag_core::states::StateTable;
use sprag_core::time::UnixMicros;

use crate::harness::outside::Post;
use crate::harness::world::{Habits, World, partition_of};

/// What is configured, and what happens under it.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) settings: Settings,
    pub(crate) page: usize,
    pub(crate) happenings: Vec<Happening>,
}

/// Any history of at most so many happenings.
pub(crate) fn histories(most: usize) -> impl Strategy<Value = History> {
    let happenings = proptest::collection::vec(happening(), 1..most);
    (settings(), 1..4_usize, happenings).prop_map(|(settings, page, happenings)| History {
        settings,
        page,
        happenings,
    })
}

impl History {
    /// Two keys without order for two destinations, one of which is paused, and a memory for one: whatever
    /// reads takes no time. They once took each other's place in memory without end.
    pub(crate) fn without_order_in_a_memory_for_one() -> Self {
        let sending = (None, 1, None, None, Ack::Answer, None);
        let (give_up, bounds) = (OnGiveUp::Halt, (0, 2, 0, 1, 1));
        let on_gap = (OnGap::Skip, OnLate::Deliver);
        let settings =
            configured(((Contract::Unordered, None), on_gap, give_up, bounds, sending, None));
        let post = |key| Happening::Post { key, position: 1, id: None, body: 0, late: false };
        let end = |status| Happening::End { which: 0, status };
        let pause = Happening::Order(Box::new(Order::PauseDestination(1)));
        let redrive = Order::Redrive { key: 0, destination: 1, passed: None };
        let redrive = Happening::Order(Box::new(redrive));
        let happenings = vec![
            post(1),
            post(1),
            pause,
            post(1),
            redrive,
            Happening::Commit,
            Happening::Load,
            post(1),
            Happening::Commit,
            post(2),
            post(0),
            end(200),
            end(410),
            end(202),
            post(0),
            post(0),
            Happening::Load,
            post(1),
        ];
        Self { settings, page: 1, happenings }
    }

    /// Lets it happen.
    ///
    /// # Panics
    /// When a promise is broken.
    pub(crate) fn happen(self) {
        let Self { settings, page, happenings } = self;
        let waits_for_ever = settings.sources[&SourceId(1)].on_gap == OnGap::Halt;
        let mut world = World::new(settings, 2, Habits { page, ..Habits::default() });
        world.declare();
        world.settle();
        world.habits = Habits {
            commits: false,
            stores: false,
            loads: false,
            aborts: false,
            backlogs: true,
            damage: false,
            reads: false,
            asks: true,
            page,
        };
        for happening in &happenings {
            happen(&mut world, happening);
        }
        world.end_well(waits_for_ever);
    }
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    Post {
        key: u8,
        position: u64,
        id: Option<u8>,
        body: u8,
        late: bool,
    },
    Commit,
    Store,
    Fail {
        partition: u8,
        durable: u8,
    },
    Crash {
        durable: u8,
        keep_state: bool,
    },
    End {
        which: u8,
        status: u16,
    },
    TimeOut {
        which: u8,
    },
    /// So many events of a range are acknowledged.
    EndPart {
        which: u8,
        status: u16,
        acknowledged: u64,
    },
    Drop {
        which: u8,
    },
    EndAborted,
    /// An ask for missing positions ends; every other brought the first of them.
    Fetched {
        which: u8,
        status: Option<u16>,
    },
    Load,
    Read {
        which: u8,
    },
    Wait {
        millis: u64,
    },
    Clock {
        hours: i8,
    },
    /// A part of history, in eighths of all that is left, is older than it need be.
    Retain {
        partition: u8,
        eighths: u8,
        deletes: bool,
    },
    /// More waits for a destination than may: so many events are to be given up.
    Overflow {
        partition: u8,
        destination: u8,
        events: u8,
    },
    Order(Box<Order>),
}

/// What an operator does.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    PauseKey(u8),
    ResumeKey(u8),
    Rebase(u8),
    GiveUpGap(u8),
    PauseDestination(u8),
    ResumeDestination(u8),
    Redrive {
        key: u8,
        destination: u8,
        passed: Option<u8>,
    },
    Drop {
        key: u8,
        destination: u8,
        sequence: u8,
    },
    /// The source gets another table of states, where it goes by one.
    Table(u8),
    /// What a consumer does, with what it has or something else.
    Acknowledge {
        which: u8,
        passed: u8,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let position = prop_oneof![30 => 1..8_u64, 1 => Just(0), 1 => 30..60_u64, 1 => Just(u64::MAX)];
    let post = (0..4_u8, position, proptest::option::weighted(0.8, 0..24_u8), 0..2_u8, 0..20_u8);
    let post = post.prop_map(|(key, position, id, body, late)| Happening::Post {
        key,
        position,
        id,
        body,
        late: late == 0,
    });
    let which = 0..8_u8;
    prop_oneof![
        30 => post,
        20 => Just(Happening::Commit),
        8 => Just(Happening::Store),
        3 => (0..2_u8, 0..3_u8).prop_map(|(partition, durable)| Happening::Fail { partition, durable }),
        2 => (0..3_u8, any::<bool>())
            .prop_map(|(durable, keep_state)| Happening::Crash { durable, keep_state }),
        16 => which.clone().prop_map(|which| Happening::End { which, status: 200 }),
        8 => which.clone().prop_map(|which| Happening::End { which, status: 500 }),
        5 => which.clone().prop_map(|which| Happening::End { which, status: 202 }),
        2 => which.clone().prop_map(|which| Happening::End { which, status: 429 }),
        2 => which.clone().prop_map(|which| Happening::End { which, status: 410 }),
        1 => which.clone().prop_map(|which| Happening::Drop { which }),
        6 => (which.clone(), prop_oneof![Just(200), Just(500), Just(202)], 0..4_u64).prop_map(
            |(which, status, acknowledged)| Happening::EndPart { which, status, acknowledged }
        ),
        3 => which.prop_map(|which| Happening::TimeOut { which }),
        6 => Just(Happening::EndAborted),
        6 => (0..8_u8, proptest::option::of(prop_oneof![Just(429), Just(503)]))
            .prop_map(|(which, status)| Happening::Fetched { which, status }),
        10 => Just(Happening::Load),
        14 => (0..8_u8).prop_map(|which| Happening::Read { which }),
        8 => (1..4_000_u64).prop_map(|millis| Happening::Wait { millis }),
        1 => (-2..3_i8).prop_map(|hours| Happening::Clock { hours }),
        4 => (0..2_u8, 1..9_u8, any::<bool>()).prop_map(|(partition, eighths, deletes)| {
            Happening::Retain { partition, eighths, deletes }
        }),
        1 => (0..2_u8, 1..3_u8, 1..4_u8).prop_map(|(partition, destination, events)| {
            Happening::Overflow { partition, destination, events }
        }),
        6 => order().prop_map(|order| Happening::Order(Box::new(order))),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let (key, destination) = (0..4_u8, 1..3_u8);
    prop_oneof![
        1 => key.clone().prop_map(Order::PauseKey),
        2 => key.clone().prop_map(Order::ResumeKey),
        1 => key.clone().prop_map(Order::Rebase),
        1 => key.clone().prop_map(Order::GiveUpGap),
        1 => (0..3_u8).prop_map(Order::Table),
        1 => destination.clone().prop_map(Order::PauseDestination),
        2 => destination.clone().prop_map(Order::ResumeDestination),
        4 => (key.clone(), destination.clone(), proptest::option::of(1..5_u8))
            .prop_map(|(key, destination, passed)| Order::Redrive { key, destination, passed }),
        6 => (0..8_u8, 0..12_u8)
            .prop_map(|(which, passed)| Order::Acknowledge { which, passed }),
        2 => (key, destination, 1..5_u8)
            .prop_map(|(key, destination, sequence)| Order::Drop { key, destination, sequence }),
    ]
}

/// Some destinations take half of all events.
fn types(on_give_up: OnGiveUp) -> Vec<Pattern> {
    let types = if on_give_up == OnGiveUp::Halt { "*" } else { "e*" };
    vec![Pattern::parse(types).expect("a pattern")]
}

fn contract() -> impl Strategy<Value = Contract> {
    prop_oneof![
        3 => Just(Contract::Fifo { first: First::At(1) }),
        1 => Just(Contract::Fifo { first: First::Strictly(1) }),
        1 => Just(Contract::Fifo { first: First::Any }),
        1 => Just(Contract::Arrival),
        2 => Just(Contract::Unordered),
        1 => Just(Contract::Latest { coalesce: false }),
        1 => Just(Contract::Latest { coalesce: true }),
        2 => Just(Contract::Settle),
        2 => Just(Contract::Merge),
        3 => Just(Contract::Causal),
        2 => Just(Contract::States),
        3 => Just(Contract::Link),
    ]
}

fn refill(
    rate: impl Strategy<Value = Option<Rate>>,
) -> impl Strategy<Value = Option<RefillSettings>> {
    let every = proptest::option::of((500..5_000_u64).prop_map(Duration::from_millis));
    (1..3_000_u64, 1..4_u32, rate, every).prop_map(|(after, attempts, rate, every)| {
        let after = Duration::from_millis(after);
        Some(RefillSettings { after, attempts, rate: rate?, every })
    })
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let on_gap = prop_oneof![3 => Just(OnGap::Skip), 1 => Just(OnGap::Halt)];
    let on_late = prop_oneof![
        2 => Just(OnLate::Deliver),
        1 => Just(OnLate::DeadLetter),
        1 => Just(OnLate::To(DestinationId(2))),
        2 => Just(OnLate::Compensate),
    ];
    let give_up = prop_oneof![Just(OnGiveUp::Halt), Just(OnGiveUp::Park), Just(OnGiveUp::Skip)];
    let bounds = (0..5_usize, 1..4_usize, 0..12_usize, 1..4_usize, 1..4_u32);
    let rate = || {
        let rate = |count| Rate { count, period: Duration::from_secs(1) };
        proptest::option::weighted(0.2, (1..4_u32).prop_map(rate))
    };
    let ack =
        prop_oneof![Just(Ack::Answer), Just(Ack::Explicit { timeout: Duration::from_secs(3) }),];
    let batch = proptest::option::of(1..4_usize);
    let slow = (proptest::option::of(1..3_usize), 1..3_000_u64, rate(), rate(), ack, batch);
    let depends_on =
        proptest::option::weighted(0.3, (1..4_000_u64).prop_map(Duration::from_millis));
    let at_rest = (contract(), depends_on);
    (at_rest, (on_gap, on_late), give_up, bounds, slow, refill(rate())).prop_map(configured)
}

/// How a destination is sent to: slow attempts and what is slow, its rates, what acknowledges, and batches.
type Sending = (Option<usize>, u64, Option<Rate>, Option<Rate>, Ack, Option<usize>);

/// A contract, and for how long an event waits for what it refers to.
type Ordering = (Contract, Option<Duration>);

/// Events held, attempts under way, ids for dedupe, keys in memory, tries.
type Bounds = (usize, usize, usize, usize, u32);

/// One source with two destinations.
fn configured(
    ((contract, depends_on), (on_gap, on_late), give_up, bounds, slow, refill): (
        Ordering,
        (OnGap, OnLate),
        OnGiveUp,
        Bounds,
        Sending,
        Option<RefillSettings>,
    ),
) -> Settings {
    let (hold_events, concurrency, dedupe_ids, hot_keys, attempts) = bounds;
    let source = SourceSettings {
        name: Arc::from("billing"),
        contract,
        hold_wait: Duration::from_secs(2),
        hold_events,
        hold_span: 20,
        facts: Duration::from_secs(34_560_000),
        max_ahead: Duration::from_secs(300),
        states: states(0),
        ranks: vec![Pattern::parse("even").expect("a pattern")],
        on_gap,
        on_late,
        dedupe: Duration::from_secs(3_600),
        forget_after: None,
        destinations: vec![DestinationId(1), DestinationId(2)],
        rate: None,
        refill,
        list: None,
        reconcile: None,
        depends_on: depends_on
            .filter(|_| contract != Contract::Unordered)
            .map(|wait| DependsOnSettings { source: SourceId(1), wait }),
    };
    let destination = |on_give_up| DestinationSettings {
        name: Arc::from("app"),
        start: sprag_core::settings::Start::Now,
        types: types(on_give_up),
        concurrency,
        slow_concurrency: slow.0,
        slow_after: Duration::from_millis(slow.1),
        rate: slow.2,
        key_rate: slow.3,
        retry: Retry {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(4),
            give_up_after: Duration::from_secs(60),
            attempts: Some(attempts),
        },
        on_give_up,
        ack: slow.4,
        batch: slow.5,
    };
    let destinations =
        [(DestinationId(1), destination(give_up)), (DestinationId(2), destination(OnGiveUp::Halt))];
    Settings {
        revision: Revision(1),
        sources: BTreeMap::from([(SourceId(1), source)]),
        destinations: BTreeMap::from(destinations),
        retired: std::collections::BTreeSet::new(),
        hot_keys,
        key_backlog: 3,
        dedupe_ids,
        forgotten: usize::MAX,
        partition_rate: None,
        restore: None,
    }
}

/// Keys 0 and 1 are partition 0's, 2 and 3 partition 1's.
fn key(number: u8) -> Key {
    let (name, source) = (format!("k{number}@{}", number / 2), 1);
    Post { source, key: name, ..Post::default() }.key()
}

fn happen(world: &mut World, happening: &Happening) {
    match happening {
        Happening::Post { .. } => post(world, happening),
        Happening::Commit => {
            for at in 0..world.nodes.len() {
                world.commit_one(at);
            }
        }
        Happening::Store => {
            for at in 0..world.nodes.len() {
                world.store(at);
            }
        }
        Happening::Fail { partition, durable } => {
            world.fail(usize::from(*partition), usize::from(*durable));
        }
        Happening::Crash { durable, keep_state } => {
            world.crash(usize::from(*durable), *keep_state);
        }
        Happening::End { which, status } => {
            end(world, *which, Outcome::Answered { status: *status });
        }
        Happening::EndPart { which, status, acknowledged } => {
            world.says = Some(*acknowledged);
            end(world, *which, Outcome::Answered { status: *status });
            world.says = None;
        }
        Happening::TimeOut { which } => end(world, *which, Outcome::Unknown),
        Happening::Drop { which } => {
            if !world.under_way.is_empty() {
                let at = usize::from(*which) % world.under_way.len();
                let attempt = world.under_way.remove(at);
                let dropped = Some(Arc::from("not mine"));
                world.end_with(&attempt, Outcome::Answered { status: 200 }, None, dropped);
            }
        }
        Happening::EndAborted => {
            world.end_aborted();
        }
        Happening::Fetched { which, status } => fetched(world, *which, *status),
        Happening::Load => {
            world.load_one();
        }
        Happening::Read { which } => {
            world.read_one(usize::from(*which));
        }
        Happening::Wait { millis } => world.advance(Duration::from_millis(*millis)),
        Happening::Clock { hours } => {
            let by = i64::from(*hours) * 3_600_000_000;
            world.now.clock = UnixMicros(world.now.clock.0.saturating_add_signed(by));
        }
        Happening::Retain { partition, eighths, deletes } => {
            retain(world, usize::from(*partition), u64::from(*eighths), *deletes);
        }
        Happening::Overflow { partition, destination, events } => {
            // Bodies are of six bytes.
            let (destination, bytes) =
                (DestinationId(u32::from(*destination)), 6 * u64::from(*events));
            world.handle(usize::from(*partition), Input::Overflow { destination, bytes });
        }
        Happening::Order(order) => give(world, order),
    }
    world.settle();
}

/// A line of states with a short way and an end, and one state that nothing leads to; or one with other ways, or other
/// states.
fn states(number: u8) -> Arc<StateTable> {
    let names = |text: &str| text.split_whitespace().map(Arc::from).collect::<Vec<Arc<str>>>();
    let (initial, allow): (&str, &[(&str, &str)]) = match number {
        0 => ("a", &[("a", "b e"), ("b", "c e"), ("c", "d"), ("d", "b"), ("lost", "a")]),
        1 => ("a lost", &[("a", "c"), ("b", "d a"), ("c", "b c e"), ("e", "lost")]),
        _ => ("b", &[("b", "d"), ("d", "other b"), ("other", "e")]),
    };
    let allow: Vec<_> = allow.iter().map(|(from, to)| (Arc::from(*from), names(to))).collect();
    Arc::new(StateTable::new(&names(initial), &allow).expect("a table"))
}

fn other_table(world: &mut World, number: u8) {
    let mut settings = (*world.settings).clone();
    let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
    if source.contract == Contract::States {
        source.states = states(number);
        world.settings = Arc::new(settings);
        world.reload();
    }
}

/// Half of them say how new they are, some are of no table.
fn state(number: u64) -> Position {
    let states = ["a", "b", "c", "d", "b", "c", "e", "other", "lost"];
    let state = states[usize::try_from(number % 9).expect("small")].into();
    let at = number.is_multiple_of(2).then_some(At::Version(number));
    Position::State { state, at }
}

/// Fields of which one grows while another falls, and one is not always there.
fn crossing(number: u64) -> Position {
    let some = [("grows", number), ("falls", 100_u64.saturating_sub(number)), ("third", number)];
    let some = some.into_iter().filter(|(name, _)| *name != "third" || number.is_multiple_of(3));
    let fields = some.map(|(name, at)| Field { name: name.into(), at: At::Version(at) });
    Position::Fields(Fields::new(fields.collect()).expect("few fields"))
}

/// Clocks of nodes that hear of one another; now and then one that forgot what it knew.
fn told_among_nodes(number: u64) -> Position {
    let count = number / 3 + 1;
    let (node, knows) = match number % 3 {
        0 => ("a", [count, count - 1, 0]),
        1 => ("b", [count, count, 0]),
        _ => ("c", [count / 2, (count / 2).saturating_sub(1), count]),
    };
    let forgets = number % 11 == 10;
    let counters = ["a", "b", "c"].into_iter().zip(knows);
    let counters = counters.filter(|(name, _)| *name == node || !forgets);
    let counters = counters.map(|(name, count)| Counter { node: name.into(), count });
    Position::Clock(Clock::new(node, counters.collect()).expect("three nodes"))
}

/// From one hash to the next, round in a circle, with ways back, and some that nothing leads to.
fn step(number: u64) -> Position {
    let hash = |number: u64| -> Arc<str> {
        let number = number % 7;
        if number == 0 { "0000".into() } else { format!("h{number}").into() }
    };
    let number = number % 1_000;
    let (before, after) = match number % 5 {
        4 => (hash(number), hash(number - 2)),
        3 => (format!("x{}", number % 3).into(), hash(number)),
        _ => (hash(number), hash(number.wrapping_add(1))),
    };
    Position::Link(Link { before, after, forced: number % 5 == 4 })
}

/// The provider posts an event as the contract of its source has them.
fn post(world: &mut World, happening: &Happening) {
    let Happening::Post { key: number, position, id, body, late } = happening else { return };
    let position = match world.settings.sources[&SourceId(1)].contract {
        Contract::Arrival | Contract::Unordered => Position::None,
        Contract::Fifo { .. } => Position::Sequence(*position),
        Contract::Latest { coalesce: false } => Position::Version(*position),
        Contract::Latest { coalesce: true } | Contract::Settle => Position::Timestamp(*position),
        Contract::Merge => crossing(*position),
        Contract::Causal => told_among_nodes(*position),
        Contract::States => state(*position),
        Contract::Link => step(*position),
    };
    let kind = if number % 2 == id.unwrap_or(0) % 2 { "even" } else { "odd" };
    let body = if *body == 0 { position.standing() } else { 99 };
    world.post(&Post {
        source: 1,
        key: key(*number).name.to_string(),
        id: id.map(|id| format!("id{id}")),
        position,
        event_type: kind.to_owned(),
        body: format!("body {body}"),
        outside_tolerance: *late,
        // Every key refers to another, of its partition or the other one, and all of them in a circle.
        depends_on: Some(key((number + 1) % 4).name.to_string()),
        ..Post::default()
    });
}

/// An ask for missing positions ends: with the first of them, or an answer that is none.
fn fetched(world: &mut World, which: u8, status: Option<u16>) {
    if world.fetches.is_empty() {
        return;
    }
    let at = usize::from(which) % world.fetches.len();
    let Fetch { key, asked, .. } = world.fetches[at].clone();
    let brings = which.is_multiple_of(2) && status.is_none();
    if brings {
        world.post(&Post {
            source: 1,
            key: key.name.to_string(),
            position: Position::Sequence(asked.from),
            event_type: "even".to_owned(),
            body: format!("body {}", asked.from),
            origin: Origin::Refilled,
            ..Post::default()
        });
    }
    let outcome = status.map_or(RefillOutcome::Whole, |status| RefillOutcome::Answered { status });
    // Now and then its source says of some of it that there is none.
    let none = which.is_multiple_of(3).then_some(Range { from: asked.from, to: asked.from + 1 });
    world.end_fetch(at, outcome, u32::from(brings), (None, Ranges::from_ranges(none)));
}

/// Some of the oldest history goes, as far as nothing waits for it.
fn retain(world: &mut World, at: usize, eighths: u64, deletes: bool) {
    let log = &world.nodes[at].log;
    let (trimmed, newest) = (log.trimmed.0, log.frames.len() as u64);
    let through = FrameNumber(trimmed + (newest - trimmed) * eighths / 8);
    if through.0 > trimmed {
        world.retain(at, through, Duration::ZERO, deletes);
    }
}

fn end(world: &mut World, which: u8, outcome: Outcome) {
    if !world.under_way.is_empty() {
        world.end(usize::from(which) % world.under_way.len(), outcome, None);
    }
}

/// A consumer acknowledges something that waits or is under way; now and then something else.
fn acknowledge(world: &mut World, which: u8, passed: u8) {
    let waiting = world.consumers_have();
    if waiting.is_empty() {
        return;
    }
    let (key, destination, from, last) = waiting[usize::from(which) % waiting.len()].clone();
    // Something else, a part, or all.
    let (from, to) = match passed {
        0..4 => (Sequence(u64::from(passed)), Sequence(u64::from(passed))),
        4..8 => (from, from),
        _ => (from, last),
    };
    let at = usize::from(partition_of(&key).0);
    world.order(at, Command::Acknowledge { key, destination, from, to });
}

fn give(world: &mut World, order: &Order) {
    let destination = |number: u8| DestinationId(u32::from(number));
    let sequence = |number: u8| Sequence(u64::from(number));
    let at = |number: u8| usize::from(partition_of(&key(number)).0);
    let (at, command) = match *order {
        Order::Acknowledge { which, passed } => return acknowledge(world, which, passed),
        Order::Table(number) => return other_table(world, number),
        Order::PauseKey(number) => (at(number), Command::PauseKey(key(number))),
        Order::ResumeKey(number) => (at(number), Command::ResumeKey(key(number))),
        Order::Rebase(number) => (at(number), Command::Rebase(key(number))),
        Order::GiveUpGap(number) => {
            let key = key(number);
            let from = world.record(&key).and_then(|record| record.order.next).unwrap_or(1);
            (at(number), Command::GiveUpGap { key, from })
        }
        Order::PauseDestination(number) => (0, Command::PauseDestination(destination(number))),
        Order::ResumeDestination(number) => (0, Command::ResumeDestination(destination(number))),
        Order::Redrive { key: number, destination: to, passed } => {
            let (key, passed) = (key(number), passed.map(sequence));
            (at(number), Command::Redrive { key, destination: destination(to), passed })
        }
        Order::Drop { key: number, destination: to, sequence: dropped } => {
            let (destination, sequence) = (destination(to), sequence(dropped));
            let letter = DeadLetter::InLane { destination, sequence };
            (at(number), Command::Drop { key: key(number), letter })
        }
    };
    world.order(at, command);
}
