//! Refused requests: so many a second and source become facts, the others are counted (DESIGN D7).
//!
//! Whoever cannot sign must not be able to fill the disk.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use super::Partition;
use crate::chain::Digest;
use crate::fact::{Fact, Refused};
use crate::id::{Hash, SourceId};
use crate::limits;
use crate::time::ElapsedMicros;

/// The refusals of each source in its current second.
pub(super) type Refusals = BTreeMap<SourceId, Refusal>;

/// The refusals of a source.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// When its second began.
    began: ElapsedMicros,
    /// Those of the second that were written down.
    written: u32,
    /// Those since the last that was written down.
    counted: u64,
}

impl Refusal {
    /// Whether one more is written down, and how many before it were only counted.
    fn take(&mut self, now: ElapsedMicros) -> Option<u64> {
        if now.since(self.began) >= Duration::from_secs(1) || self.written == 0 {
            (self.began, self.written) = (now, 0);
        }
        if self.written >= limits::REFUSALS_PER_SECOND {
            self.counted = self.counted.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(core::mem::take(&mut self.counted))
    }
}

impl<D: Digest> Partition<D> {
    /// A request was refused. A source that is not configured has none: that bounds the table.
    pub(super) fn note_refusal(
        &mut self,
        source: SourceId,
        code: Arc<str>,
        peer: Arc<str>,
        digest: Option<Hash>,
    ) {
        if !self.settings.sources.contains_key(&source) {
            return;
        }
        let now = self.now.elapsed;
        if let Some(counted) = self.refusals.entry(source).or_default().take(now) {
            self.write(Fact::Refused(Refused { source, code, peer, digest, counted }));
        }
    }
}
