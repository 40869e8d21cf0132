//! Appends: everything that waits, of all partitions, becomes one write and one sync.
//!
//! A failed write or sync voids what was not synced, and every term with it (DESIGN D1): nothing
//! is written to that file again, and the next claim begins a new segment that names the last
//! frames that are durable. Must not know threads: [`Writer::step`] blocks for one batch.

use std::collections::VecDeque;
use std::io;

use sprag_core::id::{Epoch, FrameNumber, Hash, PartitionId, Place, SourceId};

use super::catalog::{Catalog, Committed};
use super::disk::{Disk, DiskFile};
use super::record::{ENVELOPE_BYTES, Envelope, RecordKind, Seal, encode_claim};
use super::recover::Carried;
use super::rewrite::RewriteJob;
use super::seal::SealJob;
use super::segment::Predecessor;
use super::{Change, Options};
use crate::chain::Tip;
use crate::codec::TooLarge;
use crate::dictionary::TrainJob;
use crate::frame::{self, FrameDraft};
use crate::limits::{BATCH_BYTES, RESERVE_BYTES};
use crate::log::{AppendError, Claim, ClaimError, Completion};
use crate::lookup::index_hashes;
use crate::pack::{Packer, Tally};

/// The writing half of the engine.
#[derive(Debug)]
pub struct Writer<D: Disk> {
    pub(super) disk: D,
    pub(super) options: Options,
    pub(super) catalog: Catalog,
    /// None after a failure, until a claim begins a new segment.
    pub(super) open: Option<OpenSegment<D::File>>,
    /// What the next segment continues.
    pub(super) predecessor: Option<Predecessor>,
    pub(super) next_segment: u64,
    pub(super) partitions: Vec<Owned>,
    /// The newest epoch claimed.
    pub(super) epoch: Epoch,
    pub(super) packer: Packer,
    waiting: VecDeque<Change>,
    batch: Batch,
    completions: VecDeque<Completion>,
    pub(super) seals: Vec<SealJob>,
    rewrites: VecDeque<RewriteJob<D>>,
    /// Trimmed segments whose files are not durably gone yet, oldest first.
    pub(super) doomed: VecDeque<Seal>,
}

#[derive(Debug)]
pub(super) struct OpenSegment<F> {
    pub(super) file: F,
    pub(super) seal: Seal,
    /// How many bytes are durable: everything written by batches before.
    pub(super) synced: u64,
    /// How many bytes were durable before anything was appended.
    pub(super) begun: u64,
    /// Bytes of dictionaries among them: they fill no segment.
    pub(super) dictionaries: u64,
    /// How long the file is: zeros are ahead of what is appended.
    pub(super) reserved: u64,
}

impl<F: DiskFile> OpenSegment<F> {
    /// Has the file long enough for so many more bytes, and then some.
    fn reserve(&mut self, bytes: u64, segment_bytes: u64) {
        let end = self.synced + bytes;
        if end <= self.reserved {
            return;
        }
        let (least, most) = RESERVE_BYTES;
        self.reserved = end + end.clamp(least, most).min(segment_bytes);
        if self.file.reserve(self.reserved).is_err() {
            // Then the file grows by what is appended, or that tells what is wrong with the disk.
            self.reserved = u64::MAX;
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Owned {
    /// The last durable frame.
    pub(super) tip: Tip,
    /// The last frame of the batch being gathered.
    pub(super) next: Tip,
    claimed: Option<Epoch>,
    /// The first frame that must stay.
    pub(super) keep_from: FrameNumber,
}

/// What one write carries.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    pending: Vec<Pending>,
    entries: Vec<(u64, Place)>,
}

#[derive(Debug)]
enum Pending {
    Claim {
        partition: PartitionId,
        epoch: Epoch,
    },
    Frame {
        partition: PartitionId,
        tip: Tip,
        offset: u64,
        entries: std::ops::Range<usize>,
    },
    /// Nothing was written; it only completes in its turn.
    Refused {
        partition: PartitionId,
        number: FrameNumber,
        error: AppendError,
    },
}

/// Where the log stands, as recovery found it.
pub(crate) struct Start {
    pub(crate) tips: Vec<Tip>,
    pub(crate) epoch: Epoch,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) next_segment: u64,
    pub(crate) seals: Vec<SealJob>,
    /// Those of the newest segment.
    pub(crate) dictionaries: Vec<(SourceId, Vec<u8>)>,
}

impl<D: Disk> Writer<D> {
    /// A writer that goes on from where the log stands, in a new segment that begins with what
    /// recovery took over.
    pub(crate) fn new(
        disk: D,
        options: Options,
        catalog: Catalog,
        start: Start,
        carried: &[Carried],
    ) -> io::Result<Self> {
        let owned = |tip| Owned { tip, next: tip, ..Owned::default() };
        let mut writer = Self {
            disk,
            options,
            catalog,
            open: None,
            predecessor: start.predecessor,
            next_segment: start.next_segment,
            partitions: start.tips.into_iter().map(owned).collect(),
            epoch: start.epoch,
            packer: Packer::new(options.packing, options.samples),
            waiting: VecDeque::new(),
            batch: Batch::default(),
            completions: VecDeque::new(),
            seals: start.seals,
            rewrites: VecDeque::new(),
            doomed: VecDeque::new(),
        };
        let inherited = writer.packer.inherit(start.dictionaries);
        inherited.ok_or(io::ErrorKind::OutOfMemory)?;
        writer.begin(carried)?;
        Ok(writer)
    }

    /// Takes a change; [`Writer::step`] carries it out.
    pub fn submit(&mut self, change: Change) {
        self.waiting.push_back(change);
    }

    /// The next completion, none when nothing has completed.
    pub fn complete(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// An index to be written, none when all are.
    pub fn seal_job(&mut self) -> Option<SealJob> {
        self.seals.pop()
    }

    /// A segment to be rewritten, none when none is.
    pub fn rewrite_job(&mut self) -> Option<RewriteJob<D>> {
        self.rewrites.pop_front()
    }

    /// A dictionary to be trained, none when none is.
    pub fn train_job(&mut self) -> Option<TrainJob> {
        self.packer.train_job()
    }

    /// What packing bodies saved so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.packer.tally()
    }

    /// What is where; for lookups without IO.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Carries out one batch of what waits; false when nothing waits.
    pub fn step(&mut self) -> bool {
        match self.waiting.front() {
            None => return false,
            Some(Change::Trim { partition, before }) => {
                let (partition, before) = (*partition, *before);
                self.waiting.pop_front();
                let result = self.trim(partition, before);
                self.completions.push_back(Completion::Trimmed { partition, result });
                return true;
            }
            Some(Change::Seal) => {
                self.waiting.pop_front();
                let result = self.seal();
                self.completions.push_back(Completion::Sealed(result));
                return true;
            }
            Some(Change::Rewrite { .. }) => {
                self.rewrite();
                return true;
            }
            Some(Change::Claim { partition }) if self.open.is_none() => {
                let partition = *partition;
                if let Err(error) = self.begin(&[]) {
                    self.waiting.pop_front();
                    let result = Err(ClaimError::Failed(error));
                    self.completions.push_back(Completion::Claimed { partition, result });
                    return true;
                }
            }
            Some(_) => self.rotate(),
        }
        self.gather();
        let written = self.write();
        self.settle(written);
        true
    }

    /// Takes a segment for rewriting, which is done apart from commits.
    fn rewrite(&mut self) {
        let Some(Change::Rewrite { segment, dead }) = self.waiting.pop_front() else { return };
        match RewriteJob::new(self.disk.clone(), self.catalog.clone(), segment, dead) {
            Some(job) => self.rewrites.push_back(job),
            None => {
                let result = Err(io::ErrorKind::ResourceBusy.into());
                self.completions.push_back(Completion::Rewritten { segment, result });
            }
        }
    }

    /// Encodes what waits, up to the first change of another kind, to a claim that needs a new segment, or to the
    /// size of a batch.
    fn gather(&mut self) {
        while self.batch.bytes.len() < BATCH_BYTES {
            match self.waiting.front() {
                Some(Change::Claim { .. }) if self.open.is_none() => break,
                None | Some(Change::Trim { .. } | Change::Rewrite { .. } | Change::Seal) => break,
                Some(_) => {}
            }
            match self.waiting.pop_front() {
                Some(Change::Claim { partition }) => self.gather_claim(partition),
                Some(Change::Append { draft }) => self.gather_frame(&draft),
                _ => break,
            }
        }
    }

    fn gather_claim(&mut self, partition: PartitionId) {
        let Some(owned) = self.partitions.get_mut(usize::from(partition.0)) else {
            let result = Err(ClaimError::NoSuchPartition);
            self.completions.push_back(Completion::Claimed { partition, result });
            return;
        };
        self.epoch = Epoch(self.epoch.0 + 1);
        owned.claimed = Some(self.epoch);
        let epoch = self.epoch;
        self.batch.pending.push(Pending::Claim { partition, epoch });
        let start = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(&[0; ENVELOPE_BYTES]);
        self.batch.bytes.extend_from_slice(&encode_claim(partition, epoch));
        self.seal_record(start, RecordKind::Claim);
    }

    fn gather_frame(&mut self, draft: &FrameDraft) {
        let (partition, number) = (draft.partition, draft.number);
        let start = self.batch.bytes.len();
        match self.encode(draft) {
            Ok(tip) => {
                let offset = self.seal_record(start, RecordKind::Frame);
                let entries = self.index(draft);
                self.batch.pending.push(Pending::Frame { partition, tip, offset, entries });
            }
            Err(error) => {
                self.batch.bytes.truncate(start);
                self.batch.pending.push(Pending::Refused { partition, number, error });
            }
        }
    }

    /// Appends envelope and frame to the batch, if its term is the current one and it is next.
    fn encode(&mut self, draft: &FrameDraft) -> Result<Tip, AppendError> {
        let owned = self.partitions.get_mut(usize::from(draft.partition.0));
        let owned = owned.filter(|owned| owned.claimed == Some(draft.epoch));
        let owned = owned.ok_or(AppendError::Fenced)?;
        let expected = owned.next.number.next();
        if draft.number != expected {
            return Err(AppendError::OutOfOrder { expected });
        }
        self.batch.bytes.extend_from_slice(&[0; ENVELOPE_BYTES]);
        let (packer, bytes) = (&mut self.packer, &mut self.batch.bytes);
        let hash: Result<Hash, TooLarge> = frame::encode(draft, &owned.next.hash, packer, bytes);
        owned.next = Tip {
            number: draft.number,
            epoch: draft.epoch,
            hash: hash.map_err(AppendError::TooLarge)?,
            recorded: draft.recorded,
            open: draft.open,
        };
        Ok(owned.next)
    }

    /// Fills in the envelope of the record that ends the batch; returns where it will stand.
    fn seal_record(&mut self, start: usize, kind: RecordKind) -> u64 {
        let Some(open) = &self.open else { return 0 };
        let length = self.batch.bytes.len() - start - ENVELOPE_BYTES;
        let length = u32::try_from(length).expect("the sections of a frame are limited to 320 MiB");
        let offset = open.synced + start as u64;
        let envelope = Envelope { kind, length, synced: open.synced };
        let bytes = envelope.encode(open.seal, offset);
        self.batch.bytes[start..start + ENVELOPE_BYTES].copy_from_slice(&bytes);
        offset
    }

    fn index(&mut self, draft: &FrameDraft) -> std::ops::Range<usize> {
        let entries = &mut self.batch.entries;
        let start = entries.len();
        for (index, fact) in (0..).zip(&draft.facts) {
            let place = Place { partition: draft.partition, frame: draft.number, index };
            index_hashes(fact, |hash| entries.push((hash, place)));
        }
        start..entries.len()
    }

    /// One write, one sync.
    fn write(&mut self) -> io::Result<()> {
        let Some(open) = self.open.as_mut().filter(|_| !self.batch.bytes.is_empty()) else {
            return Ok(());
        };
        open.reserve(self.batch.bytes.len() as u64, self.options.segment_bytes);
        open.file.append(&self.batch.bytes)?;
        open.file.sync_data()
    }

    fn settle(&mut self, written: io::Result<()>) {
        let mut batch = std::mem::take(&mut self.batch);
        match written {
            Ok(()) => {
                self.commit(&batch);
                batch.pending.drain(..).for_each(|pending| self.completed(pending));
            }
            Err(error) => {
                batch.pending.drain(..).for_each(|pending| self.failed(pending, &error));
                self.revoke();
            }
        }
        batch.bytes.clear();
        batch.entries.clear();
        self.batch = batch;
    }

    fn commit(&mut self, batch: &Batch) {
        let Some(open) = &mut self.open else { return };
        open.synced += batch.bytes.len() as u64;
        let frames = batch.pending.iter().filter_map(|pending| match pending {
            Pending::Frame { partition, offset, entries, .. } => Some(Committed {
                partition: *partition,
                offset: *offset,
                entries: &batch.entries[entries.clone()],
            }),
            Pending::Claim { .. } | Pending::Refused { .. } => None,
        });
        self.catalog.commit(open.synced, frames);
    }

    fn completed(&mut self, pending: Pending) {
        let completion = match pending {
            Pending::Claim { partition, epoch } => {
                let tip = self.partitions[usize::from(partition.0)].tip;
                let oldest = self.catalog.oldest(partition).unwrap_or_else(|| tip.number.next());
                Completion::Claimed { partition, result: Ok(Claim { epoch, tip, oldest }) }
            }
            Pending::Frame { partition, tip, .. } => {
                self.partitions[usize::from(partition.0)].tip = tip;
                Completion::Appended { partition, number: tip.number, result: Ok(tip.hash) }
            }
            Pending::Refused { partition, number, error } => {
                Completion::Appended { partition, number, result: Err(error) }
            }
        };
        self.completions.push_back(completion);
    }

    fn failed(&mut self, pending: Pending, error: &io::Error) {
        let completion = match pending {
            Pending::Claim { partition, .. } => {
                let result = Err(ClaimError::Failed(same(error)));
                Completion::Claimed { partition, result }
            }
            Pending::Frame { partition, tip, .. } => {
                let result = Err(append_error(error));
                Completion::Appended { partition, number: tip.number, result }
            }
            Pending::Refused { partition, number, error } => {
                Completion::Appended { partition, number, result: Err(error) }
            }
        };
        self.completions.push_back(completion);
    }

    /// Everything that waits for a write fails as a write that failed.
    pub(super) fn fail_waiting(&mut self, error: &io::Error) {
        while let Some(Change::Append { draft }) = self.waiting.front() {
            let (partition, number) = (draft.partition, draft.number);
            let result = Err(append_error(error));
            self.completions.push_back(Completion::Appended { partition, number, result });
            self.waiting.pop_front();
        }
    }

    /// Ends every term and lets go of the file: what is not synced by now is void.
    pub(super) fn revoke(&mut self) {
        if let Some(OpenSegment { seal, synced, .. }) = self.open.take() {
            self.predecessor = Some(Predecessor { segment: seal.segment, length: synced });
        }
        for owned in &mut self.partitions {
            (owned.next, owned.claimed) = (owned.tip, None);
        }
    }
}

fn append_error(error: &io::Error) -> AppendError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::NoSpace,
        _ => AppendError::Failed(same(error)),
    }
}

/// The same error for each of those who wait.
fn same(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
