//! The log on threads of its own: one appends, one reads, one indexes sealed segments and writes
//! them anew.
//!
//! Appends wait for no read, and commits for no index. Must not know what frames mean.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use sprag_core::id::PartitionId;
use sprag_log::dictionary::TrainJob;
use sprag_log::embedded::{Catalog, Change, Disk, Reader, RewriteJob, Routed, SealJob, Writer};
use sprag_log::lookup::Wanted;
use sprag_log::{Answer, Completion, Corruption, Log, LogSize, Query, ReadError, Request, Ticket};
use tokio::sync::oneshot;

use super::turn::Waker;
use crate::clock::Clock;
use crate::life;
use crate::metrics::Metrics;

/// A log on threads of its own. They end when this is dropped.
#[derive(Debug)]
pub struct ThreadLog {
    changes: Sender<Change>,
    queries: Sender<Question>,
    completions: Receiver<Completion>,
    catalog: Catalog,
    /// Changes that have not completed.
    under_way: usize,
}

/// Reads the log for others than the node: operators' questions.
#[derive(Debug, Clone)]
pub struct LogQueries {
    questions: Sender<Question>,
    catalog: Catalog,
}

#[derive(Debug)]
enum Question {
    Node(Ticket, Query),
    Other(Query, oneshot::Sender<Result<Answer, ReadError>>),
}

impl LogQueries {
    /// Asks the log.
    ///
    /// # Errors
    /// As the log has it; [`ReadError::Missing`] when the node has stopped.
    pub async fn query(&self, query: Query) -> Result<Answer, ReadError> {
        let (sender, receiver) = oneshot::channel();
        // A stopped log drops the sender, which is told by the receiver.
        let _ = self.questions.send(Question::Other(query, sender));
        receiver.await.unwrap_or(Err(ReadError::Missing))
    }

    /// Damaged places for which something could not be read.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Corruption> {
        self.catalog.unreadable()
    }
}

impl ThreadLog {
    /// Starts the threads over an opened log.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start<D>(
        writer: Writer<D>,
        reader: Reader<D>,
        disk: D,
        waker: Waker,
        meter: Meter,
    ) -> io::Result<(Self, LogQueries)>
    where
        D: Disk + Send + 'static,
        D::File: Send,
    {
        let catalog = writer.catalog().clone();
        let (changes, incoming) = channel();
        let (queries, questions) = channel();
        let (outgoing, completions) = channel();
        let (later, jobs) = channel();
        let done = Outlet { outgoing: outgoing.clone(), waker: waker.clone() };
        let looked_after = catalog.clone();
        spawn("sprag-index", move || work_off(&jobs, &disk, &looked_after, &done))?;
        let done = Outlet { outgoing: outgoing.clone(), waker: waker.clone() };
        spawn("sprag-log", move || append(writer, &incoming, &done, &later, &meter))?;
        let done = Outlet { outgoing, waker };
        spawn("sprag-read", move || read(reader, &questions, &done))?;
        let others = LogQueries { questions: queries.clone(), catalog: catalog.clone() };
        Ok((Self { changes, queries, completions, catalog, under_way: 0 }, others))
    }
}

impl Log for ThreadLog {
    fn submit(&mut self, request: Request) {
        // The threads live as long as this; if one died, nothing it had completes, so nothing
        // more is acknowledged than what is durable.
        match Routed::from(request) {
            Routed::Change(change) => {
                // A segment is written anew beside the commits: none waits for it.
                self.under_way += usize::from(!matches!(change, Change::Rewrite { .. }));
                drop(self.changes.send(change));
            }
            Routed::Query(ticket, query) => {
                drop(self.queries.send(Question::Node(ticket, query)));
            }
        }
    }

    fn complete(&mut self) -> Option<Completion> {
        let completion = self.completions.try_recv().ok()?;
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

/// Where completions go, and who is woken by them.
struct Outlet {
    outgoing: Sender<Completion>,
    waker: Waker,
}

impl Outlet {
    /// Hands completions over; false when nobody listens any more.
    fn put(&self, completions: impl Iterator<Item = Completion>) -> bool {
        let mut any = false;
        for completion in completions {
            any = true;
            if self.outgoing.send(completion).is_err() {
                return false;
            }
        }
        if any {
            self.waker.wake();
        }
        true
    }
}

/// Appends everything that waits as one batch, again and again.
fn append<D: Disk>(
    mut writer: Writer<D>,
    incoming: &Receiver<Change>,
    done: &Outlet,
    later: &Sender<Job<D>>,
    meter: &Meter,
) {
    let mut frames = Vec::new();
    while let Ok(change) = incoming.recv() {
        let handed_over = meter.clock.now();
        frames.extend(events_of(&change));
        writer.submit(change);
        loop {
            match incoming.try_recv() {
                Ok(change) => {
                    frames.extend(events_of(&change));
                    writer.submit(change);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        life::step!("append");
        while writer.step() {}
        let took = meter.clock.now().elapsed.since(handed_over.elapsed);
        frames.drain(..).for_each(|events| meter.metrics.commit(took, events));
        meter.metrics.bodies(&writer.tally());
        while let Some(job) = writer.seal_job() {
            // Without its thread a segment is indexed at the next start.
            let _ = later.send(Job::Seal(job));
        }
        while let Some(job) = writer.train_job() {
            // Without its thread bodies are packed without.
            let _ = later.send(Job::Train(job));
        }
        while let Some(job) = writer.rewrite_job() {
            // Without its thread it is dropped, and the segment is as it was.
            let _ = later.send(Job::Rewrite(Box::new(job)));
        }
        if !done.put(std::iter::from_fn(|| writer.complete())) {
            return;
        }
    }
}

fn read<D: Disk>(mut reader: Reader<D>, questions: &Receiver<Question>, done: &Outlet) {
    while let Ok(question) = questions.recv() {
        match question {
            Question::Node(ticket, query) => {
                let result = reader.answer(&query);
                let completion = Completion::Answered { ticket, result };
                if !done.put(std::iter::once(completion)) {
                    return;
                }
            }
            // Who asked may have gone.
            Question::Other(query, answer) => drop(answer.send(reader.answer(&query))),
        }
        warn_of_damages(reader.catalog());
    }
}

/// Tells the operator of damage, of each place once: of what fails nothing yet nobody would hear
/// otherwise, and of what cannot be read only who asks for it.
pub(crate) fn warn_of_damages(catalog: &Catalog) {
    for damage in catalog.newly_unreadable() {
        tracing::error!(
            "{damage}; what stands there cannot be read, and what waits for it waits until it can: \
             check the disk, then restore a backup"
        );
    }
    for damage in catalog.damages() {
        tracing::warn!("{damage}; its other copy serves if it is whole: check the disk");
    }
}

/// What is done to a sealed segment while others are written.
enum Job<D: Disk> {
    /// Write its index.
    Seal(SealJob),
    /// Train a dictionary for those that follow.
    Train(TrainJob),
    /// Write it anew without bodies that have expired.
    Rewrite(Box<RewriteJob<D>>),
}

/// Writes the index of each sealed segment beside it, and segments anew. An index that fails is
/// written at the next start; until then memory serves. An index does not wait for a rewriting.
fn work_off<D: Disk>(jobs: &Receiver<Job<D>>, disk: &D, catalog: &Catalog, done: &Outlet) {
    let mut rewriting: VecDeque<Box<RewriteJob<D>>> = VecDeque::new();
    loop {
        let job = if rewriting.is_empty() {
            jobs.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            jobs.try_recv()
        };
        match job {
            Ok(Job::Seal(job)) => {
                if let Ok(sealed) = job.run(disk) {
                    sealed.install();
                }
            }
            Ok(Job::Train(job)) => job.run(),
            Ok(Job::Rewrite(job)) => rewriting.push_back(job),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                let Some(completion) = rewriting.front_mut().and_then(|job| job.step()) else {
                    continue;
                };
                rewriting.pop_front();
                warn_of_damages(catalog);
                if !done.put(std::iter::once(completion)) {
                    return;
                }
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::id::FrameNumber;

    #[test]
    fn a_rewriting_holds_up_no_frame() {
        let ((changes, _writer), (queries, _reader)) = (channel(), channel());
        let (outgoing, completions) = channel();
        let catalog = Catalog::default();
        let mut log = ThreadLog { changes, queries, completions, catalog, under_way: 0 };
        log.submit(Request::Rewrite { segment: 1, dead: Default::default() });
        assert!(log.is_idle());
        let (partition, before) = (PartitionId(0), FrameNumber(1));
        log.submit(Request::Trim { partition, before });
        assert!(!log.is_idle());
        outgoing.send(Completion::Rewritten { segment: 1, result: Ok(0) }).unwrap();
        log.complete().unwrap();
        assert!(!log.is_idle(), "the other change is still under way");
        outgoing.send(Completion::Trimmed { partition, result: Ok(before) }).unwrap();
        log.complete().unwrap();
        assert!(log.is_idle());
    }
}
