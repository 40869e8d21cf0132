//! History for a late event that goes to its place (decision 040): what its key released, whole, page by page.
//!
//! Must not know: how far back that is; the core asks for the next page.

use sprag_core::chain::Digest;
use sprag_core::fact::{Fact, Released};
use sprag_core::id::{Key, PartitionId, Sequence};
use sprag_core::input::{Input, Recalled};
use sprag_core::time::Now;
use sprag_log::{Answer, Log, Query, ReadError};

use crate::ask::Asked;
use crate::node::Node;
use crate::state::State;

/// A page of what a key released, while it is read.
#[derive(Debug)]
pub(crate) struct RecalledPage {
    key: Key,
    to: Sequence,
    /// Releases that were found so far, ascending.
    found: Vec<Released>,
    /// Releases whose events are still to be read, ascending: the last is asked for. None before they are known.
    unread: Option<Vec<Released>>,
    /// What was read, descending.
    read: Vec<Recalled>,
}

impl RecalledPage {
    /// What is to be looked for behind what was found in a row. Where a restore left sequences out (DESIGN D10)
    /// there may be more: whether an engine goes on there by itself is its own affair.
    fn rest(&self, partition: PartitionId) -> Option<Query> {
        let (key, to) = (self.key.clone(), self.to);
        let last = self.found.last()?.sequence;
        let most = usize::try_from(to.0.saturating_sub(last.0)).unwrap_or(usize::MAX);
        (last < to).then(|| Query::Sequences { partition, key, from: last.next(), to, most })
    }

    /// Whether it holds as much as may be undone.
    fn is_large(&self) -> bool {
        let bodies = self.read.iter().filter_map(|recalled| recalled.body.as_ref());
        let bytes: usize = bodies.map(|body| body.len()).sum();
        u64::try_from(bytes).is_ok_and(|bytes| bytes > sprag_core::limits::COMPENSATED_BYTES)
    }
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Reads what a key released.
    pub(crate) fn recall(
        &mut self,
        partition: PartitionId,
        key: Key,
        (from, to): (Sequence, Sequence),
    ) {
        let most = usize::try_from(to.0.saturating_sub(from.0)).unwrap_or(usize::MAX - 1) + 1;
        let (found, unread, read) = (Vec::new(), None, Vec::new());
        let page = RecalledPage { key: key.clone(), to, found, unread, read };
        let query = Query::Sequences { partition, key, from, to, most };
        self.ask(Asked::Recall(partition, Box::new(page)), query);
    }

    /// The releases of a page, or the event of one of them, were read.
    pub(crate) fn recall_read(
        &mut self,
        now: Now,
        partition: PartitionId,
        mut page: Box<RecalledPage>,
        result: Result<Answer, ReadError>,
    ) {
        match (result, &mut page.unread) {
            (Ok(Answer::Sequences(stored)), None) => {
                let release = |fact| match fact {
                    Fact::Released(released) => Some(released),
                    _ => None,
                };
                let before = page.found.len();
                page.found.extend(stored.into_iter().filter_map(|one| release(one.fact)));
                let is_more = page.found.len() > before;
                if let Some(query) = page.rest(partition).filter(|_| is_more) {
                    return self.ask(Asked::Recall(partition, page), query);
                }
                page.unread = Some(std::mem::take(&mut page.found));
            }
            (Ok(Answer::Event(stored)), Some(unread)) => {
                let Some(released) = unread.pop() else { return };
                let (received, body) = (stored.received, Some(stored.body.bytes));
                page.read.push(Recalled { released, received, body });
                // The core may have enough; it asks for the rest by itself.
                if page.is_large() {
                    return self.bring_recalled(now, partition, *page, true);
                }
            }
            // Without its body an event is no more to be undone, and may be the place all the same.
            (Err(ReadError::BodyDropped), Some(unread)) => {
                let Some(released) = unread.last() else { return };
                let query = Query::Fact { place: released.event };
                return self.ask(Asked::Recall(partition, page), query);
            }
            (Ok(Answer::Fact(stored)), Some(unread)) => {
                let Some(released) = unread.pop() else { return };
                if let Fact::Received(received) = stored.fact {
                    page.read.push(Recalled { released, received, body: None });
                }
            }
            // What is kept no longer ends what can be told.
            (Err(error), unread) if !matches!(error, ReadError::Failed(_)) => {
                *unread = Some(Vec::new());
            }
            _ => return self.bring_recalled(now, partition, *page, false),
        }
        match page.unread.as_ref().and_then(|unread| unread.last()) {
            Some(released) => {
                let query = Query::Event { place: released.event };
                self.ask(Asked::Recall(partition, page), query);
            }
            None => self.bring_recalled(now, partition, *page, true),
        }
    }

    fn bring_recalled(
        &mut self,
        now: Now,
        partition: PartitionId,
        page: RecalledPage,
        is_read: bool,
    ) {
        let RecalledPage { key, to, read, .. } = page;
        let page = is_read.then(|| read.into_iter().rev().collect());
        self.input(now, partition, Input::Recalled { key, to, page });
    }
}
