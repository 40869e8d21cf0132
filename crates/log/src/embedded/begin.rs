//! Beginning a segment: its header, its dictionaries, its records that recovery takes over, and its
//! name are durable before anything is appended (DESIGN D1).

use std::io;

use sprag_core::time::UnixMicros;

use super::catalog::{Committed, Lookups, Segment};
use super::dictionaries::{self, Twice};
use super::disk::{Disk, DiskFile};
use super::open_index::{FrameTable, OpenIndex};
use super::record::{ENVELOPE_BYTES, Envelope, RecordKind, Seal};
use super::recover::Carried;
use super::seal::SealJob;
use super::segment::{Predecessor, SegmentHeader};
use super::writer::{OpenSegment, Writer};

impl<D: Disk> Writer<D> {
    /// Begins a new segment when the open one is full, or when a source can have its first dictionary
    /// then.
    pub(super) fn rotate(&mut self) {
        let ends = |open: &OpenSegment<D::File>| {
            open.synced - open.dictionaries >= self.options.segment_bytes
                || (open.synced > open.begun && self.packer.has_news())
        };
        if self.open.as_ref().is_some_and(ends)
            && let Err(error) = self.leave()
        {
            self.fail_waiting(&error);
        }
    }

    /// Begins a new segment unless nothing was appended to the open one.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        let is_used = |open: &OpenSegment<D::File>| open.synced > open.begun;
        if self.open.as_ref().is_some_and(is_used) { self.leave() } else { Ok(()) }
    }

    /// Leaves the open segment for the next; when that cannot be begun, every term ends.
    fn leave(&mut self) -> io::Result<()> {
        let Some(OpenSegment { seal, synced, .. }) = &self.open else { return Ok(()) };
        self.predecessor = Some(Predecessor { segment: seal.segment, length: *synced });
        self.begin(&[]).inspect_err(|_| self.revoke())
    }

    /// Creates the next segment and syncs it and its name before anything else uses it.
    pub(super) fn begin(&mut self, carried: &[Carried]) -> io::Result<()> {
        let seal = Seal { salt: self.options.salt, segment: self.next_segment, rewrites: 0 };
        self.next_segment += 1;
        self.packer.begin(!carried.is_empty());
        let known = self.packer.dictionaries();
        let twice: Vec<_> = known.map(|one| Twice::new(one.source, &one.bytes)).collect();
        let (mut behind, dictionaries) = dictionaries::encode(seal, &twice);
        let header = SegmentHeader {
            seal,
            predecessor: self.predecessor,
            carried: carried.iter().map(Carried::record_bytes).sum(),
            dictionaries,
            epoch: self.epoch,
            rewritten: None,
            tips: self.partitions.iter().map(|owned| owned.tip).collect(),
        };
        let dictionaries = behind.len() as u64;
        carried.iter().for_each(|frame| add_record(&mut behind, frame, seal, header.bytes()));
        let name = seal.segment_name();
        let file = self.create(&name, &header, &behind).inspect_err(|_| {
            // Best effort: a segment that nothing continues is void anyway.
            let _ = self.disk.remove(&name);
        })?;
        self.enter(&header, carried);
        let synced = header.begun();
        let (begun, reserved) = (synced, synced);
        self.open = Some(OpenSegment { file, seal, synced, begun, dictionaries, reserved });
        Ok(())
    }

    /// The header alone first: bytes behind a header are the sign that it was durable.
    fn create(&self, name: &str, header: &SegmentHeader, behind: &[u8]) -> io::Result<D::File> {
        let mut file = self.disk.create(name)?;
        file.append(&header.encode())?;
        file.sync_data()?;
        if !behind.is_empty() {
            file.append(behind)?;
            file.sync_data()?;
        }
        self.disk.sync_directory()?;
        Ok(file)
    }

    /// Makes the new segment the open one of the catalog, with what it begins with.
    fn enter(&mut self, header: &SegmentHeader, carried: &[Carried]) {
        let firsts = header.tips.iter().map(|tip| tip.number.next());
        let mut segment = Segment {
            seal: header.seal,
            length: header.begun(),
            begun: header.begun(),
            newest: UnixMicros::default(),
            kept: None,
            frames: FrameTable::starting_at(firsts),
            lookups: Lookups::Memory(OpenIndex::default()),
        };
        let mut offset = header.records();
        for frame in carried {
            let partition = frame.partition;
            segment.add(&Committed { partition, offset, entries: &frame.entries });
            offset += frame.record_bytes();
            let owned = &mut self.partitions[usize::from(partition.0)];
            (owned.tip, owned.next) = (frame.tip, frame.tip);
        }
        let newest = header.tips.iter().map(|tip| tip.recorded).max().unwrap_or_default();
        if let Some(sealed) = self.catalog.begin(segment, newest) {
            self.seals.push(SealJob::new(sealed, self.catalog.clone()));
        }
    }
}

impl Carried {
    /// Bytes of its record.
    fn record_bytes(&self) -> u64 {
        (ENVELOPE_BYTES + self.bytes.len()) as u64
    }
}

/// Adds the record of a frame that is taken over to what stands behind the header.
fn add_record(behind: &mut Vec<u8>, frame: &Carried, seal: Seal, header: u64) {
    let length = u32::try_from(frame.bytes.len()).expect("a frame that was read has a u32");
    let envelope = Envelope { kind: RecordKind::Frame, length, synced: header };
    behind.extend_from_slice(&envelope.encode(seal, header + behind.len() as u64));
    behind.extend_from_slice(&frame.bytes);
}
