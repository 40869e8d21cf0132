//! The judge of state: what is live is what the whole log adds up to, and adding up reads no
//! configuration (F6, section 3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::chain::{Digest, Fingerprint};
use sprag_core::id::{FrameNumber, Key, PartitionId, Revision};
use sprag_core::partition::{Frame, Head, Partition};
use sprag_core::record::KeyRecord;
use sprag_core::settings::Settings;
use sprag_core::totals::{Backlog, Totals};
use sprag_log::ReadFrame;

use super::{Verdict, must};

/// The records that all frames of a partition add up to, and what these add up to.
pub(crate) fn records<D: Digest>(
    partition: PartitionId,
    frames: &[ReadFrame],
    digest: D,
) -> Rebuilt {
    let nothing = Settings {
        partition_rate: None,
        restore: None,
        revision: Revision(0),
        sources: BTreeMap::new(),
        destinations: BTreeMap::new(),
        retired: BTreeSet::new(),
        hot_keys: usize::MAX,
        key_backlog: 0,
        dedupe_ids: 0,
        forgotten: 0,
    };
    let mut rebuilt = Partition::new(partition, Arc::new(nothing), 0, digest);
    // What is left of a log whose beginning was deleted says all that is known of its keys.
    let before = frames.first().map_or(0, |first| first.number.0.saturating_sub(1));
    rebuilt.begin(&Head { frame: FrameNumber(before), ..Head::default() });
    for frame in frames {
        rebuilt.evolve_frame(&Frame {
            number: frame.number,
            recorded: frame.recorded,
            open: frame.open,
            facts: &frame.facts,
        });
    }
    let records = rebuilt.records().map(|(key, record)| (key.clone(), record.clone()));
    let tombstones = rebuilt.tombstones().map(|(digest, _, record)| (digest, record.cloned()));
    let tombstones = tombstones.filter_map(|(digest, record)| Some((digest, record?)));
    Rebuilt {
        records: records.collect(),
        totals: rebuilt.totals().clone(),
        tombstones: tombstones.collect(),
    }
}

/// What frames add up to.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    pub(crate) records: BTreeMap<Key, KeyRecord>,
    pub(crate) totals: Totals,
    pub(crate) tombstones: Tombstones,
}

/// Keys that are forgotten.
pub(crate) type Tombstones = BTreeMap<Fingerprint, KeyRecord>;

/// Whether the same keys are forgotten live as by history, with the same of each. What a process was
/// about to write when it ended promised nothing yet.
pub(crate) fn compare_tombstones(
    live: &Tombstones,
    open: &BTreeSet<Fingerprint>,
    rebuilt: &Tombstones,
) -> Verdict {
    for digest in live.keys().chain(rebuilt.keys()).filter(|digest| !open.contains(digest)) {
        let (is, was) = (live.get(digest), rebuilt.get(digest));
        must(is == was, || format!("of {digest:?} is kept {is:?}, history adds up to {was:?}"))?;
    }
    Ok(())
}

/// Whether what is live is what history adds up to, and what waits is counted as it is.
pub(crate) fn compare_totals(
    live: &Totals,
    rebuilt: &Totals,
    records: &BTreeMap<Key, KeyRecord>,
) -> Verdict {
    must(live == rebuilt, || format!("{live:?} is counted, history adds up to {rebuilt:?}"))?;
    let mut waiting: BTreeMap<_, Backlog> = BTreeMap::new();
    for record in records.values() {
        // A lane and its strands are one in which something waits, or not.
        let mut waits = BTreeSet::new();
        for lane in &record.lanes {
            let lanes = u64::from(lane.has_backlog() && waits.insert(lane.destination));
            let one = Backlog { lanes, events: lane.waiting, bytes: lane.bytes };
            let sum = waiting.entry(lane.destination).or_default();
            *sum = sum.and(one);
        }
    }
    waiting.retain(|_, backlog| *backlog != Backlog::default());
    must(live.backlog == waiting, || format!("{:?} is counted, {waiting:?} waits", live.backlog))
}

/// Whether live and rebuilt records are the same. What a process was about to write when it ended,
/// behind the last frame, promised nothing yet.
pub(crate) fn compare(
    live: &BTreeMap<Key, KeyRecord>,
    rebuilt: &BTreeMap<Key, KeyRecord>,
    last: FrameNumber,
) -> Verdict {
    let empty = KeyRecord::default();
    for key in live.keys().chain(rebuilt.keys()) {
        let is = live.get(key).unwrap_or(&empty);
        // What is forgotten is no record any more.
        let was = rebuilt.get(key).filter(|record| !record.forgotten).unwrap_or(&empty);
        must(is == was || (is.forgotten && *was == empty) || is.newest.frame > last, || {
            format!("{key:?} is {is:?}, history adds up to {was:?}")
        })?;
    }
    Ok(())
}
