//! Events come in: `POST /in/{source}`, and the handshakes of providers with it.
//!
//! Verify, extract, hand to the node, answer once it is durable. What an event becomes is the
//! core's; this side reads bytes and writes answers (DESIGN section 5).

mod activity;
pub(crate) mod answer;
pub(crate) mod body;
mod connections;
mod handshake;
mod request;
mod source;

pub use connections::{Listening, listen};
pub use source::{IngressSource, SourceProblem};
pub(crate) use source::{kept_headers, stored_headers};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::node::NodeHandle;

/// What every ingress request needs.
#[derive(Debug)]
pub struct Ingress {
    /// The sources by name.
    pub sources: BTreeMap<String, IngressSource>,
    /// Where events go.
    pub node: NodeHandle,
    /// The clocks.
    pub clock: Clock,
    /// For the head and body of one request, and for its commit.
    pub request_time: Duration,
    /// Whether free disk space is below the reserve (DESIGN D5).
    pub disk: Arc<crate::disk_reserve::DiskReserve>,
    /// The consumers' side, on the same listener.
    pub out: crate::out::Out,
}
