//! Crashes, torn writes and damaged bytes: what was acknowledged is there, nothing else is ever
//! read as history, and what is not as written is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

use sprag_core::id::{Epoch, FrameNumber, Place};
use sprag_log::conformance::{Subject, event, event_with, key, small};
use sprag_log::embedded::simulated::{Fault, Operation, SimulatedDisk};
use sprag_log::embedded::{EmbeddedLog, OpenError, Options, Report};
use sprag_log::frame::FrameDraft;
use sprag_log::{AppendError, Completion, ReadError, Request};

const SEGMENT: &str = "0000000001.segment";

fn options() -> Options {
    Options::new(2, 99)
}

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

fn open_with(disk: &SimulatedDisk, options: Options) -> Result<(Log, Report), OpenError> {
    let (log, report) = EmbeddedLog::open(disk.clone(), options)?;
    Ok((Subject::new(log, turn as fn(&mut _)), report))
}

fn open(disk: &SimulatedDisk) -> (Log, Report) {
    open_with(disk, options()).unwrap()
}

/// One claim, three frames, then two frames in one batch; with the file's length after each.
struct History {
    image: Vec<u8>,
    drafts: Vec<FrameDraft>,
    /// The file's length when the frame with this index was acknowledged.
    lengths: Vec<usize>,
    epoch: Epoch,
}

fn history() -> History {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = open(&disk);
    let epoch = log.claim(0).unwrap().epoch;
    let drafts: Vec<_> = (1..=5).map(|number| event(0, number, epoch, &key("a"), number)).collect();
    // Bodies end with a brace, so the zeros that end the file are those kept ahead.
    let content = || disk.content(SEGMENT).unwrap();
    let length = || content().iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut lengths = Vec::new();
    for draft in &drafts[..3] {
        log.append(draft.clone()).unwrap();
        lengths.push(length());
    }
    let batch = drafts[3..].iter().map(|draft| Request::Append { draft: draft.clone() });
    assert_eq!(log.ask(batch).len(), 2);
    lengths.extend([length(); 2]);
    let some_zeros = lengths[4] + 64;
    History { image: content()[..some_zeros].to_vec(), drafts, lengths, epoch }
}

/// Reads everything back and compares it with what was written; returns how many frames there
/// are, and whether every body read.
fn check(log: &mut Log, history: &History) -> (usize, bool) {
    let frames = log.frames(0, 1, usize::MAX).unwrap().frames;
    let mut whole = true;
    for (read, draft) in frames.iter().zip(&history.drafts) {
        assert_eq!((read.number, &read.facts), (draft.number, &draft.facts));
        let place = Place { partition: draft.partition, frame: draft.number, index: 0 };
        match log.event(place) {
            Ok(event) => assert_eq!(event.body, draft.bodies[0]),
            Err(ReadError::Corrupt(corruption)) => {
                assert_eq!(corruption.frame, Some((draft.partition, draft.number)));
                whole = false;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(frames.len() <= history.drafts.len());
    (frames.len(), whole)
}

fn image(bytes: &[u8]) -> SimulatedDisk {
    let disk = SimulatedDisk::new(5);
    disk.put(SEGMENT, bytes.to_vec());
    disk
}

#[test]
fn a_file_cut_at_any_byte_keeps_every_acknowledged_frame_before_the_cut() {
    let history = history();
    for cut in 0..=history.image.len() {
        let disk = image(&history.image[..cut]);
        let (mut log, report) = open(&disk);
        let (frames, whole) = check(&mut log, &history);
        let acknowledged = history.lengths.iter().filter(|length| **length <= cut).count();
        assert!(whole && frames >= acknowledged, "cut at {cut}: {frames} of {acknowledged}");
        if let Some(dropped) = report.dropped {
            let end = usize::try_from(dropped.offset + dropped.bytes).unwrap();
            assert!(history.image[end..cut].iter().all(|byte| *byte == 0), "cut at {cut}: {end}");
        }
        // And it goes on from there, again and again.
        let claim = log.claim(0).unwrap();
        assert_eq!(claim.tip.number, FrameNumber(frames as u64));
        log.append(small(0, claim.tip.number.next().0, claim.epoch)).unwrap();
        drop(log);
        let (mut log, report) = open(&disk);
        assert_eq!(report.dropped, None);
        assert_eq!(log.frames(0, 1, usize::MAX).unwrap().frames.len(), frames + 1);
    }
}

#[test]
fn a_flipped_bit_anywhere_is_told_or_costs_only_what_was_not_known_as_durable() {
    let history = history();
    let (mut refused, mut torn, mut unreadable) = (0, 0, 0);
    for at in 0..history.image.len() {
        let disk = image(&history.image);
        disk.flip(SEGMENT, at, u32::try_from(at % 8).unwrap());
        match open_with(&disk, options()) {
            Err(OpenError::Corrupt(corruption)) => {
                assert!(corruption.segment == 1 && corruption.offset <= at as u64);
                assert_eq!(disk.content(SEGMENT).unwrap().len(), history.image.len());
                refused += 1;
            }
            Err(OpenError::Partitions { .. }) => panic!("a damaged count is no count"),
            Err(other) => panic!("{at}: {other}"),
            Ok((mut log, report)) => {
                let (frames, whole) = check(&mut log, &history);
                // Only the last batch can be taken for torn: nothing after it vouches for it.
                assert!(frames >= 3, "{at}: {frames}");
                let told = report.dropped.is_some() || !whole;
                assert!(told, "{at}: nobody noticed");
                torn += u32::from(report.dropped.is_some());
                unreadable += u32::from(!whole);
            }
        }
    }
    assert!(refused > 0 && torn > 64 && unreadable > 0, "{refused} {torn} {unreadable}");
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_corruption_or_an_unreadable_body() {
    let small_segments = Options { segment_bytes: 1, ..options() };
    let disk = SimulatedDisk::new(3);
    let (mut log, _) = open_with(&disk, small_segments).unwrap();
    let epoch = log.claim(0).unwrap().epoch;
    let drafts: Vec<_> = (1..=2).map(|number| event(0, number, epoch, &key("a"), number)).collect();
    for draft in &drafts {
        log.append(draft.clone()).unwrap();
    }
    drop(log);
    // Segment 2 holds the first frame: the claim filled segment 1.
    let sealed = "0000000002.segment";
    let length = disk.content(sealed).unwrap().len();
    let mut refused = 0;
    for at in 0..length {
        let damaged = disk.fork(1);
        damaged.flip(sealed, at, 3);
        damaged.remove_index(2);
        match open_with(&damaged, small_segments) {
            Err(OpenError::Corrupt(corruption)) => {
                assert_eq!(corruption.segment, 2);
                refused += 1;
            }
            Err(other) => panic!("{at}: {other}"),
            Ok((mut log, report)) => {
                assert_eq!(report.rebuilt, [2]);
                let place = Place { frame: FrameNumber(1), ..Place::default() };
                let body = log.event(place);
                assert!(matches!(body, Err(ReadError::Corrupt(_))), "{at}: {body:?}");
            }
        }
    }
    assert!(refused > length / 2);
}

#[test]
fn a_failed_sync_voids_the_frame_and_ends_the_term() {
    for fault in [Fault::Error, Fault::Forgotten] {
        let disk = SimulatedDisk::new(2);
        let (mut log, _) = open(&disk);
        let epoch = log.claim(0).unwrap().epoch;
        let other = log.claim(1).unwrap().epoch;
        log.append(event(0, 1, epoch, &key("a"), 1)).unwrap();
        disk.inject(Operation::Sync, 0, fault);
        let failed = log.append(event(0, 2, epoch, &key("lost"), 2)).unwrap_err();
        assert!(failed.is_unknown(), "{failed}");
        for stale in [small(0, 2, epoch), small(0, 3, epoch), small(1, 1, other)] {
            assert!(matches!(log.append(stale), Err(AppendError::Fenced)));
        }
        let claim = log.claim(0).unwrap();
        assert_eq!(claim.tip.number, FrameNumber(1), "the failed frame is void");
        log.append(event(0, 2, claim.epoch, &key("b"), 1)).unwrap();
        drop(log);
        disk.restart();
        let (mut log, _) = open(&disk);
        let frames = log.frames(0, 1, usize::MAX).unwrap().frames;
        assert_eq!(frames[1].facts, event(0, 2, claim.epoch, &key("b"), 1).facts);
    }
}

/// The page cache shows what the disk does not have: read, written again, then trusted.
#[test]
fn a_frame_the_system_forgot_survives_the_next_power_cut_once_it_was_seen() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new(seed);
        let (mut log, _) = open(&disk);
        let epoch = log.claim(0).unwrap().epoch;
        disk.inject(Operation::Sync, 0, Fault::Forgotten);
        log.append(event(0, 1, epoch, &key("a"), 1)).unwrap_err();
        drop(log);
        disk.restart();
        let (mut log, report) = open(&disk);
        assert_eq!((report.carried, log.claim(0).unwrap().tip.number), (1, FrameNumber(1)));
        drop(log);
        disk.power_cut();
        let (mut log, _) = open(&disk);
        let place = Place { frame: FrameNumber(1), ..Place::default() };
        log.event(place).expect("what recovery showed is durable");
    }
}

/// Pages reach the disk in any order: the facts of a frame may be there and its body not.
#[test]
fn a_frame_whose_body_did_not_reach_the_disk_is_no_frame() {
    let (mut whole, mut torn) = (0, 0);
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed);
        let (mut log, _) = open(&disk);
        let epoch = log.claim(0).unwrap().epoch;
        let draft = event_with(0, 1, epoch, &key("a"), 1, vec![b'x'; 9000]);
        disk.inject(Operation::Sync, 0, Fault::Error);
        log.append(draft.clone()).unwrap_err();
        drop(log);
        disk.power_cut();
        let (mut log, report) = open(&disk);
        torn += u32::from(report.dropped.is_some());
        if log.claim(0).unwrap().tip.number == FrameNumber(1) {
            let place = Place { frame: FrameNumber(1), ..Place::default() };
            assert_eq!(log.event(place).unwrap().body, draft.bodies[0], "seed {seed}");
            whole += 1;
        }
    }
    assert!(whole > 20 && torn > 50, "{whole} {torn}");
}

#[test]
fn a_full_disk_fails_appends_and_claims_until_there_is_room() {
    let disk = SimulatedDisk::new(2);
    let (mut log, _) = open(&disk);
    let epoch = log.claim(0).unwrap().epoch;
    disk.set_capacity(Some(disk.used() + 100));
    let larger_than_what_is_reserved = event_with(0, 1, epoch, &key("a"), 1, vec![b'x'; 200_000]);
    let full = log.append(larger_than_what_is_reserved);
    assert!(matches!(full, Err(AppendError::NoSpace)), "{full:?}");
    assert!(log.claim(0).is_err());
    disk.set_capacity(None);
    let claim = log.claim(0).unwrap();
    assert_eq!(claim.tip.number, FrameNumber(0));
    log.append(event(0, 1, claim.epoch, &key("a"), 1)).unwrap();
}

#[test]
fn a_full_disk_at_the_turn_of_a_segment_fails_everything_that_waits() {
    let disk = SimulatedDisk::new(2);
    let small_segments = Options { segment_bytes: 1, ..options() };
    let (mut log, _) = open_with(&disk, small_segments).unwrap();
    let epoch = log.claim(0).unwrap().epoch;
    disk.set_capacity(Some(disk.used()));
    let drafts = [small(0, 1, epoch), small(0, 2, epoch)];
    let completions = log.ask(drafts.map(|draft| Request::Append { draft }));
    let all_full = completions.iter().all(|completion| {
        matches!(completion, Completion::Appended { result: Err(AppendError::NoSpace), .. })
    });
    assert!(all_full && completions.len() == 2, "{completions:?}");
    disk.set_capacity(None);
    let claim = log.claim(0).unwrap();
    log.append(small(0, 1, claim.epoch)).unwrap();
}

#[test]
fn recovery_is_idempotent_and_leaves_no_trail_of_empty_segments() {
    let history = history();
    let disk = image(&history.image);
    for _ in 0..5 {
        let (mut log, report) = open(&disk);
        assert_eq!((report.carried, check(&mut log, &history)), (2, (5, true)));
    }
    let segments = log_names(&disk, ".segment");
    assert!(segments.len() <= 2, "{segments:?}");
}

fn log_names(disk: &SimulatedDisk, ending: &str) -> Vec<String> {
    use sprag_log::embedded::Disk;
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(ending)).collect()
}

trait RemoveIndex {
    fn remove_index(&self, segment: u64);
}

impl RemoveIndex for SimulatedDisk {
    fn remove_index(&self, segment: u64) {
        use sprag_log::embedded::Disk;
        self.remove(&format!("{segment:010}.index")).unwrap();
    }
}

#[test]
fn an_epoch_claimed_once_is_never_claimed_again() {
    let disk = SimulatedDisk::new(4);
    let mut last = Epoch(0);
    for _ in 0..10 {
        let (mut log, _) = open(&disk);
        for partition in [0, 1, 0] {
            let epoch = log.claim(partition).unwrap().epoch;
            assert!(epoch > last);
            last = epoch;
        }
        drop(log);
        disk.power_cut();
    }
}

#[test]
fn another_number_of_partitions_is_refused() {
    let history = history();
    let refused = open_with(&image(&history.image), Options::new(3, 1)).map(|_| ());
    assert!(matches!(refused, Err(OpenError::Partitions { found: 2, wanted: 3 })), "{refused:?}");
    assert!(history.epoch > Epoch(0));
}
