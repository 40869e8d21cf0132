//! Recovery of a log whose files are not what was written: what is read is what was written, as far
//! as it is read at all, what is damaged is told, and nothing that was known as durable goes quietly.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use sprag_core::id::{Epoch, FrameNumber, Place};
use sprag_log::conformance::{Subject, event_with, key, small};
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Disk, EmbeddedLog, OpenError, Options};
use sprag_log::frame::FrameDraft;
use sprag_log::pack::Packing;
use sprag_log::{ReadError, Request};

type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

/// Damages a log as the bytes choose, and opens it.
///
/// # Panics
/// When something is read that was not written, or damage goes unnoticed.
pub fn run(data: &[u8]) {
    // Bytes that have run out choose the first of everything.
    let _ = damage_and_open(&mut Unstructured::new(data));
}

/// A log as it was written.
struct Written {
    disk: SimulatedDisk,
    options: Options,
    /// Frame 1 first.
    drafts: Vec<FrameDraft>,
    /// Frames whose bytes a later record knows as durable.
    known: usize,
}

/// Small segments, one by one; packed with dictionaries; one segment with a batch at its end.
static LOGS: LazyLock<[Written; 3]> = LazyLock::new(|| {
    let small_segments = Options { segment_bytes: 900, ..Options::new(1, 99) };
    let packed = Options {
        segment_bytes: 8_000,
        packing: Packing::Zstd,
        samples: 8_192,
        ..Options::new(1, 7)
    };
    [write(small_segments, 9, 24), write(packed, 180, 110), write(Options::new(1, 5), 6, 40)]
});

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

fn open(disk: &SimulatedDisk, options: Options) -> std::result::Result<(Log, bool), OpenError> {
    let (log, report) = EmbeddedLog::open(disk.clone(), options)?;
    Ok((Subject::new(log, turn as fn(&mut _)), report.dropped.is_some()))
}

fn write(options: Options, frames: u64, body_bytes: usize) -> Written {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = open(&disk, options).expect("an empty disk");
    let epoch = log.claim(0).expect("a claim").epoch;
    let draft = |number| {
        let body = format!(
            "{{\"action\":\"opened\",\"number\":{number},\"of\":\"{:>body_bytes$}\"}}",
            number * 7_919
        );
        event_with(0, number, epoch, &key("a"), number, body.into_bytes())
    };
    let drafts: Vec<_> = (1..=frames).map(draft).collect();
    let (alone, batch) = drafts.split_at(drafts.len() - 2);
    for draft in alone {
        log.append(draft.clone()).expect("a healthy disk");
    }
    let batch = batch.iter().map(|draft| Request::Append { draft: draft.clone() });
    assert_eq!(log.ask(batch).len(), 2);
    // Nothing stands behind the last batch that vouches for it.
    Written { disk, options, known: alone.len() - 1, drafts }
}

/// How a file is changed. Of what CRC-32 cannot miss something is always noticed: a burst of at most
/// 32 bits. Of the rest only that nothing else is read as history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Burst,
    Cut,
    Gone,
    Overwritten,
    Replaced,
}

fn damage_and_open(choices: &mut Unstructured<'_>) -> Result<()> {
    let written = choices.choose(&*LOGS)?;
    let disk = written.disk.fork(7);
    let mut names = disk.list().unwrap_or_default();
    names.sort();
    let name = choices.choose(&names)?.clone();
    let mut bytes = disk.content(&name).unwrap_or_default();
    let change = *choices.choose(&[
        Change::Burst,
        Change::Cut,
        Change::Gone,
        Change::Overwritten,
        Change::Replaced,
    ])?;
    let at = choices.choose_index(bytes.len())?;
    let whole = bytes.clone();
    match change {
        Change::Burst => {
            let bits = choices.arbitrary::<u32>()?.to_le_bytes();
            bytes[at..].iter_mut().zip(bits).for_each(|(byte, bits)| *byte ^= bits);
        }
        Change::Cut => bytes.truncate(at),
        Change::Gone => bytes.clear(),
        Change::Overwritten => {
            let others = crate::rest(choices);
            bytes[at..].iter_mut().zip(others).for_each(|(byte, other)| *byte = *other);
        }
        Change::Replaced => bytes = crate::rest(choices).to_vec(),
    }
    disk.remove(&name).expect("it is there");
    if change != Change::Gone {
        disk.put(&name, bytes.clone());
    }
    let is_newest = names.iter().rfind(|name| name.ends_with(".segment")) == Some(&name);
    let is_index = name.ends_with(".index");
    let is_sound = is_index || bytes == whole;
    judge(written, &disk, change, is_newest, is_sound);
    Ok(())
}

fn judge(written: &Written, disk: &SimulatedDisk, change: Change, is_newest: bool, is_sound: bool) {
    let (mut log, dropped) = match open(disk, written.options) {
        Ok(opened) => opened,
        Err(OpenError::Corrupt(corruption)) => {
            return assert!(!is_sound, "{change:?}: what is sound is refused: {corruption}");
        }
        // A damaged count may say anything where the checksum of the header was made to fit it.
        Err(OpenError::Partitions { .. }) => return assert!(change != Change::Burst),
        Err(error @ (OpenError::Failed(_) | OpenError::InUse { .. })) => {
            return assert!(!is_sound, "{change:?}: {error}");
        }
    };
    let Read { frames, told } = read(&mut log, written);
    let (all, told) = (written.drafts.len(), told || dropped);
    if is_sound {
        assert!(frames == all && !told, "{change:?}: {frames} of {all}");
    }
    if change == Change::Burst {
        // Only the last batch can be taken for torn. Dictionaries have a copy.
        assert!(frames >= written.known || told, "{frames} of {all} frames after a burst");
        assert!(frames == all || told, "{frames} of {all} frames, and nobody noticed");
    }
    if frames < all && !told {
        // Whoever cuts the newest file at a record's end leaves a log that is sound and shorter.
        assert!(is_newest || frames == 0, "{change:?}: {frames} of {all} frames, not told");
    }
    goes_on(log, disk, written.options, frames);
}

/// What can be read of a log.
struct Read {
    /// Frames before the first that cannot.
    frames: usize,
    /// Whether something was said to be damaged.
    told: bool,
}

/// Reads everything back, frame by frame; nothing may differ from what was written.
fn read(log: &mut Log, written: &Written) -> Read {
    let mut read = Read { frames: 0, told: false };
    for draft in &written.drafts {
        match log.frames(0, draft.number.0, 1) {
            Ok(found) if found.frames.is_empty() => return read,
            Ok(found) => {
                let frame = &found.frames[0];
                assert_eq!((frame.number, &frame.facts), (draft.number, &draft.facts));
            }
            Err(ReadError::Corrupt(_)) => {
                read.told = true;
                return read;
            }
            // A log whose first segments are gone began later, as far as it knows.
            Err(_) => return read,
        }
        read.frames += 1;
        match log.event(Place { partition: draft.partition, frame: draft.number, index: 0 }) {
            Ok(event) => assert_eq!(event.body.bytes, draft.bodies[0].bytes),
            Err(ReadError::Corrupt(_)) => read.told = true,
            Err(other) => assert_eq!(other.to_string(), "", "neither there nor damaged"),
        }
    }
    read
}

/// A log that opened can be written to, and what is written then stays.
fn goes_on(mut log: Log, disk: &SimulatedDisk, options: Options, frames: usize) {
    let claim = log.claim(0).expect("a healthy disk");
    assert!(claim.epoch > Epoch::default());
    assert!(claim.tip.number >= FrameNumber(frames as u64));
    let next = claim.tip.number.next();
    log.append(small(0, next.0, claim.epoch)).expect("a healthy disk");
    drop(log);
    let (mut log, dropped) = open(disk, options).expect("a log that went on opens again");
    assert!(!dropped);
    assert_eq!(log.claim(0).expect("a healthy disk").tip.number, next);
}
