//! The state store of a simulation: behind the log, slow, sometimes refusing, and at a crash it
//! loses its last batches, or everything, or turns out to be the store of another log.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::DeadLetter;
use sprag_core::id::{FrameNumber, Key, PartitionId};
use sprag_core::input::PageCursor;
use sprag_core::output::{IdleRequest, PageRequest};
use sprag_core::partition::Head;
use sprag_core::record::{Due, KeyRecord, Queue};
use sprag_core::time::OpenMicros;
use sprag_driver::rebuilt::PartitionState;
use sprag_driver::state::{
    Batch, Letter, LetterChange, State, StateCompletion, StateRequest, Surveyed,
};
use sprag_log::snapshot;

use crate::world::Sha256;

/// Batches that a crash may take back.
const RECENT: usize = 3;

/// Idle keys of one page: fewer than there are.
const IDLE_PAGE: usize = 3;

/// A handle to the store; the store outlives the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateModel(Rc<RefCell<Store>>);

#[derive(Debug, Default)]
struct Store {
    partitions: BTreeMap<PartitionId, Kept>,
    requests: VecDeque<StateRequest>,
    completions: VecDeque<StateCompletion>,
    /// Batches that were handed over.
    batches: u64,
}

#[derive(Debug, Default)]
struct Kept {
    head: Head,
    records: BTreeMap<Key, Record>,
    tombstones: BTreeMap<Fingerprint, Record>,
    letters: Letters,
    /// How to take the newest batches back, oldest first.
    undo: VecDeque<Undo>,
}

/// Dead letters that no lane stands at.
type Letters = BTreeMap<(Key, DeadLetter), Letter>;

#[derive(Debug, Clone)]
struct Record {
    bytes: Vec<u8>,
    /// Its places in the queues.
    dues: Vec<Due>,
}

#[derive(Debug)]
struct Undo {
    head: Head,
    letters: Letters,
    records: Vec<(Key, Option<Record>)>,
    tombstones: BTreeMap<Fingerprint, Record>,
}

impl State for StateModel {
    fn submit(&mut self, request: StateRequest) {
        self.0.borrow_mut().requests.push_back(request);
    }

    fn complete(&mut self) -> Option<StateCompletion> {
        self.0.borrow_mut().completions.pop_front()
    }
}

impl StateModel {
    /// Whether requests wait.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.0.borrow().requests.is_empty()
    }

    /// Works one request off; a batch may be refused.
    pub(crate) fn step(&self, refuse: bool) {
        let mut store = self.0.borrow_mut();
        let Some(request) = store.requests.pop_front() else { return };
        if matches!(request, StateRequest::Write(..)) {
            store.let_loads_ahead();
        }
        let completion = store.work_off(request, refuse);
        store.completions.extend(completion);
    }

    /// The process ended: requests and completions are gone, and the last `lost` batches too.
    pub(crate) fn crash(&self, lost: usize) {
        let mut store = self.0.borrow_mut();
        store.requests.clear();
        store.completions.clear();
        for kept in store.partitions.values_mut() {
            for _ in 0..lost {
                kept.take_back();
            }
        }
    }

    /// Everything is gone.
    pub(crate) fn wipe(&self) {
        *self.0.borrow_mut() = Store::default();
    }

    /// The store turns out to be that of a longer log: its head is ahead and its records are not
    /// those of this log.
    pub(crate) fn replace(&self) {
        let mut store = self.0.borrow_mut();
        for kept in store.partitions.values_mut() {
            kept.undo.clear();
            kept.head.frame = FrameNumber(kept.head.frame.0 + 1_000_000);
            kept.head.open = OpenMicros(kept.head.open.0 + 3_600_000_000);
            let mut others: Vec<Record> = kept.records.values().cloned().collect();
            let by = others.len().min(1);
            others.rotate_left(by);
            for (record, other) in kept.records.values_mut().zip(others) {
                *record = other;
            }
            kept.tombstones.clear();
        }
    }

    /// A record, or a tombstone, as the store has it.
    pub(crate) fn record(&self, partition: PartitionId, key: &Key) -> Option<KeyRecord> {
        let store = self.0.borrow();
        let kept = store.partitions.get(&partition)?;
        kept.find(key)
    }

    /// Every tombstone of a partition as the store has it.
    pub(crate) fn tombstones(&self, partition: PartitionId) -> BTreeMap<Fingerprint, KeyRecord> {
        let store = self.0.borrow();
        let kept = store.partitions.get(&partition);
        let tombstones = kept.into_iter().flat_map(|kept| &kept.tombstones);
        tombstones.map(|(digest, record)| (*digest, record.read())).collect()
    }

    /// All of a partition as the store has it.
    pub(crate) fn whole(&self, partition: PartitionId) -> PartitionState {
        let head = self.0.borrow().partitions.get(&partition).map(|kept| kept.head.clone());
        PartitionState {
            head: head.unwrap_or_default(),
            records: self.records(partition),
            tombstones: self.tombstones(partition),
        }
    }

    /// Every record of a partition as the store has it.
    pub(crate) fn records(&self, partition: PartitionId) -> BTreeMap<Key, KeyRecord> {
        let store = self.0.borrow();
        let kept = store.partitions.get(&partition);
        let records = kept.into_iter().flat_map(|kept| &kept.records);
        records.map(|(key, record)| (key.clone(), record.read())).collect()
    }
}

impl Store {
    /// Answers the loads that wait directly behind a batch before it is written: at every second one, so that both
    /// come about.
    fn let_loads_ahead(&mut self) {
        self.batches += 1;
        let is_load = |request: &mut StateRequest| matches!(request, StateRequest::Load(..));
        while self.batches.is_multiple_of(2)
            && let Some(load) = self.requests.pop_front_if(is_load)
        {
            let completion = self.work_off(load, false);
            self.completions.extend(completion);
        }
    }

    fn work_off(&mut self, request: StateRequest, refuse: bool) -> Option<StateCompletion> {
        match request {
            StateRequest::Open(partition) => {
                Some(StateCompletion::Opened(partition, self.kept(partition).head.clone()))
            }
            StateRequest::Clear(partition) => {
                self.partitions.remove(&partition);
                None
            }
            StateRequest::Load(partition, keys) => {
                let kept = self.kept(partition);
                let load = |key: Key| {
                    let record = kept.find(&key);
                    (key, record)
                };
                Some(StateCompletion::Loaded(partition, keys.into_iter().map(load).collect()))
            }
            StateRequest::Survey(partition, asked, keys, digests) => {
                let kept = self.kept(partition);
                let keys = keys.into_iter().map(|key| kept.survey(key)).collect();
                let of = |digest| Some((digest, kept.tombstones.get(&digest)?.read()));
                let tombstones = digests.into_iter().filter_map(of).collect();
                Some(StateCompletion::Surveyed(partition, asked, keys, tombstones))
            }
            StateRequest::Idle(partition, request) => {
                Some(self.kept(partition).idle(partition, &request))
            }
            StateRequest::Page(partition, page) => {
                let (keys, next) = self.kept(partition).page(&page);
                Some(StateCompletion::Paged { partition, queue: page.queue, keys, next })
            }
            StateRequest::Write(partition, batch) if refuse => {
                Some(StateCompletion::NotWritten(partition, batch))
            }
            StateRequest::Write(partition, batch) => {
                let frame = batch.head.frame;
                self.kept(partition).write(*batch);
                Some(StateCompletion::Written(partition, frame))
            }
        }
    }

    fn kept(&mut self, partition: PartitionId) -> &mut Kept {
        self.partitions.entry(partition).or_default()
    }
}

impl Kept {
    fn write(&mut self, batch: Batch) {
        let head = std::mem::replace(&mut self.head, batch.head);
        let records = batch.records.into_iter().map(|(key, record)| {
            let old = match record.forgotten {
                true => self.records.remove(&key),
                false => self.records.insert(key.clone(), Record::write(&record)),
            };
            (key, old)
        });
        let (letters, tombstones) = (self.letters.clone(), self.tombstones.clone());
        let undo = Undo { head, letters, records: records.collect(), tombstones };
        for (digest, record) in batch.tombstones {
            match record {
                Some(record) => self.tombstones.insert(digest, Record::write(&record)),
                None => self.tombstones.remove(&digest),
            };
        }
        for change in batch.letters {
            match change {
                LetterChange::Added(letter) => {
                    self.letters.insert((letter.key.clone(), letter.letter), letter);
                }
                LetterChange::Removed(key, letter) => drop(self.letters.remove(&(key, letter))),
                LetterChange::Again { key, destination, from, until } => {
                    self.letters.retain(|(of, letter), _| match letter {
                        DeadLetter::InLane { destination: to, sequence } => {
                            let is_in = (from..=until).contains(sequence);
                            !(is_in && *of == key && *to == destination)
                        }
                        DeadLetter::AtIngress { .. } => true,
                    });
                }
                LetterChange::Stopped(_) => {}
                LetterChange::Trimmed(before) => {
                    self.letters.retain(|_, letter| letter.place.frame >= before);
                }
            }
        }
        self.undo.push_back(undo);
        if self.undo.len() > RECENT {
            self.undo.pop_front();
        }
    }

    fn survey(&self, key: Key) -> Surveyed {
        let record = self.find(&key);
        let of_key = self.letters.values().filter(|letter| letter.key == key);
        let letters = of_key.filter_map(|letter| match letter.letter {
            DeadLetter::InLane { sequence, .. } => Some((sequence, letter.recorded)),
            DeadLetter::AtIngress { .. } => None,
        });
        let letters = letters.collect();
        Surveyed { key, record, letters }
    }

    fn take_back(&mut self) {
        let Some(undo) = self.undo.pop_back() else { return };
        self.head = undo.head;
        self.letters = undo.letters;
        self.tombstones = undo.tombstones;
        for (key, record) in undo.records {
            match record {
                Some(record) => self.records.insert(key, record),
                None => self.records.remove(&key),
            };
        }
    }

    /// A key's record, else its tombstone.
    fn find(&self, key: &Key) -> Option<KeyRecord> {
        let tombstone = || self.tombstones.get(&Fingerprint::of_key(&Sha256, key));
        self.records.get(key).or_else(tombstone).map(Record::read)
    }

    fn idle(&self, partition: PartitionId, request: &IdleRequest) -> StateCompletion {
        let from = Key { source: request.source, name: "".into() };
        let from = request.from.clone().unwrap_or(from);
        let of_source = self.records.range(from..);
        let mut of_source =
            of_source.take_while(|(key, _)| key.source == request.source).peekable();
        let mut keys = Vec::new();
        while keys.len() < IDLE_PAGE
            && let Some((key, record)) = of_source.next()
        {
            let record = record.read();
            if record.active <= request.until {
                keys.push((key.clone(), record));
            }
        }
        let next = of_source.next().map(|(key, _)| key.clone());
        let mut oldest: Vec<_> =
            self.tombstones.iter().map(|(digest, record)| (*digest, record.read())).collect();
        oldest.sort_by_key(|(digest, record)| (record.active, *digest));
        oldest.truncate(self.tombstones.len().saturating_sub(request.tombstones));
        let beyond = oldest.into_iter().map(|(digest, record)| (digest, record.sequence)).collect();
        StateCompletion::Idle { partition, keys, next, beyond }
    }

    fn page(&self, page: &PageRequest) -> (Vec<(Key, KeyRecord)>, Option<PageCursor>) {
        let places = self.records.iter().flat_map(|(key, record)| {
            let all = (page.queue == Queue::Keys).then_some(Due { queue: Queue::Keys, at: 0 });
            let dues = record.dues.iter().copied().filter(|due| due.queue == page.queue);
            dues.chain(all).map(|due| PageCursor { due: due.at, key: Some(key.clone()) })
        });
        let mut places: Vec<_> = places.filter(|place| *place >= page.from).collect();
        places.sort();
        let due = places.iter().filter(|place| place.due <= page.until).count();
        let rest = places.split_off(due.min(page.keys));
        let keys = places.into_iter().filter_map(|place| {
            let key = place.key?;
            let record = self.records.get(&key)?.read();
            Some((key, record))
        });
        (keys.collect(), rest.into_iter().next())
    }
}

impl Record {
    fn write(record: &KeyRecord) -> Self {
        let mut bytes = Vec::new();
        snapshot::encode(record, &mut bytes).expect("the core bounds every list of a record");
        Self { bytes, dues: record.dues().collect() }
    }

    fn read(&self) -> KeyRecord {
        snapshot::decode(&self.bytes).expect("what was encoded decodes")
    }
}
