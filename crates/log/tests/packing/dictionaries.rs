//! What the bodies of a source have in common: where it stands, and how long.

use sprag_core::id::FrameNumber;
use sprag_core::retention::DeadBodies;
use sprag_log::conformance::Subject;
use sprag_log::embedded::simulated::{Fault, Operation, SimulatedDisk};
use sprag_log::embedded::{EmbeddedLog, Options};
use sprag_log::pack::Packing;
use sprag_log::{Completion, ReadError, Request};

use super::*;

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
    // The segments are small: what stands in front of their records is left out.
    let copies = names(&disk).into_iter().filter_map(|name| copies(&disk, &name));
    let front: usize = copies.map(|[first, second]| second.end - first.start).sum();
    assert!(with - (front as u64) < without, "{with} {front} {without}");
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

#[test]
fn whatever_fails_while_a_segment_begins_with_dictionaries_no_acknowledged_body_is_lost() {
    let (all, begun) = (alike(240), SimulatedDisk::new(1));
    append(&mut opened(&begun, Packing::Zstd), 1, &all[..150]);
    for (operation, fault) in [
        (Operation::Append, Fault::Torn),
        (Operation::Sync, Fault::Error),
        (Operation::Sync, Fault::Forgotten),
        (Operation::SyncDirectory, Fault::Error),
    ] {
        for after in 0..40 {
            let disk = begun.fork(after);
            let mut log = opened(&disk, Packing::Zstd);
            disk.inject(operation, after, fault);
            let epoch = log.claim(0).map(|claim| claim.epoch);
            let mut acknowledged = 150;
            for body in &all[150..] {
                let Ok(epoch) = epoch else { break };
                let next = acknowledged as u64 + 1;
                let draft = event_with(0, next, epoch, &key("a"), next, body.clone());
                if log.append(draft).is_err() {
                    break;
                }
                acknowledged += 1;
            }
            drop(log);
            disk.power_cut();
            let log = EmbeddedLog::open(disk.clone(), options(Packing::Zstd)).unwrap().0;
            let mut log: Log = Subject::new(log, turn as fn(&mut _));
            check(&mut log, 1, &all[..acknowledged]);
        }
    }
}

/// What a segment begins with is synced before anything is appended: a file that ends earlier, or has
/// some of its pages, was never used.
#[test]
fn a_segment_torn_in_its_dictionaries_was_never_used() {
    let disk = SimulatedDisk::new(1);
    let all = alike(200);
    let mut log = opened(&disk, Packing::Zstd);
    append(&mut log, 1, &all);
    log.ask([Request::Seal]);
    drop(log);
    let name = names(&disk).pop().unwrap();
    let whole = disk.content(&name).unwrap();
    let [first, second] = copies(&disk, &name).expect("it begins with a dictionary");
    assert_eq!(whole.len(), second.end, "nothing was appended");
    let cuts = (first.start - 3..second.end).step_by(37).map(|cut| whole[..cut].to_vec());
    let pages = (first.start..second.end).step_by(512).map(|page| {
        let mut torn = whole.clone();
        torn[page..(page + 512).min(whole.len())].fill(0);
        torn
    });
    for torn in cuts.chain(pages) {
        let copy = disk.fork(7);
        copy.put(&name, torn);
        let mut log = opened(&copy, Packing::Zstd);
        check(&mut log, 1, &all);
        append(&mut log, 201, &all[..3]);
        check(&mut log, 201, &all[..3]);
    }
}
