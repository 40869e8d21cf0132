//! The engine of segment files: one directory, append-only files, one write and one sync for all
//! frames that wait.
//!
//! [`open`] recovers and returns two halves that share a [`Catalog`]: a [`Writer`] that one thread
//! turns, and a [`Reader`] that another may turn. [`EmbeddedLog`] puts them together for whoever
//! turns everything in one place: the simulator, tests.

mod begin;
mod catalog;
mod dictionaries;
pub mod disk;
mod file_disk;
mod filter;
mod filters;
mod index;
mod open_index;
mod reader;
mod record;
mod recover;
mod replay;
mod rewrite;
mod scan;
mod seal;
mod segment;
pub mod simulated;
mod trim;
mod writer;

use std::collections::VecDeque;

use sprag_core::id::{Epoch, FrameNumber, PartitionId};
use sprag_core::retention::DeadBodies;

pub use catalog::{Catalog, Cut, CutFile};
pub use disk::{Disk, DiskFile};
pub use file_disk::{AppendFile, FileDisk};
pub use reader::Reader;
pub use recover::{Dropped, OpenError, Report, partitions};
pub use rewrite::RewriteJob;
pub use seal::{SealJob, SealedIndex};
pub use writer::Writer;

use crate::frame::FrameDraft;
use crate::limits::{SAMPLES_BYTES, SEGMENT_BYTES};
use crate::log::{Completion, Log, LogSize, Query, Request, Ticket};
use crate::pack::Packing;

/// What an engine is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many partitions the log has; fixed for a directory (DESIGN K2).
    pub partitions: u16,
    /// Bytes after which a new segment is begun; at most 1 GiB is used.
    pub segment_bytes: u64,
    /// How bodies are packed from now on; what is stored stays as it is.
    pub packing: Packing,
    /// Bytes of bodies a source's dictionary is trained on; 0: bodies are packed without.
    pub samples: usize,
    /// A random number nobody who sends events knows: bytes of a body cannot pass for a record.
    pub salt: u64,
    /// No term begins with this epoch or an older one, whatever the log says: it may have been
    /// restored from a backup that does not know of them.
    pub after: Epoch,
}

impl Options {
    /// Segments of the usual size, bodies as received.
    #[must_use]
    pub fn new(partitions: u16, salt: u64) -> Self {
        Self {
            partitions,
            segment_bytes: SEGMENT_BYTES,
            packing: Packing::None,
            samples: SAMPLES_BYTES,
            salt,
            after: Epoch::default(),
        }
    }
}

/// What the writer carries out: every request but queries.
#[derive(Debug, Clone)]
pub enum Change {
    /// [`Request::Claim`].
    Claim {
        /// The partition.
        partition: PartitionId,
    },
    /// [`Request::Append`].
    Append {
        /// The frame.
        draft: FrameDraft,
    },
    /// [`Request::Trim`].
    Trim {
        /// The partition.
        partition: PartitionId,
        /// The first frame that must stay.
        before: FrameNumber,
    },
    /// [`Request::Seal`].
    Seal,
    /// [`Request::Rewrite`].
    Rewrite {
        /// The segment.
        segment: u64,
        /// What is left out.
        dead: DeadBodies,
    },
}

/// Which half of the engine a request is for.
#[derive(Debug, Clone)]
pub enum Routed {
    /// The writer's.
    Change(Change),
    /// The reader's.
    Query(Ticket, Query),
}

impl From<Request> for Routed {
    fn from(request: Request) -> Self {
        match request {
            Request::Claim { partition } => Self::Change(Change::Claim { partition }),
            Request::Append { draft } => Self::Change(Change::Append { draft }),
            Request::Trim { partition, before } => Self::Change(Change::Trim { partition, before }),
            Request::Seal => Self::Change(Change::Seal),
            Request::Rewrite { segment, dead } => Self::Change(Change::Rewrite { segment, dead }),
            Request::Query { ticket, query } => Self::Query(ticket, query),
        }
    }
}

/// Opens the log of a disk, or begins one.
///
/// # Errors
/// When something on the disk is not what was written, or the disk fails. Nothing that is history
/// was changed then.
pub fn open<D: Disk>(
    disk: D,
    options: Options,
) -> Result<(Writer<D>, Reader<D>, Report), OpenError> {
    const MOST_BYTES: u64 = 1 << 30;
    let options = Options { segment_bytes: options.segment_bytes.min(MOST_BYTES), ..options };
    let (writer, report) = recover::open(&disk, options)?;
    let reader = Reader::new(disk, writer.catalog().clone());
    Ok((writer, reader, report))
}

/// Both halves in one, turned by [`EmbeddedLog::step`].
#[derive(Debug)]
pub struct EmbeddedLog<D: Disk> {
    disk: D,
    writer: Writer<D>,
    reader: Reader<D>,
    queries: VecDeque<(Ticket, Query)>,
    answers: VecDeque<Completion>,
}

impl<D: Disk> EmbeddedLog<D> {
    /// Opens the log of a disk, or begins one.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(disk: D, options: Options) -> Result<(Self, Report), OpenError> {
        let (writer, reader, report) = open(disk.clone(), options)?;
        let (queries, answers) = (VecDeque::new(), VecDeque::new());
        Ok((Self { disk, writer, reader, queries, answers }, report))
    }

    /// Carries out one batch of changes, the queries that wait, one index, one dictionary and one rewriting; false when nothing
    /// waited.
    pub fn step(&mut self) -> bool {
        let mut moved = self.writer.step();
        while let Some((ticket, query)) = self.queries.pop_front() {
            let result = self.reader.answer(&query);
            self.answers.push_back(Completion::Answered { ticket, result });
            moved = true;
        }
        if let Some(job) = self.writer.seal_job() {
            // Without its index file a segment is looked up in memory until the next start.
            if let Ok(index) = job.run(&self.disk) {
                index.install();
            }
            moved = true;
        }
        if let Some(job) = self.writer.train_job() {
            job.run();
            moved = true;
        }
        if let Some(job) = self.writer.rewrite_job() {
            self.answers.push_back(job.run());
            moved = true;
        }
        moved
    }

    /// What is where; for lookups without IO.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        self.writer.catalog()
    }
}

impl<D: Disk> Log for EmbeddedLog<D> {
    fn submit(&mut self, request: Request) {
        match Routed::from(request) {
            Routed::Change(change) => self.writer.submit(change),
            Routed::Query(ticket, query) => self.queries.push_back((ticket, query)),
        }
    }

    fn size(&self) -> LogSize {
        self.catalog().size()
    }

    fn complete(&mut self) -> Option<Completion> {
        self.writer.complete().or_else(|| self.answers.pop_front())
    }
}
