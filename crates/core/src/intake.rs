//! How many events may come in: per source and per partition (DESIGN L8).
//!
//! In front of the partitions, because a source's events go to all of them. Must not know: keys,
//! events, answers.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::id::{PartitionId, SourceId};
use crate::rate::{Bucket, Rate};
use crate::settings::Settings;
use crate::time::ElapsedMicros;

/// The buckets that events in are taken from.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    sources: BTreeMap<SourceId, (Rate, Bucket)>,
    rate: Option<Rate>,
    partitions: BTreeMap<PartitionId, Bucket>,
}

impl Intake {
    /// Full buckets for every rate that is set.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let rate = |(id, source): (&SourceId, &crate::settings::SourceSettings)| {
            Some((*id, (source.rate?, Bucket::default())))
        };
        Self {
            sources: settings.sources.iter().filter_map(rate).collect(),
            rate: settings.partition_rate,
            partitions: BTreeMap::new(),
        }
    }

    /// Other settings: where a rate is another, its buckets are full again.
    pub fn revise(&mut self, settings: &Settings) {
        self.take_over(Self::new(settings));
    }

    fn take_over(&mut self, mut revised: Self) {
        for (id, (rate, bucket)) in &mut revised.sources {
            let known = self.sources.get(id).filter(|(was, _)| was == rate);
            *bucket = known.map_or_else(Bucket::default, |(_, bucket)| *bucket);
        }
        if revised.rate == self.rate {
            revised.partitions = core::mem::take(&mut self.partitions);
        }
        *self = revised;
    }

    /// An event of a source comes in for a partition.
    ///
    /// # Errors
    /// How long to wait when that is over a rate; nothing is taken then.
    pub fn admit(
        &mut self,
        now: ElapsedMicros,
        source: SourceId,
        partition: PartitionId,
    ) -> Result<(), Duration> {
        let by_source = self.sources.get_mut(&source).map(|(rate, bucket)| (*rate, bucket));
        let by_partition =
            self.rate.map(|rate| (rate, self.partitions.entry(partition).or_default()));
        let buckets = || by_source.iter().chain(&by_partition);
        let next = buckets().map(|(rate, bucket)| bucket.next(*rate)).max().unwrap_or_default();
        if next > now {
            return Err(next.since(now));
        }
        for (rate, bucket) in by_source.into_iter().chain(by_partition) {
            bucket.take(rate, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rates_hold_and_what_one_refuses_the_other_keeps() {
        let second = Duration::from_secs(1);
        let mut intake = Intake {
            sources: [(SourceId(1), (Rate { count: 2, period: second }, Bucket::default()))].into(),
            rate: Some(Rate { count: 3, period: second }),
            partitions: BTreeMap::new(),
        };
        let now = ElapsedMicros(0);
        let mut admit =
            |source, partition| intake.admit(now, SourceId(source), PartitionId(partition)).err();
        assert_eq!([admit(1, 0), admit(1, 0)], [None, None]);
        // Over its own rate, it takes nothing from the partition.
        assert_eq!(admit(1, 0), Some(Duration::from_millis(500)));
        assert_eq!(admit(2, 0), None);
        assert_eq!(admit(2, 0), Some(Duration::from_micros(333_334)));
        assert_eq!(admit(2, 1), None);
    }

    #[test]
    fn a_reload_fills_a_bucket_only_where_the_rate_is_another() {
        let second = Duration::from_secs(1);
        let rate = |count| Rate { count, period: second };
        let sources = |rates: [(u32, u32); 2]| {
            rates.map(|(id, count)| (SourceId(id), (rate(count), Bucket::default()))).into()
        };
        let mut intake = Intake {
            sources: sources([(1, 1), (2, 1)]),
            rate: Some(rate(3)),
            partitions: BTreeMap::new(),
        };
        let now = ElapsedMicros(0);
        let admit =
            |intake: &mut Intake, source| intake.admit(now, SourceId(source), PartitionId(0)).err();
        assert_eq!([admit(&mut intake, 1), admit(&mut intake, 2)], [None, None]);
        let revised = Intake {
            sources: sources([(1, 1), (2, 2)]),
            rate: Some(rate(3)),
            partitions: BTreeMap::new(),
        };
        intake.take_over(revised);
        assert_eq!(admit(&mut intake, 1), Some(second), "its rate is what it was");
        assert_eq!(admit(&mut intake, 2), None, "its rate is another");
        let full = Some(Duration::from_micros(333_334));
        assert_eq!(admit(&mut intake, 2), full, "the partition's is what it was");
        let revised = Intake {
            sources: sources([(1, 9), (2, 9)]),
            rate: Some(rate(1)),
            partitions: BTreeMap::new(),
        };
        intake.take_over(revised);
        assert_eq!(admit(&mut intake, 1), None, "the partition's is another");
        assert_eq!(admit(&mut intake, 2), Some(second));
    }
}
