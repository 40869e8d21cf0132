//! Whether what goes although something before it is missing waited for that as long as it should, and no longer.

use std::fmt::Debug;

use super::policies::SourcePolicy;
use super::{Verdict, must};

/// How much longer a wait may take than is configured, in microseconds of open time: a partition serves for a part of it only.
const SLACK: u64 = 80_000_000;

/// Since when an event waits, by uptime.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    /// Its body was first sent, whatever became of that.
    pub(super) sent: u64,
    /// The frame that says so was handed to the log; none where that is not known.
    pub(super) written: Option<u64>,
}

/// Those of a key that wait, when one of them goes.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    count: usize,
    sent: Option<u64>,
    written: Option<u64>,
}

impl FromIterator<Since> for Crowd {
    fn from_iter<T: IntoIterator<Item = Since>>(waiting: T) -> Self {
        waiting.into_iter().fold(Self::default(), |crowd, since| Self {
            count: crowd.count + 1,
            sent: Some(crowd.sent.map_or(since.sent, |sent| sent.min(since.sent))),
            written: [crowd.written, since.written].into_iter().flatten().min(),
        })
    }
}

impl Crowd {
    /// Nothing goes early, unless there are too many: then what is hurried is told, for settings may have changed.
    pub(super) fn hurries(
        &self,
        fact: &dyn Debug,
        source: &SourcePolicy,
        (halts, uptime): (bool, Option<u64>),
    ) -> Option<String> {
        let waited = uptime.zip(self.sent).map(|(now, since)| now.saturating_sub(since));
        let is_full = self.count > source.hold_events;
        let enough = is_full || waited.is_none_or(|waited| waited >= source.hold_wait);
        (halts || !enough).then(|| format!("{fact:?} goes after {waited:?} µs, halts {halts}"))
    }

    /// Nothing waits for ever, but where its source halts. What was sent and not taken in did not wait.
    pub(super) fn ends_in_time(
        &self,
        fact: &dyn Debug,
        source: &SourcePolicy,
        (halts, uptime): (bool, Option<u64>),
    ) -> Verdict {
        let waited = uptime.zip(self.written).map(|(now, since)| now.saturating_sub(since));
        must(halts || waited.is_none_or(|waited| waited <= source.longest_wait + SLACK), || {
            format!("{fact:?} waited for {waited:?} µs of open time")
        })
    }
}
