//! The log of the deciding thread, as another thread writes it.
//!
//! What is decided is packed, written and synced there, so that deciding, and what is sent to consumers beside it,
//! goes on meanwhile; what comes of it is durable together in the next commit
//! ([decision 046](../../../../docs/decisions/046-a-thread-appends.md)).
//!
//! The writer is in one place at a time, so there is one who writes: with the thread from when it is handed
//! over until it is taken back. What is submitted meanwhile is held, and given to it then, in order.
//! Must not know what frames mean.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use sprag_core::id::PartitionId;
use sprag_core::time::Now;
use sprag_log::embedded::{Catalog, Change, Disk, Reader, Routed, Writer};
use sprag_log::lookup::Wanted;
use sprag_log::{Completion, Log, LogSize, Request};

use super::beside::{Beside, LogQueries, spawn};
use super::turn::{Commit, Committed, Waker};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::{life, limits};

/// A log whose appends and questions are done by threads that end when it is dropped.
pub struct NodeLog<D: Disk> {
    /// None while the thread has it.
    writer: Option<Writer<D>>,
    /// Submitted while it has.
    held: Vec<Change>,
    /// What the next commit takes.
    next: Option<Filling>,
    appending: Sender<(Writer<D>, Filling)>,
    returned: Receiver<Returned<D>>,
    beside: Beside<D>,
    meter: Meter,
    catalog: Catalog,
    /// Changes that have not completed.
    under_way: usize,
}

/// The writer with what came of a commit, and how long that took since its first frame was filled.
type Returned<D> = (Writer<D>, Filling, Duration);

/// What a commit takes.
struct Filling {
    since: Now,
    /// The events of each frame.
    frames: Vec<u32>,
}

impl<D> NodeLog<D>
where
    D: Disk + Send + 'static,
    D::File: Send,
{
    /// Starts the threads over an opened log.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        writer: Writer<D>,
        reader: Reader<D>,
        disk: D,
        waker: Waker,
        meter: Meter,
    ) -> io::Result<(Self, LogQueries)> {
        let catalog = writer.catalog().clone();
        let (beside, others) = Beside::start(reader, disk, waker.clone())?;
        let (appending, incoming) = channel();
        let (outgoing, returned) = channel();
        let clock = meter.clock;
        let append = move || {
            // Behind the channels, which close first.
            let end = WakesAtItsEnd(waker);
            append(incoming, outgoing, &end.0, clock);
        };
        spawn("sprag-log", append)?;
        let log = Self {
            writer: Some(writer),
            held: Vec::new(),
            next: None,
            appending,
            returned,
            beside,
            meter,
            catalog,
            under_way: 0,
        };
        Ok((log, others))
    }

    /// Has the writer again, if the thread is ready: then it holds what came of the last commit.
    fn take_back(&mut self) -> Result<bool, TryRecvError> {
        if self.writer.is_some() {
            return Ok(false);
        }
        match self.returned.try_recv() {
            Ok(returned) => self.has_returned(returned),
            Err(TryRecvError::Empty) => return Ok(false),
            Err(gone) => return Err(gone),
        }
        Ok(true)
    }

    fn has_returned(&mut self, (mut writer, filling, took): Returned<D>) {
        let metrics = &self.meter.metrics;
        filling.frames.iter().for_each(|events| metrics.commit(took, *events));
        metrics.bodies(&writer.tally());
        self.beside.take_over(&mut writer);
        self.held.drain(..).for_each(|change| writer.submit(change));
        self.writer = Some(writer);
    }
}

impl<D> Commit for NodeLog<D>
where
    D: Disk + Send + 'static,
    D::File: Send,
{
    fn commit(&mut self) -> Committed {
        match self.take_back() {
            Ok(false) => {}
            // Before the writer is handed over again with it.
            Ok(true) => return Committed::Now,
            Err(_) => return Committed::Never,
        }
        // There is nothing to commit, or the thread still has the writer: it wakes the deciding one.
        let Some(filling) = self.next.take_if(|_| self.writer.is_some()) else {
            return Committed::Later;
        };
        let Some(writer) = self.writer.take() else { return Committed::Later };
        self.appending.send((writer, filling)).map_or(Committed::Never, |()| Committed::Later)
    }

    fn rest(&mut self) {
        if self.writer.is_none()
            && let Ok(returned) = self.returned.recv_timeout(limits::STOP_PATIENCE)
        {
            self.has_returned(returned);
        }
    }
}

impl<D> Log for NodeLog<D>
where
    D: Disk + Send + 'static,
    D::File: Send,
{
    fn submit(&mut self, request: Request) {
        let change = match Routed::from(request) {
            Routed::Change(change) => change,
            Routed::Query(ticket, query) => return self.beside.ask(ticket, query),
        };
        // A segment is written anew beside the commits: none waits for it.
        self.under_way += usize::from(!matches!(change, Change::Rewrite { .. }));
        let clock = self.meter.clock;
        let begun = || Filling { since: clock.now(), frames: Vec::new() };
        self.next.get_or_insert_with(begun).frames.extend(events_of(&change));
        match &mut self.writer {
            Some(writer) => writer.submit(change),
            None => self.held.push(change),
        }
    }

    fn complete(&mut self) -> Option<Completion> {
        // That the thread is gone is told by the next commit.
        let _ = self.take_back();
        let completion = self.writer.as_mut().and_then(Writer::complete);
        let completion = completion.or_else(|| self.beside.complete())?;
        if !matches!(completion, Completion::Answered { .. } | Completion::Rewritten { .. }) {
            self.under_way = self.under_way.saturating_sub(1);
        }
        Some(completion)
    }

    fn size(&self) -> LogSize {
        self.catalog.size()
    }

    fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    fn may_contain(&self, _partition: PartitionId, wanted: &Wanted) -> bool {
        self.catalog.may_contain(wanted.hash())
    }
}

/// The thread that appends: takes the writer, writes and syncs everything it was given, and gives it back.
#[expect(clippy::needless_pass_by_value, reason = "they close when it ends")]
fn append<D: Disk>(
    incoming: Receiver<(Writer<D>, Filling)>,
    outgoing: Sender<Returned<D>>,
    waker: &Waker,
    clock: Clock,
) {
    while let Ok((mut writer, filling)) = incoming.recv() {
        life::step!("append");
        while writer.step() {}
        let took = clock.now().elapsed.since(filling.since.elapsed);
        if outgoing.send((writer, filling, took)).is_err() {
            return;
        }
        waker.wake();
    }
}

/// Wakes the deciding thread when the thread that has it ends, however that is: that nothing is committed any more is
/// told by the next commit ([`Committed::Never`]).
struct WakesAtItsEnd(Waker);

impl Drop for WakesAtItsEnd {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// What commits are measured with.
#[derive(Debug, Clone)]
pub struct Meter {
    /// The clocks.
    pub clock: Clock,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
}

/// The events of a frame; none for what is no frame.
fn events_of(change: &Change) -> Option<u32> {
    match change {
        Change::Append { draft } => u32::try_from(draft.bodies.len()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sprag_core::id::PartitionId;
    use sprag_log::embedded::{self, FileDisk, Options};
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::handle::NodeHandle;
    use super::*;

    fn log(directory: &std::path::Path) -> NodeLog<FileDisk> {
        let disk = FileDisk::open(directory).unwrap();
        let (writer, reader, _) = embedded::open(disk.clone(), Options::new(2, 1)).unwrap();
        let waker = Waker(NodeHandle::new(unbounded_channel().0));
        let meter = Meter { clock: Clock::start(), metrics: Arc::new(Metrics::new()) };
        NodeLog::start(writer, reader, disk, waker, meter).unwrap().0
    }

    fn awaited(log: &mut NodeLog<FileDisk>) -> Completion {
        loop {
            match log.complete() {
                Some(completion) => return completion,
                None => std::thread::yield_now(),
            }
        }
    }

    /// Commits what was submitted, and waits until it is.
    fn committed(log: &mut NodeLog<FileDisk>) -> Completion {
        assert_eq!(log.commit(), Committed::Later);
        awaited(log)
    }

    #[test]
    fn nothing_is_written_before_it_is_committed() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        assert_eq!(log.commit(), Committed::Later, "nothing was submitted");
        let partition = PartitionId(1);
        log.submit(Request::Claim { partition });
        assert!(log.complete().is_none() && !log.is_idle());
        assert!(matches!(committed(&mut log), Completion::Claimed { result: Ok(_), .. }));
        assert!(log.is_idle());
    }

    #[test]
    fn what_is_submitted_during_a_commit_is_held_for_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        log.submit(Request::Claim { partition: PartitionId(0) });
        assert_eq!((log.commit(), log.writer.is_some()), (Committed::Later, false));
        log.submit(Request::Claim { partition: PartitionId(1) });
        assert_eq!(log.held.len(), 1);
        log.rest();
        assert_eq!((log.writer.is_some(), log.held.len()), (true, 0));
        for partition in [0, 1].map(PartitionId) {
            match awaited(&mut log) {
                Completion::Claimed { partition: claimed, result: Ok(_) } => {
                    assert_eq!(claimed, partition);
                }
                other => panic!("{other:?}"),
            }
            log.commit();
        }
        assert!(log.is_idle());
    }

    #[test]
    fn a_rewriting_holds_up_no_frame() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        let partition = PartitionId(0);
        log.submit(Request::Claim { partition });
        committed(&mut log);
        log.submit(Request::Rewrite { segment: 1, dead: Default::default() });
        assert!(log.is_idle());
        assert_eq!(log.commit(), Committed::Later);
        log.submit(Request::Claim { partition: PartitionId(1) });
        assert!(!log.is_idle());
        assert!(matches!(awaited(&mut log), Completion::Rewritten { .. }));
        assert!(!log.is_idle(), "the other change is still under way");
        assert!(matches!(committed(&mut log), Completion::Claimed { .. }));
        assert!(log.is_idle());
    }
}
