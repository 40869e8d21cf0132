//! What is done beside the commits, on threads of their own: lookups, indexes of sealed segments and
//! dictionaries, and segments written anew. Must not know who commits.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use sprag_log::dictionary::TrainJob;
use sprag_log::embedded::{Catalog, Disk, Reader, RewriteJob, SealJob, Writer};
use sprag_log::{Answer, Completion, Corruption, Query, ReadError, Ticket};
use tokio::sync::oneshot;

use super::turn::Waker;

/// The threads as the log has them. They end when this is dropped.
pub(super) struct Beside<D: Disk> {
    questions: Sender<Question>,
    jobs: Sender<Job<D>>,
    completions: Receiver<Completion>,
}

impl<D> Beside<D>
where
    D: Disk + Send + 'static,
    D::File: Send,
{
    /// Starts them; with how others ask.
    pub(super) fn start(
        reader: Reader<D>,
        disk: D,
        waker: Waker,
    ) -> io::Result<(Self, LogQueries)> {
        let catalog = reader.catalog().clone();
        let (questions, asked) = channel();
        let (outgoing, completions) = channel();
        let (jobs, given) = channel();
        let done = Outlet { outgoing: outgoing.clone(), waker: waker.clone() };
        let looked_after = catalog.clone();
        spawn("sprag-index", move || work_off(&given, &disk, &looked_after, &done))?;
        let done = Outlet { outgoing, waker };
        spawn("sprag-read", move || read(reader, &asked, &done))?;
        let others = LogQueries { questions: questions.clone(), catalog };
        Ok((Self { questions, jobs, completions }, others))
    }

    /// Asks for the node. If the thread died nothing is answered.
    pub(super) fn ask(&self, ticket: Ticket, query: Query) {
        drop(self.questions.send(Question::Node(ticket, query)));
    }

    /// The next completion, none when there is none.
    pub(super) fn complete(&self) -> Option<Completion> {
        self.completions.try_recv().ok()
    }

    /// Takes over what a writer leaves to others.
    pub(super) fn take_over(&self, writer: &mut Writer<D>) {
        while let Some(job) = writer.seal_job() {
            // Without its thread a segment is indexed at the next start.
            let _ = self.jobs.send(Job::Seal(job));
        }
        while let Some(job) = writer.train_job() {
            // Without its thread bodies are packed without.
            let _ = self.jobs.send(Job::Train(job));
        }
        while let Some(job) = writer.rewrite_job() {
            // Without its thread it is dropped, and the segment is as it was.
            let _ = self.jobs.send(Job::Rewrite(Box::new(job)));
        }
    }
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

/// Where completions go, and who is woken by them.
struct Outlet {
    outgoing: Sender<Completion>,
    waker: Waker,
}

impl Outlet {
    /// Hands a completion over; false when nobody listens any more.
    fn put(&self, completion: Completion) -> bool {
        let heard = self.outgoing.send(completion).is_ok();
        if heard {
            self.waker.wake();
        }
        heard
    }
}

fn read<D: Disk>(mut reader: Reader<D>, questions: &Receiver<Question>, done: &Outlet) {
    while let Ok(question) = questions.recv() {
        match question {
            Question::Node(ticket, query) => {
                let result = reader.answer(&query);
                if !done.put(Completion::Answered { ticket, result }) {
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
                if !done.put(completion) {
                    return;
                }
            }
        }
    }
}

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}
