//! Where backups come from in a gateway that runs: one at a time, as a stream of pieces.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sprag_log::embedded::{Catalog, Cut};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::hold::Hold;
use super::write::write;
use super::{BackupError, Manifest, ManifestTip};
use crate::limits;

/// See the module. Clones are the same source.
#[derive(Debug, Clone)]
pub struct BackupSource {
    data: PathBuf,
    catalog: Catalog,
    is_busy: Arc<AtomicBool>,
}

/// The one backup that may be under way.
#[derive(Debug)]
pub struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A backup under way: its pieces, or why it broke off.
pub type Stream = mpsc::Receiver<io::Result<Bytes>>;

/// A backup that holds its files.
#[derive(Debug)]
pub struct Begun {
    hold: Hold,
    busy: Busy,
}

impl BackupSource {
    /// Backups of the log with this catalog, in this data directory.
    #[must_use]
    pub fn new(data: PathBuf, catalog: Catalog) -> Self {
        Self { data, catalog, is_busy: Arc::default() }
    }

    /// Takes the turn; none while another backup is under way.
    #[must_use]
    pub fn begin(&self) -> Option<Busy> {
        let taken = self.is_busy.swap(true, Ordering::AcqRel);
        (!taken).then(|| Busy(self.is_busy.clone()))
    }

    /// Holds history as it stands now. Blocks for as long as it takes to link its files.
    ///
    /// # Errors
    /// When the files cannot be held.
    pub fn hold(&self, busy: Busy, number: u64) -> Result<Begun, BackupError> {
        Ok(Begun { hold: Hold::take(&self.data, &self.catalog, number)?, busy })
    }
}

impl Begun {
    /// What is held.
    #[must_use]
    pub fn cut(&self) -> &Cut {
        &self.hold.cut
    }

    /// Writes it, on a thread of its own, as fast as it is read. Nobody who reads, or one that reads
    /// no more for [`limits::BACKUP_PATIENCE`], ends it: held files take space.
    #[must_use]
    pub fn stream(self, made: String, seconds: u64, tips: Vec<ManifestTip>) -> Stream {
        let (sender, stream) = mpsc::channel(limits::BACKUP_PIECES);
        let runtime = Handle::current();
        let manifest = Manifest::new(made, tips);
        tokio::task::spawn_blocking(move || {
            let Self { hold, busy } = self;
            let pieces = Pieces { sender, runtime };
            let failed = pieces.sender.clone();
            let to = BufWriter::with_capacity(limits::BACKUP_PIECE_BYTES, pieces);
            if let Err(error) = write(&hold, manifest, seconds, to) {
                tracing::warn!("a backup broke off: {error}");
                // Who read it may have gone.
                let _ = failed.try_send(Err(error));
            }
            drop((hold, busy));
        });
        stream
    }
}

/// Hands what is written on to whoever reads the stream.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(buffer);
        let taken = self.sender.send(Ok(piece));
        let taken = async { tokio::time::timeout(limits::BACKUP_PATIENCE, taken).await };
        match self.runtime.block_on(taken) {
            Ok(Ok(())) => Ok(buffer.len()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
