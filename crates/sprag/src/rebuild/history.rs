//! The log of a data directory that no gateway uses.

use std::path::Path;

use sprag_core::id::{FrameNumber, PartitionId};
use sprag_driver::rebuilt::Rebuilding;
use sprag_log::digest::Sha256;
use sprag_log::embedded::{self, Catalog, Disk, FileDisk, OpenError, Options, Reader};
use sprag_log::{Answer, Query, ReadError, ReadFrame};

use super::RebuildError;
use crate::limits;

/// The log, held against a gateway that starts.
pub(super) struct History {
    pub(super) partitions: u16,
    reader: Reader<FileDisk>,
    catalog: Catalog,
}

impl History {
    /// Opens the log of a data directory.
    pub(super) fn open(data: &Path) -> Result<Self, RebuildError> {
        let directory = data.join("log");
        if !directory.is_dir() {
            return Err(RebuildError::NoLog(data.to_owned()));
        }
        let disk = FileDisk::open(&directory)?;
        let partitions = embedded::partitions(&disk)?;
        let Some(partitions) = partitions else {
            let has_segments =
                disk.list().map_err(OpenError::from)?.iter().any(|name| name.ends_with(".segment"));
            return Err(match has_segments {
                true => RebuildError::Unreadable(directory),
                false => RebuildError::NoLog(data.to_owned()),
            });
        };
        // Nothing is appended, so nobody can choose a body that passes for a record.
        let (writer, reader, _) = embedded::open(disk, Options::new(partitions, 0))?;
        Ok(Self { partitions, reader, catalog: writer.catalog().clone() })
    }

    /// The last frame of a partition.
    pub(super) fn last(&self, partition: PartitionId) -> FrameNumber {
        self.catalog.last(partition)
    }

    /// Builds the state of a partition from nothing; each frame is shown as well.
    pub(super) fn rebuild(
        &mut self,
        partition: PartitionId,
        mut show: impl FnMut(&ReadFrame),
    ) -> Result<Rebuilding<Sha256>, ReadError> {
        let mut begun: Option<Rebuilding<Sha256>> = None;
        walk(&mut self.reader, partition, |frame| {
            let from = || Rebuilding::from_nothing(partition, frame.number, Sha256);
            begun.get_or_insert_with(from).take_in(frame);
            show(frame);
        })?;
        let nothing = || Rebuilding::from_nothing(partition, self.last(partition).next(), Sha256);
        Ok(begun.unwrap_or_else(nothing))
    }
}

/// Reads every frame of a partition that is left, oldest first.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn walk<D: Disk>(
    reader: &mut Reader<D>,
    partition: PartitionId,
    mut take: impl FnMut(&ReadFrame),
) -> Result<(), ReadError> {
    let mut from = FrameNumber(1);
    loop {
        let (most, bytes) = (usize::MAX, limits::RESTORE_READ_BYTES);
        let query = Query::Frames { partition, from, most, bytes };
        let frames = match reader.answer(&query) {
            Ok(Answer::Frames(frames)) => frames,
            Ok(_) | Err(ReadError::Missing) => return Ok(()),
            // What lay before was trimmed.
            Err(ReadError::Trimmed { oldest }) if oldest > from => {
                from = oldest;
                continue;
            }
            Err(error) => return Err(error),
        };
        for frame in &frames.frames {
            take(frame);
            from = frame.number.next();
        }
        if frames.end {
            return Ok(());
        }
    }
}
