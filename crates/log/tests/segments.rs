//! Segments, their indexes and their end: sealing apart from commits, lookups from memory, from
//! files and past damaged ones, trimming.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

use sprag_core::id::{Epoch, FrameNumber, Key, PartitionId, Place, Sequence};
use sprag_log::conformance::{Subject, event, event_with, key, small};
use sprag_log::embedded::simulated::{Fault, Operation, SimulatedDisk};
use sprag_log::embedded::{
    Disk, EmbeddedLog, OpenError, Options, Reader, Report, Routed, Writer, open,
};
use sprag_log::frame::FrameDraft;
use sprag_log::lookup::{Handle, Wanted};
use sprag_log::{Answer, Completion, Query, ReadError, Request};

fn options() -> Options {
    Options { segment_bytes: 2000, ..Options::new(2, 99) }
}

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

fn opened(disk: &SimulatedDisk) -> (Log, Report) {
    let (log, report) = EmbeddedLog::open(disk.clone(), options()).unwrap();
    (Subject::new(log, turn as fn(&mut _)), report)
}

fn names(disk: &SimulatedDisk, ending: &str) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(ending)).collect()
}

fn by_id(key: &Key, sequence: u64) -> Wanted {
    Wanted { key: key.clone(), by: Handle::Id(format!("id-{}-{sequence}", key.name).into()) }
}

/// A disk with frames 1…count of partition 0, one event of key `a` each, over many segments.
fn filled(count: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = opened(&disk);
    let epoch = log.claim(0).unwrap().epoch;
    for number in 1..=count {
        log.append(event(0, number, epoch, &key("a"), number)).unwrap();
    }
    disk
}

fn finds_everything(log: &mut Log, from: u64, to: u64) {
    for number in from..=to {
        let found = log.find(0, vec![by_id(&key("a"), number)], u64::MAX);
        let places: Vec<Place> = found.facts[0].iter().map(|fact| fact.place).collect();
        let frame = FrameNumber(number);
        assert_eq!(places, [Place { partition: PartitionId(0), frame, index: 0 }]);
    }
    let expected: Vec<u64> = (from..=to).collect();
    assert_eq!(log.sequences(&key("a"), from, u64::MAX, 1000), expected);
}

#[test]
fn every_sealed_segment_has_its_index_and_is_opened_by_it() {
    let disk = filled(60);
    let (mut log, report) = opened(&disk);
    assert!(report.segments > 8, "{report:?}");
    assert_eq!(report.rebuilt, [] as [u64; 0]);
    assert_eq!(names(&disk, ".index").len(), report.segments - 1);
    finds_everything(&mut log, 1, 60);
}

/// So many that their filters stand side by side: whatever is looked up is found while they become more,
/// after a start, and once the oldest are gone.
#[test]
fn among_more_than_a_hundred_segments_everything_is_found() {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = opened(&disk);
    let epoch = log.claim(0).unwrap().epoch;
    let is_found = |log: &mut Log, number: u64| {
        !log.find(0, vec![by_id(&key("a"), number)], u64::MAX).facts[0].is_empty()
    };
    for number in 1..=700 {
        log.append(event(0, number, epoch, &key("a"), number)).unwrap();
        for older in [number, number.div_ceil(2), number * 7 % number.next_multiple_of(8) + 1] {
            assert_eq!(is_found(&mut log, older), older <= number, "{older} of {number}");
        }
    }
    drop(log);
    let (mut log, report) = opened(&disk);
    assert!(report.segments > 100, "{report:?}");
    finds_everything(&mut log, 1, 700);
    log.claim(0).unwrap();
    // Partition 1 has nothing that keeps a segment.
    for before in (5..=700).step_by(5) {
        let trim = Request::Trim { partition: PartitionId(0), before: FrameNumber(before) };
        let Completion::Trimmed { result, .. } = log.ask([trim]).remove(0) else { panic!() };
        let oldest = result.unwrap().0;
        assert!(!is_found(&mut log, oldest - 1) && is_found(&mut log, oldest), "{oldest}");
        assert!(is_found(&mut log, 700));
    }
    assert!(names(&disk, ".segment").len() < 5);
}

#[test]
fn indexes_that_are_missing_or_damaged_are_built_again() {
    let disk = filled(60);
    let indexes = names(&disk, ".index");
    disk.remove(&indexes[0]).unwrap();
    for (at, name) in indexes.iter().enumerate().skip(1).take(5) {
        assert!(disk.flip(name, at * 9, 2));
    }
    let (mut log, report) = opened(&disk);
    assert_eq!(report.rebuilt.len(), 6, "{report:?}");
    finds_everything(&mut log, 1, 60);
    drop(log);
    let (mut log, report) = opened(&disk);
    assert_eq!(report.rebuilt, [] as [u64; 0], "and written, so that the next start is quick");
    finds_everything(&mut log, 1, 60);
}

/// The pages of an index are read one by one: damage in them shows when they are.
#[test]
fn an_index_whose_page_is_damaged_costs_a_read_of_the_segment_and_no_answer() {
    let disk = filled(60);
    for at in 1..=16 {
        let disk = disk.fork(at);
        for name in names(&disk, ".index") {
            let length = disk.content(&name).unwrap().len();
            assert!(disk.flip(&name, length - usize::try_from(at).unwrap(), 1));
        }
        let (mut log, report) = opened(&disk);
        assert_eq!(report.rebuilt, [] as [u64; 0], "the heads are whole");
        finds_everything(&mut log, 1, 60);
    }
}

#[test]
fn any_flipped_bit_of_an_index_changes_no_answer() {
    let disk = filled(10);
    let name = names(&disk, ".index")[0].clone();
    for at in 0..disk.content(&name).unwrap().len() {
        let disk = disk.fork(1);
        disk.flip(&name, at, 5);
        finds_everything(&mut opened(&disk).0, 1, 10);
    }
}

/// Its index opens it: what is missing shows when it is read, and is damage then, not a disk that
/// may read better the next time.
#[test]
fn a_segment_that_was_cut_off_is_damaged_wherever_it_ends() {
    let disk = filled(10);
    let name = names(&disk, ".segment")[0].clone();
    let whole = disk.content(&name).unwrap();
    for length in 0..whole.len() {
        let disk = disk.fork(1);
        disk.put(&name, whole[..length].to_vec());
        let mut reader = match open(disk.clone(), options()) {
            Ok((_, reader, _)) => reader,
            Err(OpenError::Corrupt(_)) => continue,
            Err(other) => panic!("{length}: {other}"),
        };
        let (partition, from) = (PartitionId(0), FrameNumber(1));
        let answer =
            reader.answer(&Query::Frames { partition, from, most: usize::MAX, bytes: usize::MAX });
        let event = Place { partition, frame: from, index: 0 };
        let body = reader.answer(&Query::Event { place: event });
        for read in [answer.map(drop), body.map(drop)] {
            assert!(matches!(read, Ok(()) | Err(ReadError::Corrupt(_))), "{length}: {read:?}");
        }
    }
}

#[test]
fn trimming_deletes_whole_segments_once_no_partition_needs_them() {
    let disk = filled(40);
    let (mut log, _) = opened(&disk);
    let other = log.claim(1).unwrap().epoch;
    log.append(small(1, 1, other)).unwrap();
    let epoch = log.claim(0).unwrap().epoch;
    for number in 41..=80 {
        log.append(event(0, number, epoch, &key("a"), number)).unwrap();
    }
    let before = names(&disk, ".segment").len();
    let mut trim = |partition, frame| {
        let before = FrameNumber(frame);
        let request = Request::Trim { partition: PartitionId(partition), before };
        match log.ask([request]).remove(0) {
            Completion::Trimmed { result, .. } => result.unwrap().0,
            other => panic!("{other:?}"),
        }
    };
    // The frame of partition 1 keeps everything from its segment on.
    let oldest = trim(0, 75);
    assert!(oldest > 30 && oldest <= 41, "{oldest}");
    let oldest = trim(1, 2);
    assert_eq!(oldest, 2, "nothing of partition 1 is left");
    assert!(names(&disk, ".segment").len() < before / 3);
    assert_eq!(names(&disk, ".index").len(), names(&disk, ".segment").len() - 1);

    drop(log);
    disk.power_cut();
    let (mut log, _) = opened(&disk);
    let claim = log.claim(1).unwrap();
    assert_eq!((claim.tip.number, claim.tip.epoch), (FrameNumber(1), other), "the tip is kept");
    assert_eq!(claim.oldest, FrameNumber(2));
    log.append(small(1, 2, claim.epoch)).unwrap();
    let claim = log.claim(0).unwrap();
    assert!(claim.oldest > FrameNumber(60) && claim.oldest <= FrameNumber(75), "{claim:?}");
    finds_everything(&mut log, claim.oldest.0, 80);
    let gone = log.find(0, vec![by_id(&key("a"), 3)], u64::MAX);
    assert!(gone.facts[0].is_empty());
}

#[test]
fn a_missing_segment_in_the_middle_is_corruption() {
    let disk = filled(40);
    disk.remove("0000000004.segment").unwrap();
    let refused = EmbeddedLog::open(disk, options()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("segment 4"), "{refused}");
}

/// Both halves turned apart, the index written by a third: as in production.
#[test]
fn reads_and_sealing_go_on_beside_the_writer() {
    let disk = SimulatedDisk::new(1);
    let (mut writer, mut reader, _) = open(disk.clone(), options()).unwrap();
    let epoch = claim(&mut writer);
    for number in 1..=30 {
        append(&mut writer, event(0, number, epoch, &key("a"), number));
    }
    let jobs: Vec<_> = std::iter::from_fn(|| writer.seal_job()).collect();
    assert!(jobs.len() > 3);
    let catalog = writer.catalog().clone();
    let both = |reader: &mut Reader<SimulatedDisk>| {
        for number in 1..=30 {
            assert!(catalog.may_contain(by_id(&key("a"), number).hash()));
            assert_eq!(found(reader, by_id(&key("a"), number)), 1);
        }
        let absent = (100..1100).filter(|n| catalog.may_contain(by_id(&key("a"), *n).hash()));
        assert!(absent.count() < 300, "filters filter");
    };
    both(&mut reader);
    let written: Vec<_> = jobs.iter().map(|job| job.run(&disk).unwrap()).collect();
    both(&mut reader);
    assert!(written.into_iter().all(sprag_log::embedded::SealedIndex::install));
    both(&mut reader);
    assert_eq!(catalog.last(PartitionId(0)), FrameNumber(30));
    let sealed = catalog.sealed_through(PartitionId(0));
    assert!(sealed < FrameNumber(30) && sealed > FrameNumber(20), "{sealed:?}");
}

fn claim(writer: &mut Writer<SimulatedDisk>) -> Epoch {
    let request = Request::Claim { partition: PartitionId(0) };
    let Routed::Change(change) = Routed::from(request) else { panic!() };
    writer.submit(change);
    while writer.step() {}
    match writer.complete() {
        Some(Completion::Claimed { result: Ok(claim), .. }) => claim.epoch,
        other => panic!("{other:?}"),
    }
}

fn append(writer: &mut Writer<SimulatedDisk>, draft: FrameDraft) {
    let Routed::Change(change) = Routed::from(Request::Append { draft }) else { panic!() };
    writer.submit(change);
    while writer.step() {}
    let done = writer.complete();
    assert!(matches!(done, Some(Completion::Appended { result: Ok(_), .. })), "{done:?}");
}

fn found(reader: &mut Reader<SimulatedDisk>, wanted: Wanted) -> usize {
    let up_to = FrameNumber(u64::MAX);
    let query = Query::Find { partition: PartitionId(0), wanted: vec![wanted], up_to };
    match reader.answer(&query) {
        Ok(Answer::Found(found)) => found.facts[0].len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_told_and_can_be_read_again() {
    let disk = filled(20);
    let (mut log, _) = opened(&disk);
    let place = Place { frame: FrameNumber(3), ..Place::default() };
    disk.inject(Operation::Read, 0, Fault::Error);
    let failed = log.event(place);
    assert!(matches!(failed, Err(ReadError::Failed(_))), "{failed:?}");
    assert!(log.event(place).is_ok());
}

/// Somebody who can send events sends one that contains this very log.
#[test]
fn a_body_that_looks_like_records_is_a_body() {
    let wide = Options { segment_bytes: 1 << 20, ..options() };
    let disk = SimulatedDisk::new(1);
    let (log, _) = EmbeddedLog::open(disk.clone(), wide).unwrap();
    let mut log: Log = Subject::new(log, turn as fn(&mut _));
    let epoch = log.claim(0).unwrap().epoch;
    log.append(event(0, 1, epoch, &key("a"), 1)).unwrap();
    let copy = disk.content("0000000001.segment").unwrap();
    let draft = event_with(0, 2, epoch, &key("a"), 2, copy.repeat(3));
    log.append(draft.clone()).unwrap();
    drop(log);
    // The last frame is torn, and the copies in its body vouch for nothing.
    let image = disk.content("0000000001.segment").unwrap();
    for cut in [1, copy.len(), 2 * copy.len() + 40] {
        let torn = SimulatedDisk::new(2);
        torn.put("0000000001.segment", image[..image.len() - cut].to_vec());
        let (mut log, report) = opened(&torn);
        assert!(report.dropped.is_some());
        assert_eq!(log.frames(0, 1, usize::MAX).unwrap().frames.len(), 1);
    }
    let (mut log, _) = opened(&disk);
    let place = Place { frame: FrameNumber(2), ..Place::default() };
    assert_eq!(log.event(place).unwrap().body, draft.bodies[0]);
}

#[test]
fn a_key_with_many_facts_of_one_position_answers_a_bounded_number() {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = opened(&disk);
    let epoch = log.claim(0).unwrap().epoch;
    for number in 1..=200 {
        log.append(event(0, number, epoch, &key("a"), 7)).unwrap();
    }
    let by = Handle::Sequence(Sequence(7));
    let found = log.find(0, vec![Wanted { key: key("a"), by }], u64::MAX);
    assert_eq!(found.facts[0].len(), sprag_log::limits::FOUND_FACTS);
    assert_eq!(found.facts[0][0].place.frame, FrameNumber(1), "oldest first");
}
