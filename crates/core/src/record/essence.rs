//! What of an event goes into its release, and is kept while it waits for that.

use alloc::sync::Arc;

use crate::fact::Received;
use crate::id::{Hash, Key};
use crate::position::Position;

/// What the release of an event needs of its `received` fact (DESIGN C1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Essence {
    /// The source's id of the event.
    pub id: Option<Arc<str>>,
    /// Its position.
    pub position: Position,
    /// Its type.
    pub event_type: Arc<str>,
    /// Its content type.
    pub content_type: Arc<str>,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// Its body's length in bytes.
    pub size: u32,
    /// Another resource that it refers to (`depends_on`).
    pub depends_on: Option<Key>,
}

impl Essence {
    /// That of an event that came in.
    #[must_use]
    pub fn of(received: &Received) -> Self {
        Self {
            id: received.id.clone(),
            position: received.position.clone(),
            event_type: received.event_type.clone(),
            content_type: received.content_type.clone(),
            digest: received.digest,
            size: received.size,
            depends_on: received.depends_on.clone(),
        }
    }
}
