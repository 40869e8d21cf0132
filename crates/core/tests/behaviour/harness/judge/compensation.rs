//! What a consumer that applies and undoes has applied (decision 040): a compensation takes the topmost off, all else
//! puts itself on it. Behind a late event that went to its place, positions rise.

use std::collections::BTreeMap;

use sprag_core::fact::{Kind, Late, Received, Released};
use sprag_core::id::{Hash, Key, Sequence};
use sprag_core::position::Position;

/// What is applied of all keys.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    of: BTreeMap<Key, Stack>,
}

#[derive(Debug, Default)]
struct Stack {
    standing: Vec<One>,
    /// Undone and not repeated yet, newest first.
    undone: Vec<One>,
}

#[derive(Debug, Clone)]
struct One {
    sequence: Sequence,
    position: Position,
    digest: Hash,
    is_placed: bool,
}

impl Applied {
    /// Positions of a key begin anew.
    pub(crate) fn begin_anew(&mut self, key: &Key) {
        self.of.remove(key);
    }

    /// A release is durable.
    pub(crate) fn release(&mut self, released: &Released, received: &Received) {
        let one = One {
            sequence: released.sequence,
            position: received.position.clone(),
            digest: received.digest,
            is_placed: released.kind == Kind::Event || released.late == Late::InPlace,
        };
        let Stack { standing, undone } = self.of.entry(released.key.clone()).or_default();
        match (released.kind, released.earlier) {
            (Kind::Compensation, earlier) => {
                let top = standing.pop().expect("something to undo");
                assert_eq!(Some(top.sequence), earlier, "not the topmost: {released:?}");
                assert!(top.is_same(&one), "{top:?} is no {released:?}");
                undone.push(top);
                assert!(undone.len() <= 100, "too much is undone");
            }
            (_, Some(earlier)) => {
                let next = undone.pop().expect("something to repeat");
                assert!(next.sequence == earlier && next.is_same(&one), "{next:?}: {released:?}");
                standing.push(one);
            }
            (_, None) if released.late == Late::InPlace => {
                let before = standing.iter().filter(|other| other.is_placed);
                let mut behind = undone.iter().filter(|other| other.is_placed);
                assert!(before.clone().all(|other| other.position <= one.position), "{released:?}");
                assert!(behind.all(|other| one.position <= other.position), "{released:?}");
                assert!(undone.last().is_none_or(|last| last.is_placed), "{released:?}");
                standing.push(one);
            }
            (_, None) => {
                assert!(undone.is_empty(), "{released:?} between what is undone");
                if !matches!(released.late, Late::Dead | Late::Aside) {
                    standing.push(one);
                }
            }
        }
    }

    /// A frame is complete.
    pub(crate) fn frame_ends(&self) {
        for (key, stack) in &self.of {
            assert!(stack.undone.is_empty(), "{key:?}: not repeated: {:?}", stack.undone);
        }
    }
}

impl One {
    fn is_same(&self, other: &Self) -> bool {
        (&self.position, self.digest) == (&other.position, other.digest)
    }
}
