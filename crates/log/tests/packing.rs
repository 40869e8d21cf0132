//! Bodies that are packed: what is on disk, who reads it, and what damage to it does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

use sprag_core::id::{FrameNumber, Place};
use sprag_core::random::Random;
use sprag_core::retention::{DeadBodies, Segment};
use sprag_log::body::Body;
use sprag_log::conformance::{Subject, bodies, event_with, key};
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Disk, EmbeddedLog, Options};
use sprag_log::pack::Packing;
use sprag_log::{Answer, Completion, Query, ReadError, Request};

type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

fn options(packing: Packing) -> Options {
    Options { segment_bytes: 8000, packing, samples: 8192, ..Options::new(1, 7) }
}

fn opened(disk: &SimulatedDisk, packing: Packing) -> Log {
    let (log, report) = EmbeddedLog::open(disk.clone(), options(packing)).unwrap();
    assert_eq!(report.dropped, None);
    Subject::new(log, turn as fn(&mut _))
}

fn place(number: u64) -> Place {
    Place { frame: FrameNumber(number), ..Place::default() }
}

/// Appends an event for each of these bodies.
fn append(log: &mut Log, first: u64, bodies: &[Vec<u8>]) {
    let epoch = log.claim(0).unwrap().epoch;
    for (number, body) in (first..).zip(bodies) {
        log.append(event_with(0, number, epoch, &key("a"), number, body.clone())).unwrap();
    }
}

fn check(log: &mut Log, first: u64, bodies: &[Vec<u8>]) {
    for (number, body) in (first..).zip(bodies) {
        assert_eq!(log.event(place(number)).unwrap().body, Body::received(body.clone().into()));
    }
}

fn segments(log: &mut Log) -> Vec<Segment> {
    match log.query(Query::Segments { after: 0 }) {
        Ok(Answer::Segments(segments)) => segments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn how_bodies_are_stored_may_change_at_every_start() {
    let disk = SimulatedDisk::new(1);
    let bodies = bodies();
    let mut used = vec![0];
    let mut last = 1;
    for packing in [Packing::None, Packing::Zstd, Packing::None, Packing::Zstd] {
        let mut log = opened(&disk, packing);
        append(&mut log, last, &bodies);
        last += bodies.len() as u64;
        (1..last).step_by(bodies.len()).for_each(|first| check(&mut log, first, &bodies));
        log.ask([Request::Seal]);
        used.push(segments(&mut log).iter().map(|segment| segment.bytes).sum());
    }
    let took: Vec<u64> = used.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(took[1] * 4 < took[0] && took[3] * 4 < took[2], "{took:?}");
}

#[test]
fn a_segment_is_written_anew_with_packed_bodies_as_they_are() {
    let disk = SimulatedDisk::new(1);
    let all: Vec<Vec<u8>> = (0..8).flat_map(|_| bodies()).collect();
    let mut log = opened(&disk, Packing::Zstd);
    append(&mut log, 1, &all);
    let first = segments(&mut log).remove(0);
    let (from, to) = first.frames[0];
    let mut dead = DeadBodies::default();
    dead.insert((Default::default(), from), vec![0]);
    let rewritten = log.ask([Request::Rewrite { segment: first.number, dead }]).remove(0);
    assert!(matches!(rewritten, Completion::Rewritten { result: Ok(_), .. }), "{rewritten:?}");
    drop(log);
    // Also by one that packs nothing.
    let mut log = opened(&disk, Packing::None);
    assert!(matches!(log.event(place(1)), Err(ReadError::BodyDropped)));
    check(&mut log, 2, &all[1..]);
    let kept: usize = all[1..usize::try_from(to.0 - 1).unwrap()].iter().map(Vec::len).sum();
    assert_eq!(segments(&mut log)[0].kept, Some(kept as u64), "as received");
}

#[test]
fn every_damaged_bit_of_a_packed_body_is_an_error() {
    let disk = SimulatedDisk::new(1);
    let body = br#"{"action":"opened"},"#.repeat(40);
    let mut log = opened(&disk, Packing::Zstd);
    // The second frame knows the first to be durable; so it is not taken over into a next segment.
    append(&mut log, 1, &[body.clone(), Vec::new()]);
    drop(log);
    append(&mut opened(&disk, Packing::Zstd), 3, &[Vec::new()]);
    let name = disk.list().unwrap().into_iter().find(|name| name == "0000000001.segment").unwrap();
    let bytes = disk.content(&name).unwrap();
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let start = bytes.windows(4).position(|window| window == magic).expect("a zstd frame");
    let next = bytes[start..].windows(4).position(|window| window == b"SPRE");
    let end = start + next.expect("the next record");
    assert!(end - start < 60, "{}", end - start);
    // Its entry stands before it: length, codec, checksum.
    for byte in start - 9..end {
        for bit in 0..8 {
            let damaged = disk.fork(7);
            assert!(damaged.flip(&name, byte, bit));
            let mut log = opened(&damaged, Packing::Zstd);
            match log.event(place(1)) {
                Err(ReadError::Corrupt(_)) => {}
                other => panic!("byte {byte} bit {bit}: {other:?}"),
            }
        }
    }
}

/// Codecs that are kept for later, and one that nobody knows, are named.
#[test]
fn a_codec_of_another_version_is_named() {
    for (codec, expected) in [
        (1, "the body is stored as lz4, which this version does not read: codec (1)"),
        (3, "the segment has no dictionary for the body"),
        (77, "unknown body codec (77)"),
    ] {
        let disk = SimulatedDisk::new(1);
        let body = b"a body of its own".to_vec();
        let mut log = opened(&disk, Packing::Zstd);
        // The second frame knows the first to be durable; so it is not taken over into a next segment.
        append(&mut log, 1, &[body.clone(), Vec::new()]);
        drop(log);
        append(&mut opened(&disk, Packing::Zstd), 3, &[Vec::new()]);
        let name = "0000000001.segment";
        let bytes = disk.content(name).unwrap();
        let start = bytes.windows(body.len()).position(|window| window == body).unwrap();
        // The entry right before: length, codec, checksum.
        for bit in 0..8 {
            if codec >> bit & 1 == 1 {
                disk.flip(name, start - 5, bit);
            }
        }
        match opened(&disk, Packing::Zstd).event(place(1)) {
            Err(ReadError::Corrupt(error)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Bodies that have much in common; each is as long as its number says.
fn alike(count: u64) -> Vec<Vec<u8>> {
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
fn copies(disk: &SimulatedDisk, name: &str) -> Option<[std::ops::Range<usize>; 2]> {
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
fn dictionaries(disk: &SimulatedDisk, name: &str) -> u8 {
    let bytes = disk.content(name).unwrap();
    copies(disk, name).map_or(0, |copies| bytes[copies[0].start])
}

fn names(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.ends_with(".segment"));
    names.sort();
    names
}

#[test]
fn bodies_of_a_source_are_packed_by_what_they_have_in_common() {
    let disk = SimulatedDisk::new(1);
    let all = alike(300);
    let mut log = opened(&disk, Packing::Zstd);
    append(&mut log, 1, &all);
    check(&mut log, 1, &all);
    let with: u64 = segments(&mut log).iter().map(|segment| segment.bytes).sum();
    drop(log);
    // Later processes go on with it, and each segment is read by itself.
    for packing in [Packing::Zstd, Packing::None, Packing::Zstd] {
        check(&mut opened(&disk, packing), 1, &all);
    }
    let counts: Vec<u8> = names(&disk).iter().map(|name| dictionaries(&disk, name)).collect();
    assert!(counts.first() == Some(&0) && counts.last() == Some(&1), "{counts:?}");
    assert!(counts.iter().sum::<u8>() > 3, "{counts:?}");
    let plain = SimulatedDisk::new(1);
    let without = Options { samples: 0, ..options(Packing::Zstd) };
    let (log, _) = EmbeddedLog::open(plain.clone(), without).unwrap();
    let mut log: Log = Subject::new(log, turn as fn(&mut _));
    append(&mut log, 1, &all);
    let without: u64 = segments(&mut log).iter().map(|segment| segment.bytes).sum();
    assert!(with < without, "{with} {without}");
}

#[test]
fn whatever_a_crash_leaves_has_the_dictionary_it_needs() {
    let all = alike(330);
    for seed in 0..12 {
        let disk = SimulatedDisk::new(seed);
        let mut packing = Packing::Zstd;
        let mut log = opened(&disk, packing);
        let (mut first, mut lives) = (1, 0);
        for half in all.chunks(110) {
            append(&mut log, first, half);
            first += half.len() as u64;
            drop(log);
            if seed % 2 == 0 {
                disk.power_cut();
            } else {
                disk.restart();
            }
            lives += 1;
            packing = if (seed + lives) % 3 == 0 { Packing::None } else { Packing::Zstd };
            log = Subject::new(
                EmbeddedLog::open(disk.clone(), options(packing)).unwrap().0,
                turn as fn(&mut _),
            );
            check(&mut log, 1, &all[..usize::try_from(first - 1).unwrap()]);
        }
        assert!(names(&disk).iter().any(|name| dictionaries(&disk, name) > 0), "{seed}");
    }
}

#[test]
fn a_segment_written_anew_keeps_the_dictionary_as_long_as_a_body_needs_it() {
    let disk = SimulatedDisk::new(1);
    let all = alike(300);
    let mut log = opened(&disk, Packing::Zstd);
    append(&mut log, 1, &all);
    let segment = segments(&mut log).remove(7);
    let (from, to) = segment.frames[0];
    let name = |rewrites: u32| format!("{:010}-{rewrites}.segment", segment.number);
    for (rewrites, left) in [(1, 1), (2, 0)] {
        let dead = (from.0..to.0 - left).map(|f| ((Default::default(), FrameNumber(f)), vec![0]));
        let dead: DeadBodies = dead.collect();
        let done = log.ask([Request::Rewrite { segment: segment.number, dead }]).remove(0);
        assert!(matches!(done, Completion::Rewritten { result: Ok(1..), .. }), "{done:?}");
        assert_eq!(u64::from(dictionaries(&disk, &name(rewrites))), left);
        let last = log.event(place(to.0 - 1));
        match left {
            0 => assert!(matches!(last, Err(ReadError::BodyDropped))),
            _ => assert_eq!(&*last.unwrap().body.bytes, &*all[usize::try_from(to.0 - 2).unwrap()]),
        }
        drop(log);
        log = opened(&disk, Packing::Zstd);
        let others = &all[usize::try_from(to.0 - 1).unwrap()..];
        check(&mut log, to.0, others);
    }
}

