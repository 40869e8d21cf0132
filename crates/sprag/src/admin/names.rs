//! Names of the API and numbers of history.

use std::sync::Arc;

use sprag_core::id::{DestinationId, Key, SourceId};
use sprag_core::record::Directory;

use crate::limits;
use crate::problem::{Code, Problem};

/// The sources and destinations history knows, configured or not.
pub(super) struct Names(Directory);

impl Names {
    pub(super) fn new(directory: Directory) -> Self {
        Self(directory)
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.0
    }

    /// The name of a source; history names none that it has not declared.
    pub(super) fn source(&self, source: SourceId) -> Arc<str> {
        self.0.sources.get(&source).map(|known| known.name.clone()).unwrap_or_default()
    }

    /// The name of a destination; history names none that it has not declared.
    pub(super) fn destination(&self, destination: DestinationId) -> Arc<str> {
        self.0.destinations.get(&destination).map(|known| known.name.clone()).unwrap_or_default()
    }

    pub(super) fn source_id(&self, name: &str) -> Result<SourceId, Problem> {
        let found = self.0.sources.values().find(|source| *source.name == *name);
        found.map(|source| source.source).ok_or(Problem::new(Code::UnknownSource))
    }

    pub(super) fn destination_id(&self, name: &str) -> Result<DestinationId, Problem> {
        let found = self.0.destinations.values().find(|known| *known.name == *name);
        found.map(|known| known.destination).ok_or(Problem::new(Code::UnknownDestination))
    }

    /// The key of a source by its encoded name.
    pub(super) fn key(&self, source: &str, name: &str) -> Result<Key, Problem> {
        let source = self.source_id(source)?;
        // The empty name is that of events which belong to no resource (`on_invalid`).
        if name.len() > limits::KEY_BYTES {
            return Err(Problem::new(Code::UnknownKey));
        }
        Ok(Key { source, name: Arc::from(name) })
    }
}
