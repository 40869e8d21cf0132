//! The judge of corruption: on a copy of the disk one bit of one file is flipped. Whatever is read
//! afterwards must be what was written, or an error that says that it is not. What many bodies need
//! may be damaged in one place, and all of them are there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use sprag_core::fact::Fact;
use sprag_core::id::{FrameNumber, PartitionId, Place};
use sprag_log::embedded::disk::Disk;
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Options, Reader, open};
use sprag_log::{Answer, Query, ReadError, ReadFrame, StoredEvent};

use super::{Verdict, must};
use crate::dice::Dice;

/// Bytes of frames read at a time.
const READ: usize = 1 << 20;
/// One event in so many has its body read.
const BODIES: u64 = 8;

/// What an image of a disk says.
#[derive(Debug, Default)]
struct Image {
    frames: BTreeMap<(PartitionId, FrameNumber), ReadFrame>,
    events: BTreeMap<Place, StoredEvent>,
    /// Whether anything was said to be damaged.
    is_damaged: bool,
    /// Segments that were begun and never used.
    void: Vec<String>,
}

/// Flips a bit and reads everything.
pub(crate) fn flip(disk: &SimulatedDisk, options: Options, dice: &mut Dice) -> Verdict {
    let (original, copy) = (disk.fork(1), disk.fork(1));
    original.set_capacity(None);
    copy.set_capacity(None);
    let whole = read(&original, options)?;
    let Ok(mut names) = copy.list() else { return Ok(()) };
    names.sort();
    if names.is_empty() {
        return Ok(());
    }
    let name = names[dice.index(names.len())].clone();
    let length = copy.content(&name).map_or(0, |bytes| bytes.len());
    let (byte, bit) = (dice.index(length), u32::try_from(dice.below(8)).unwrap_or(0));
    copy.flip(&name, byte, bit);
    let Ok(damaged) = read(&copy, options) else { return Ok(()) };
    let place = format!("bit {bit} of byte {byte} of {length} in {name}");
    for (at, frame) in &damaged.frames {
        must(whole.frames.get(at) == Some(frame), || format!("{place} changed frame {at:?}"))?;
    }
    for (at, event) in &damaged.events {
        must(whole.events.get(at) == Some(event), || format!("{place} changed event {at}"))?;
    }
    // Only what may not have been durable yet can go without a word: the end of the newest file
    // that was used.
    let used = names.iter().filter(|other| !whole.void.contains(other));
    let is_newest = used.filter(|other| kind(other) == kind(&name)).max() == Some(&name);
    // What was rewritten was whole before anything rested on it.
    let is_newest = is_newest && !name.contains('-');
    let is_whole = damaged.frames.len() == whole.frames.len();
    if is_whole {
        let gone = whole.events.keys().filter(|at| !damaged.events.contains_key(at));
        let frames: BTreeSet<_> = gone.map(|at| (at.partition, at.frame)).collect();
        must(frames.len() <= 1, || format!("{place} took bodies of {} frames", frames.len()))?;
    }
    must(is_whole || damaged.is_damaged || is_newest, || format!("{place} lost frames silently"))
}

/// Flips a bit of what a segment's bodies have in common: nothing is lost by that. False where no segment
/// has any.
pub(crate) fn flip_dictionary(
    disk: &SimulatedDisk,
    options: Options,
    dice: &mut Dice,
) -> Result<bool, String> {
    let Ok(mut names) = disk.list() else { return Ok(false) };
    names.sort();
    let copies = |name: &String| Some((name.clone(), copies_of(&disk.content(name)?)?));
    let segments = names.iter().filter(|name| name.ends_with(".segment"));
    let segments: Vec<_> = segments.filter_map(copies).collect();
    if segments.is_empty() {
        return Ok(false);
    }
    let (name, copies) = &segments[dice.index(segments.len())];
    let copy = &copies[dice.index(copies.len())];
    let byte = copy.start + dice.index(copy.len());
    let (original, damaged) = (disk.fork(1), disk.fork(1));
    original.set_capacity(None);
    damaged.set_capacity(None);
    let bit = u32::try_from(dice.below(8)).unwrap_or(0);
    damaged.flip(name, byte, bit);
    let whole = read(&original, options)?;
    let place = format!("bit {bit} of byte {byte} in {name}, of a dictionary,");
    let left = read(&damaged, options).map_err(|error| format!("{place} refuses all: {error}"))?;
    must(left.frames == whole.frames, || format!("{place} changed frames"))?;
    let gone = whole.events.iter().find(|(at, event)| left.events.get(at) != Some(*event));
    must(gone.is_none(), || format!("{place} lost or changed event {:?}", gone.map(|(at, _)| at)))?;
    Ok(true)
}

/// Where the two copies of a segment's dictionaries stand, as docs/internals/log-format.md has it; none
/// without any.
fn copies_of(bytes: &[u8]) -> Option<[Range<usize>; 2]> {
    let said = match bytes.get(8)? {
        3 => 59,
        4 => 59 + 28,
        _ => return None,
    };
    let partitions = usize::from(u16::from_le_bytes(bytes.get(9..11)?.try_into().ok()?));
    let length = u32::from_le_bytes(bytes.get(said..said + 4)?.try_into().ok()?);
    let (length, first) = (usize::try_from(length).ok()?, said + 4 + 64 * partitions + 4);
    let second = first + length + 4096;
    (length > 0 && second + length <= bytes.len())
        .then(|| [first..first + length, second..second + length])
}

/// What sort of file it is: the letters of its name.
fn kind(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_ascii_hexdigit()).collect()
}

/// Everything an image says; an error where it does not open.
fn read(disk: &SimulatedDisk, options: Options) -> Result<Image, String> {
    let opened = open(disk.clone(), options).map_err(|error| error.to_string())?;
    let (_writer, mut reader, report) = opened;
    let void = report.void.iter().map(|number| format!("{number:010}.segment")).collect();
    let mut image = Image { void, ..Image::default() };
    for number in 0..options.partitions {
        image.read_frames(&mut reader, PartitionId(number));
    }
    image.read_events(&mut reader);
    Ok(image)
}

impl Image {
    fn read_frames(&mut self, reader: &mut Reader<SimulatedDisk>, partition: PartitionId) {
        let mut from = FrameNumber(1);
        loop {
            let query = Query::Frames { partition, from, most: usize::MAX, bytes: READ };
            let read = match reader.answer(&query) {
                Ok(Answer::Frames(read)) => read,
                Err(ReadError::Trimmed { oldest }) if from < oldest => {
                    from = oldest;
                    continue;
                }
                _ => {
                    self.is_damaged = true;
                    return;
                }
            };
            from = read.frames.last().map_or(from, |frame| frame.number.next());
            let frames = read.frames.into_iter().map(|frame| ((partition, frame.number), frame));
            self.frames.extend(frames);
            if read.end {
                return;
            }
        }
    }

    fn read_events(&mut self, reader: &mut Reader<SimulatedDisk>) {
        let mut places = Vec::new();
        for ((partition, frame), read) in &self.frames {
            let facts = (0_u32..).zip(&read.facts);
            let received = facts.filter(|(_, fact)| matches!(fact, Fact::Received(_)));
            let chosen = received.filter(|(index, _)| (frame.0 + u64::from(*index)) % BODIES == 0);
            places.extend(chosen.map(|(index, _)| Place {
                partition: *partition,
                frame: *frame,
                index,
            }));
        }
        for place in places {
            match reader.answer(&Query::Event { place }) {
                Ok(Answer::Event(event)) => drop(self.events.insert(place, *event)),
                Err(ReadError::Corrupt(_)) => self.is_damaged = true,
                _ => {}
            }
        }
    }
}
