//! When the write-ahead log goes into the file, and who does it.
//!
//! Bringing in 64 MiB takes a tenth of a second and more, most of it two syncs, and loads of keys wait behind
//! whatever the store does meanwhile. So the bulk is brought in by a thread with a connection of its own, which SQLite
//! allows beside reads and batches. What batches add meanwhile keeps the log from beginning anew; once the thread is
//! through, the store brings in that rest itself before its next batch, which then begins the log anew.
//!
//! **Bounds.** Should the thread fall behind, or not be there, the store brings in all of it itself at
//! [`limits::WAL_TIMES_MOST`] times as many pages. **Crashes.** As ever: SQLite syncs the log before the
//! file, and overwrites no page of the log before it is in the file and synced, whichever connection does it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::{limits, open};

/// Brings the write-ahead log of a file into it. Its thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Pages of the log, as of the newest commit.
    pages: Arc<AtomicI64>,
    /// From how many on the thread is asked.
    many: i64,
    /// Whether the thread was asked and the rest is not brought in yet.
    is_asked: bool,
    /// Set by the thread when it is through.
    is_through: Arc<AtomicBool>,
    /// None: there is no thread.
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Checkpoints {
    /// Takes the checkpoints of a connection over, in place of SQLite's own. `many` pages are brought in beside it.
    pub(super) fn of(
        connection: &mut Connection,
        path: &Path,
        many: i64,
    ) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicI64::new(0));
        let counted = pages.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            counted.store(i64::from(count), Ordering::Relaxed);
            Ok(())
        }))?;
        let is_through = Arc::new(AtomicBool::new(false));
        let beside = Connection::open(path)?;
        beside.busy_timeout(limits::BUSY)?;
        // One that is not checked by anybody must not begin by itself.
        beside.pragma_update(None, "wal_autocheckpoint", 0)?;
        let (asking, asked) = sync_channel(1);
        let through = is_through.clone();
        let thread = thread::Builder::new().name("sprag-wal".into());
        // Without its thread the store does it all, at its bound.
        let thread = thread.spawn(move || work_off(&beside, &asked, &through)).ok();
        let thread = thread.map(|thread| (asking, thread));
        Ok(Self { pages, many, is_asked: false, is_through, thread })
    }

    /// Before a batch: what came while the thread worked follows, so that the log begins anew.
    pub(super) fn before_batch(&mut self, connection: &Connection) {
        if self.is_through.swap(false, Ordering::Acquire) {
            self.is_asked = false;
            bring_in(connection);
        }
    }

    /// After a batch: when the log is long, it is brought in.
    pub(super) fn after_batch(&mut self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages >= self.many.saturating_mul(limits::WAL_TIMES_MOST) {
            bring_in(connection);
        } else if pages >= self.many && !self.is_asked {
            let asking = self.thread.as_ref().map(|(asking, _)| asking.try_send(()));
            self.is_asked = matches!(asking, Some(Ok(())));
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        if let Some((asking, thread)) = self.thread.take() {
            drop(asking);
            // The store's connection is to be the last: then SQLite brings in all and deletes the log.
            let _ = thread.join();
        }
    }
}

/// What hinders it hinders the batches too, which say so.
fn bring_in(connection: &Connection) {
    let _ = open::checkpoint(connection);
}

fn work_off(connection: &Connection, asked: &Receiver<()>, is_through: &AtomicBool) {
    while asked.recv().is_ok() {
        bring_in(connection);
        is_through.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const MANY: i64 = 64;

    fn database(directory: &TempDir) -> (Connection, std::path::PathBuf) {
        let path = directory.path().join("some.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE some (bytes BLOB)").unwrap();
        (connection, path)
    }

    fn batch(checkpoints: &mut Checkpoints, connection: &Connection) -> i64 {
        checkpoints.before_batch(connection);
        connection.execute("INSERT INTO some VALUES (zeroblob(40000))", []).unwrap();
        checkpoints.after_batch(connection);
        checkpoints.pages.load(Ordering::Relaxed)
    }

    #[test]
    fn the_log_begins_anew_once_the_thread_is_through() {
        let directory = TempDir::new().unwrap();
        let (mut connection, path) = database(&directory);
        let mut checkpoints = Checkpoints::of(&mut connection, &path, MANY).unwrap();
        while batch(&mut checkpoints, &connection) < MANY {}
        assert!(checkpoints.is_asked);
        // One more, which the thread may have missed.
        connection.execute("INSERT INTO some VALUES (zeroblob(40000))", []).unwrap();
        while !checkpoints.is_through.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let pages = batch(&mut checkpoints, &connection);
        assert!(pages < MANY / 2, "the log has {pages} pages");
        assert!(!checkpoints.is_asked);
    }

    #[test]
    fn without_the_thread_the_log_stays_bounded() {
        let directory = TempDir::new().unwrap();
        let (mut connection, path) = database(&directory);
        let mut checkpoints = Checkpoints::of(&mut connection, &path, MANY).unwrap();
        let (asking, thread) = checkpoints.thread.take().unwrap();
        drop(asking);
        thread.join().unwrap();
        let most = MANY * limits::WAL_TIMES_MOST + MANY;
        let lengths: Vec<i64> = (0..200).map(|_| batch(&mut checkpoints, &connection)).collect();
        assert!(lengths.iter().all(|pages| *pages < most), "{lengths:?}");
        assert!(lengths.windows(2).any(|pages| pages[1] < pages[0]), "{lengths:?}");
    }
}
