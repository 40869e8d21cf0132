//! Writing a sealed segment anew without the bodies that retention drops (DESIGN D6).
//!
//! Records, facts, hashes and places stay; only bodies go, and dictionaries that none needs any more;
//! so only offsets change, and those stand in the segment's own frame table. What a crash finds:
//!
//! | the process ends … | what is there | what counts |
//! |---|---|---|
//! | while the new file is written, or before its name is durable | both, or the old | the old: as long as it is there, the new one may not be whole, and is removed |
//! | after the old file was removed | the new, durable since before | the new |
//! | before that removal was durable | both again | the old, which is whole; it is rewritten again |
//!
//! The header of the successor goes on naming how long the segment was when it was first written;
//! the rewritten header says that length too, and its own. A reader that had located the old file
//! finds it gone and asks the catalog again.
//!
//! Works in steps, each of which syncs what it wrote, so that the sync of a commit beside it never
//! finds much to carry. Must not know: which bodies, and why.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use sprag_core::fact::Fact;
use sprag_core::id::SourceId;
use sprag_core::retention::DeadBodies;

use super::catalog::{Catalog, Committed, Lookups, Segment};
use super::dictionaries::{self, Stored, TakenOver};
use super::disk::{Disk, DiskFile, read_exact_at};
use super::index;
use super::open_index::{FrameTable, OpenIndex};
use super::record::{CLAIM_BYTES, ENVELOPE_BYTES, Envelope, RecordKind, Seal};
use super::replay::entries;
use super::scan::{Content, Record, ScannedFrame, Scanner, Stop};
use super::segment::{Rewritten, SegmentHeader};
use crate::body::{BODY_ENTRY_BYTES, BodyCodec, BodyEntry};
use crate::frame::Thinned;
use crate::limits::REWRITE_BYTES;
use crate::log::Completion;

/// A sealed segment to be written anew, by whoever has time.
#[derive(Debug)]
pub struct RewriteJob<D: Disk> {
    disk: D,
    catalog: Catalog,
    source: Arc<Segment>,
    dead: DeadBodies,
    /// Where the next record is read.
    at: u64,
    stage: Stage<D::File>,
    is_over: bool,
}

#[derive(Debug)]
enum Stage<F> {
    /// How long it will be must stand in its header, so that is found out first.
    Measuring(Measured),
    Writing(Box<Writing<F>>),
}

#[derive(Debug, Default)]
struct Measured {
    /// Bytes of the records so far.
    records: u64,
    /// Bytes of the bodies that are left, as received.
    kept: u64,
    /// The sources whose dictionaries are needed by bodies that are left.
    needed: BTreeSet<SourceId>,
}

#[derive(Debug)]
struct Writing<F> {
    file: F,
    /// Written, but not handed to the file yet.
    buffer: Vec<u8>,
    /// Bytes handed to the file.
    written: u64,
    start: u64,
    segment: Segment,
}

impl<D: Disk> RewriteJob<D> {
    /// Takes a sealed segment; none when it is gone, another is being rewritten, or nothing was
    /// appended behind it yet.
    pub(super) fn new(disk: D, catalog: Catalog, segment: u64, dead: DeadBodies) -> Option<Self> {
        let source = catalog.reserve(segment)?;
        let stage = Stage::Measuring(Measured::default());
        Some(Self { disk, catalog, source, dead, at: 0, stage, is_over: false })
    }

    /// Works it off to its end.
    pub fn run(mut self) -> Completion {
        loop {
            if let Some(completion) = self.step() {
                return completion;
            }
        }
    }

    /// Goes on by about a mebibyte; its completion when it has ended.
    pub fn step(&mut self) -> Option<Completion> {
        let result = match self.go_on() {
            Ok(None) => return None,
            Ok(Some(freed)) => Ok(freed),
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.undo();
        }
        self.is_over = true;
        Some(Completion::Rewritten { segment: self.source.seal.segment, result })
    }

    fn go_on(&mut self) -> io::Result<Option<u64>> {
        let header = self.header()?;
        self.at = self.at.max(header.records());
        let disk = self.disk.clone();
        let mut scanner = Scanner::new(&disk, self.source.seal, self.at, self.source.length);
        let mut moved = 0;
        while moved < REWRITE_BYTES as u64 {
            let record = match scanner.next() {
                Ok(Some(record)) => record,
                Ok(None) => return self.end_of_records(&header),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Bad(bad)) => return Err(io::Error::other(bad.corruption)),
            };
            self.at = record.envelope.next(record.offset);
            moved += self.take(&record)?;
        }
        if let Stage::Writing(writing) = &mut self.stage {
            writing.flush()?;
        }
        Ok(None)
    }

    fn header(&self) -> io::Result<SegmentHeader> {
        let Seal { segment, rewrites, .. } = self.source.seal;
        SegmentHeader::read(&self.disk, segment, rewrites)?.map_err(io::Error::other)
    }

    /// Measures or writes one record; says how many bytes that came to.
    fn take(&mut self, record: &Record) -> io::Result<u64> {
        let thinned = match &record.content {
            Content::Claim(_) => None,
            Content::Frame(frame) => Some((frame, self.thin(record, frame)?)),
        };
        let content = thinned.as_ref().map_or(CLAIM_BYTES, |(_, thinned)| thinned.frame_bytes());
        let bytes = (ENVELOPE_BYTES + content) as u64;
        match &mut self.stage {
            Stage::Measuring(measured) => {
                measured.records += bytes;
                if let Some((frame, thinned)) = &thinned {
                    measured.take(frame, thinned);
                }
                // Only heads were read.
                Ok(thinned.map_or(bytes, |(_, thinned)| thinned.head.len() as u64))
            }
            Stage::Writing(writing) => {
                let (disk, seal) = (&self.disk, self.source.seal);
                let start = record.offset + ENVELOPE_BYTES as u64;
                writing.begin_record(record.envelope.kind, content)?;
                match thinned {
                    None => writing.copy(disk, seal, start, CLAIM_BYTES)?,
                    Some((frame, thinned)) => {
                        writing.buffer.extend_from_slice(&thinned.head);
                        let section = start + frame.header.head_bytes() as u64;
                        for BodyEntry { offset, length, .. } in thinned.left.into_iter().flatten() {
                            writing.copy(disk, seal, section + offset as u64, length)?;
                        }
                    }
                }
                if let Content::Frame(frame) = &record.content {
                    writing.note(frame, bytes);
                }
                Ok(bytes)
            }
        }
    }

    /// A frame without the bodies that go.
    fn thin(&self, record: &Record, frame: &ScannedFrame) -> io::Result<Thinned> {
        let header = &frame.header;
        let entries = header.bodies as usize * BODY_ENTRY_BYTES;
        let mut head = vec![0; header.head_bytes() + entries];
        let start = record.offset + ENVELOPE_BYTES as u64;
        read_exact_at(&self.disk, &self.source.seal.segment_name(), start, &mut head)?;
        let dead = self.dead.get(&(header.partition, header.number));
        let is_dead = |body: u32| dead.is_some_and(|dead| dead.contains(&body));
        Thinned::of(header, head, is_dead).map_err(io::Error::other)
    }

    fn end_of_records(&mut self, header: &SegmentHeader) -> io::Result<Option<u64>> {
        if let Stage::Measuring(measured) = &mut self.stage {
            let measured = std::mem::take(measured);
            self.begin(header, &measured)?;
            return Ok(None);
        }
        self.finish().map(Some)
    }

    /// The dictionaries of these sources, as they are to stand in the new file. One that is damaged in
    /// both copies stays as it is: bodies that go go nevertheless.
    fn dictionaries(
        &self,
        header: &SegmentHeader,
        needed: &BTreeSet<SourceId>,
    ) -> io::Result<Vec<TakenOver>> {
        let Ok(stored) = Stored::open(&self.disk, header, &self.catalog)? else {
            return Ok(Vec::new());
        };
        let take = |source: &SourceId| stored.take_over(&self.disk, *source, &self.catalog);
        needed.iter().filter_map(|source| take(source).transpose()).collect()
    }

    /// Creates the new file, with its header and the dictionaries that are needed.
    fn begin(&mut self, header: &SegmentHeader, measured: &Measured) -> io::Result<()> {
        let Measured { records, kept, ref needed } = *measured;
        let original = header.rewritten.map_or(self.source.length, |before| before.original);
        let seal = Seal { rewrites: self.source.seal.rewrites + 1, ..self.source.seal };
        let rewritten = Some(Rewritten { original, length: 0, kept });
        let taken = self.dictionaries(header, needed)?;
        let twice: Vec<_> = taken.iter().map(TakenOver::twice).collect();
        let (behind, dictionaries) = dictionaries::encode(seal, &twice);
        let mut header =
            SegmentHeader { seal, carried: 0, dictionaries, rewritten, ..header.clone() };
        let length = header.records() + records;
        header.rewritten = Some(Rewritten { original, length, kept });
        // One of before that could not be removed.
        let _ = self.disk.remove(&seal.segment_name());
        let file = self.disk.create(&seal.segment_name())?;
        let firsts = header.tips.iter().map(|tip| tip.number.next());
        let segment = Segment {
            seal,
            length,
            begun: length,
            newest: self.source.newest,
            kept: Some(kept),
            frames: FrameTable::starting_at(firsts),
            lookups: Lookups::Memory(OpenIndex::default()),
        };
        let (buffer, start) = ([header.encode(), behind].concat(), header.records());
        let writing = Writing { file, buffer, written: 0, start, segment };
        self.stage = Stage::Writing(Box::new(writing));
        self.at = 0;
        Ok(())
    }

    /// The new file takes the old one's place: durable first, then known, then alone.
    fn finish(&mut self) -> io::Result<u64> {
        let Stage::Writing(writing) = &mut self.stage else { return Ok(0) };
        writing.flush()?;
        let Segment { seal, length, newest, kept, ref frames, ref lookups, .. } = writing.segment;
        if writing.written != length {
            return Err(io::Error::other("the segment changed while it was rewritten"));
        }
        let Lookups::Memory(open) = lookups else { return Ok(0) };
        let _ = self.disk.remove(&seal.index_name());
        // Syncs the directory too.
        let (stored, filter) = index::write(&self.disk, seal, length, frames, open)?;
        let (frames, lookups) = (frames.clone(), Lookups::Stored(stored));
        let begun = length;
        let segment = Segment { seal, length, begun, newest, kept, frames, lookups };
        self.catalog.release_rewritten(segment, &filter);
        self.is_over = true;
        // From here on nothing fails: what cannot be removed counts again at the next start.
        let old = self.source.seal;
        for name in [old.segment_name(), old.index_name()] {
            let _ = self.disk.remove(&name);
        }
        let _ = self.disk.sync_directory();
        Ok(self.source.length.saturating_sub(length))
    }

    /// Everything is as it was.
    fn undo(&mut self) {
        if let Stage::Writing(writing) = &self.stage {
            let seal = writing.segment.seal;
            for name in [seal.index_name(), seal.segment_name()] {
                let _ = self.disk.remove(&name);
            }
        }
        self.catalog.release();
    }
}

impl<D: Disk> Drop for RewriteJob<D> {
    fn drop(&mut self) {
        if !self.is_over {
            self.undo();
        }
    }
}

impl<F: DiskFile> Writing<F> {
    fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn begin_record(&mut self, kind: RecordKind, content: usize) -> io::Result<()> {
        let length = u32::try_from(content).map_err(io::Error::other)?;
        let envelope = Envelope { kind, length, synced: self.start };
        let bytes = envelope.encode(self.segment.seal, self.end());
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    /// Takes bytes over as they are.
    fn copy(&mut self, disk: &impl Disk, from: Seal, at: u64, length: usize) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + length, 0);
        read_exact_at(disk, &from.segment_name(), at, &mut self.buffer[start..])
    }

    /// A frame was written, with its record so many bytes.
    fn note(&mut self, frame: &ScannedFrame, bytes: u64) {
        let (partition, offset) = (frame.header.partition, self.end() - bytes);
        self.segment.add(&Committed { partition, offset, entries: &entries(frame) });
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.append(&self.buffer)?;
        self.file.sync_data()?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Measured {
    /// What is left of a frame's bodies, and what that needs.
    fn take(&mut self, frame: &ScannedFrame, thinned: &Thinned) {
        for fact in &frame.facts {
            let Fact::Received(received) = fact else { continue };
            let left = thinned.left.get(received.body as usize).copied().flatten();
            let Some(BodyEntry { codec, .. }) = left else { continue };
            self.kept += u64::from(received.size);
            if codec == BodyCodec::ZstdDictionary {
                self.needed.insert(received.key.source);
            }
        }
    }
}
