//! The state store on a thread of its own, so that its writes delay no decision.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use sprag_driver::state::{State, StateCompletion, StateRequest};

use super::turn::Waker;

/// A state store as a step: one request, one completion or none.
pub trait StateStep: Send + 'static {
    /// Works a request off.
    fn step(&mut self, request: StateRequest) -> Option<StateCompletion>;
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
        thread.spawn(move || {
            while let Ok(request) = incoming.recv() {
                let Some(completion) = store.step(request) else { continue };
                if outgoing.send(completion).is_err() {
                    return;
                }
                waker.wake();
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
