//! Bodies that are packed: what is on disk, who reads it, and what damage to it does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

mod bodies;
mod damage;
mod dictionaries;

use sprag_core::id::{FrameNumber, Place};
use sprag_core::random::Random;
use sprag_core::retention::Segment;
use sprag_log::body::Body;
use sprag_log::conformance::{Subject, event_with, key};
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Disk, EmbeddedLog, Options};
use sprag_log::pack::Packing;
use sprag_log::{Answer, Query};

pub(crate) type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

pub(crate) fn options(packing: Packing) -> Options {
    Options { segment_bytes: 8000, packing, samples: 8192, ..Options::new(1, 7) }
}

pub(crate) fn opened(disk: &SimulatedDisk, packing: Packing) -> Log {
    let (log, report) = EmbeddedLog::open(disk.clone(), options(packing)).unwrap();
    assert_eq!(report.dropped, None);
    Subject::new(log, turn as fn(&mut _))
}

pub(crate) fn place(number: u64) -> Place {
    Place { frame: FrameNumber(number), ..Place::default() }
}

/// Appends an event for each of these bodies.
pub(crate) fn append(log: &mut Log, first: u64, bodies: &[Vec<u8>]) {
    let epoch = log.claim(0).unwrap().epoch;
    for (number, body) in (first..).zip(bodies) {
        log.append(event_with(0, number, epoch, &key("a"), number, body.clone())).unwrap();
    }
}

pub(crate) fn check(log: &mut Log, first: u64, bodies: &[Vec<u8>]) {
    for (number, body) in (first..).zip(bodies) {
        assert_eq!(log.event(place(number)).unwrap().body, Body::received(body.clone().into()));
    }
}

pub(crate) fn segments(log: &mut Log) -> Vec<Segment> {
    match log.query(Query::Segments { after: 0 }) {
        Ok(Answer::Segments(segments)) => segments,
        other => panic!("{other:?}"),
    }
}

/// Bodies that have much in common; each is as long as its number says.
pub(crate) fn alike(count: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(5);
    let body = |_| {
        let numbers = [random.draw(), random.draw()];
        format!(
            r#"{{"action":"opened","repository":{{"full_name":"sprag/sprag","id":{}}},"number":{}}}"#,
            numbers[0], numbers[1]
        )
        .into_bytes()
    };
    (0..count).map(body).collect()
}

/// Where the two copies of a file's dictionaries stand, as log-format.md has it; none without any.
pub(crate) fn copies(disk: &SimulatedDisk, name: &str) -> Option<[std::ops::Range<usize>; 2]> {
    let bytes = disk.content(name).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let said = match bytes[8] {
        1 | 2 => return None,
        3 => 59,
        _ => 59 + 28,
    };
    // Behind it the tip of the one partition and the checksum.
    let (length, first) = (number(said), said + 4 + 64 + 4);
    let second = first + length + 4096;
    Some([first..first + length, second..second + length])
}

/// How many dictionaries a file has.
pub(crate) fn dictionaries(disk: &SimulatedDisk, name: &str) -> u8 {
    let bytes = disk.content(name).unwrap();
    copies(disk, name).map_or(0, |copies| bytes[copies[0].start])
}

pub(crate) fn names(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.ends_with(".segment"));
    names.sort();
    names
}
