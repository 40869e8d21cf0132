//! The product's node on the product's log and state store, as `sprag serve` starts it.
//! Must not know: where events come from.

use std::sync::Arc;
use std::thread::JoinHandle;

use sprag::clock::Clock;
use sprag::config::Config;
use sprag::metrics::Metrics;
use sprag::node::{self, Meter, NodeHandle, NodeLog, StartedThread, ThreadState};
use sprag::plan;
use sprag::state::SqliteState;
use sprag_core::fact::Outcome;
use sprag_driver::effect::{Configured, Notice};
use sprag_driver::node::Node;
use sprag_log::digest::Sha256;
use sprag_log::embedded::{self, FileDisk};
use tokio::sync::{Semaphore, mpsc};

use super::network::Ending;

/// A node that takes events in.
pub(crate) struct Filling {
    pub(crate) handle: NodeHandle,
    /// The numbers of the names.
    pub(crate) configured: Configured,
    thread: JoinHandle<()>,
}

impl Filling {
    /// Opens the data directory of a configuration and starts a node on it.
    pub(crate) async fn start(config: &Config, permits: Arc<Semaphore>, outcome: Outcome) -> Self {
        let (clock, partitions) = (Clock::start(), config.server.partitions);
        let disk = FileDisk::open(&config.server.data.join("log")).unwrap();
        let options = embedded::Options::new(partitions, u64::from(std::process::id()));
        let options = embedded::Options { packing: config.body_codec, ..options };
        let (writer, reader, _) = embedded::open(disk.clone(), options).unwrap();
        let log = format!("embedded of {partitions} partitions");
        let state = SqliteState::open(&config.server.data, &log).unwrap().store;
        let meter = Meter { clock, metrics: Arc::new(Metrics::new()) };
        let plan = plan::plan(config, None);
        let make = |waker: node::Waker| -> std::io::Result<_> {
            let (log, _) = NodeLog::start(writer, reader, disk, waker.clone(), meter)?;
            let state = ThreadState::start(state, waker)?;
            Ok(Node::new(log, state, Sha256, plan, partitions, u64::from(std::process::id())))
        };
        let (notices, mut heard) = mpsc::unbounded_channel();
        let network = |node, _| Ending { node, permits, outcome, notices };
        let StartedThread { handle, thread, .. } = node::start(clock, make, network).unwrap();
        let configured = serving(&mut heard, partitions).await;
        Self { handle, configured, thread }
    }

    /// Stops the node: everything decided is committed and stored.
    pub(crate) async fn stop(self) {
        self.handle.stop().await;
        self.thread.join().unwrap();
    }
}

/// Waits until every partition serves.
async fn serving(heard: &mut mpsc::UnboundedReceiver<Notice>, partitions: u16) -> Configured {
    let (mut configured, mut serving) = (None, 0);
    while serving < partitions {
        match heard.recv().await.unwrap() {
            Notice::Configured(names) => configured = Some(names),
            Notice::Serving(_) => serving += 1,
            other => panic!("{other}"),
        }
    }
    configured.unwrap()
}
