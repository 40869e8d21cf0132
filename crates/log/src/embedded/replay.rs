//! Reads a whole segment again: its frames into a table, its facts into an index in memory, its
//! chain link by link.

use std::collections::VecDeque;

use sprag_core::id::{Epoch, Place};
use sprag_core::time::UnixMicros;

use super::catalog::{Committed, Lookups, Segment};
use super::disk::{Disk, read_exact_at};
use super::open_index::{FrameTable, OpenIndex};
use super::record::{ENVELOPE_BYTES, Seal};
use super::recover::{Carried, Dropped, OpenError};
use super::scan::{Bad, Content, Record, ScannedFrame, Scanner, Stop, was_durable};
use super::segment::SegmentHeader;
use crate::body::verify_bodies;
use crate::chain::Tip;
use crate::log::{Corruption, Damage};
use crate::lookup::index_hashes;

/// What a segment adds up to.
pub(crate) struct Replay {
    pub(crate) segment: Segment,
    /// Where each partition's chain stands behind it.
    pub(crate) tips: Vec<Tip>,
    /// The newest epoch it knows.
    pub(crate) epoch: Epoch,
}

/// What the newest segment adds up to.
pub(crate) struct ReplayedTail {
    /// As far as it is known to have been durable.
    pub(crate) durable: Replay,
    /// Whole frames behind that.
    pub(crate) carried: Vec<Carried>,
    /// What stands behind those.
    pub(crate) dropped: Option<Dropped>,
}

/// Reads a segment that another continues after `length` bytes: all of it must be there.
pub(crate) fn replay_sealed(
    disk: &impl Disk,
    header: &SegmentHeader,
    length: u64,
) -> Result<Replay, OpenError> {
    let mut replay = Replay::of(header, length);
    let mut scanner = Scanner::new(disk, header.seal, header.records(), length);
    loop {
        match scanner.next() {
            Ok(Some(record)) => replay.take(&record)?,
            Ok(None) => return Ok(replay),
            Err(Stop::Bad(bad)) => return Err(bad.corruption.into()),
            Err(Stop::Failed(error)) => return Err(error.into()),
        }
    }
}

/// Reads a sealed segment again, for an index in memory.
pub(crate) fn replay_segment(disk: &impl Disk, segment: &Segment) -> Result<Segment, OpenError> {
    let Seal { segment: number, rewrites, .. } = segment.seal;
    let header = SegmentHeader::read(disk, number, rewrites)?.map_err(|error| {
        let (segment, damage) = (segment.seal.segment, Damage::Decode(error));
        Corruption { segment, offset: 0, frame: None, damage }
    })?;
    let replayed = replay_sealed(disk, &header, segment.length)?.segment;
    Ok(Segment { newest: segment.newest, ..replayed })
}

/// Reads the newest segment, a file of `length` bytes that ends with zeros from `zeros` on, to its
/// last whole frame. Zeros behind that were reserved, not torn.
pub(crate) fn replay_tail(
    disk: &impl Disk,
    header: &SegmentHeader,
    length: u64,
    zeros: u64,
) -> Result<ReplayedTail, OpenError> {
    let used = header.begun();
    let mut replay = Replay::of(header, used);
    let mut scanner = Scanner::new(disk, header.seal, header.records(), length);
    // Records that no later one has said to be durable yet.
    let mut uncertain: VecDeque<Record> = VecDeque::new();
    let mut end = length;
    loop {
        match scanner.next() {
            Ok(Some(record)) => {
                let synced = record.envelope.synced.max(used);
                uncertain.push_back(record);
                replay.take_durable(&mut uncertain, synced)?;
            }
            Ok(None) => break,
            Err(Stop::Failed(error)) => return Err(error.into()),
            Err(Stop::Bad(bad)) => {
                end = bad.corruption.offset;
                refuse_damage(disk, header, bad, used, zeros)?;
                break;
            }
        }
    }
    let (carried, end) = whole_frames(disk, &mut replay, uncertain, end)?;
    let (segment, bytes) = (header.seal.segment, zeros.saturating_sub(end));
    let dropped = (bytes > 0).then_some(Dropped { segment, offset: end, bytes });
    Ok(ReplayedTail { durable: replay, carried, dropped })
}

/// That bytes which do not read are a torn tail: nothing behind them knows them as durable.
fn refuse_damage(
    disk: &impl Disk,
    header: &SegmentHeader,
    bad: Bad,
    used: u64,
    length: u64,
) -> Result<(), OpenError> {
    let offset = bad.corruption.offset;
    let is_damaged =
        bad.is_whole || offset < used || was_durable(disk, header.seal, offset, length)?;
    if is_damaged { Err(bad.corruption.into()) } else { Ok(()) }
}

/// The frames of uncertain records up to the first whose bodies are not whole, and where they
/// end.
fn whole_frames(
    disk: &impl Disk,
    replay: &mut Replay,
    uncertain: VecDeque<Record>,
    end: u64,
) -> Result<(Vec<Carried>, u64), OpenError> {
    let mut tips = replay.tips.clone();
    let mut carried = Vec::new();
    let seal = replay.segment.seal;
    for record in uncertain {
        let frame = match &record.content {
            Content::Frame(frame) => frame,
            Content::Claim(epoch) => {
                replay.epoch = replay.epoch.max(*epoch);
                continue;
            }
        };
        let mut bytes = vec![0; record.envelope.length as usize];
        let start = record.offset + ENVELOPE_BYTES as u64;
        read_exact_at(disk, &seal.segment_name(), start, &mut bytes)?;
        let bodies = &bytes[frame.header.head_bytes()..];
        if verify_bodies(&frame.header, bodies).is_err() {
            return Ok((carried, record.offset));
        }
        let tip = follow(&mut tips, frame)
            .map_err(|damage| corruption(seal.segment, record.offset, frame, damage))?;
        replay.epoch = replay.epoch.max(tip.epoch);
        let (partition, entries) = (frame.header.partition, entries(frame));
        carried.push(Carried { partition, tip, entries, bytes });
    }
    Ok((carried, end))
}

fn follow(tips: &mut [Tip], frame: &ScannedFrame) -> Result<Tip, Damage> {
    let tip = tips.get_mut(usize::from(frame.header.partition.0));
    let tip = tip.ok_or(Damage::Absent("the log has no such partition"))?;
    *tip = tip.follow(&frame.header, frame.hash).map_err(Damage::Link)?;
    Ok(*tip)
}

fn corruption(segment: u64, offset: u64, frame: &ScannedFrame, damage: Damage) -> Corruption {
    let frame = Some((frame.header.partition, frame.header.number));
    Corruption { segment, offset, frame, damage }
}

pub(super) fn entries(frame: &ScannedFrame) -> Vec<(u64, Place)> {
    let mut entries = Vec::new();
    let (partition, number) = (frame.header.partition, frame.header.number);
    for (index, fact) in (0..).zip(&frame.facts) {
        let place = Place { partition, frame: number, index };
        index_hashes(fact, |hash| entries.push((hash, place)));
    }
    entries
}

impl Replay {
    /// A segment before its first record.
    fn of(header: &SegmentHeader, length: u64) -> Self {
        let firsts = header.tips.iter().map(|tip| tip.number.next());
        let segment = Segment {
            seal: header.seal,
            length,
            begun: header.begun(),
            newest: UnixMicros::default(),
            kept: header.rewritten.map(|rewritten| rewritten.kept),
            frames: FrameTable::starting_at(firsts),
            lookups: Lookups::Memory(OpenIndex::default()),
        };
        let epoch = header.tips.iter().map(|tip| tip.epoch).max().unwrap_or_default();
        Self { segment, tips: header.tips.clone(), epoch: epoch.max(header.epoch) }
    }

    fn take(&mut self, record: &Record) -> Result<(), OpenError> {
        match &record.content {
            Content::Claim(epoch) => self.epoch = self.epoch.max(*epoch),
            Content::Frame(frame) => {
                let segment = self.segment.seal.segment;
                let tip = follow(&mut self.tips, frame)
                    .map_err(|damage| corruption(segment, record.offset, frame, damage))?;
                self.epoch = self.epoch.max(tip.epoch);
                let (partition, offset) = (frame.header.partition, record.offset);
                self.segment.add(&Committed { partition, offset, entries: &entries(frame) });
            }
        }
        Ok(())
    }

    /// Takes the records before `synced`: a later record says that they were durable.
    fn take_durable(
        &mut self,
        uncertain: &mut VecDeque<Record>,
        synced: u64,
    ) -> Result<(), OpenError> {
        while let Some(record) = uncertain.pop_front_if(|record| record.offset < synced) {
            self.segment.length = record.envelope.next(record.offset);
            self.take(&record)?;
        }
        Ok(())
    }
}
