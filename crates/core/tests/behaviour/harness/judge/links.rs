//! Hash links by facts alone: an event joins the one before it, or says where its key stood; what is late belongs to what
//! never came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fact::{Kind, Released};
use sprag_core::id::Key;
use sprag_core::links::Link;

#[derive(Debug, Default)]
struct Branch {
    at: Option<Arc<str>>,
    /// Where something that never came begins and ends, or ever did.
    begins: BTreeSet<Arc<str>>,
    ends: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Joined(BTreeMap<Key, Branch>);

impl Joined {
    pub(super) fn release(&mut self, released: &Released, link: &Link) {
        let branch = self.0.entry(released.key.clone()).or_default();
        if released.kind == Kind::Late {
            assert_eq!(released.broken_from, None, "{released:?}");
            let touches = branch.begins.contains(&link.before) || branch.ends.contains(&link.after);
            assert!(touches, "nothing of it was given up: {released:?} {branch:?}");
            branch.begins.insert(link.after.clone());
            branch.ends.insert(link.before.clone());
            return;
        }
        let joins = branch.at.as_ref().is_none_or(|at| *at == link.before);
        let stood = branch.at.clone().filter(|_| !joins);
        assert_eq!(released.broken_from, stood, "{released:?}");
        branch.begins.extend(stood);
        if !joins || branch.at.is_none() {
            branch.ends.insert(link.before.clone());
        }
        branch.at = Some(link.after.clone());
    }

    pub(super) fn begin(&mut self, key: &Key) {
        self.0.remove(key);
    }
}
