//! Writing the index of a sealed segment: work that no commit needs to wait for.
//!
//! Until it is done, and if it never is, lookups use the index in memory.

use std::io;
use std::sync::Arc;

use super::catalog::{Catalog, Lookups, Segment};
use super::disk::Disk;
use super::filter::Filter;
use super::index;

/// The index of one sealed segment, to be written by whoever has time.
#[derive(Debug)]
pub struct SealJob {
    segment: Arc<Segment>,
    catalog: Catalog,
}

/// A written index, to be handed back.
#[derive(Debug)]
pub struct SealedIndex {
    segment: Segment,
    filter: Filter,
    catalog: Catalog,
}

impl SealJob {
    pub(crate) fn new(segment: Arc<Segment>, catalog: Catalog) -> Self {
        Self { segment, catalog }
    }

    /// Writes the index. Runs on any thread; nothing else waits for it.
    ///
    /// # Errors
    /// When the disk fails. Lookups then go on from memory; the next start writes the index.
    pub fn run(&self, disk: &impl Disk) -> io::Result<SealedIndex> {
        let segment = &*self.segment;
        let Lookups::Memory(open) = &segment.lookups else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let write = || index::write(disk, segment.seal, segment.length, &segment.frames, open);
        let (stored, filter) = match write() {
            // One that could not be used, or a run that did not end.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&segment.seal.index_name())?;
                write()?
            }
            written => written?,
        };
        let segment = Segment {
            seal: segment.seal,
            length: segment.length,
            begun: segment.begun,
            newest: segment.newest,
            kept: segment.kept,
            frames: segment.frames.clone(),
            lookups: Lookups::Stored(stored),
        };
        Ok(SealedIndex { segment, filter, catalog: self.catalog.clone() })
    }
}

impl SealedIndex {
    pub(crate) fn into_parts(self) -> (Segment, Filter) {
        (self.segment, self.filter)
    }

    /// Lets lookups use it; false when its segment was trimmed meanwhile.
    pub fn install(self) -> bool {
        self.catalog.install(self.segment, &self.filter)
    }
}
