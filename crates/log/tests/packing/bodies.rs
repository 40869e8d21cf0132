//! Each body by itself.

use sprag_core::retention::DeadBodies;
use sprag_log::conformance::bodies;
use sprag_log::embedded::Disk;
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::pack::Packing;
use sprag_log::{Completion, ReadError, Request};

use super::*;

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
