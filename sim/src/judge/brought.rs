//! The judge of what an authority has and comes in as an event, where a source wants that.
//!
//! It is what an authority just said, once for each answer, and newer than what the key has, which is at rest. In history it
//! has the position and the id of what was said, is marked, as nothing else is, and stands behind the difference it mends.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Origin, Received};
use sprag_core::id::{Epoch, FrameNumber, Hash, Place};
use sprag_core::input::Compared;
use sprag_core::output::Status;
use sprag_core::record::KeyRecord;

use super::key_history::KeyHistory;
use super::{Verdict, must};
use crate::workload::Post;

/// What an answer may bring in.
#[derive(Debug)]
struct May {
    epoch: Epoch,
    body: std::sync::Arc<[u8]>,
    /// The last frame that was taken when the process had it: what it said is judged in the next.
    taken: FrameNumber,
}

/// What may come in and what did.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    may: BTreeMap<(usize, u64), May>,
    /// By resource and body: its position, and the terms in which it was brought.
    came: BTreeMap<(usize, Hash), (u64, BTreeSet<Epoch>)>,
    kept: BTreeSet<Place>,
}

impl Brought {
    /// The process is gone, with every answer it had.
    pub(crate) fn disconnected(&mut self) {
        self.may.clear();
    }

    /// An answer reaches the process.
    pub(crate) fn may(&mut self, resource: usize, compared: &Compared, taken: FrameNumber) {
        let theirs = compared.theirs.as_ref().and_then(|theirs| theirs.number());
        if let Some((theirs, body)) = theirs.zip(compared.body.clone()) {
            let may = May { epoch: compared.id.epoch, body, taken };
            self.may.insert((resource, theirs), may);
        }
    }

    /// What it says is to come in.
    pub(crate) fn comes(&mut self, post: &Post, record: Option<&KeyRecord>) -> Verdict {
        let (resource, position) = (post.resource, &post.position);
        let what = || format!("{position:?} of resource {resource} comes in");
        let Some(number) = position.number() else { return Err(what()) };
        let may = self.may.remove(&(resource, number)).filter(|may| may.body == post.body);
        let Some(may) = may else { return Err(format!("{}, and no answer says so", what())) };
        let came = self.came.entry((resource, post.digest)).or_insert((number, BTreeSet::new()));
        must(came.0 == number, || format!("{} with the body of {}", what(), came.0))?;
        came.1.insert(may.epoch);
        // What came since the answer did, is on its way of its own right: its frame may have begun before, and then it was
        // written down at an earlier time.
        let Some(record) = record.filter(|record| record.newest.frame <= may.taken) else {
            return Ok(());
        };
        must(record.is_idle(), || format!("{}, which is on its way: {record:?}", what()))?;
        let ours = record.order.newest();
        must(ours.is_some_and(|ours| ours < number), || format!("{}, which has {ours:?}", what()))
    }

    /// It is answered.
    pub(crate) fn answered(&mut self, status: Status, event: Option<Place>) {
        if !matches!(status, Status::Duplicate | Status::Ignored) {
            self.kept.extend(event);
        }
    }

    /// History marks it, and nothing else.
    pub(crate) fn judge(&self, marked: &BTreeSet<Place>) -> Verdict {
        let unmarked = self.kept.difference(marked).next();
        must(unmarked.is_none(), || format!("{unmarked:?} is an authority's and is not marked"))
    }

    /// What is marked is what came, behind the difference that it mends if that was found in the same term.
    pub(super) fn is_theirs(
        &self,
        history: &KeyHistory,
        resource: usize,
        (received, epoch): (&Received, Epoch),
    ) -> Verdict {
        if received.origin != Origin::Reconciled {
            return Ok(());
        }
        let Received { id, position, digest, .. } = received;
        let Some((number, epochs)) = self.came.get(&(resource, *digest)) else {
            return Err(format!("{received:?} is marked, and no authority said so"));
        };
        let named = id.as_deref() == Some(format!("reconciled:{}", position.text()).as_str());
        must(named && position.number() == Some(*number), || {
            format!("{received:?} although it is {number}")
        })?;
        let is_said = history.differences.iter().any(|(_, theirs)| theirs == number);
        must(is_said || !epochs.contains(&epoch), || {
            format!("{received:?} without a difference before it")
        })
    }
}
