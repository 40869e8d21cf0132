//! From an element of a page to an event in the log: read by the source's rules, then on the way of any
//! event. That the source has it is shown by the connection it came over, so there is no signature.

use std::cmp::Ordering;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use sprag_core::fact::{Origin, StoredHeader};
use sprag_core::id::{Hash, Key, SourceId};
use sprag_core::output::{Answer, Busy};
use sprag_core::position::Position;
use sprag_log::digest::sha256;

use super::envelope::{Opened, Opener};
use crate::config::OnInvalid;
use crate::extract::{ExtractError, Extracted, Extraction, Extractor, Received};
use crate::ingress::stored_headers;
use crate::metrics::SourceMetrics;
use crate::node::{NewArrival, NodeHandle};
use crate::problem::Code;
use crate::{limits, order};

/// What the elements of a source's pages are read with.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) extractor: Extractor,
    /// Opens elements that hold more than a body.
    pub(super) opener: Option<Opener>,
    /// The headers to keep, of those.
    pub(super) kept: Vec<HeaderName>,
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
    pub(super) fn read(
        &self,
        node: &NodeHandle,
        source: SourceId,
        element: &[u8],
    ) -> Option<Ready> {
        let opened = match &self.opener {
            Some(opener) => opener.open(element),
            None => Ok(Opened { headers: HeaderMap::new(), body: element.into() }),
        };
        let read = opened.map_err(|code| (code, sha256(&[element])));
        let read = read.and_then(|opened| {
            let digest = sha256(&[&opened.body]);
            self.read_event(source, &opened, digest).map_err(|code| (code, digest))
        });
        match read {
            Ok(ready) => Some(ready),
            Err((refused, digest)) => {
                self.refuse(node, source, refused, digest);
                None
            }
        }
    }

    /// Notes that something cannot be used.
    pub(super) fn refuse(&self, node: &NodeHandle, source: SourceId, code: Code, digest: Hash) {
        self.metrics.refused(code);
        node.refuse_refilled(source, code.as_str(), digest);
    }

    fn read_event(
        &self,
        source: SourceId,
        opened: &Opened<'_>,
        digest: Hash,
    ) -> Result<Ready, Code> {
        let Opened { headers, body } = opened;
        let received = Received { headers, query: "", body, digest: &digest.0 };
        if body.len() > self.max_body {
            return Err(Code::BodyTooLarge);
        }
        let came = Came { source, content_type: self.content_type(headers)?, digest };
        let came = |key: Arc<str>| came.as_arrival(key, stored_headers(&self.kept, headers));
        match self.extractor.extract(received) {
            Ok(Extraction::Ignored { event_type }) => {
                Ok(Ready::Ignored { event_type: event_type.into(), digest })
            }
            Ok(Extraction::Event(Extracted { id, key, event_type, position, depends_on })) => {
                let arrival = NewArrival {
                    id: id.map(Arc::from),
                    position: order::position(position),
                    event_type: Arc::from(event_type),
                    depends_on: depends_on.map(Arc::from),
                    ..came(Arc::from(key))
                };
                Ok(ready(arrival, body))
            }
            // An event that belongs to no resource, whose body is its id: see `ingress::request`.
            Err(_) if self.on_invalid == OnInvalid::DeadLetter => {
                let id = Some(Arc::from(digest.to_string()));
                Ok(ready(NewArrival { id, ..came(Arc::from("")) }, body))
            }
            Err(error @ (ExtractError::Invalid(_) | ExtractError::Unreadable(_))) => {
                Err((&error).into())
            }
        }
    }

    /// What an element says, where it has headers; a body alone is JSON.
    fn content_type(&self, headers: &HeaderMap) -> Result<Arc<str>, Code> {
        if self.opener.is_none() {
            return Ok(Arc::from("application/json"));
        }
        let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Arc::from("")) };
        let text = value.to_str().ok().filter(|text| text.len() <= sprag_core::limits::TEXT_BYTES);
        text.map(Arc::from).ok_or(Code::UnsupportedContentType)
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

/// What all that comes has in common.
#[derive(Clone)]
struct Came {
    source: SourceId,
    content_type: Arc<str>,
    digest: Hash,
}

impl Came {
    /// An event of this key that says nothing else.
    fn as_arrival(&self, key: Arc<str>, headers: Vec<StoredHeader>) -> NewArrival {
        NewArrival {
            key: Key { source: self.source, name: key },
            id: None,
            position: Position::None,
            event_type: Arc::from(""),
            content_type: self.content_type.clone(),
            headers,
            digest: self.digest,
            in_time: true,
            origin: Origin::Refilled,
            depends_on: None,
        }
    }
}
