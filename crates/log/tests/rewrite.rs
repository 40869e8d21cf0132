//! Segments that are written anew without bodies: what stays, what goes, and what any crash leaves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

use sprag_core::id::{FrameNumber, Hash, PartitionId, Place};
use sprag_core::retention::{DeadBodies, Segment};
use sprag_log::conformance::{Subject, event, key};
use sprag_log::embedded::simulated::{Fault, Operation, SimulatedDisk};
use sprag_log::embedded::{Disk, EmbeddedLog, Options, Routed, Writer, open};
use sprag_log::lookup::{Handle, Wanted};
use sprag_log::{Answer, Completion, Query, ReadError, Request};

const FRAMES: u64 = 40;

fn options() -> Options {
    Options { segment_bytes: 2000, ..Options::new(2, 99) }
}

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

fn opened(disk: &SimulatedDisk) -> Log {
    let (log, report) = EmbeddedLog::open(disk.clone(), options()).unwrap();
    assert_eq!(report.dropped, None);
    Subject::new(log, turn as fn(&mut _))
}

/// A disk with frames 1…40 of partition 0, one event of key `a` each, over many segments; and
/// their hashes.
fn filled() -> (SimulatedDisk, Vec<Hash>) {
    let disk = SimulatedDisk::new(1);
    let mut log = opened(&disk);
    let epoch = log.claim(0).unwrap().epoch;
    let append = |number| log.append(event(0, number, epoch, &key("a"), number)).unwrap();
    let hashes = (1..=FRAMES).map(append).collect();
    (disk, hashes)
}

fn segments(log: &mut Log) -> Vec<Segment> {
    match log.query(Query::Segments { after: 0 }) {
        Ok(Answer::Segments(segments)) => segments,
        other => panic!("{other:?}"),
    }
}

/// The frames of partition 0 in a segment.
fn frames(segment: &Segment) -> std::ops::Range<u64> {
    let (first, end) = segment.frames[0];
    first.0..end.0
}

fn dead(frames: impl IntoIterator<Item = u64>) -> DeadBodies {
    frames.into_iter().map(|frame| ((PartitionId(0), FrameNumber(frame)), vec![0])).collect()
}

fn rewrite(log: &mut Log, segment: u64, dead: DeadBodies) -> Result<u64, std::io::Error> {
    match log.ask([Request::Rewrite { segment, dead }]).remove(0) {
        Completion::Rewritten { segment: which, result } if which == segment => result,
        other => panic!("{other:?}"),
    }
}

/// Everything reads as it was written, but for bodies that were dropped; says of which frames.
fn check(log: &mut Log, hashes: &[Hash]) -> Vec<u64> {
    let read = log.frames(0, 1, usize::MAX).unwrap().frames;
    let found: Vec<Hash> = read.iter().take(hashes.len()).map(|frame| frame.hash).collect();
    assert_eq!(found, hashes);
    let mut gone = Vec::new();
    for number in 1..=FRAMES {
        let expected = event(0, number, Default::default(), &key("a"), number);
        let place = Place { frame: FrameNumber(number), ..Place::default() };
        match log.event(place) {
            Ok(event) => assert_eq!(event.body, expected.bodies[0]),
            Err(ReadError::BodyDropped) => gone.push(number),
            Err(other) => panic!("{number}: {other}"),
        }
        let by = Handle::Id(format!("id-a-{number}").into());
        let found = log.find(0, vec![Wanted { key: key("a"), by }], u64::MAX);
        assert_eq!((found.facts[0].len(), found.facts[0][0].place), (1, place));
    }
    let all: Vec<u64> = (1..=FRAMES).collect();
    assert_eq!(log.sequences(&key("a"), 1, FRAMES, 1000), all);
    gone
}

fn files(disk: &SimulatedDisk, segment: u64) -> Vec<String> {
    let start = format!("{segment:010}");
    disk.list().unwrap().into_iter().filter(|name| name.starts_with(&start)).collect()
}

#[test]
fn a_rewritten_segment_is_smaller_and_all_but_the_dropped_bodies_is_there() {
    let (disk, hashes) = filled();
    let mut log = opened(&disk);
    let before = segments(&mut log);
    let second = &before[1];
    let gone: Vec<u64> = frames(second).skip(1).collect();
    assert!(gone.len() > 1, "{second:?}");
    let used = disk.used();
    let freed = rewrite(&mut log, second.number, dead(gone.clone())).unwrap();
    assert!(freed > 0 && disk.used() as u64 <= used as u64 - freed);
    assert_eq!(check(&mut log, &hashes), gone);
    let after = segments(&mut log);
    let rewritten = &after[1];
    assert_eq!((rewritten.bytes, &rewritten.frames), (second.bytes - freed, &second.frames));
    let body = event(0, frames(second).start, Default::default(), &key("a"), 1);
    assert_eq!(rewritten.kept, Some(body.bodies[0].bytes.len() as u64));
    drop(log);

    // By its index, and without it; and a second time.
    for with_index in [true, false] {
        let disk = disk.fork(7);
        if !with_index {
            disk.remove("0000000002-1.index").unwrap();
        }
        let mut log = opened(&disk);
        assert_eq!(segments(&mut log)[1], after[1]);
        assert_eq!(check(&mut log, &hashes), gone);
        rewrite(&mut log, 2, dead(frames(second))).unwrap();
        let none_left: Vec<u64> = frames(second).collect();
        assert_eq!((check(&mut log, &hashes), segments(&mut log)[1].kept), (none_left, Some(0)));
        drop(log);
        assert_eq!(files(&disk, 2), ["0000000002-2.index", "0000000002-2.segment"]);
        let claim = opened(&disk).claim(0).unwrap();
        assert_eq!(claim.tip.number, FrameNumber(FRAMES));
    }
}

/// Each operation of a rewriting fails once, in each way, and the machine loses power then or goes
/// on. And the process ends after any of its steps.
#[test]
fn whatever_fails_or_ends_a_rewriting_nothing_else_is_lost() {
    let operations = [
        Operation::Create,
        Operation::Append,
        Operation::Sync,
        Operation::SyncDirectory,
        Operation::Read,
        Operation::Remove,
    ];
    let mut failed = 0;
    let (disk, hashes) = filled();
    for operation in operations {
        for (after, power_cut) in (0..12).flat_map(|after| [(after, false), (after, true)]) {
            for seed in 0..3 {
                let disk = disk.fork(seed);
                let mut log = opened(&disk);
                let target = segments(&mut log)[1].clone();
                disk.inject(operation, after, Fault::Error);
                failed += u64::from(rewrite(&mut log, 2, dead(frames(&target))).is_err());
                disk.heal();
                let allowed: Vec<u64> = frames(&target).collect();
                let gone = check(&mut log, &hashes);
                assert!(gone.is_empty() || gone == allowed, "{operation:?} {after}: {gone:?}");
                drop(log);
                if power_cut {
                    disk.power_cut();
                }
                let mut log = opened(&disk);
                let gone = check(&mut log, &hashes);
                assert!(gone.is_empty() || gone == allowed, "{operation:?} {after}: {gone:?}");
                // One file of it is left, and it can be rewritten.
                assert_eq!(files(&disk, 2).iter().filter(|n| n.ends_with(".segment")).count(), 1);
                rewrite(&mut log, 2, dead(frames(&target))).unwrap();
                assert_eq!(check(&mut log, &hashes), allowed);
            }
        }
    }
    assert!(failed > 100, "{failed}");
}

fn step(writer: &mut Writer<SimulatedDisk>, request: Request) -> Option<Completion> {
    let Routed::Change(change) = Routed::from(request) else { panic!() };
    writer.submit(change);
    while writer.step() {}
    writer.complete()
}

#[test]
fn a_segment_being_rewritten_is_not_deleted_before_it_is_done() {
    let (disk, _) = filled();
    let (mut writer, mut reader, _) = open(disk.clone(), options()).unwrap();
    let trim = |partition, before| Request::Trim {
        partition: PartitionId(partition),
        before: FrameNumber(before),
    };
    step(&mut writer, Request::Rewrite { segment: 1, dead: dead(1..4) });
    let mut job = writer.rewrite_job().unwrap();
    // Only one at a time.
    let other = step(&mut writer, Request::Rewrite { segment: 2, dead: dead([]) });
    assert!(matches!(other, Some(Completion::Rewritten { segment: 2, result: Err(_) })));
    assert!(job.step().is_none(), "it takes several steps");
    step(&mut writer, trim(0, FRAMES));
    assert_eq!(files(&disk, 1).len(), 3, "its files and the new one");
    let place = Place { frame: FrameNumber(1), ..Place::default() };
    reader.answer(&Query::Event { place }).unwrap();
    let done = std::iter::repeat_with(|| job.step()).flatten().next();
    assert!(matches!(done, Some(Completion::Rewritten { segment: 1, result: Ok(_) })), "{done:?}");
    // The reader had the old file open, and its head in memory.
    let gone = reader.answer(&Query::Event { place });
    assert!(matches!(gone, Err(ReadError::BodyDropped)), "{gone:?}");
    step(&mut writer, trim(0, FRAMES));
    assert_eq!(files(&disk, 1), [] as [String; 0]);
    assert!(matches!(reader.answer(&Query::Fact { place }), Err(ReadError::Trimmed { .. })));
    drop((writer, reader, job));
    disk.power_cut();
    assert!(opened(&disk).claim(0).unwrap().oldest > FrameNumber(20));
}

#[test]
fn a_rewriting_that_its_process_leaves_is_void() {
    for (steps, power_cut) in (0..4).flat_map(|steps| [(steps, true), (steps, false)]) {
        let (disk, hashes) = filled();
        let (mut writer, reader, _) = open(disk.clone(), options()).unwrap();
        step(&mut writer, Request::Rewrite { segment: 3, dead: dead(1..FRAMES) });
        let mut job = writer.rewrite_job().unwrap();
        let done = (0..steps).any(|_| job.step().is_some());
        std::mem::forget(job);
        drop((writer, reader));
        if power_cut {
            disk.power_cut();
        } else {
            disk.restart();
        }
        let mut log = opened(&disk);
        assert_eq!(check(&mut log, &hashes).is_empty(), !done, "{steps}");
        assert_eq!(files(&disk, 3).len(), 2);
    }
}

/// Recovery takes the tail of the newest segment over into the next, and goes back to the file
/// while nothing was appended behind it: so long, the file stays as it is.
#[test]
fn a_segment_is_not_rewritten_while_recovery_may_come_back_to_its_tail() {
    let (disk, mut hashes) = filled();
    let mut log = opened(&disk);
    let last = segments(&mut log).last().unwrap().clone();
    let gone: Vec<u64> = frames(&last).collect();
    assert!(rewrite(&mut log, last.number, dead(gone.clone())).is_err());
    drop(log);
    let mut log = opened(&disk);
    assert_eq!(check(&mut log, &hashes), [] as [u64; 0]);
    let last = segments(&mut log).last().unwrap().clone();
    let epoch = log.claim(0).unwrap().epoch;
    hashes.push(log.append(event(0, FRAMES + 1, epoch, &key("b"), 1)).unwrap());
    rewrite(&mut log, last.number, dead(gone.clone())).unwrap();
    for _ in 0..3 {
        assert_eq!(check(&mut log, &hashes), gone);
        drop(log);
        log = opened(&disk);
    }
}

/// Wherever removing them ends, what is left is a whole segment: one that is unfinished is never left alone.
#[test]
fn of_the_files_of_a_segment_the_whole_one_goes_last() {
    let mut ended_between = 0;
    for after in 0..4 {
        let (disk, _) = filled();
        let mut log = opened(&disk);
        disk.put("0000000001-1.segment", b"unfinished".to_vec());
        disk.inject(Operation::Remove, after, Fault::Error);
        for partition in [0, 1] {
            let before = FrameNumber(FRAMES);
            log.ask([Request::Trim { partition: PartitionId(partition), before }]);
            let left = files(&disk, 1);
            let has = |name: &str| left.iter().any(|left| left == name);
            let [whole, unfinished] = ["0000000001.segment", "0000000001-1.segment"].map(has);
            assert!(whole || !unfinished, "{after}: {left:?}");
            ended_between += u32::from(whole && !unfinished);
        }
    }
    assert!(ended_between > 0, "no removal failed between the two");
}

/// A rewriting that failed could not remove its unfinished file either: with the segment, it goes.
#[test]
fn an_unfinished_file_goes_with_its_segment() {
    let (disk, _) = filled();
    let mut log = opened(&disk);
    disk.put("0000000001-1.segment", b"unfinished".to_vec());
    let trim = |partition, before| Request::Trim {
        partition: PartitionId(partition),
        before: FrameNumber(before),
    };
    log.ask([trim(0, FRAMES), trim(1, FRAMES)]);
    assert_eq!(files(&disk, 1), [] as [String; 0]);
    drop(log);
    assert!(opened(&disk).claim(0).unwrap().oldest > FrameNumber(20));
}
