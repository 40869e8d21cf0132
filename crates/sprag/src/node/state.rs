//! The state store on a thread of its own, so that its writes delay no decision.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use sprag_core::id::{Key, PartitionId};
use sprag_core::record::KeyRecord;
use sprag_driver::state::{State, StateCompletion, StateRequest};

use super::turn::Waker;

/// A state store as a step: one request, one completion or none.
pub trait StateStep: Send + 'static {
    /// Works a request off, and loads that wait behind it: none is to wait for a whole batch. A load's own answer goes
    /// where theirs go, in their order.
    fn step_among(
        &mut self,
        request: StateRequest,
        loads: &mut impl Loads,
    ) -> Option<StateCompletion>;

    /// Works a request off while nothing else is asked.
    fn step(&mut self, request: StateRequest) -> Option<StateCompletion> {
        let mut alone = Alone(None);
        let completion = self.step_among(request, &mut alone);
        completion.or(alone.0)
    }
}

/// The loads that wait directly behind what is being worked off.
pub trait Loads {
    /// The next one; none where there is none, or something else comes before it.
    fn next(&mut self) -> Option<(PartitionId, Vec<Key>)>;

    /// The answer to the oldest that has none.
    fn loaded(&mut self, partition: PartitionId, records: Vec<(Key, Option<KeyRecord>)>);
}

/// Nothing waits; what was asked may be a load itself.
struct Alone(Option<StateCompletion>);

impl Loads for Alone {
    fn next(&mut self) -> Option<(PartitionId, Vec<Key>)> {
        None
    }

    fn loaded(&mut self, partition: PartitionId, records: Vec<(Key, Option<KeyRecord>)>) {
        self.0 = Some(StateCompletion::Loaded(partition, records));
    }
}

/// A state store on its own thread.
#[derive(Debug)]
pub struct ThreadState {
    requests: Sender<StateRequest>,
    completions: Receiver<StateCompletion>,
}

impl ThreadState {
    /// Starts the thread. It ends when this is dropped.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(mut store: impl StateStep, waker: Waker) -> io::Result<Self> {
        let (requests, incoming) = channel();
        let (outgoing, completions) = channel();
        let thread = thread::Builder::new().name("sprag-state".into());
        let mut desk = Desk { incoming, next: None, outgoing, waker, is_left: false };
        thread.spawn(move || {
            while let Some(request) = desk.wait() {
                if let Some(completion) = store.step_among(request, &mut desk) {
                    desk.answer(completion);
                }
            }
        })?;
        Ok(Self { requests, completions })
    }
}

impl State for ThreadState {
    fn submit(&mut self, request: StateRequest) {
        // The thread lives as long as this; if it died, no completion comes and nothing more is
        // acknowledged than what the log holds.
        let _ = self.requests.send(request);
    }

    fn complete(&mut self) -> Option<StateCompletion> {
        self.completions.try_recv().ok()
    }
}

/// Where requests come in and answers go out.
struct Desk {
    incoming: Receiver<StateRequest>,
    /// What came and is no load: whatever is behind it waits for it.
    next: Option<StateRequest>,
    outgoing: Sender<StateCompletion>,
    waker: Waker,
    /// Nobody hears answers any more: what was asked before is not done either, for somebody else may have opened the
    /// file by now.
    is_left: bool,
}

impl Desk {
    /// The next request; none once nobody is there to ask.
    fn wait(&mut self) -> Option<StateRequest> {
        if self.is_left {
            return None;
        }
        self.next.take().or_else(|| self.incoming.recv().ok())
    }

    fn answer(&mut self, completion: StateCompletion) {
        self.is_left = self.outgoing.send(completion).is_err();
        if !self.is_left {
            self.waker.wake();
        }
    }
}

impl Loads for Desk {
    fn next(&mut self) -> Option<(PartitionId, Vec<Key>)> {
        if self.is_left {
            return None;
        }
        match self.next.take().or_else(|| self.incoming.try_recv().ok())? {
            StateRequest::Load(partition, keys) => Some((partition, keys)),
            other => {
                self.next = Some(other);
                None
            }
        }
    }

    fn loaded(&mut self, partition: PartitionId, records: Vec<(Key, Option<KeyRecord>)>) {
        self.answer(StateCompletion::Loaded(partition, records));
    }
}

#[cfg(test)]
mod tests {
    use sprag_core::id::{FrameNumber, SourceId};
    use sprag_core::partition::Head;
    use sprag_driver::state::Batch;
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::handle::NodeHandle;
    use super::*;

    /// A store that writes until it was asked for so many keys.
    struct Busy(usize);

    impl StateStep for Busy {
        fn step_among(
            &mut self,
            request: StateRequest,
            loads: &mut impl Loads,
        ) -> Option<StateCompletion> {
            match request {
                StateRequest::Write(partition, batch) => {
                    while self.0 > 0 {
                        let Some((of, keys)) = loads.next() else { continue };
                        self.0 -= 1;
                        loads.loaded(of, keys.into_iter().map(|key| (key, None)).collect());
                    }
                    assert!(loads.next().is_none(), "another partition is opened before that");
                    Some(StateCompletion::Written(partition, batch.head.frame))
                }
                StateRequest::Open(partition) => {
                    Some(StateCompletion::Opened(partition, Head::default()))
                }
                StateRequest::Load(partition, _) => {
                    Some(StateCompletion::Loaded(partition, Vec::new()))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn loads_go_ahead_of_the_batch_before_them_and_of_nothing_else() {
        let waker = Waker(NodeHandle::new(unbounded_channel().0));
        let mut state = ThreadState::start(Busy(2), waker).unwrap();
        let partition = PartitionId(3);
        let key = |name: &str| Key { source: SourceId(1), name: name.into() };
        let head = Head { frame: FrameNumber(7), ..Head::default() };
        let batch =
            Batch { head, records: Vec::new(), tombstones: Vec::new(), letters: Vec::new() };
        let load = |name| StateRequest::Load(partition, vec![key(name)]);
        state.submit(StateRequest::Write(partition, Box::new(batch)));
        state.submit(load("a"));
        // It is looked at before the next load is there, and that is not taken for the last one.
        state.submit(load("b"));
        state.submit(StateRequest::Open(partition));
        state.submit(load("c"));
        let wait = std::time::Duration::from_secs(10);
        let completions = [(); 5].map(|()| state.completions.recv_timeout(wait).unwrap());
        let found = |name| StateCompletion::Loaded(partition, vec![(key(name), None)]);
        assert_eq!(completions[..2], [found("a"), found("b")]);
        assert_eq!(completions[2], StateCompletion::Written(partition, FrameNumber(7)));
        assert_eq!(completions[3], StateCompletion::Opened(partition, Head::default()));
        assert_eq!(completions[4], StateCompletion::Loaded(partition, Vec::new()));
    }
}
