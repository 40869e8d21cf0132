//! Beginning a segment: its header, its dictionaries, its records that recovery takes over, and its
//! name are durable before anything is appended (DESIGN D1).

use std::io;

use sprag_core::time::UnixMicros;

use super::catalog::{Committed, Lookups, Segment};
use super::dictionaries;
use super::disk::{Disk, DiskFile};
use super::open_index::{FrameTable, OpenIndex};
use super::record::{ENVELOPE_BYTES, Envelope, RecordKind, Seal};
use super::recover::Carried;
use super::seal::SealJob;
use super::segment::{Predecessor, SegmentHeader};
use super::writer::{OpenSegment, Writer};
use crate::dictionary::Dictionary;

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
        let mut header = SegmentHeader {
            seal,
            predecessor: self.predecessor,
            carried: 0,
            epoch: self.epoch,
            rewritten: None,
            tips: self.partitions.iter().map(|owned| owned.tip).collect(),
        };
        let start = header.bytes();
        self.packer.begin(!carried.is_empty());
        let mut records = Vec::new();
        for Dictionary { source, bytes, .. } in self.packer.dictionaries() {
            let content = dictionaries::encode(*source, bytes);
            add_record(&mut records, RecordKind::Dictionary, &content, seal, start);
        }
        let dictionaries = records.len() as u64;
        for frame in carried {
            add_record(&mut records, RecordKind::Frame, &frame.bytes, seal, start);
        }
        header.carried = records.len() as u64;
        let name = seal.segment_name();
        let file = self.create(&name, &header, &records).inspect_err(|_| {
            // Best effort: a segment that nothing continues is void anyway.
            let _ = self.disk.remove(&name);
        })?;
        self.enter(&header, dictionaries, carried);
        let synced = start + header.carried;
        let (begun, reserved) = (synced, synced);
        self.open = Some(OpenSegment { file, seal, synced, begun, dictionaries, reserved });
        Ok(())
    }

    /// The header alone first: records behind a header are the sign that it was durable.
    fn create(&self, name: &str, header: &SegmentHeader, records: &[u8]) -> io::Result<D::File> {
        let mut file = self.disk.create(name)?;
        file.append(&header.encode())?;
        file.sync_data()?;
        if !records.is_empty() {
            file.append(records)?;
            file.sync_data()?;
        }
        self.disk.sync_directory()?;
        Ok(file)
    }

    /// Makes the new segment the open one of the catalog, with what it begins with.
    fn enter(&mut self, header: &SegmentHeader, dictionaries: u64, carried: &[Carried]) {
        let firsts = header.tips.iter().map(|tip| tip.number.next());
        let mut segment = Segment {
            seal: header.seal,
            length: header.bytes() + header.carried,
            begun: header.bytes() + header.carried,
            newest: UnixMicros::default(),
            kept: None,
            frames: FrameTable::starting_at(firsts),
            lookups: Lookups::Memory(OpenIndex::default()),
        };
        let mut offset = header.bytes() + dictionaries;
        for frame in carried {
            let partition = frame.partition;
            segment.add(&Committed { partition, offset, entries: &frame.entries });
            offset += (ENVELOPE_BYTES + frame.bytes.len()) as u64;
            let owned = &mut self.partitions[usize::from(partition.0)];
            (owned.tip, owned.next) = (frame.tip, frame.tip);
        }
        let newest = header.tips.iter().map(|tip| tip.recorded).max().unwrap_or_default();
        if let Some(sealed) = self.catalog.begin(segment, newest) {
            self.seals.push(SealJob::new(sealed, self.catalog.clone()));
        }
    }
}

/// Adds a record to those a new segment begins with.
fn add_record(records: &mut Vec<u8>, kind: RecordKind, content: &[u8], seal: Seal, start: u64) {
    let length = u32::try_from(content.len()).expect("a frame that was read has a u32");
    let envelope = Envelope { kind, length, synced: start };
    records.extend_from_slice(&envelope.encode(seal, start + records.len() as u64));
    records.extend_from_slice(content);
}
