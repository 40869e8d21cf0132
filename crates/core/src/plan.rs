//! How a configuration that names things meets a history that numbers them (DESIGN F6, K8).
//!
//! Sources and destinations get their numbers when they are first seen; what they are called and
//! what must not change about a source is a fact from then on.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::fact::{DestinationDeclared, Fact, SourceDeclared};
use crate::id::{DestinationId, Revision, SourceId};
use crate::rate::Rate;
use crate::record::Directory;
use crate::settings::{DestinationSettings, Restore, RetentionSettings, Settings, SourceSettings};

/// A configuration as an operator wrote it: by name.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which configuration it is.
    pub revision: Revision,
    /// The sources; their destinations are filled in by [`Plan::resolve`].
    pub sources: Vec<PlannedSource>,
    /// The destinations.
    pub destinations: Vec<PlannedDestination>,
    /// See [`Settings::hot_keys`].
    pub hot_keys: usize,
    /// See [`Settings::key_backlog`].
    pub key_backlog: usize,
    /// See [`Settings::dedupe_ids`].
    pub dedupe_ids: usize,
    /// See [`Settings::partition_rate`].
    pub partition_rate: Option<Rate>,
    /// How long history is kept.
    pub retention: RetentionSettings,
    /// See [`Settings::restore`].
    pub restore: Option<Restore>,
}

/// A source as configured.
#[derive(Debug, Clone)]
pub struct PlannedSource {
    /// The fields of rule K8 (id, key, position, contract, first) as one canonical text.
    pub identity: Arc<str>,
    /// Everything else.
    pub settings: SourceSettings,
}

/// A destination as configured.
#[derive(Debug, Clone)]
pub struct PlannedDestination {
    /// The names of the sources it takes.
    pub from: Vec<Arc<str>>,
    /// Everything else.
    pub settings: DestinationSettings,
}

/// A source is configured other than its history was written: going on would misread its keys
/// and positions (DESIGN K8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChanged {
    /// The source.
    pub name: Arc<str>,
    /// What history has.
    pub was: Arc<str>,
    /// What is configured.
    pub is: Arc<str>,
}

impl Plan {
    /// The settings by number, and the facts that declare what history does not know yet.
    ///
    /// # Errors
    /// [`SourceChanged`] for the first source that is not what it was.
    pub fn resolve(&self, directory: &Directory) -> Result<(Settings, Vec<Fact>), SourceChanged> {
        let mut known = directory.clone();
        let mut declared = Vec::new();
        let mut settings = Settings {
            revision: self.revision,
            sources: BTreeMap::new(),
            destinations: BTreeMap::new(),
            hot_keys: self.hot_keys,
            key_backlog: self.key_backlog,
            dedupe_ids: self.dedupe_ids,
            partition_rate: self.partition_rate,
            restore: self.restore,
        };
        for planned in &self.sources {
            let source = source_number(&mut known, planned, &mut declared)?;
            settings.sources.insert(source, planned.settings.clone());
        }
        for planned in &self.destinations {
            let destination = destination_number(&mut known, planned, &mut declared);
            settings.destinations.insert(destination, planned.settings.clone());
            let takes = |source: &&mut SourceSettings| planned.from.contains(&source.name);
            for source in settings.sources.values_mut().filter(takes) {
                source.destinations.push(destination);
                source.destinations.sort_unstable();
            }
        }
        Ok((settings, declared))
    }
}

fn source_number(
    known: &mut Directory,
    planned: &PlannedSource,
    declared: &mut Vec<Fact>,
) -> Result<SourceId, SourceChanged> {
    let name = &planned.settings.name;
    if let Some(source) = known.sources.values().find(|source| source.name == *name) {
        if source.identity != planned.identity {
            let (was, is) = (source.identity.clone(), planned.identity.clone());
            return Err(SourceChanged { name: name.clone(), was, is });
        }
        return Ok(source.source);
    }
    let next = known.sources.last_key_value().map_or(1, |(last, _)| last.0 + 1);
    let (name, identity) = (name.clone(), planned.identity.clone());
    let fact = Fact::SourceDeclared(SourceDeclared { source: SourceId(next), name, identity });
    known.evolve(&fact);
    declared.push(fact);
    Ok(SourceId(next))
}

fn destination_number(
    known: &mut Directory,
    planned: &PlannedDestination,
    declared: &mut Vec<Fact>,
) -> DestinationId {
    let name = &planned.settings.name;
    if let Some(found) = known.destinations.values().find(|known| known.name == *name) {
        return found.destination;
    }
    let next = known.destinations.last_key_value().map_or(1, |(last, _)| last.0 + 1);
    let destination = DestinationId(next);
    let fact = Fact::DestinationDeclared(DestinationDeclared { destination, name: name.clone() });
    known.evolve(&fact);
    declared.push(fact);
    destination
}
