//! Damage to what many bodies need: one damaged place takes none of them.

use std::collections::BTreeSet;

use sprag_core::id::{Key, SourceId};
use sprag_core::retention::DeadBodies;
use sprag_log::{Completion, Corruption, ReadError, Request};

use super::*;

/// Bytes of a page of a file system.
const PAGE: usize = 4096;

/// A history of two sources, frame by frame in turn; both have dictionaries in the end.
struct History {
    disk: SimulatedDisk,
    bodies: Vec<Vec<u8>>,
    /// A sealed segment with both dictionaries.
    segment: Segment,
}

/// What of a segment can be read.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    frames: BTreeSet<u64>,
    /// What is said of the others.
    errors: BTreeSet<String>,
}

fn source_of(number: u64) -> SourceId {
    SourceId(1 + u32::try_from(number % 2).unwrap())
}

fn append_both(log: &mut Log, first: u64, bodies: &[Vec<u8>]) {
    let epoch = log.claim(0).unwrap().epoch;
    for (number, body) in (first..).zip(bodies) {
        let key = Key { source: source_of(number), name: "a".into() };
        log.append(event_with(0, number, epoch, &key, number, body.clone())).unwrap();
    }
}

impl History {
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let bodies = alike(420);
        let mut log = opened(&disk, Packing::Zstd);
        append_both(&mut log, 1, &bodies);
        let sealed = segments(&mut log);
        let has_both = |segment: &Segment| {
            dictionaries(&disk, &format!("{:010}.segment", segment.number)) == 2
        };
        let segment = sealed.into_iter().rev().nth(2).filter(has_both).unwrap();
        Self { disk, bodies, segment }
    }

    fn name(&self) -> String {
        format!("{:010}.segment", self.segment.number)
    }

    fn copies(&self) -> [std::ops::Range<usize>; 2] {
        copies(&self.disk, &self.name()).unwrap()
    }

    /// Where the dictionaries of both sources stand in a copy, behind their table.
    fn dictionaries(&self) -> [std::ops::Range<usize>; 2] {
        let (start, bytes) = (self.copies()[0].start, self.disk.content(&self.name()).unwrap());
        let length = |entry: usize| {
            let at = start + 2 + entry * 12 + 4;
            u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
        };
        let table = 2 + 2 * 12 + 4;
        [table..table + length(0), table + length(0)..table + length(0) + length(1)]
    }

    fn frames(&self) -> std::ops::Range<u64> {
        let (from, to) = self.segment.frames[0];
        from.0..to.0
    }

    /// Opens a damaged copy and reads the bodies of the segment; what is read is what was written.
    fn left(&self, damaged: &SimulatedDisk) -> (Left, Vec<Corruption>) {
        let (log, _) = EmbeddedLog::open(damaged.clone(), options(Packing::Zstd)).unwrap();
        let catalog = log.catalog().clone();
        let mut log: Log = Subject::new(log, turn as fn(&mut _));
        let mut left = Left { frames: BTreeSet::new(), errors: BTreeSet::new() };
        for number in self.frames() {
            match log.event(place(number)) {
                Ok(event) => {
                    let body = &self.bodies[usize::try_from(number - 1).unwrap()];
                    assert_eq!(&*event.body.bytes, &**body);
                    left.frames.insert(number);
                }
                Err(ReadError::Corrupt(error)) => {
                    assert_eq!(error.segment, self.segment.number);
                    left.errors.insert(error.damage_text());
                }
                Err(ReadError::BodyDropped) => {}
                Err(error) => panic!("{error}"),
            }
        }
        (left, catalog.damages())
    }

    fn all(&self) -> Left {
        Left { frames: self.frames().collect(), errors: BTreeSet::new() }
    }
}

trait DamageText {
    fn damage_text(&self) -> String;
}

impl DamageText for Corruption {
    /// What is wrong, without where.
    fn damage_text(&self) -> String {
        let said = self.to_string();
        said.split_once(": ").unwrap().1.replace(" at byte 0", "")
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_dictionaries_loses_no_body() {
    let history = History::new();
    let [first, second] = history.copies();
    let table = history.dictionaries()[0].start;
    // All of both tables, some of the dictionaries and of the gap.
    let of_copy = |copy: &std::ops::Range<usize>| {
        (copy.start..copy.start + table).chain((copy.start + table..copy.end).step_by(17))
    };
    let gap = (first.end..second.start).step_by(512);
    for byte in of_copy(&first).chain(gap).chain(of_copy(&second)) {
        let damaged = history.disk.fork(7);
        assert!(damaged.flip(&history.name(), byte, u32::try_from(byte % 8).unwrap()));
        if byte % 3 == 0 {
            // Nor does an index that must be made anew.
            damaged.remove(&format!("{:010}.index", history.segment.number)).unwrap();
        }
        let (left, damages) = history.left(&damaged);
        assert_eq!(left, history.all(), "byte {byte}");
        // Whoever looks after the log hears of it: of the copy that is read first.
        let told = damages.iter().any(|damage| damage.segment == history.segment.number);
        assert_eq!(told, first.contains(&byte), "byte {byte}: {damages:?}");
    }
}

#[test]
fn a_lost_page_loses_no_body() {
    let history = History::new();
    let [first, second] = history.copies();
    let whole = history.disk.content(&history.name()).unwrap();
    for start in (first.start..second.end).step_by(97) {
        // A page begins anywhere: its bytes of the header and of records are left as they are.
        let mut bytes = whole.clone();
        bytes[start..(start + PAGE).min(second.end)].fill(0xa5);
        let damaged = history.disk.fork(7);
        damaged.put(&history.name(), bytes);
        assert_eq!(history.left(&damaged).0, history.all(), "page at {start}");
    }
}

#[test]
fn damage_to_both_copies_takes_the_bodies_that_need_them_and_is_said() {
    let history = History::new();
    let [first, second] = history.copies();
    for source in [0, 1] {
        let range = &history.dictionaries()[source];
        let damaged = history.disk.fork(7);
        assert!(damaged.flip(&history.name(), first.start + range.start + 9, 1));
        assert!(damaged.flip(&history.name(), second.start + range.end - 9, 6));
        let (left, damages) = history.left(&damaged);
        let of_the_other = |number: &u64| source_of(*number).0 as usize != source + 1;
        assert_eq!(left.frames, history.frames().filter(of_the_other).collect());
        let said = "both copies of the body's dictionary are damaged".to_owned();
        assert_eq!(left.errors, BTreeSet::from([said]));
        assert_eq!(damages.len(), 2, "{damages:?}");
        // Others are not concerned, and life goes on.
        let mut log = opened(&damaged, Packing::Zstd);
        check(&mut log, history.frames().end, &history.bodies[bodies_before(&history)..]);
        append_both(&mut log, 421, &history.bodies[..5]);
        check(&mut log, 421, &history.bodies[..5]);
    }
    // Neither table tells where they are.
    let damaged = history.disk.fork(7);
    assert!(damaged.flip(&history.name(), first.start + 3, 1));
    assert!(damaged.flip(&history.name(), second.start + 7, 1));
    assert_eq!(history.left(&damaged).0.frames.len(), 0);
    // But one of them serves for the other copy.
    let damaged = history.disk.fork(7);
    assert!(damaged.flip(&history.name(), first.start + 3, 1));
    let in_second = second.start + history.dictionaries()[1].start;
    assert!(damaged.flip(&history.name(), in_second, 1));
    assert_eq!(history.left(&damaged).0, history.all());
}

fn bodies_before(history: &History) -> usize {
    usize::try_from(history.frames().end - 1).unwrap()
}

#[test]
fn a_segment_written_anew_has_two_whole_copies_again() {
    let history = History::new();
    let anew = |damaged: &SimulatedDisk| {
        let mut log = opened(damaged, Packing::Zstd);
        let mut dead = DeadBodies::default();
        dead.insert((Default::default(), FrameNumber(history.frames().start)), vec![0]);
        let done = log.ask([Request::Rewrite { segment: history.segment.number, dead }]).remove(0);
        assert!(matches!(done, Completion::Rewritten { result: Ok(_), .. }), "{done:?}");
    };
    let name = format!("{:010}-1.segment", history.segment.number);
    let but_the_first: BTreeSet<u64> = history.frames().skip(1).collect();
    let [first, second] = history.copies();
    let ranges = history.dictionaries();

    // Each is whole in one copy: both are whole in both.
    let damaged = history.disk.fork(7);
    assert!(damaged.flip(&history.name(), first.start + ranges[0].start, 1));
    assert!(damaged.flip(&history.name(), second.start + ranges[1].start, 1));
    anew(&damaged);
    let bytes = damaged.content(&name).unwrap();
    let [one, other] = copies(&damaged, &name).unwrap();
    assert_eq!(bytes[one], bytes[other]);
    let (left, damages) = history.left(&damaged);
    assert_eq!((left.frames, damages), (but_the_first.clone(), Vec::new()));

    // One is damaged in both: bodies that are to go go, and it stays what it was.
    let damaged = history.disk.fork(7);
    assert!(damaged.flip(&history.name(), first.start + ranges[0].start, 1));
    assert!(damaged.flip(&history.name(), second.start + ranges[0].start + 1, 1));
    anew(&damaged);
    let (left, damages) = history.left(&damaged);
    let readable = |number: &u64| source_of(*number) != SourceId(1);
    assert_eq!(left.frames, but_the_first.iter().copied().filter(readable).collect());
    assert_eq!((left.errors.len(), damages.len()), (1, 2));
}

/// The newest segment is what the next one takes its dictionaries from, and frames that need them.
#[test]
fn what_recovery_takes_over_is_read_from_the_copy_that_is_whole() {
    let history = History::new();
    let name = names(&history.disk).pop().unwrap();
    let [first, second] = copies(&history.disk, &name).unwrap();
    let (last, bodies) = (history.bodies.len() as u64, &history.bodies);
    for copy in [&first, &second] {
        let damaged = history.disk.fork(7);
        assert!(damaged.flip(&name, copy.start + 100, 1));
        let (log, report) = EmbeddedLog::open(damaged.clone(), options(Packing::Zstd)).unwrap();
        assert_eq!(report.carried, 1, "the last frame");
        let told = usize::from(copy == &first);
        assert_eq!(log.catalog().damages().len(), told, "when it is opened");
        let mut log: Log = Subject::new(log, turn as fn(&mut _));
        check(&mut log, last, &bodies[bodies.len() - 1..]);
        let next = names(&damaged).pop().unwrap();
        let [one, other] = copies(&damaged, &next).unwrap();
        let bytes = damaged.content(&next).unwrap();
        assert_eq!((dictionaries(&damaged, &next), &bytes[one]), (2, &bytes[other]));
    }
    // Without either it opens all the same, and learns anew.
    let damaged = history.disk.fork(7);
    for copy in [first, second] {
        assert!(damaged.flip(&name, copy.start + 3, 1));
    }
    let mut log = opened(&damaged, Packing::Zstd);
    match log.event(place(last)) {
        Err(ReadError::Corrupt(error)) => {
            assert_eq!(error.damage_text(), "the segment has no dictionary for the body");
        }
        other => panic!("{other:?}"),
    }
    append_both(&mut log, last + 1, bodies);
    check(&mut log, last + 1, bodies);
    assert_eq!(dictionaries(&damaged, &names(&damaged).pop().unwrap()), 2);
}
