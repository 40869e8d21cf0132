//! The judge of state: what is live is what the whole log adds up to, and adding up reads no
//! configuration (F6, section 3).

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::chain::{Digest, Fingerprint};
use sprag_core::id::{FrameNumber, Key, PartitionId};
use sprag_core::record::KeyRecord;
use sprag_core::totals::Totals;
use sprag_driver::rebuilt::{self, Difference, PartitionState, Rebuilding};
use sprag_log::ReadFrame;

pub(crate) use sprag_driver::rebuilt::Tombstones;

use super::{Verdict, must};

/// What all frames of a partition add up to.
pub(crate) fn state<D: Digest + Clone>(
    partition: PartitionId,
    frames: &[ReadFrame],
    digest: D,
) -> PartitionState {
    let first = frames.first().map_or(FrameNumber(1), |first| first.number);
    let mut rebuilding = Rebuilding::from_nothing(partition, first, digest);
    frames.iter().for_each(|frame| rebuilding.take_in(frame));
    rebuilding.finish()
}

/// Whether what a store was left with and the frames behind that add up to the same as all frames. A
/// store that cannot be continued is built anew by the next start, and says nothing.
pub(crate) fn compare_stored<D: Digest + Clone>(
    partition: PartitionId,
    stored: PartitionState,
    frames: &[ReadFrame],
    (rebuilt, digest): (&PartitionState, D),
) -> Verdict {
    let ends = |frames: &[ReadFrame]| Some((frames.first()?.number, frames.last()?.number));
    let Some((first, last)) = ends(frames) else { return Ok(()) };
    if stored.head.frame.next() < first || stored.head.frame > last {
        return Ok(());
    }
    let mut continued = Rebuilding::from_stored(partition, stored, digest);
    for frame in frames {
        if frame.number >= continued.next() {
            continued.take_in(frame);
        }
    }
    let continued = continued.finish();
    let first = rebuilt::differences(&continued, rebuilt).next();
    must(first.is_none(), || format!("what is stored leads to {first:?}"))
}

/// Whether the same keys are forgotten live as by history, with the same of each. What a process was
/// about to write when it ended promised nothing yet.
pub(crate) fn compare_tombstones(
    live: &Tombstones,
    open: &BTreeSet<Fingerprint>,
    rebuilt: &Tombstones,
) -> Verdict {
    let is_open = |difference: &Difference<'_>| match difference {
        Difference::Tombstone { digest, .. } => open.contains(digest),
        _ => false,
    };
    let first = rebuilt::differing_tombstones(live, rebuilt).find(|one| !is_open(one));
    must(first.is_none(), || format!("tombstones differ from history: {first:?}"))
}

/// Whether what is live is what history adds up to, and what waits is counted as it is.
pub(crate) fn compare_totals(live: &Totals, rebuilt: &PartitionState) -> Verdict {
    let totals = &rebuilt.head.totals;
    must(live == totals, || format!("{live:?} is counted, history adds up to {totals:?}"))?;
    let first = rebuilt::differing_counts(rebuilt).next();
    must(first.is_none(), || format!("what waits is not what is counted: {first:?}"))
}

/// Whether live and rebuilt records are the same. What a process was about to write when it ended,
/// behind the last frame, promised nothing yet.
pub(crate) fn compare(
    live: &BTreeMap<Key, KeyRecord>,
    rebuilt: &BTreeMap<Key, KeyRecord>,
    last: FrameNumber,
) -> Verdict {
    // What is forgotten is no record any more.
    let is_known = |record: &KeyRecord| !record.forgotten && *record != KeyRecord::default();
    let known = live.iter().filter(|(_, record)| is_known(record));
    let known: BTreeMap<_, _> = known.map(|(key, record)| (key.clone(), record.clone())).collect();
    let is_open = |difference: &Difference<'_>| match difference {
        Difference::Record { key, .. } => {
            live.get(key).is_some_and(|record| record.newest.frame > last)
        }
        _ => false,
    };
    let first = rebuilt::differing_records(&known, rebuilt).find(|one| !is_open(one));
    must(first.is_none(), || format!("live is not what history adds up to: {first:?}"))
}
