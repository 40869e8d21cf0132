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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::filters::Filters;
    use crate::embedded::open_index::{FrameTable, OpenIndex, PackedPlace};
    use crate::embedded::record::Seal;
    use crate::embedded::simulated::SimulatedDisk;
    use sprag_core::random::Random;
    use sprag_core::time::UnixMicros;

    /// Also one whose filter has many shares.
    #[test]
    fn what_a_segment_has_is_found_before_and_after_its_index_is_used() {
        let (mut random, mut index) = (Random::new(4), OpenIndex::default());
        let hashes: Vec<u64> = (0..20_000).map(|_| random.below(u64::MAX)).collect();
        hashes.iter().for_each(|hash| index.insert(*hash, PackedPlace(0)));
        let segment = Arc::new(Segment {
            seal: Seal { salt: 1, segment: 7, rewrites: 0 },
            length: 0,
            begun: 0,
            newest: UnixMicros(0),
            kept: None,
            frames: FrameTable::default(),
            lookups: Lookups::Memory(index),
        });
        let catalog = Catalog::of_sealed(vec![Arc::clone(&segment)], Filters::default());
        let are_found = || {
            let candidates = |hash: &u64| catalog.candidates(*hash).0.len();
            hashes.iter().all(|hash| catalog.may_contain(*hash) && candidates(hash) == 1)
        };
        assert!(are_found());
        let sealed = SealJob::new(segment, catalog.clone()).run(&SimulatedDisk::new(1)).unwrap();
        assert!(sealed.install() && are_found());
        let absent = (0..10_000).filter(|_| catalog.may_contain(random.below(u64::MAX))).count();
        assert!(absent < 40, "{absent} of 10,000 absent hashes look present");
        catalog.forget_first_sealed();
        assert!(hashes.iter().all(|hash| !catalog.may_contain(*hash)));
    }
}
