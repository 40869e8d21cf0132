//! From an element of a page to an event in the log: read by the source's rules, then on the way of any
//! event. That the source has it is shown by the connection it came over, so there is no signature.

use std::cmp::Ordering;
use std::sync::Arc;

use http::HeaderMap;
use sprag_core::fact::Origin;
use sprag_core::id::{Hash, Key, SourceId};
use sprag_core::output::{Answer, Busy};
use sprag_core::position::Position;
use sprag_log::digest::sha256;

use crate::config::OnInvalid;
use crate::extract::{ExtractError, Extracted, Extraction, Extractor, Received};
use crate::metrics::SourceMetrics;
use crate::node::{NewArrival, NodeHandle};
use crate::problem::Code;
use crate::{limits, order};

/// What the elements of a source's pages are read with.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) extractor: Extractor,
    pub(super) on_invalid: OnInvalid,
    /// Largest event, bytes.
    pub(super) max_body: usize,
    pub(super) metrics: SourceMetrics,
}

/// An event that is to be taken in.
#[derive(Debug)]
pub(super) enum Ready {
    Arrival(Box<NewArrival>, Arc<[u8]>),
    Ignored { event_type: Arc<str>, digest: Hash },
}

/// An event could not be made durable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotTaken;

impl Entry {
    /// Reads an element. One that cannot be used is noted as a request would be (DESIGN D7).
    pub(super) fn read(&self, node: &NodeHandle, source: SourceId, event: &[u8]) -> Option<Ready> {
        let digest = sha256(&[event]);
        let headers = HeaderMap::new();
        let received = Received { headers: &headers, query: "", body: event, digest: &digest.0 };
        let refused = match self.extractor.extract(received) {
            _ if event.len() > self.max_body => Code::BodyTooLarge,
            Ok(Extraction::Ignored { event_type }) => {
                return Some(Ready::Ignored { event_type: event_type.into(), digest });
            }
            Ok(Extraction::Event(extracted)) => {
                return Some(ready(arrival(source, extracted, digest), event));
            }
            Err(_) if self.on_invalid == OnInvalid::DeadLetter => {
                return Some(ready(unreadable(source, digest), event));
            }
            Err(error @ (ExtractError::Invalid(_) | ExtractError::Unreadable(_))) => {
                (&error).into()
            }
        };
        self.metrics.refused(refused);
        node.refuse_refilled(source, refused.as_str(), digest);
        None
    }

    /// Takes an event in; waits as long as that cannot be done now.
    pub(super) async fn commit(
        &self,
        node: &NodeHandle,
        source: SourceId,
        event: Ready,
    ) -> Result<(), NotTaken> {
        loop {
            let answer = match &event {
                Ready::Arrival(new, body) => {
                    node.receive(NewArrival::clone(new), body.clone()).await
                }
                Ready::Ignored { event_type, digest } => {
                    node.ignore(source, None, event_type.clone(), *digest).await
                }
            };
            let pause = match answer {
                Answer::Event { status, .. } => {
                    self.metrics.asked_for(status);
                    return Ok(());
                }
                Answer::Busy(Busy::Rate { retry_after }) => retry_after,
                Answer::Busy(Busy::Keys | Busy::Loading) | Answer::Unavailable => {
                    limits::REFILL_PAUSE
                }
                Answer::Busy(Busy::KeyBacklog)
                | Answer::Done
                | Answer::Settled
                | Answer::Rejected(_) => return Err(NotTaken),
            };
            tokio::time::sleep(pause.max(limits::REFILL_PAUSE / 10)).await;
        }
    }
}

impl Ready {
    /// In the order of their positions, key by key: then each is released as it comes, and none waits.
    pub(super) fn by_position(&self, other: &Self) -> Ordering {
        let place = |ready: &Self| match ready {
            Self::Arrival(new, _) => (Some(new.key.name.clone()), new.position.number()),
            Self::Ignored { .. } => (None, None),
        };
        place(self).cmp(&place(other))
    }
}

fn ready(new: NewArrival, body: &[u8]) -> Ready {
    Ready::Arrival(Box::new(new), Arc::from(body))
}

fn arrival(source: SourceId, extracted: Extracted, digest: Hash) -> NewArrival {
    NewArrival {
        key: Key { source, name: Arc::from(extracted.key) },
        id: extracted.id.map(Arc::from),
        position: order::position(extracted.position),
        event_type: Arc::from(extracted.event_type),
        content_type: Arc::from("application/json"),
        headers: Vec::new(),
        digest,
        in_time: true,
        origin: Origin::Refilled,
    }
}

/// See `ingress::request`: an event that belongs to no resource, whose body is its id.
fn unreadable(source: SourceId, digest: Hash) -> NewArrival {
    NewArrival {
        key: Key { source, name: Arc::from("") },
        id: Some(Arc::from(digest.to_string())),
        position: Position::None,
        event_type: Arc::from(""),
        content_type: Arc::from("application/json"),
        headers: Vec::new(),
        digest,
        in_time: true,
        origin: Origin::Refilled,
    }
}
