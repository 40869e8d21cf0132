//! When the write-ahead log goes into the file, and who does it.
//!
//! Bringing in 64 MiB takes a tenth of a second and more, most of it two syncs, and loads of keys wait behind
//! whatever the store does meanwhile. So the bulk is brought in by a thread with a connection of its own, which SQLite
//! allows beside reads and batches. What batches add meanwhile keeps the log from beginning anew; once the thread is
//! through, the store brings in that rest itself before its next batch, which then begins the log anew. Where the rest
//! is a bulk of its own, the thread is asked again.
//!
//! **Bounds.** At [`limits::WAL_TIMES_MOST`] times as many pages the store waits for the thread and brings in the rest; the
//! same if there is no thread. **Crashes.** As ever: SQLite syncs the log before the
//! file, and overwrites no page of the log before it is in the file and synced, whichever connection does it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::failure::Told;
use super::{limits, open};

/// Brings the write-ahead log of a file into it. Its thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Pages of the log, as of the newest commit.
    pages: Arc<AtomicI64>,
    /// From how many on the thread is asked.
    many: i64,
    /// Whether the thread was asked and what it says is not heard yet.
    is_asked: bool,
    /// None: there is no thread.
    thread: Option<Thread>,
    failures: Failures,
}

#[derive(Debug)]
struct Thread {
    asking: SyncSender<()>,
    /// How many pages of the log are in the file now.
    through: Receiver<i64>,
    handle: JoinHandle<()>,
}

/// Tells of a failure once, until one goes well again: a log that does not go into the file grows, and
/// nothing else would say why.
#[derive(Debug, Default)]
struct Failures {
    is_told: bool,
}

impl Checkpoints {
    /// Takes the checkpoints of a connection over, in place of SQLite's own. So many bytes are brought in beside it.
    pub(super) fn of(
        connection: &mut Connection,
        path: &Path,
        bytes: i64,
    ) -> rusqlite::Result<Self> {
        // Of the file as it is: another version may have made it.
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let pages = Arc::new(AtomicI64::new(0));
        let counted = pages.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            counted.store(i64::from(count), Ordering::Relaxed);
            Ok(())
        }))?;
        let beside = Connection::open(path)?;
        beside.busy_timeout(limits::BUSY)?;
        // One that is not checked by anybody must not begin by itself.
        beside.pragma_update(None, "wal_autocheckpoint", 0)?;
        // Without its thread the store does it all, at its bound.
        let thread = Thread::start(beside).ok();
        let (many, failures) = (bytes / page.max(1), Failures::default());
        Ok(Self { pages, many, is_asked: false, thread, failures })
    }

    /// Before a batch: what came while the thread worked follows, so that the log begins anew.
    pub(super) fn before_batch(&mut self, connection: &Connection) {
        let Some(thread) = self.thread.as_ref().filter(|_| self.is_asked) else { return };
        let Ok(brought_in) = thread.through.try_recv() else { return };
        let rest = self.pages.load(Ordering::Relaxed) - brought_in;
        let is_bulk = brought_in > 0 && rest >= self.many;
        self.is_asked = is_bulk && thread.ask();
        if !self.is_asked {
            self.failures.bring_in(connection);
        }
    }

    /// After a batch: when the log is long, it is brought in.
    pub(super) fn after_batch(&mut self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages >= self.many.saturating_mul(limits::WAL_TIMES_MOST) {
            self.wait();
            self.failures.bring_in(connection);
        } else if pages >= self.many && !self.is_asked {
            self.is_asked = self.thread.as_ref().is_some_and(Thread::ask);
        }
    }

    /// The thread alone can go on while it is at it.
    fn wait(&mut self) {
        if std::mem::take(&mut self.is_asked)
            && let Some(thread) = &self.thread
        {
            // If it died, there is nothing to wait for.
            let _ = thread.through.recv();
        }
    }
}

impl Thread {
    fn start(connection: Connection) -> std::io::Result<Self> {
        let (asking, asked) = sync_channel(1);
        let (done, through) = channel();
        let thread = thread::Builder::new().name("sprag-wal".into());
        let handle = thread.spawn(move || work_off(&connection, &asked, &done))?;
        Ok(Self { asking, through, handle })
    }

    /// False when it is gone.
    fn ask(&self) -> bool {
        self.asking.try_send(()).is_ok()
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        if let Some(Thread { asking, handle, .. }) = self.thread.take() {
            drop(asking);
            // The store's connection is to be the last: then SQLite brings in all and deletes the log.
            let _ = handle.join();
        }
    }
}

impl Failures {
    /// How many pages of the log are in the file now; 0 where that failed.
    fn bring_in(&mut self, connection: &Connection) -> i64 {
        match open::checkpoint(connection) {
            Ok(pages) => {
                self.is_told = false;
                pages
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    tracing::warn!(
                        "the state store's write-ahead log cannot be brought into its file, and grows: {}",
                        Told(&error)
                    );
                }
                0
            }
        }
    }
}

fn work_off(connection: &Connection, asked: &Receiver<()>, done: &Sender<i64>) {
    let mut failures = Failures::default();
    while asked.recv().is_ok() {
        if done.send(failures.bring_in(connection)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const MANY: i64 = 64;
    const PAGE: i64 = 4_096;

    fn database(directory: &TempDir) -> (Connection, std::path::PathBuf) {
        let path = directory.path().join("some.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "page_size", PAGE).unwrap();
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
        let mut checkpoints = Checkpoints::of(&mut connection, &path, MANY * PAGE).unwrap();
        while batch(&mut checkpoints, &connection) < MANY {}
        assert!(checkpoints.is_asked);
        // One more, which the thread may have missed.
        connection.execute("INSERT INTO some VALUES (zeroblob(40000))", []).unwrap();
        let mut pages = batch(&mut checkpoints, &connection);
        while pages > MANY / 2 {
            assert!(pages < MANY * limits::WAL_TIMES_MOST, "the log has {pages} pages");
            thread::sleep(std::time::Duration::from_millis(1));
            checkpoints.before_batch(&connection);
            connection.execute("INSERT INTO some VALUES (1)", []).unwrap();
            pages = checkpoints.pages.load(Ordering::Relaxed);
        }
        assert!(!checkpoints.is_asked);
    }

    #[test]
    fn at_the_bound_the_thread_is_waited_for() {
        let directory = TempDir::new().unwrap();
        let (mut connection, path) = database(&directory);
        let mut checkpoints = Checkpoints::of(&mut connection, &path, MANY * PAGE).unwrap();
        let (asking, asked) = sync_channel(1);
        let (done, through) = channel();
        // It is through when it is told to be, and has brought in nothing.
        let (telling, told) = channel::<()>();
        let handle = thread::spawn(move || {
            while asked.recv().is_ok() {
                let _ = told.recv();
                let _ = done.send(0);
            }
        });
        checkpoints.thread = Some(Thread { asking, through, handle });
        let bound = MANY * limits::WAL_TIMES_MOST;
        while batch(&mut checkpoints, &connection) < bound - 2 * MANY {}
        assert!(checkpoints.is_asked, "it is not through");
        telling.send(()).unwrap();
        drop(telling);
        let lengths: Vec<i64> = (0..100).map(|_| batch(&mut checkpoints, &connection)).collect();
        assert!(lengths.iter().all(|pages| *pages < bound + MANY), "{lengths:?}");
        assert!(lengths.windows(2).any(|pages| pages[1] < pages[0]), "{lengths:?}");
    }

    #[test]
    fn without_the_thread_the_log_stays_bounded() {
        let directory = TempDir::new().unwrap();
        let (mut connection, path) = database(&directory);
        let mut checkpoints = Checkpoints::of(&mut connection, &path, MANY * PAGE).unwrap();
        let Thread { asking, handle, .. } = checkpoints.thread.take().unwrap();
        drop(asking);
        handle.join().unwrap();
        let most = MANY * limits::WAL_TIMES_MOST + MANY;
        let lengths: Vec<i64> = (0..200).map(|_| batch(&mut checkpoints, &connection)).collect();
        assert!(lengths.iter().all(|pages| *pages < most), "{lengths:?}");
        assert!(lengths.windows(2).any(|pages| pages[1] < pages[0]), "{lengths:?}");
    }
}
