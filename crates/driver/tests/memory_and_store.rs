//! What is in memory and what is in the state store: an id that leaves memory while its repeat waits for its cold key is
//! looked up all the same (DESIGN F4), and much that changed is stored before its time (F10).

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::id::{Key, PartitionId, Revision, SourceId};
use sprag_core::input::{Arrival, Ticket};
use sprag_core::output::{Answer, Status};
use sprag_core::partition::Head;
use sprag_core::plan::{Plan, PlannedSource};
use sprag_core::position::Position;
use sprag_core::record::KeyRecord;
use sprag_core::settings::{Contract, OnGap, OnLate, RetentionSettings, SourceSettings};
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use sprag_driver::effect::Effect;
use sprag_driver::node::Node;
use sprag_driver::state::{State, StateCompletion, StateRequest};
use sprag_log::digest::{Sha256, sha256};
use sprag_log::memory::MemoryLog;

/// Events whose ids are remembered.
const REMEMBERED: usize = 12;

/// A state store that may be slow with one key.
#[derive(Clone, Default)]
struct Store(Rc<RefCell<Kept>>);

#[derive(Default)]
struct Kept {
    records: BTreeMap<Key, KeyRecord>,
    completions: VecDeque<StateCompletion>,
    /// The key whose loads are held back.
    slow: Option<Arc<str>>,
    held: Vec<(PartitionId, Vec<Key>)>,
    /// How many records each batch had.
    batches: Vec<usize>,
}

impl Kept {
    fn holds(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| Some(&key.name) == self.slow.as_ref())
    }

    fn load(&mut self, partition: PartitionId, keys: Vec<Key>) {
        let loaded = keys.into_iter().map(|key| {
            let record = self.records.get(&key).cloned();
            (key, record)
        });
        let loaded = StateCompletion::Loaded(partition, loaded.collect());
        self.completions.push_back(loaded);
    }
}

impl State for Store {
    fn submit(&mut self, request: StateRequest) {
        let mut kept = self.0.borrow_mut();
        let completion = match request {
            StateRequest::Open(partition) => StateCompletion::Opened(partition, Head::default()),
            StateRequest::Load(partition, keys) if kept.holds(&keys) => {
                return kept.held.push((partition, keys));
            }
            StateRequest::Load(partition, keys) => return kept.load(partition, keys),
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
                kept.batches.push(batch.records.len());
                kept.records.extend(batch.records);
                StateCompletion::Written(partition, batch.head.frame)
            }
            StateRequest::Clear(_) => return,
        };
        kept.completions.push_back(completion);
    }

    fn complete(&mut self) -> Option<StateCompletion> {
        self.0.borrow_mut().completions.pop_front()
    }
}

/// A node and its clock.
struct World {
    node: Node<MemoryLog, Store, Sha256>,
    store: Store,
    micros: u64,
    tickets: u64,
}

impl World {
    fn with_room_for(hot_keys: usize) -> Self {
        let source = SourceSettings {
            name: "orders".into(),
            contract: Contract::Arrival,
            hold_wait: Duration::from_secs(1),
            hold_events: 10,
            hold_span: 10,
            facts: Duration::from_secs(34_560_000),
            max_ahead: Duration::from_secs(1),
            states: Arc::default(),
            ranks: Vec::new(),
            on_gap: OnGap::Skip,
            on_late: OnLate::Deliver,
            dedupe: Duration::from_secs(86_400),
            forget_after: None,
            destinations: Vec::new(),
            rate: None,
            refill: None,
            list: None,
            reconcile: None,
            depends_on: None,
        };
        let plan = Plan {
            revision: Revision(1),
            sources: vec![PlannedSource {
                identity: "arrival".into(),
                late_to: None,
                depends_on: None,
                settings: source,
            }],
            destinations: Vec::new(),
            retired: Vec::new(),
            hot_keys,
            key_backlog: 10,
            destination_backlog: None,
            dedupe_ids: REMEMBERED,
            forgotten: usize::MAX,
            partition_rate: None,
            retention: RetentionSettings::default(),
            restore: None,
        };
        let store = Store::default();
        let node = Node::new(MemoryLog::new(1), store.clone(), Sha256, plan, 1, 7);
        let mut world = Self { node, store, micros: 0, tickets: 0 };
        world.rest();
        world
    }

    fn now(&mut self) -> Now {
        self.micros += 1_000;
        Now {
            elapsed: ElapsedMicros(self.micros),
            clock: UnixMicros(1_767_225_600_000_000 + self.micros),
        }
    }

    /// Lets everything happen that follows; says what was answered.
    fn rest(&mut self) -> BTreeMap<Ticket, Answer> {
        let mut answers = BTreeMap::new();
        for _ in 0..20 {
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

    fn post(&mut self, key: &str, id: &str) -> Ticket {
        self.post_body(key, id, id.as_bytes())
    }

    fn post_body(&mut self, key: &str, id: &str, body: &[u8]) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let arrival = Arrival {
            ticket,
            key: Key { source: SourceId(1), name: key.into() },
            id: Some(id.into()),
            position: Position::None,
            event_type: "order".into(),
            content_type: "application/json".into(),
            headers: Vec::new(),
            digest: sha256(&[body]),
            size: u32::try_from(body.len()).expect("a few megabytes"),
            in_time: true,
            origin: sprag_core::fact::Origin::Posted,
            depends_on: None,
        };
        let now = self.now();
        self.node.receive(now, arrival, Arc::from(body));
        ticket
    }

    /// Everything committed is stored, so that keys may leave memory.
    fn store(&mut self) {
        self.tickets += 1;
        self.node.store_now(Ticket(self.tickets));
        self.rest();
    }
}

fn status(answers: &BTreeMap<Ticket, Answer>, ticket: Ticket) -> Option<Status> {
    match answers.get(&ticket) {
        Some(Answer::Event { status, .. }) => Some(*status),
        _ => None,
    }
}

#[test]
fn an_id_forgotten_while_its_key_is_loaded_is_looked_up() {
    let mut world = World::with_room_for(1);
    let first = world.post("cold", "the one");
    let answers = world.rest();
    assert_eq!(status(&answers, first), Some(Status::Released));
    for other in 0..6 {
        world.post("hot", &format!("before {other}"));
        world.rest();
        world.store();
    }
    world.store.0.borrow_mut().slow = Some("cold".into());
    let again = world.post("cold", "the one");
    let answers = world.rest();
    assert!(!answers.contains_key(&again), "its key is in memory still");
    assert_eq!(world.store.0.borrow().held.len(), 1);
    // Its id leaves memory meanwhile, and little more: what was committed when it came is remembered
    // in part.
    for other in 0..REMEMBERED - 4 {
        world.post("hot", &format!("after {other}"));
        world.rest();
    }
    let held = std::mem::take(&mut world.store.0.borrow_mut().held);
    for (partition, keys) in held {
        world.store.0.borrow_mut().load(partition, keys);
    }
    let answers = world.rest();
    assert_eq!(status(&answers, again), Some(Status::Duplicate), "{answers:?}");
}

#[test]
fn half_of_the_keys_that_fit_in_memory_do_not_wait_for_their_time() {
    let mut world = World::with_room_for(8);
    for (at, key) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        world.post(key, key);
        world.rest();
        let batches = world.store.0.borrow().batches.clone();
        assert_eq!(batches, vec![4; usize::from(at > 2)], "{key}");
    }
}

#[test]
fn what_a_restart_would_read_for_long_does_not_either() {
    let mut world = World::with_room_for(1_000);
    let body = vec![b'x'; 15 << 20];
    for number in 1..=6 {
        world.post_body("a", &format!("{number}"), &body);
        world.rest();
        // The fifth makes 75 MiB; from there it is counted anew.
        let batches = world.store.0.borrow().batches.clone();
        assert_eq!(batches, vec![1; usize::from(number > 4)], "{number}");
    }
}
