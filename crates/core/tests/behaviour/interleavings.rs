//! Every interleaving of a small world: three events of one key and a repeat, in every order, with
//! commits, failures, answers and a crash between them, up to a depth.
//!
//! A partition cannot be copied, so every state is reached by its choices from the beginning.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Revision, Sequence, SourceId};
use sprag_core::position::Position;
use sprag_core::record::LaneMode;
use sprag_core::settings::{
    Ack, Contract, DestinationSettings, First, OnGap, OnGiveUp, OnLate, Retry, Settings,
    SourceSettings,
};

use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The provider posts one of [`POSTS`].
    Post(usize),
    Commit,
    /// The append fails; so many frames are durable after all.
    Fail(usize),
    Crash,
    Answer(u16),
    EndAborted,
}

/// Positions as they are posted; the last repeats the second.
const POSTS: [u64; 4] = [1, 2, 3, 2];
/// Choices from the beginning. More were looked at once: 8 make 48,279 states.
const DEPTH: usize = 5;
/// Commits that fail, and crashes, on one path.
const FAULTS: usize = 2;

fn settings() -> Settings {
    let source = SourceSettings {
        name: Arc::from("billing"),
        contract: Contract::Fifo { first: First::At(1) },
        hold_wait: Duration::from_secs(5),
        hold_events: 10,
        hold_span: 10,
        facts: Duration::from_secs(34_560_000),
        max_ahead: Duration::from_secs(300),
        states: Arc::default(),
        ranks: Vec::new(),
        on_gap: OnGap::Halt,
        on_late: OnLate::Deliver,
        dedupe: Duration::from_secs(3_600),
        forget_after: None,
        destinations: vec![DestinationId(1)],
        rate: None,
        refill: None,
        list: None,
        depends_on: None,
    };
    let destination = DestinationSettings {
        name: Arc::from("app"),
        start: sprag_core::settings::Start::Now,
        types: vec![sprag_core::pattern::Pattern::any()],
        concurrency: 1,
        slow_concurrency: None,
        slow_after: Duration::from_secs(1),
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
    };
    Settings {
        revision: Revision(1),
        sources: BTreeMap::from([(SourceId(1), source)]),
        destinations: BTreeMap::from([(DestinationId(1), destination)]),
        retired: std::collections::BTreeSet::new(),
        hot_keys: 10,
        key_backlog: 10,
        dedupe_ids: 100,
        forgotten: usize::MAX,
        partition_rate: None,
        restore: None,
    }
}

fn begin() -> World {
    let mut world = World::new(settings(), 1, Habits::default());
    world.declare();
    world.settle();
    world.habits.commits = false;
    world.habits.aborts = false;
    world
}

fn post(world: &mut World, position: u64) {
    world.post(&Post {
        source: 1,
        key: "a".to_owned(),
        id: Some(format!("id{position}")),
        event_type: String::new(),
        position: Position::Sequence(position),
        body: format!("body {position}"),
        ..Post::default()
    });
}

fn choose(world: &mut World, choice: Choice) {
    match choice {
        Choice::Post(at) => post(world, POSTS[at]),
        Choice::Commit => assert!(world.commit_one(0), "offered without a frame in flight"),
        Choice::Fail(durable) => world.fail(0, durable),
        Choice::Crash => world.crash(0, true),
        Choice::Answer(status) => world.end(0, Outcome::Answered { status }, None),
        Choice::EndAborted => assert!(world.end_aborted(), "offered with nothing aborted"),
    }
    world.settle();
}

/// What can happen in a state, given what happened before.
fn choices(world: &World, before: &[Choice]) -> Vec<Choice> {
    let posts = (0..POSTS.len()).map(Choice::Post).filter(|post| !before.contains(post));
    let mut choices: Vec<_> = posts.collect();
    let flight = world.nodes[0].flight.len();
    if flight > 0 {
        choices.push(Choice::Commit);
    }
    let fault = |choice: &&Choice| matches!(choice, Choice::Fail(_) | Choice::Crash);
    if before.iter().filter(fault).count() < FAULTS {
        choices.extend((0..=flight).map(Choice::Fail));
        choices.push(Choice::Crash);
    }
    if !world.under_way.is_empty() {
        choices.extend([Choice::Answer(200), Choice::Answer(500)]);
    }
    if !world.aborted.is_empty() {
        choices.push(Choice::EndAborted);
    }
    choices
}

/// Two paths to the same state need only one continuation.
fn fingerprint(world: &World, before: &[Choice]) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}{:?}{:?}", world.nodes, world.under_way, world.aborted).hash(&mut hasher);
    let posted = (0..POSTS.len()).filter(|at| before.contains(&Choice::Post(*at)));
    posted.collect::<Vec<_>>().hash(&mut hasher);
    hasher.finish()
}

/// Faults stop, the provider posts what it heard no 2xx of again: everything arrives, in order.
fn end_well(mut world: World, path: &[Choice]) {
    world.habits = Habits::default();
    world.settle();
    POSTS.iter().for_each(|position| post(&mut world, *position));
    world.end_well(false);
    let node = &world.nodes[0];
    let (_, record) = node.partition.records().next().expect("the key is in memory");
    let lane = &record.lanes[0];
    let end = (record.sequence, lane.mode, lane.head, lane.delivered);
    let whole = (Sequence(3), LaneMode::Active, Sequence(4), Sequence(3));
    assert_eq!(end, whole, "{path:?}");
}

#[test]
fn every_interleaving_of_a_small_world_ends_well() {
    let mut seen = HashSet::new();
    let mut paths = VecDeque::from([Vec::new()]);
    let mut reached = [0_usize; DEPTH + 1];
    while let Some(path) = paths.pop_front() {
        let mut world = begin();
        path.iter().for_each(|choice| choose(&mut world, *choice));
        if !seen.insert(fingerprint(&world, &path)) {
            continue;
        }
        reached[path.len()] += 1;
        if path.len() < DEPTH {
            let next = choices(&world, &path).into_iter();
            paths.extend(next.map(|choice| [path.as_slice(), &[choice]].concat()));
        }
        end_well(world, &path);
    }
    println!("states by depth: {reached:?}");
    assert!(seen.len() > 4_000, "the world is smaller than it was: {}", seen.len());
}
