//! How a configuration that names things meets a history that numbers them (DESIGN F6, K8).
//!
//! Sources and destinations get their numbers when they are first seen; what they are called and
//! what must not change about a source is a fact from then on.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::fact::{DestinationDeclared, DestinationRetired, Fact, SourceDeclared};
use crate::id::{DestinationId, Revision, SourceId};
use crate::rate::Rate;
use crate::record::Directory;
use crate::settings::{
    DependsOnSettings, DestinationSettings, OnLate, Restore, RetentionSettings, Settings,
    SourceSettings,
};

/// A configuration as an operator wrote it: by name.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which configuration it is.
    pub revision: Revision,
    /// The sources; their destinations are filled in by [`Plan::resolve`].
    pub sources: Vec<PlannedSource>,
    /// The destinations.
    pub destinations: Vec<PlannedDestination>,
    /// The names of destinations that are retired (DESIGN L7).
    pub retired: Vec<Arc<str>>,
    /// See [`Settings::hot_keys`].
    pub hot_keys: usize,
    /// See [`Settings::key_backlog`].
    pub key_backlog: usize,
    /// See [`Settings::dedupe_ids`].
    pub dedupe_ids: usize,
    /// See [`Settings::forgotten`].
    pub forgotten: usize,
    /// See [`Settings::partition_rate`].
    pub partition_rate: Option<Rate>,
    /// Bytes that may wait for one destination; none where the disk is the limit (rule D9).
    pub destination_backlog: Option<u64>,
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
    /// The name of the destination that gets its late events, and no other does; none where settings say what
    /// becomes of them.
    pub late_to: Option<Arc<str>>,
    /// The name of the source whose resources its events refer to, and how long those are waited for.
    pub depends_on: Option<(Arc<str>, Duration)>,
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
    /// The destinations that history knows and the configuration names no more.
    #[must_use]
    pub fn removed(&self, directory: &Directory) -> Vec<DestinationDeclared> {
        let planned = self.destinations.iter().map(|planned| &planned.settings.name);
        let names: BTreeSet<_> = planned.chain(&self.retired).collect();
        let known = directory.destinations.values();
        let known = known.filter(|known| !directory.retired.contains(&known.destination));
        known.filter(|known| !names.contains(&known.name)).cloned().collect()
    }

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
            retired: BTreeSet::new(),
            hot_keys: self.hot_keys,
            key_backlog: self.key_backlog,
            dedupe_ids: self.dedupe_ids,
            forgotten: self.forgotten,
            partition_rate: self.partition_rate,
            restore: self.restore,
        };
        for planned in &self.sources {
            let source = source_number(&mut known, planned, &mut declared)?;
            settings.sources.insert(source, planned.settings.clone());
        }
        for name in &self.retired {
            retire(&mut known, name, &mut declared);
        }
        settings.retired.clone_from(&known.retired);
        for planned in &self.destinations {
            let DestinationDeclared { destination, start, .. } =
                destination_number(&mut known, planned, &mut declared);
            let planned_settings = DestinationSettings { start, ..planned.settings.clone() };
            settings.destinations.insert(destination, planned_settings);
            let takes = |source: &&mut SourceSettings| planned.from.contains(&source.name);
            for source in settings.sources.values_mut().filter(takes) {
                source.destinations.push(destination);
                source.destinations.sort_unstable();
            }
        }
        for planned in &self.sources {
            planned.resolve_names(&mut settings);
        }
        Ok((settings, declared))
    }
}

impl PlannedSource {
    /// The numbers of what its settings name.
    fn resolve_names(&self, settings: &mut Settings) {
        let number_of = |name: &Arc<str>| {
            let mut named = settings.sources.iter();
            named.find(|(_, source)| source.name == *name).map(|(number, _)| *number)
        };
        let depends_on = self.depends_on.as_ref().and_then(|(name, wait)| {
            Some(DependsOnSettings { source: number_of(name)?, wait: *wait })
        });
        let mut destinations = settings.destinations.iter();
        let late_to = self.late_to.as_ref().and_then(|name| {
            destinations.find(|(_, to)| to.name == *name).map(|(number, _)| *number)
        });
        let mut sources = settings.sources.values_mut();
        let Some(source) = sources.find(|source| source.name == self.settings.name) else { return };
        source.depends_on = depends_on;
        if let Some(to) = late_to {
            source.on_late = OnLate::To(to);
        }
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

/// The living destination of a name. One that is retired had it before.
fn living(known: &Directory, name: &str) -> Option<DestinationDeclared> {
    let mut named = known.destinations.values().filter(|known| *known.name == *name);
    named.find(|named| !known.retired.contains(&named.destination)).cloned()
}

fn retire(known: &mut Directory, name: &str, declared: &mut Vec<Fact>) {
    let Some(DestinationDeclared { destination, .. }) = living(known, name) else { return };
    let fact = Fact::DestinationRetired(DestinationRetired { destination });
    known.evolve(&fact);
    declared.push(fact);
}

fn destination_number(
    known: &mut Directory,
    planned: &PlannedDestination,
    declared: &mut Vec<Fact>,
) -> DestinationDeclared {
    let name = &planned.settings.name;
    if let Some(found) = living(known, name) {
        return found;
    }
    let next = known.destinations.last_key_value().map_or(1, |(last, _)| last.0 + 1);
    let (destination, start) = (DestinationId(next), planned.settings.start);
    let found = DestinationDeclared { destination, name: name.clone(), start };
    let fact = Fact::DestinationDeclared(found.clone());
    known.evolve(&fact);
    declared.push(fact);
    found
}
