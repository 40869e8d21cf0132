//! What deliveries say about events before them (rules C2, C5).

use sprag_core::output::Attempt;
use sprag_core::record::OmitReason;

use super::super::{Verdict, must};
use super::Seen;

impl Seen {
    /// `skipped` is what newer events took the place of: only under `coalesce` (C5).
    pub(super) fn omits(&mut self, attempt: &Attempt, coalesces: bool) -> Verdict {
        for omission in attempt.omitted.iter().filter(|omission| !omission.merged) {
            let skipped = omission.reason == OmitReason::Skipped;
            must(coalesces || !skipped, || format!("omits {omission:?} without coalesce"))?;
            for sequence in omission.range.from..=omission.range.to {
                self.omitted.insert(sequence, omission.reason);
            }
        }
        Ok(())
    }

    /// `sprag-previous-sequence` and `sprag-omitted` account for everything before, from 1 on.
    pub(super) fn accounts(&self, attempt: &Attempt) -> Verdict {
        let previous = attempt.previous.0;
        must(previous < attempt.sequence.0, || format!("follows {previous}"))?;
        must(previous == 0 || self.ever_had(previous), || {
            format!("says that {previous} was delivered")
        })?;
        let mut next = previous + 1;
        for omission in &attempt.omitted {
            must(omission.merged || omission.range.from == next, || {
                format!("omits {:?} where {next} is due", omission.range)
            })?;
            next = omission.range.to + 1;
        }
        must(next == attempt.sequence.0, || format!("does not account for {next}"))
    }
}

/// Whether a delivery says that its lane went past this event for this reason. Whether that is
/// true is seen when history is read.
pub(super) fn is_named(attempt: &Attempt, sequence: u64, reason: OmitReason) -> bool {
    attempt.omitted.iter().any(|omission| {
        let is_in = (omission.range.from..=omission.range.to).contains(&sequence);
        is_in && (omission.merged || omission.reason == reason)
    })
}
