//! A late event finds its place above sequences that a restore left out, whether its engine ends an answer there or not;
//! below them it finds none (decision 040). An event that is looked up for long is not late.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::fact::{Fact, Late, Origin, Released};
use sprag_core::id::{FrameNumber, Key, PartitionId, Revision, SourceId};
use sprag_core::input::{Arrival, Ticket};
use sprag_core::output::{Answer, Status};
use sprag_core::partition::Head;
use sprag_core::plan::{Plan, PlannedSource};
use sprag_core::position::Position;
use sprag_core::record::KeyRecord;
use sprag_core::settings::{
    Contract, First, OnGap, OnLate, Restore, RetentionSettings, SourceSettings,
};
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use sprag_driver::effect::Effect;
use sprag_driver::node::Node;
use sprag_driver::state::{State, StateCompletion, StateRequest};
use sprag_log::digest::{Sha256, sha256};
use sprag_log::lookup::{Handle, Wanted};
use sprag_log::memory::MemoryLog;
use sprag_log::{Answer as Read, Completion, Log, Query, Request};

/// A log that outlives its node, and may end an answer where a sequence is missing.
#[derive(Clone)]
struct Engine {
    log: Rc<RefCell<MemoryLog>>,
    ends_at_holes: bool,
    searching: Rc<RefCell<Searching>>,
}

/// How what is looked up is found.
#[derive(Default)]
struct Searching {
    /// Nothing older seems to have any other id; none: any may be there.
    only: Option<&'static str>,
    /// Answers are kept back.
    is_slow: bool,
    kept: VecDeque<Completion>,
}

impl Engine {
    fn next(&mut self) -> Option<Completion> {
        let mut searching = self.searching.borrow_mut();
        if !searching.is_slow
            && let Some(kept) = searching.kept.pop_front()
        {
            return Some(kept);
        }
        loop {
            let completion = self.log.borrow_mut().complete()?;
            let is_found =
                matches!(completion, Completion::Answered { result: Ok(Read::Found(_)), .. });
            if !(is_found && searching.is_slow) {
                return Some(completion);
            }
            searching.kept.push_back(completion);
        }
    }
}

impl Log for Engine {
    fn submit(&mut self, request: Request) {
        self.log.borrow_mut().submit(request);
    }

    fn complete(&mut self) -> Option<Completion> {
        let mut completion = self.next()?;
        if let Completion::Answered { result: Ok(Read::Sequences(facts)), .. } = &mut completion
            && self.ends_at_holes
        {
            let number = |fact: &Fact| match fact {
                Fact::Released(released) => released.sequence.0,
                _ => 0,
            };
            let first = facts.first().map_or(0, |first| number(&first.fact));
            let in_a_row = (first..).zip(facts.iter()).take_while(|(n, it)| number(&it.fact) == *n);
            let most = in_a_row.count();
            facts.truncate(most);
        }
        Some(completion)
    }

    fn may_contain(&self, _: PartitionId, wanted: &Wanted) -> bool {
        let is_it = |only: &str| matches!(&wanted.by, Handle::Id(id) if **id == *only);
        self.searching.borrow().only.is_none_or(is_it)
    }
}

/// A state store that forgets everything with its node.
#[derive(Default)]
struct Store {
    records: BTreeMap<Key, KeyRecord>,
    completions: VecDeque<StateCompletion>,
}

impl State for Store {
    fn submit(&mut self, request: StateRequest) {
        let completion = match request {
            StateRequest::Open(partition) => StateCompletion::Opened(partition, Head::default()),
            StateRequest::Load(partition, keys) => {
                let loaded = keys.into_iter().map(|key| {
                    let record = self.records.get(&key).cloned();
                    (key, record)
                });
                StateCompletion::Loaded(partition, loaded.collect())
            }
            StateRequest::Page(partition, page) => StateCompletion::Paged {
                partition,
                queue: page.queue,
                keys: Vec::new(),
                next: None,
            },
            StateRequest::Survey(partition, asked, ..) => {
                StateCompletion::Surveyed(partition, asked, Vec::new(), BTreeMap::new())
            }
            StateRequest::Idle(partition, _) => {
                let (keys, next, beyond) = (Vec::new(), None, Vec::new());
                StateCompletion::Idle { partition, keys, next, beyond }
            }
            StateRequest::Write(partition, batch) => {
                self.records.extend(batch.records);
                StateCompletion::Written(partition, batch.head.frame)
            }
            StateRequest::Clear(_) => return,
        };
        self.completions.push_back(completion);
    }

    fn complete(&mut self) -> Option<StateCompletion> {
        self.completions.pop_front()
    }
}

fn plan(restore: Option<Restore>) -> Plan {
    let settings = SourceSettings {
        name: "orders".into(),
        contract: Contract::Fifo { first: First::At(1) },
        hold_wait: Duration::from_millis(10),
        hold_events: 10,
        hold_span: 10,
        facts: Duration::from_secs(34_560_000),
        max_ahead: Duration::from_secs(1),
        states: Arc::default(),
        ranks: Vec::new(),
        on_gap: OnGap::Skip,
        on_late: OnLate::Compensate,
        dedupe: Duration::from_secs(86_400),
        forget_after: None,
        destinations: Vec::new(),
        rate: None,
        refill: None,
        list: None,
        reconcile: None,
        depends_on: None,
    };
    Plan {
        revision: Revision(1),
        sources: vec![PlannedSource {
            identity: "fifo".into(),
            late_to: None,
            depends_on: None,
            settings,
        }],
        destinations: Vec::new(),
        retired: Vec::new(),
        hot_keys: 10,
        key_backlog: 10,
        destination_backlog: None,
        dedupe_ids: 100,
        forgotten: usize::MAX,
        partition_rate: None,
        retention: RetentionSettings::default(),
        restore,
    }
}

/// A node and its clock.
struct World {
    node: Node<Engine, Store, Sha256>,
    engine: Engine,
    micros: u64,
    tickets: u64,
}

impl World {
    fn new(ends_at_holes: bool) -> Self {
        let log = Rc::new(RefCell::new(MemoryLog::new(1)));
        let engine = Engine { log, ends_at_holes, searching: Rc::default() };
        let node = Node::new(engine.clone(), Store::default(), Sha256, plan(None), 1, 7);
        let mut world = Self { node, engine, micros: 0, tickets: 0 };
        world.rest();
        world
    }

    /// The log was restored from a backup; what was given after it nobody knows.
    fn restore(&mut self, jump: u64) {
        let plan = plan(Some(Restore { id: 1, jump }));
        self.node = Node::new(self.engine.clone(), Store::default(), Sha256, plan, 1, 7);
        self.rest();
    }

    fn now(&mut self) -> Now {
        self.micros += 1_000;
        Now {
            elapsed: ElapsedMicros(self.micros),
            clock: UnixMicros(1_767_225_600_000_000 + self.micros),
        }
    }

    /// Lets everything happen that follows, waits that end included.
    fn rest(&mut self) -> BTreeMap<Ticket, Answer> {
        let mut answers = BTreeMap::new();
        for _ in 0..40 {
            let now = self.now();
            self.node.turn(now);
            while let Some(effect) = self.node.poll_effect() {
                if let Effect::Answer { ticket, answer } = effect {
                    answers.insert(ticket, answer);
                }
            }
        }
        answers
    }

    fn post(&mut self, position: u64) -> Option<Status> {
        self.tickets += 1;
        let (ticket, body) = (Ticket(self.tickets), position.to_string());
        let arrival = Arrival {
            ticket,
            key: Key { source: SourceId(1), name: "a".into() },
            id: Some(body.as_str().into()),
            position: Position::Sequence(position),
            event_type: "order".into(),
            content_type: "application/json".into(),
            headers: Vec::new(),
            digest: sha256(&[body.as_bytes()]),
            size: u32::try_from(body.len()).expect("a few bytes"),
            in_time: true,
            origin: Origin::Posted,
            depends_on: None,
        };
        let now = self.now();
        self.node.receive(now, arrival, Arc::from(body.as_bytes()));
        match self.rest().get(&ticket) {
            Some(Answer::Event { status, .. }) => Some(*status),
            _ => None,
        }
    }

    /// All that was released.
    fn released(&self) -> Vec<Released> {
        let mut log = self.engine.log.borrow_mut();
        let (partition, from) = (PartitionId(0), FrameNumber(1));
        let query = Query::Frames { partition, from, most: usize::MAX, bytes: usize::MAX };
        log.submit(Request::Query { ticket: sprag_log::Ticket(u64::MAX), query });
        let Some(Completion::Answered { result: Ok(Read::Frames(frames)), .. }) = log.complete()
        else {
            unreachable!("frames were asked for");
        };
        let facts = frames.frames.into_iter().flat_map(|frame| frame.facts);
        let released = facts.filter_map(|fact| match fact {
            Fact::Released(released) => Some(released),
            _ => None,
        });
        released.collect()
    }
}

/// What becomes of an event that comes late above sequences that were left out, and of one below them.
fn late_of(ends_at_holes: bool) -> Vec<(u64, Late)> {
    let mut world = World::new(ends_at_holes);
    for position in [1, 3] {
        world.post(position);
    }
    world.restore(3);
    for position in [4, 6] {
        world.post(position);
    }
    assert_eq!([5, 2].map(|position| world.post(position)), [Some(Status::Late); 2]);
    assert_eq!(world.post(7), Some(Status::Released), "the key goes on");
    let all = world.released();
    let late = all.iter().filter(|released| released.kind == sprag_core::fact::Kind::Late);
    late.map(|late| (late.position.number().unwrap_or_default(), late.late)).collect()
}

#[test]
fn a_late_event_finds_its_place_above_what_a_restore_left_out_and_none_below() {
    let expected = [(5, Late::InPlace), (2, Late::Dead)];
    assert_eq!(late_of(false), expected, "an engine that goes on");
    assert_eq!(late_of(true), expected, "an engine that ends there");
}

/// Others of its key overtake it and their wait is over before it comes back: more of them than may wait, and for longer.
#[test]
fn an_event_that_is_looked_up_for_long_is_not_late() {
    let mut world = World::new(false);
    world.engine.searching.borrow_mut().only = Some("102");
    for position in 1..=101 {
        assert_eq!(world.post(position), Some(Status::Released), "{position}");
    }
    world.engine.searching.borrow_mut().is_slow = true;
    for position in 102..=113 {
        assert_eq!(world.post(position), None, "{position}");
    }
    world.engine.searching.borrow_mut().is_slow = false;
    let answers = world.rest();
    let is_released =
        |answer: &Answer| matches!(answer, Answer::Event { status: Status::Released, .. });
    assert!(answers.len() == 12 && answers.values().all(is_released), "{answers:?}");
    let positions = world.released().into_iter().map(|released| released.position.number());
    assert!(positions.eq((1..=113).map(Some)), "in their order");
}
