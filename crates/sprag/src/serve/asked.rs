//! What sources are asked with: for what is missing, for what they have, and for the list of all of it.

use std::sync::Arc;

use http::HeaderName;

use super::{StartError, Starting};
use crate::config::{self, Source};
use crate::refill::{Comparer, Comparers, Lister, Listers, Refiller, Refillers};

impl Starting {
    /// What the sources are asked with that are.
    pub(super) fn refillers(&self) -> Result<Refillers, StartError> {
        let refiller = |(name, config): (&String, &Source)| {
            let metrics = (self.metrics.refill(name), self.metrics.source(name));
            let forwarded = self.forwarded(name);
            let refiller = Refiller::new(name, config, forwarded, metrics, &self.disk);
            let refiller = refiller.map_err(|p| StartError::Refill(name.clone(), p)).transpose()?;
            Some(refiller.map(|refiller| (name.clone(), Arc::new(refiller))))
        };
        self.config.sources.iter().filter_map(refiller).collect()
    }

    /// What the sources are compared with that are.
    pub(super) fn comparers(&self) -> Result<Comparers, StartError> {
        let comparer = |(name, config): (&String, &Source)| {
            let metrics = (self.metrics.reconcile(name), self.metrics.source(name));
            let comparer = Comparer::new(name, config, metrics, &self.disk);
            let comparer = comparer.map_err(|p| StartError::Reconcile(name.clone(), p));
            let comparer = comparer.transpose()?;
            Some(comparer.map(|comparer| (name.clone(), Arc::new(comparer))))
        };
        self.config.sources.iter().filter_map(comparer).collect()
    }

    /// What the lists of sources are read with.
    pub(super) fn listers(&self) -> Result<Listers, StartError> {
        let lister = |(name, config): (&String, &Source)| {
            let metrics = (self.metrics.refill(name), self.metrics.source(name));
            let forwarded = self.forwarded(name);
            let lister = Lister::new(name, config, forwarded, metrics, &self.disk);
            let lister = lister.map_err(|p| StartError::Refill(name.clone(), p)).transpose()?;
            Some(lister.map(|lister| (name.clone(), Arc::new(lister))))
        };
        self.config.sources.iter().filter_map(lister).collect()
    }

    /// The headers that destinations pass on of a source's events.
    pub(super) fn forwarded<'a>(
        &'a self,
        source: &'a str,
    ) -> impl Iterator<Item = HeaderName> + 'a {
        let late_to = self.config.sources.get(source).map(|source| &source.on_late);
        let takers = self.config.destinations.iter().filter(move |(name, to)| {
            let is_late_to = matches!(late_to, Some(config::OnLate::To(to)) if to == *name);
            is_late_to || to.from.iter().any(|from| *from == *source)
        });
        takers.flat_map(|(_, to)| to.forward.iter().cloned())
    }
}
