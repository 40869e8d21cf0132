//! The judge of state: what is live is what the whole log adds up to, and adding up reads no
//! configuration (F6, section 3).

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::chain::Digest;
use sprag_core::id::{FrameNumber, Key, PartitionId, Revision};
use sprag_core::partition::{Frame, Head, Partition};
use sprag_core::record::KeyRecord;
use sprag_core::settings::Settings;
use sprag_log::ReadFrame;

use super::{Verdict, must};

/// The records that all frames of a partition add up to.
pub(crate) fn records<D: Digest>(
    partition: PartitionId,
    frames: &[ReadFrame],
    digest: D,
) -> BTreeMap<Key, KeyRecord> {
    let nothing = Settings {
        partition_rate: None,
        restore: None,
        revision: Revision(0),
        sources: BTreeMap::new(),
        destinations: BTreeMap::new(),
        hot_keys: usize::MAX,
        key_backlog: 0,
        dedupe_ids: 0,
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
    rebuilt.records().map(|(key, record)| (key.clone(), record.clone())).collect()
}

/// Whether live and rebuilt records are the same.
pub(crate) fn compare(
    live: &BTreeMap<Key, KeyRecord>,
    rebuilt: &BTreeMap<Key, KeyRecord>,
) -> Verdict {
    let empty = KeyRecord::default();
    for key in live.keys().chain(rebuilt.keys()) {
        let is = live.get(key).unwrap_or(&empty);
        let was = rebuilt.get(key).unwrap_or(&empty);
        must(is == was, || format!("{key:?} is {is:?}, history adds up to {was:?}"))?;
    }
    Ok(())
}
