//! The newest version of each field, by facts alone: what is fresh is newer than all before, and nothing newer is stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::fact::Released;
use sprag_core::fields::{At, Fields};
use sprag_core::id::Key;

#[derive(Debug, Default)]
pub(super) struct Newest(BTreeMap<(Key, Arc<str>), At>);

impl Newest {
    fn newer(&self, key: &Key, fields: &Fields) -> Vec<Arc<str>> {
        let mut newer = Vec::new();
        for field in fields.as_slice() {
            let known = self.0.get(&(key.clone(), field.name.clone()));
            if known.is_none_or(|known| *known < field.at) {
                newer.push(field.name.clone());
            }
        }
        newer
    }

    pub(super) fn release(&mut self, released: &Released, fields: &Fields) {
        let newer = self.newer(&released.key, fields);
        assert!(!newer.is_empty(), "nothing of it is newer: {released:?}");
        assert_eq!(released.fresh, newer, "{released:?}");
        for field in fields.as_slice().iter().filter(|field| newer.contains(&field.name)) {
            self.0.insert((released.key.clone(), field.name.clone()), field.at);
        }
    }

    pub(super) fn stale(&self, key: &Key, fields: &Fields) {
        assert_eq!(self.newer(key, fields), Vec::<Arc<str>>::new(), "stale in {key:?}");
    }

    pub(super) fn begin(&mut self, key: &Key) {
        self.0.retain(|(of, _), _| of != key);
    }
}
