//! What the deciding thread is told, and what it tells the network.

use std::sync::Arc;

use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Hash, Key, PartitionId, SourceId};
use sprag_core::input::{Arrival, AttemptId, Command, Compared, Ended, Fetched};
use sprag_core::lists::{ListAsk, ListRead};
use sprag_core::output::{Answer, Attempt, Compare, Fetch, Theirs};
use sprag_core::partition::KeyView;
use sprag_core::plan::Plan;
use sprag_core::record::Directory;
use sprag_driver::cache::ReleasedEvent;
use sprag_driver::effect::Notice;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::statistics::Statistics;

/// The network as the deciding thread sees it. None of these may block.
pub trait Network: Send + 'static {
    /// Send an event, with the others of its range, and report the attempt's end to the handle.
    fn deliver(
        &mut self,
        partition: PartitionId,
        attempt: Box<Attempt>,
        event: ReleasedEvent,
        others: Vec<ReleasedEvent>,
    );

    /// Break an attempt off, and report its end to the handle.
    fn abort(&mut self, partition: PartitionId, attempt: AttemptId);

    /// Ask a source for missing positions, bring in what comes, and report the end to the handle.
    fn fetch(&mut self, partition: PartitionId, fetch: Box<Fetch>);

    /// Ask a source what it has of a key, and report what it answered to the handle.
    fn compare(&mut self, partition: PartitionId, compare: Box<Compare>);

    /// Bring in what a source has, as an event; nobody waits for it.
    fn bring_theirs(&mut self, theirs: Box<Theirs>);

    /// Read the list of a whole source, bring in what comes, and report the end to the handle.
    fn read_list(&mut self, asked: ListAsk);

    /// What came of the newest attempt at a destination, where one ended.
    fn newest_outcome(&self, destination: DestinationId) -> Option<Outcome>;

    /// An operator must know this.
    fn notice(&mut self, notice: Notice);
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) struct Asking {
    /// Where it goes. Who asked may have gone.
    pub(super) answer: oneshot::Sender<Answer>,
    /// The room what was brought takes until it is answered.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl From<oneshot::Sender<Answer>> for Asking {
    fn from(answer: oneshot::Sender<Answer>) -> Self {
        Self { answer, room: None }
    }
}

/// What the deciding thread is told.
#[derive(Debug)]
pub(super) enum Message {
    /// An event; its ticket is set by the thread.
    Receive(Box<Arrival>, Arc<[u8]>, Asking),
    /// An event of a type that is not accepted.
    Ignore(SourceId, Option<Arc<str>>, Arc<str>, Hash, Asking),
    /// A request was refused: source, problem code, peer, digest of its body; and the room this takes.
    Refuse(SourceId, Arc<str>, Arc<str>, Option<Hash>, OwnedSemaphorePermit),
    /// Another configuration. A notice tells the network what became of it.
    Reload(Box<Plan>),
    /// An operator's command.
    Command(Command, Asking),
    /// An attempt ended.
    Ended(PartitionId, Ended),
    /// An ask for missing positions is over.
    Fetched(PartitionId, Fetched),
    /// A comparison is over.
    Compared(PartitionId, Box<Compared>),
    /// A pass over a list is over.
    ListRead(ListRead),
    /// A key in memory as it is.
    View(Key, oneshot::Sender<Option<(PartitionId, KeyView)>>),
    /// Bring the state store up to date.
    Store(Asking),
    /// The names and numbers history knows.
    Directory(oneshot::Sender<Directory>),
    /// Counts for metrics and health.
    Statistics(oneshot::Sender<Statistics>),
    /// Log or state have completed something.
    Completed,
    /// Stop deciding. What was decided is committed first.
    Stop(oneshot::Sender<()>),
}
