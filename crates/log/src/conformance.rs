//! What every engine promises, as one suite (DESIGN section 8, 3): run it against a new engine
//! before anything else. A test tool; it panics where a promise is broken.
//!
//! An engine is given as two functions: one opens the log again (an engine without durability
//! opens an empty one), one turns whatever the engine needs turned until nothing is under way.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use sprag_core::fact::{Claimed, Fact, Kind, Late, Received, Released};
use sprag_core::id::{
    Epoch, FrameNumber, Hash, Key, PartitionId, Place, Revision, Sequence, SourceId,
};
use sprag_core::position::Position;
use sprag_core::ranges::Ranges;
use sprag_core::time::{OpenMicros, UnixMicros};

use crate::body::Body;
use crate::chain::Tip;
use crate::digest::sha256;
use crate::frame::FrameDraft;
use crate::limits::READ_FRAMES;
use crate::log::{
    Answer, AppendError, Claim, ClaimError, Completion, Found, Frames, Log, Query, ReadError,
    Request, StoredEvent, StoredFact, Ticket,
};
use crate::lookup::{Handle, Wanted};

/// Partitions the engine under test must have.
pub const PARTITIONS: u16 = 4;

/// Whether an engine keeps what was appended after it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Opening again finds everything.
    Kept,
    /// Opening again finds nothing.
    Lost,
}

/// An engine under test.
pub struct Subject<L, T> {
    log: L,
    turn: T,
    tickets: u64,
}

/// Runs the whole suite; `open` is called for every part with its name, twice with the same name
/// where a part opens its log again.
///
/// # Panics
/// When the engine breaks a promise.
pub fn run<L: Log>(
    persistence: Persistence,
    mut open: impl FnMut(&str) -> L,
    turn: impl Fn(&mut L) + Clone,
) {
    let mut subject = |name: &str| Subject { log: open(name), turn: turn.clone(), tickets: 0 };
    epochs_grow(&mut subject("epochs"));
    stale_terms_write_nothing(&mut subject("fencing"));
    frames_come_in_order(&mut subject("order"));
    several_frames_in_flight(&mut subject("flight"));
    frames_read_back(&mut subject("frames"));
    what_does_not_fit_is_refused(&mut subject("too-large"));
    events_and_facts_read_back(&mut subject("events"));
    bodies_come_back_as_received(&mut subject("bodies"));
    lookups_find_what_is_there(&mut subject("lookups"));
    trimming_keeps_what_is_asked(&mut subject("trim"));
    unknown_partitions_are_told(&mut subject("unknown"));
    let claim = write_history(&mut subject("reopen"));
    opened_again(&mut subject("reopen"), persistence, &claim);
}

impl<L: Log, T: Fn(&mut L)> Subject<L, T> {
    /// An engine and what turns it.
    pub fn new(log: L, turn: T) -> Self {
        Self { log, turn, tickets: 0 }
    }

    /// Submits, turns and returns every completion.
    pub fn ask(&mut self, requests: impl IntoIterator<Item = Request>) -> Vec<Completion> {
        requests.into_iter().for_each(|request| self.log.submit(request));
        (self.turn)(&mut self.log);
        std::iter::from_fn(|| self.log.complete()).collect()
    }

    fn ask_one(&mut self, request: Request) -> Completion {
        let mut completions = self.ask([request]);
        assert_eq!(completions.len(), 1, "one request, one completion: {completions:?}");
        completions.remove(0)
    }

    /// The answer to a query.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the completion is not that of the query.
    pub fn query(&mut self, query: Query) -> Result<Answer, ReadError> {
        self.tickets += 1;
        let asked = Ticket(self.tickets);
        match self.ask_one(Request::Query { ticket: asked, query }) {
            Completion::Answered { ticket, result } if ticket == asked => result,
            other => wrong(&other),
        }
    }

    /// Claims a partition.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the completion is not that of the claim.
    pub fn claim(&mut self, partition: u16) -> Result<Claim, ClaimError> {
        let asked = PartitionId(partition);
        match self.ask_one(Request::Claim { partition: asked }) {
            Completion::Claimed { partition, result } if partition == asked => result,
            other => wrong(&other),
        }
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the completion is not that of the append.
    pub fn append(&mut self, draft: FrameDraft) -> Result<Hash, AppendError> {
        let asked = (draft.partition, draft.number);
        match self.ask_one(Request::Append { draft }) {
            Completion::Appended { partition, number, result } if (partition, number) == asked => {
                result
            }
            other => wrong(&other),
        }
    }

    /// The frames of a partition from one on, as many as come at once.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the answer is not one of frames.
    pub fn frames(&mut self, partition: u16, from: u64, bytes: usize) -> Result<Frames, ReadError> {
        self.few_frames(partition, from, READ_FRAMES, bytes)
    }

    /// The frames of a partition from one on, and no more than so many.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the answer is not one of frames.
    pub fn few_frames(
        &mut self,
        partition: u16,
        from: u64,
        most: usize,
        bytes: usize,
    ) -> Result<Frames, ReadError> {
        let (partition, from) = (PartitionId(partition), FrameNumber(from));
        match self.query(Query::Frames { partition, from, most, bytes })? {
            Answer::Frames(frames) => Ok(frames),
            other => wrong(&other),
        }
    }

    /// An event with its body.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the answer is not one of an event.
    pub fn event(&mut self, place: Place) -> Result<StoredEvent, ReadError> {
        match self.query(Query::Event { place })? {
            Answer::Event(event) => Ok(*event),
            other => wrong(&other),
        }
    }

    /// A fact by its place.
    ///
    /// # Errors
    /// As the engine answers.
    ///
    /// # Panics
    /// When the answer is not one of a fact.
    pub fn fact(&mut self, place: Place) -> Result<StoredFact, ReadError> {
        match self.query(Query::Fact { place })? {
            Answer::Fact(fact) => Ok(*fact),
            other => wrong(&other),
        }
    }

    /// What a lookup in a partition finds.
    ///
    /// # Panics
    /// When it fails.
    pub fn find(&mut self, partition: u16, wanted: Vec<Wanted>, up_to: u64) -> Found {
        let (partition, up_to) = (PartitionId(partition), FrameNumber(up_to));
        match self.query(Query::Find { partition, wanted, up_to }) {
            Ok(Answer::Found(found)) => found,
            other => wrong(&other),
        }
    }

    /// The sequences of the places that a range of sequences leads to.
    ///
    /// # Panics
    /// When the query fails or answers with other facts.
    pub fn sequences(&mut self, key: &Key, from: u64, to: u64, most: usize) -> Vec<u64> {
        let (partition, key) = (PartitionId(0), key.clone());
        let (from, to) = (Sequence(from), Sequence(to));
        match self.query(Query::Sequences { partition, key, from, to, most }) {
            Ok(Answer::Sequences(facts)) => facts.iter().map(sequence_of).collect(),
            other => wrong(&other),
        }
    }
}

fn wrong<T>(found: &impl Debug) -> T {
    unreachable!("the engine answered something else than was asked: {found:?}")
}

fn sequence_of(stored: &StoredFact) -> u64 {
    match &stored.fact {
        Fact::Released(released) => released.sequence.0,
        other => wrong(other),
    }
}

/// A key of the suite.
#[must_use]
pub fn key(name: &str) -> Key {
    Key { source: SourceId(1), name: name.into() }
}

/// A draft that holds one `claimed` fact.
#[must_use]
pub fn small(partition: u16, number: u64, epoch: Epoch) -> FrameDraft {
    FrameDraft {
        partition: PartitionId(partition),
        number: FrameNumber(number),
        epoch,
        recorded: UnixMicros(1_700_000_000_000_000 + number),
        open: OpenMicros(number * 10),
        facts: vec![Fact::Claimed(Claimed { epoch })],
        bodies: Vec::new(),
    }
}

/// A draft that receives and releases one event of a key.
#[must_use]
pub fn event(partition: u16, number: u64, epoch: Epoch, key: &Key, sequence: u64) -> FrameDraft {
    let body = format!("{{\"key\":\"{}\",\"sequence\":{sequence}}}", key.name);
    event_with(partition, number, epoch, key, sequence, body.into_bytes())
}

/// A draft that receives and releases one event of a key, with this body.
#[must_use]
pub fn event_with(
    partition: u16,
    number: u64,
    epoch: Epoch,
    key: &Key,
    sequence: u64,
    body: Vec<u8>,
) -> FrameDraft {
    let place = Place { partition: PartitionId(partition), frame: FrameNumber(number), index: 0 };
    let received = Received {
        key: key.clone(),
        id: Some(Arc::from(format!("id-{}-{sequence}", key.name))),
        position: Position::Sequence(sequence),
        event_type: "push".into(),
        content_type: "application/json".into(),
        headers: Vec::new(),
        digest: sha256(&[&body]),
        size: u32::try_from(body.len()).unwrap_or(u32::MAX),
        body: 0,
        origin: sprag_core::fact::Origin::Posted,
        depends_on: None,
    };
    let released = Released {
        key: key.clone(),
        event: place,
        position: received.position.clone(),
        sequence: Sequence(sequence),
        kind: Kind::Event,
        previous_hash: Hash::default(),
        hash: received.digest,
        lanes: Vec::new(),
        filtered: Vec::new(),
        revision: Revision(1),
        missing: Ranges::default(),
        salt: None,
        refers_to: None,
        unordered: false,
        fresh: Vec::new(),
        concurrent: false,
        causes: Vec::new(),
        passed: Vec::new(),
        late: Late::Delivered,
        earlier: None,
        broken_from: None,
        depends_on: None,
    };
    FrameDraft {
        facts: vec![Fact::Received(received), Fact::Released(released)],
        bodies: vec![Body::received(body.into())],
        ..small(partition, number, epoch)
    }
}

fn claimed<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>, partition: u16) -> Claim {
    subject.claim(partition).expect("a healthy engine claims")
}

fn appended<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>, draft: FrameDraft) -> Hash {
    subject.append(draft).expect("a healthy engine appends")
}

fn epochs_grow<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let first = claimed(subject, 0);
    assert!(first.epoch > Epoch(0), "epoch 0 is no term");
    assert_eq!((first.tip, first.oldest), (Tip::default(), FrameNumber(1)));
    let claims = [1, 2, 3, 0, 0].map(|partition| claimed(subject, partition).epoch);
    let growing = [first.epoch].into_iter().chain(claims).collect::<Vec<_>>();
    assert!(growing.is_sorted_by(|a, b| a < b), "{growing:?}");
}

fn stale_terms_write_nothing<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let unclaimed = subject.append(small(0, 1, Epoch(1)));
    assert!(matches!(unclaimed, Err(AppendError::Fenced)), "{unclaimed:?}");
    let old = claimed(subject, 0).epoch;
    appended(subject, small(0, 1, old));
    let new = claimed(subject, 0);
    assert_eq!((new.tip.number, new.tip.epoch), (FrameNumber(1), old));
    for stale in [old, Epoch(0), Epoch(new.epoch.0 + 1)] {
        let fenced = subject.append(small(0, 2, stale));
        assert!(matches!(fenced, Err(AppendError::Fenced)), "{stale:?}: {fenced:?}");
    }
    appended(subject, small(0, 2, new.epoch));
    // A claim submitted behind an append does not fence it; one submitted before it does.
    let append = |number, epoch| Request::Append { draft: small(0, number, epoch) };
    let claim = Request::Claim { partition: PartitionId(0) };
    let results = subject.ask([append(3, new.epoch), claim, append(4, new.epoch)]);
    let outcomes: Vec<_> = results
        .iter()
        .filter_map(|completion| match completion {
            Completion::Appended { result, .. } => Some(result.is_ok()),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, [true, false]);
}

fn frames_come_in_order<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epoch = claimed(subject, 0).epoch;
    appended(subject, small(0, 1, epoch));
    for number in [0, 1, 3, 1_000_000] {
        let refused = subject.append(small(0, number, epoch));
        let next = FrameNumber(2);
        let told = matches!(refused, Err(AppendError::OutOfOrder { expected }) if expected == next);
        assert!(told, "{number}: {refused:?}");
    }
    appended(subject, small(0, 2, epoch));
}

fn several_frames_in_flight<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epochs = [0, 1].map(|partition| claimed(subject, partition).epoch);
    let drafts = (1..=20).flat_map(|number| {
        [0_u16, 1].map(|partition| small(partition, number, epochs[usize::from(partition)]))
    });
    let completions = subject.ask(drafts.map(|draft| Request::Append { draft }));
    for partition in [0, 1] {
        let numbers: Vec<u64> = completions
            .iter()
            .filter_map(|completion| match completion {
                Completion::Appended { partition: of, number, result: Ok(_) } => {
                    (of.0 == partition).then_some(number.0)
                }
                other => wrong(other),
            })
            .collect();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>(), "appends complete in order");
    }
}

fn frames_read_back<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let empty = subject.frames(0, 1, 1000).expect("an empty partition reads as empty");
    assert!(empty.frames.is_empty() && empty.end);
    let epoch = claimed(subject, 0).epoch;
    let drafts: Vec<_> = (1..=9).map(|number| event(0, number, epoch, &key("a"), number)).collect();
    let mut hashes: Vec<_> = drafts.iter().map(|draft| appended(subject, draft.clone())).collect();
    let empty = FrameDraft { facts: Vec::new(), ..small(0, 10, epoch) };
    hashes.push(appended(subject, empty.clone()));

    let all = subject.frames(0, 1, usize::MAX).expect("frames read back");
    assert!(all.end && all.frames.len() == 10);
    let mut predecessor = Hash::default();
    for ((read, draft), hash) in all.frames.iter().zip(drafts.iter().chain([&empty])).zip(&hashes) {
        assert_eq!((read.number, read.epoch), (draft.number, draft.epoch));
        assert_eq!((read.recorded, read.open), (draft.recorded, draft.open));
        assert_eq!(read.facts, draft.facts);
        assert_eq!((read.predecessor, read.hash), (predecessor, *hash), "the chain");
        predecessor = *hash;
    }
    pages_add_up(subject, &all);
    let beyond = subject.frames(0, 11, 1000).expect("reading behind the last frame is no error");
    assert!(beyond.frames.is_empty() && beyond.end);
    let few = subject.few_frames(0, 4, 3, usize::MAX).expect("a few frames read");
    assert_eq!(few.frames, all.frames[3..6], "no more than were wanted");
    let last = subject.few_frames(0, 10, 0, 0).expect("one frame always comes");
    assert!(!few.end && last.frames == all.frames[9..] && last.end);
}

fn pages_add_up<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>, all: &Frames) {
    let (mut from, mut frames) = (1, Vec::new());
    loop {
        let page = subject.frames(0, from, 700).expect("a page reads");
        assert!(!page.frames.is_empty() && page.frames.len() < 10, "bounded, never stuck");
        from += page.frames.len() as u64;
        frames.extend(page.frames);
        if page.end {
            break;
        }
    }
    assert_eq!(frames, all.frames);
}

fn what_does_not_fit_is_refused<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epoch = claimed(subject, 0).epoch;
    let refused = subject.append(event(0, 1, epoch, &key(&"k".repeat(201)), 1));
    assert!(matches!(refused, Err(AppendError::TooLarge(_))), "{refused:?}");
    appended(subject, small(0, 1, epoch));
}

fn events_and_facts_read_back<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epoch = claimed(subject, 2).epoch;
    let draft = event(2, 1, epoch, &key("a"), 1);
    appended(subject, draft.clone());
    let place = Place { partition: PartitionId(2), frame: FrameNumber(1), index: 0 };
    let stored = subject.event(place).expect("an event reads back");
    assert_eq!(Fact::Received(stored.received), draft.facts[0]);
    assert_eq!((&stored.body, stored.recorded), (&draft.bodies[0], draft.recorded));
    let released = Place { index: 1, ..place };
    let stored = subject.fact(released).expect("a fact reads back");
    assert_eq!((stored.fact, stored.epoch), (draft.facts[1].clone(), epoch));
    assert_eq!((stored.place, stored.recorded), (released, draft.recorded));

    let absent = subject.event(released);
    assert!(matches!(absent, Err(ReadError::Missing)), "not a received fact: {absent:?}");
    for place in [Place { index: 2, ..place }, Place { frame: FrameNumber(2), ..place }] {
        let absent = subject.fact(place);
        assert!(matches!(absent, Err(ReadError::Missing)), "{place}: {absent:?}");
    }
}

/// Bodies of every kind: none, short, of few and of many words, of no words at all.
#[must_use]
pub fn bodies() -> Vec<Vec<u8>> {
    let words = |count| br#"{"action":"opened","labels":["bug"]},"#.repeat(count);
    let digests = (0_u8..200).flat_map(|number| sha256(&[&[number]]).0).collect();
    vec![Vec::new(), b"{}".to_vec(), words(2), words(300), digests, vec![0; 100_000]]
}

fn bodies_come_back_as_received<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epoch = claimed(subject, 1).epoch;
    for (number, body) in (1..).zip(bodies()) {
        let hash = appended(subject, event_with(1, number, epoch, &key("a"), number, body.clone()));
        let frame = FrameNumber(number);
        let place = Place { partition: PartitionId(1), frame, index: 0 };
        let event = subject.event(place).expect("the body is kept");
        assert_eq!(event.body, Body::received(body.into()));
        let read = subject.frames(1, number, usize::MAX).expect("history reads");
        assert_eq!(read.frames[0].hash, hash, "however bodies are stored");
    }
}

fn lookups_find_what_is_there<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epoch = claimed(subject, 0).epoch;
    let (a, b) = (key("a"), key("b"));
    for number in 1..=20 {
        let key = if number % 2 == 1 { &a } else { &b };
        appended(subject, event(0, number, epoch, key, number.div_ceil(2)));
    }
    // A second event with the position of the first of `a`: both are found, oldest first.
    appended(subject, event(0, 21, epoch, &a, 1));
    let wanted = |key: &Key, by| Wanted { key: key.clone(), by };
    let list = vec![
        wanted(&a, Handle::Id("id-a-3".into())),
        wanted(&b, Handle::Id("id-a-3".into())),
        wanted(&b, Handle::Sequence(Sequence(4))),
        wanted(&a, Handle::Position(Position::Sequence(1))),
        wanted(&a, Handle::Position(Position::Sequence(11))),
    ];
    let places = |found: &Found| -> Vec<Vec<String>> {
        found
            .facts
            .iter()
            .map(|facts| facts.iter().map(|f| f.place.to_string()).collect())
            .collect()
    };
    let found = subject.find(0, list.clone(), u64::MAX);
    let expected: [&[&str]; 5] = [&["0-5-0"], &[], &["0-8-1"], &["0-1-1", "0-21-1"], &[]];
    assert_eq!((places(&found), found.through), (owned(&expected), FrameNumber(21)));
    let earlier = subject.find(0, list.clone(), 5);
    let expected: [&[&str]; 5] = [&["0-5-0"], &[], &[], &["0-1-1"], &[]];
    assert_eq!((places(&earlier), earlier.through), (owned(&expected), FrameNumber(5)));
    let elsewhere = subject.find(1, list, u64::MAX);
    assert!(elsewhere.facts.iter().all(Vec::is_empty), "{elsewhere:?}");

    assert_eq!(subject.sequences(&b, 3, 6, 100), [3, 4, 5, 6]);
    assert_eq!(subject.sequences(&b, 3, 6, 2), [3, 4]);
    assert_eq!(subject.sequences(&b, 9, u64::MAX, 100), [9, 10]);
    assert_eq!(subject.sequences(&key("c"), 1, 6, 100), [] as [u64; 0]);
}

fn owned(places: &[&[&str]]) -> Vec<Vec<String>> {
    places.iter().map(|list| list.iter().map(|place| (*place).to_owned()).collect()).collect()
}

fn trimming_keeps_what_is_asked<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let epoch = claimed(subject, 0).epoch;
    let mut last = Hash::default();
    for number in 1..=50 {
        last = appended(subject, event(0, number, epoch, &key("a"), number));
    }
    let trim = Request::Trim { partition: PartitionId(0), before: FrameNumber(31) };
    let oldest = match subject.ask_one(trim) {
        Completion::Trimmed { partition: PartitionId(0), result: Ok(oldest) } => oldest,
        other => wrong(&other),
    };
    assert!(oldest <= FrameNumber(31), "{oldest:?} must stay");
    let kept = subject.frames(0, oldest.0, usize::MAX).expect("what is kept reads");
    let numbers: BTreeSet<u64> = kept.frames.iter().map(|frame| frame.number.0).collect();
    assert_eq!(numbers, (oldest.0..=50).collect());
    if oldest > FrameNumber(1) {
        let gone = subject.frames(0, 1, 1000);
        let told = matches!(gone, Err(ReadError::Trimmed { oldest: at }) if at == oldest);
        assert!(told, "{gone:?}");
        assert_eq!(subject.sequences(&key("a"), 1, oldest.0, 100), [oldest.0]);
    }
    appended(subject, event(0, 51, epoch, &key("a"), 51));
    let claim = claimed(subject, 0);
    assert_eq!((claim.tip.number, claim.oldest), (FrameNumber(51), oldest));
    assert_ne!(claim.tip.hash, last);
}

fn unknown_partitions_are_told<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) {
    let claim = subject.claim(PARTITIONS);
    assert!(matches!(claim, Err(ClaimError::NoSuchPartition)), "{claim:?}");
    let read = subject.frames(PARTITIONS, 1, 1000);
    assert!(matches!(read, Err(ReadError::NoSuchPartition)), "{read:?}");
    let append = subject.append(small(PARTITIONS, 1, Epoch(1)));
    assert!(matches!(append, Err(AppendError::Fenced)), "{append:?}");
}

/// Three frames in partition 1 and a claim of partition 2 that wrote nothing.
fn write_history<L: Log, T: Fn(&mut L)>(subject: &mut Subject<L, T>) -> Claim {
    let epoch = claimed(subject, 1).epoch;
    let hashes =
        [1, 2, 3].map(|number| appended(subject, event(1, number, epoch, &key("a"), number)));
    let last = claimed(subject, 2).epoch;
    let number = FrameNumber(3);
    let (recorded, open) = (UnixMicros(1_700_000_000_000_003), OpenMicros(30));
    let tip = Tip { number, epoch, hash: hashes[2], recorded, open };
    Claim { epoch: last, tip, oldest: FrameNumber(1) }
}

fn opened_again<L: Log, T: Fn(&mut L)>(
    subject: &mut Subject<L, T>,
    persistence: Persistence,
    before: &Claim,
) {
    let claim = claimed(subject, 1);
    if persistence == Persistence::Lost {
        assert_eq!(claim.tip, Tip::default(), "what is not kept is not half kept");
        return;
    }
    assert_eq!((claim.tip, claim.oldest), (before.tip, before.oldest));
    assert!(claim.epoch > before.epoch, "a claim that wrote no frame counts");
    appended(subject, event(1, 4, claim.epoch, &key("a"), 4));
    let all = subject.frames(1, 1, usize::MAX).expect("history reads");
    assert_eq!(all.frames.len(), 4);
    assert_eq!(all.frames[3].predecessor, before.tip.hash);
    let found = subject.find(1, vec![Wanted { key: key("a"), by: Handle::Id("id-a-2".into()) }], 9);
    assert_eq!(found.facts[0].len(), 1, "{found:?}");
    let place = found.facts[0][0].place;
    let event = subject.event(place).expect("the body is kept");
    assert_eq!(&*event.body.bytes, br#"{"key":"a","sequence":2}"#);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryLog;

    #[test]
    fn the_memory_engine_conforms() {
        run(Persistence::Lost, |_| MemoryLog::new(PARTITIONS), |_| ());
    }
}
