//! The log of the deciding thread, which appends to it.
//!
//! It writes and syncs itself: what it decides next could leave no earlier than the sync that is under way,
//! and a thread for that costs a hand-over each way. Only while commits take long a thread does it, so that
//! deciding goes on meanwhile
//! ([decision 027](../../../../docs/decisions/027-the-deciding-thread-appends.md)).
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

/// A log that whoever has it appends to; what takes longer is done by threads that end when it is dropped.
pub struct NodeLog<D: Disk> {
    /// None while the thread has it.
    writer: Option<Writer<D>>,
    /// Submitted while it has.
    held: Vec<Change>,
    /// What the next commit takes.
    next: Option<Filling>,
    slow: Sender<(Writer<D>, Filling)>,
    returned: Receiver<(Writer<D>, Filling, Duration)>,
    beside: Beside<D>,
    meter: Meter,
    /// How long commits took lately.
    usual: Duration,
    catalog: Catalog,
    /// Changes that have not completed.
    under_way: usize,
}

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
        let (slow, incoming) = channel();
        let (outgoing, returned) = channel();
        let clock = meter.clock;
        spawn("sprag-log", move || append_slowly(&incoming, &outgoing, &waker, clock))?;
        let log = Self {
            writer: Some(writer),
            held: Vec::new(),
            next: None,
            slow,
            returned,
            beside,
            meter,
            usual: Duration::ZERO,
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
        let (mut writer, filling, took) = match self.returned.try_recv() {
            Ok(returned) => returned,
            Err(TryRecvError::Empty) => return Ok(false),
            Err(gone) => return Err(gone),
        };
        self.is_committed(&mut writer, &filling, took);
        self.held.drain(..).for_each(|change| writer.submit(change));
        self.writer = Some(writer);
        Ok(true)
    }

    /// `took` is the disk's part of it.
    fn is_committed(&mut self, writer: &mut Writer<D>, filling: &Filling, took: Duration) {
        self.usual = (self.usual * 7 + took) / 8;
        let metrics = &self.meter.metrics;
        let since = self.meter.clock.now().elapsed.since(filling.since.elapsed);
        filling.frames.iter().for_each(|events| metrics.commit(since, *events));
        metrics.bodies(&writer.tally());
        self.beside.take_over(writer);
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
        let Some(mut writer) = self.writer.take() else { return Committed::Later };
        let Some(filling) = self.next.take() else {
            self.writer = Some(writer);
            return Committed::Later;
        };
        if self.usual > limits::QUICK_COMMIT {
            let handed = self.slow.send((writer, filling));
            return handed.map_or(Committed::Never, |()| Committed::Later);
        }
        let took = append(&mut writer, self.meter.clock);
        self.is_committed(&mut writer, &filling, took);
        self.writer = Some(writer);
        Committed::Now
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

/// Writes and syncs everything the writer was given; how long that took.
fn append<D: Disk>(writer: &mut Writer<D>, clock: Clock) -> Duration {
    life::step!("append");
    let begun = clock.now().elapsed;
    while writer.step() {}
    clock.now().elapsed.since(begun)
}

/// The thread of a slow disk: takes the writer, appends, and gives it back.
fn append_slowly<D: Disk>(
    incoming: &Receiver<(Writer<D>, Filling)>,
    outgoing: &Sender<(Writer<D>, Filling, Duration)>,
    waker: &Waker,
    clock: Clock,
) {
    while let Ok((mut writer, filling)) = incoming.recv() {
        let took = append(&mut writer, clock);
        if outgoing.send((writer, filling, took)).is_err() {
            return;
        }
        waker.wake();
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

    /// Commits as on a quick disk, whatever this one is.
    fn quickly(log: &mut NodeLog<FileDisk>) -> Committed {
        log.usual = Duration::ZERO;
        log.commit()
    }

    #[test]
    fn nothing_is_written_before_it_is_committed() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        assert_eq!(quickly(&mut log), Committed::Later, "nothing was submitted");
        let partition = PartitionId(1);
        log.submit(Request::Claim { partition });
        assert!(log.complete().is_none() && !log.is_idle());
        assert_eq!(quickly(&mut log), Committed::Now);
        assert!(matches!(log.complete(), Some(Completion::Claimed { result: Ok(_), .. })));
        assert!(log.is_idle());
        assert_eq!(quickly(&mut log), Committed::Later);
    }

    #[test]
    fn while_commits_take_long_a_thread_does_them_and_the_next_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        log.usual = limits::QUICK_COMMIT * 10_000;
        for partition in [0, 1].map(PartitionId) {
            log.submit(Request::Claim { partition });
            assert_ne!(log.commit(), Committed::Never);
        }
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
        assert!(log.usual < limits::QUICK_COMMIT * 10_000, "what it took counts");
        log.submit(Request::Claim { partition: PartitionId(0) });
        assert_eq!(quickly(&mut log), Committed::Now, "the disk has become quick");
    }

    #[test]
    fn a_rewriting_holds_up_no_frame() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        let partition = PartitionId(0);
        log.submit(Request::Claim { partition });
        quickly(&mut log);
        log.complete().unwrap();
        log.submit(Request::Rewrite { segment: 1, dead: Default::default() });
        assert!(log.is_idle());
        quickly(&mut log);
        log.submit(Request::Claim { partition: PartitionId(1) });
        assert!(!log.is_idle());
        assert!(matches!(awaited(&mut log), Completion::Rewritten { .. }));
        assert!(!log.is_idle(), "the other change is still under way");
        quickly(&mut log);
        assert!(matches!(log.complete(), Some(Completion::Claimed { .. })));
        assert!(log.is_idle());
    }
}
