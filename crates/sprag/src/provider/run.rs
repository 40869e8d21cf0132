//! Many connections that post one list of events, each taking the next.

use super::client::{Answer, Client};
use super::post::Post;
use super::tally::Tally;
use super::target::Target;
use crate::clock::Clock;
use crate::verify::Signer;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// Hears what happens to each event. Called on the connections' tasks: it must not block.
pub trait Listener: Send + Sync + 'static {
    /// The event at this place of the list is about to be posted.
    fn leaves(&self, _at: usize) {}

    /// It was not taken, for this reason, and is tried again.
    fn again(&self, _at: usize, _why: &str) {}

    /// It was answered at last, or given up.
    fn answered(&self, _at: usize, _answer: &Answer) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Idle;

impl Listener for Idle {}

/// Gives the event at a place of the list.
pub type Supply = Box<dyn Fn(usize) -> Post + Send + Sync>;

/// What is posted, where and how.
pub struct Run<L> {
    /// Where to.
    pub target: Target,
    /// What signs.
    pub signer: Signer,
    /// The length of the list.
    pub count: usize,
    /// The list.
    pub supply: Supply,
    /// Connections; each has one post under way, so with one the order of the list is kept.
    pub concurrency: usize,
    /// The time that is signed.
    pub clock: Clock,
    /// Who hears of it.
    pub listener: L,
}

impl<L> fmt::Debug for Run<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Run({} to {:?})", self.count, self.target)
    }
}

struct Shared<L> {
    next: AtomicUsize,
    count: usize,
    supply: Supply,
    listener: L,
}

/// Posts everything and counts the answers.
pub async fn run<L: Listener>(run: Run<L>) -> Tally {
    let (target, signer) = (Arc::new(run.target), Arc::new(run.signer));
    let shared = Arc::new(Shared {
        next: AtomicUsize::new(0),
        count: run.count,
        supply: run.supply,
        listener: run.listener,
    });
    let mut connections = JoinSet::new();
    for _ in 0..run.concurrency.clamp(1, run.count.max(1)) {
        let client = Client::new(target.clone(), signer.clone(), run.clock);
        connections.spawn(work(client, shared.clone()));
    }
    let mut tally = Tally::default();
    while let Some(worked) = connections.join_next().await {
        match worked {
            Ok(counts) => tally.join(&counts),
            // None is ever aborted, so what ended otherwise has panicked: a bug is not hidden.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    tally
}

async fn work<L: Listener>(mut client: Client, shared: Arc<Shared<L>>) -> Tally {
    let mut tally = Tally::default();
    loop {
        let at = shared.next.fetch_add(1, Ordering::Relaxed);
        if at >= shared.count {
            return tally;
        }
        let post = (shared.supply)(at);
        shared.listener.leaves(at);
        let (answer, tries) = client.post(&post, |why| shared.listener.again(at, why)).await;
        shared.listener.answered(at, &answer);
        tally.count(&answer, tries);
    }
}
