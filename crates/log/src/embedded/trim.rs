//! Deleting history that nothing needs: whole segments, oldest first.
//!
//! One by one, each durably gone before the next goes, so that no crash leaves a hole in history.
//! What is left of them is where each chain stood, in the header of the segment that follows.

use std::io;

use sprag_core::id::{FrameNumber, PartitionId};

use super::disk::Disk;
use super::segment::{index_name, segment_name};
use super::writer::Writer;

impl<D: Disk> Writer<D> {
    /// Deletes the oldest segments as long as no partition needs anything in them; returns the
    /// oldest frame that is left of this one.
    pub(super) fn trim(
        &mut self,
        partition: PartitionId,
        before: FrameNumber,
    ) -> io::Result<FrameNumber> {
        let Some(owned) = self.partitions.get_mut(usize::from(partition.0)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such partition"));
        };
        owned.keep_from = owned.keep_from.max(before);
        self.bury()?;
        while let Some(segment) = self.catalog.first_sealed() {
            let mut needed = segment.frames.partitions.iter().zip(&self.partitions);
            if needed
                .any(|(frames, owned)| !frames.offsets.is_empty() && frames.end() > owned.keep_from)
            {
                break;
            }
            // What is being rewritten would come back with its new file.
            if self.catalog.is_rewriting(segment.seal.segment) {
                break;
            }
            self.catalog.forget_first_sealed();
            self.doomed.push_back(segment.seal);
            self.bury()?;
        }
        Ok(self.catalog.oldest(partition).unwrap_or_default())
    }

    /// Removes the files of trimmed segments; what fails is tried again before anything newer.
    fn bury(&mut self) -> io::Result<()> {
        while let Some(seal) = self.doomed.front() {
            let (number, newest) = (seal.segment, seal.rewrites + 1);
            let mut is_synced = false;
            // A file that a rewriting could not remove, or one it left unfinished, may be there. The newest goes first, and for
            // good: left alone, one that is unfinished would be taken for the segment at a start.
            for rewrites in (0..=newest).rev() {
                let segment = self.remove(&segment_name(number, rewrites))?;
                let index = self.remove(&index_name(number, rewrites))?;
                if segment || index {
                    self.disk.sync_directory()?;
                    is_synced = true;
                }
            }
            // All were removed before, and perhaps not for good.
            if !is_synced {
                self.disk.sync_directory()?;
            }
            self.doomed.pop_front();
        }
        Ok(())
    }

    /// Removes a file; whether there was one.
    fn remove(&mut self, name: &str) -> io::Result<bool> {
        match self.disk.remove(name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
