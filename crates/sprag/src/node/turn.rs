//! The deciding thread: hear, turn, carry out, commit, or wait.
//!
//! It drives a runtime of its own, so that what it waits for and what is to run beside deciding on the same
//! thread (attempts, on a machine of few cores) take turns: after each of its own, the others have theirs.

use std::{io, thread};

use sprag_core::chain::Digest;
use sprag_core::input::Ticket;
use sprag_core::output::Answer;
use sprag_core::time::UnixMicros;
use sprag_driver::effect::Effect;
use sprag_driver::node::Node;
use sprag_driver::numbered::ByNumber;
use sprag_driver::state::State;
use sprag_log::Log;
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver as Receiver, unbounded_channel};
use tokio::sync::oneshot;

use super::breakers::Breakers;
use super::handle::NodeHandle;
use super::message::{Asking, Message, Network};
use super::statistics::{Statistics, wait_until};
use crate::clock::Clock;
use crate::state::outcome_name;
use crate::{life, limits};

/// A log whose owner says when it is committed.
pub trait Commit: Log {
    /// Has what was submitted written and synced.
    fn commit(&mut self) -> Committed;

    /// Waits until nothing is being written, at most for [`limits::STOP_PATIENCE`].
    fn rest(&mut self);
}

/// How it stands with what was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// What was submitted before it is committed; what came of that is there to be taken ([`Log::complete`]).
    Now,
    /// There is nothing to commit, or somebody does it, who wakes the deciding thread when it is done.
    Later,
    /// Whoever does it is gone.
    Never,
}

/// The runtime of the deciding thread. It may be let go anywhere, and what it still does is not waited for.
struct OwnRuntime(Option<runtime::Runtime>);

impl OwnRuntime {
    fn new() -> io::Result<Self> {
        runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    fn get(&self) -> &runtime::Runtime {
        self.0.as_ref().expect("it is taken only where it is dropped")
    }

    fn handle(&self) -> runtime::Handle {
        self.get().handle().clone()
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The deciding thread's own things.
struct Turning<L, S, D, N> {
    node: Node<L, S, D>,
    network: N,
    clock: Clock,
    answers: ByNumber<Ticket, Asking>,
    next_ticket: u64,
    breakers: Breakers,
    /// Told to stop: nothing new is taken, and it ends once everything is committed and stored.
    stopping: Option<(Ticket, oneshot::Sender<()>)>,
}

/// Starts the deciding thread. `make` gets a function that wakes it, for the threads of log and
/// state to call when something completed, and `network` gets the handle, and the runtime of this thread.
///
/// # Errors
/// When the thread cannot be started.
pub fn start<L, S, D, N>(
    clock: Clock,
    make: impl FnOnce(Waker) -> io::Result<Node<L, S, D>>,
    network: impl FnOnce(NodeHandle, runtime::Handle) -> N,
) -> io::Result<StartedThread>
where
    L: Commit + Send + 'static,
    S: State + Send + 'static,
    D: Digest + Clone + Send + 'static,
    N: Network,
{
    let (sender, mut receiver) = unbounded_channel();
    let runtime = OwnRuntime::new()?;
    let handle = NodeHandle::new(sender);
    let waker = Waker(handle.clone());
    let turning = Turning {
        node: make(waker)?,
        network: network(handle.clone(), runtime.handle()),
        clock,
        answers: ByNumber::default(),
        next_ticket: 0,
        breakers: Breakers::default(),
        stopping: None,
    };
    let thread = thread::Builder::new().name("sprag-node".into());
    let (alive, ended) = oneshot::channel();
    let thread = thread.spawn(move || {
        // Dropped however the thread ends: by a stop, or by a fault of its own.
        let _alive = alive;
        runtime.get().block_on(turning.run(&mut receiver));
    })?;
    Ok(StartedThread { handle, thread, ended })
}

/// The deciding thread.
#[derive(Debug)]
pub struct StartedThread {
    /// How it is spoken to.
    pub handle: NodeHandle,
    /// The thread itself.
    pub thread: thread::JoinHandle<()>,
    /// Completes when it has ended.
    pub ended: oneshot::Receiver<()>,
}

/// Wakes the deciding thread: something completed.
#[derive(Debug, Clone)]
pub struct Waker(pub(super) NodeHandle);

impl Waker {
    /// Wakes it. A stopped node needs no waking.
    pub fn wake(&self) {
        self.0.completed();
    }
}

impl<L: Commit, S: State, D: Digest + Clone, N: Network> Turning<L, S, D, N> {
    async fn run(mut self, receiver: &mut Receiver<Message>) {
        loop {
            self.turn();
            if self.has_stopped() {
                self.node.log_mut().rest();
                return;
            }
            match self.node.log_mut().commit() {
                // What is durable now leaves before anything else is heard, and the next commit begins.
                Committed::Now => {}
                Committed::Later => self.wait(receiver).await,
                // Nothing would ever be durable again: its end is told as a fault.
                Committed::Never => return,
            }
            tokio::task::yield_now().await;
        }
    }

    /// Hears what comes, or that something is due. There is always who may tell it something: it itself.
    async fn wait(&mut self, receiver: &mut Receiver<Message>) {
        let wait = wait_until(self.node.deadline(), self.clock.now());
        if let Ok(Some(message)) = tokio::time::timeout(wait, receiver.recv()).await {
            self.hear_all(message, receiver);
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        self.node.turn(now);
        self.carry_out();
        self.tell_breakers(now.clock);
    }

    /// A breaker that opens or closes is a line of the log. There are few destinations.
    fn tell_breakers(&mut self, now: UnixMicros) {
        for (id, destination) in self.node.destinations() {
            let is_open = destination.is_open();
            if !self.breakers.is_other(*id, is_open, now) {
                continue;
            }
            let known = self.node.directory().destinations.get(id);
            let name = known.map(|known| &*known.name).unwrap_or_default();
            if is_open {
                let last = self.network.newest_outcome(*id).map(outcome_name);
                let (last, lanes) = (last.unwrap_or_default(), self.node.backlog(*id).lanes);
                tracing::warn!(
                    "breaker-open: destination {name:?} fails (last: {last}); {lanes} lane(s) wait \
                     while it is tried one event at a time"
                );
            } else {
                tracing::info!("the breaker of destination {name:?} closed: it answers again");
            }
        }
    }

    /// Counts; what is known of open breakers is known here.
    fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::of(&self.node);
        for (id, counts) in &mut statistics.destinations {
            counts.breaker_since = self.breakers.since(*id);
            counts.newest_outcome = self.network.newest_outcome(*id);
        }
        statistics
    }

    /// Takes in what has come by now, at most so much that effects do not wait for long.
    fn hear_all(&mut self, first: Message, receiver: &mut Receiver<Message>) {
        self.hear(first);
        for _ in 1..limits::MESSAGES_PER_TURN {
            let Ok(message) = receiver.try_recv() else { return };
            self.hear(message);
        }
    }

    fn hear(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Receive(mut arrival, body, answer) => {
                if let Some(ticket) = self.ticket(answer) {
                    life::step!("decide");
                    arrival.ticket = ticket;
                    self.node.receive(now, *arrival, body);
                }
            }
            Message::Ignore(source, id, event_type, digest, answer) => {
                if let Some(ticket) = self.ticket(answer) {
                    self.node.ignore(now, ticket, source, id, event_type, digest);
                }
            }
            Message::Refuse(source, code, peer, digest, _room) => {
                self.node.refuse(now, source, code, peer, digest);
            }
            Message::Command(command, answer) => {
                if let Some(ticket) = self.ticket(answer) {
                    self.node.command(now, ticket, command);
                }
            }
            Message::Ended(partition, ended) => {
                life::step!("record");
                self.node.ended(now, partition, ended);
            }
            Message::Fetched(partition, fetched) => self.node.fetched(now, partition, fetched),
            Message::Compared(partition, compared) => self.node.compared(now, partition, compared),
            Message::ListRead(read) => self.node.list_read(now, &read),
            Message::Store(answer) => {
                if let Some(ticket) = self.ticket(answer) {
                    self.node.store_now(ticket);
                }
            }
            Message::Reload(plan) => self.node.reload(now, *plan),
            Message::Stop(done) => self.stop(done),
            question => self.tell(question),
        }
    }

    /// Answers what changes nothing. Who asked may have gone.
    fn tell(&self, question: Message) {
        match question {
            Message::View(key, answer) => drop(answer.send(self.node.view(&key))),
            Message::Directory(answer) => drop(answer.send(self.node.directory().clone())),
            Message::Statistics(answer) => drop(answer.send(self.statistics())),
            _ => {}
        }
    }

    /// A ticket for who waits; a stopping node takes nothing new and answers so.
    fn ticket(&mut self, asking: Asking) -> Option<Ticket> {
        if self.stopping.is_some() {
            let _ = asking.answer.send(Answer::Unavailable);
            return None;
        }
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.answers.insert(ticket, asking);
        Some(ticket)
    }

    fn stop(&mut self, done: oneshot::Sender<()>) {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.node.store_now(ticket);
        self.stopping.get_or_insert((ticket, done));
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.node.poll_effect() {
            match effect {
                Effect::Answer { ticket, answer } => self.answer(ticket, answer),
                Effect::Deliver { partition, attempt, event, others } => {
                    self.network.deliver(partition, attempt, event, others);
                }
                Effect::Abort { partition, attempt } => self.network.abort(partition, attempt),
                Effect::Fetch { partition, fetch } => self.network.fetch(partition, fetch),
                Effect::Compare { partition, compare } => self.network.compare(partition, compare),
                Effect::BringTheirs(theirs) => self.network.bring_theirs(theirs),
                Effect::ReadList(asked) => self.network.read_list(asked),
                Effect::Notice(notice) => self.network.notice(notice),
            }
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        if let Some((stopping, done)) = self.stopping.take() {
            if stopping == ticket {
                let _ = done.send(());
                self.stopping = Some((Ticket(u64::MAX), oneshot::channel().0));
                return;
            }
            self.stopping = Some((stopping, done));
        }
        if let Some(Asking { answer: waiting, room }) = self.answers.remove(&ticket) {
            life::step!("acknowledge");
            let _ = waiting.send(answer);
            drop(room);
        }
    }

    fn has_stopped(&self) -> bool {
        self.stopping.as_ref().is_some_and(|(ticket, _)| *ticket == Ticket(u64::MAX))
    }
}
