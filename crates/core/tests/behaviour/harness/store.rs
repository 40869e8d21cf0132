//! What outlives a crash: the durable frames of a partition and its state store.

use std::collections::BTreeMap;

use sprag_core::fact::Fact;
use sprag_core::id::{FrameNumber, Key, PartitionId, Place, Sequence};
use sprag_core::input::{Arrival, PageCursor, Waiting};
use sprag_core::output::{Checkpoint, Draft};
use sprag_core::partition::Head;
use sprag_core::recent::{Prior, Seen};
use sprag_core::record::KeyRecord;

/// The durable frames of a partition: frame n stands at n − 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameLog {
    pub(crate) partition: PartitionId,
    pub(crate) frames: Vec<Draft>,
}

impl FrameLog {
    pub(crate) fn append(&mut self, draft: Draft) {
        assert_eq!(draft.number.0, self.frames.len() as u64 + 1, "frames are numbered in order");
        self.frames.push(draft);
    }

    /// Every durable fact with its place and its frame.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (Place, &Draft, &Fact)> {
        let partition = self.partition;
        self.frames.iter().flat_map(move |frame| {
            (0_u32..).zip(&frame.facts).map(move |(index, fact)| {
                (Place { partition, frame: frame.number, index }, frame, fact)
            })
        })
    }

    /// What older frames know of an arriving event (DESIGN F4).
    pub(crate) fn look_up(&self, arrival: &Arrival) -> Seen {
        let mut seen = Seen { through: FrameNumber(self.frames.len() as u64), ..Seen::default() };
        for (place, frame, fact) in self.facts() {
            match fact {
                Fact::Received(fact) if fact.key == arrival.key => {
                    let prior = Prior {
                        event: place,
                        digest: fact.digest,
                        sequence: self.sequence_of(place),
                        recorded: frame.recorded,
                    };
                    if fact.id.is_some() && fact.id == arrival.id {
                        seen.by_id = Some(prior);
                    }
                    let same = fact.position == arrival.position;
                    if same && fact.position.is_unique() && prior.sequence.0 > 0 {
                        seen.by_position = Some(prior);
                    }
                }
                _ => {}
            }
        }
        seen
    }

    fn sequence_of(&self, event: Place) -> Sequence {
        let released = |fact: &Fact| match fact {
            Fact::Released(fact) if fact.event == event => Some(fact.sequence),
            _ => None,
        };
        self.facts().find_map(|(_, _, fact)| released(fact)).unwrap_or_default()
    }

    /// Waiting events of a key, contiguous from the first wanted.
    pub(crate) fn backlog(&self, key: &Key, from: Sequence, to: Sequence) -> Vec<Waiting> {
        let waiting = self.facts().filter_map(|(place, frame, fact)| match fact {
            Fact::Released(fact) if fact.key == *key && (from..=to).contains(&fact.sequence) => {
                Some(Waiting {
                    sequence: fact.sequence,
                    released: place,
                    recorded: frame.recorded,
                    epoch: frame.epoch,
                })
            }
            _ => None,
        });
        waiting.collect()
    }
}

/// The state store of a partition: written behind the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateStore {
    pub(crate) head: Head,
    pub(crate) records: BTreeMap<Key, KeyRecord>,
}

impl StateStore {
    pub(crate) fn apply(&mut self, checkpoint: Checkpoint) {
        assert!(checkpoint.through >= self.head.frame, "checkpoints go forward");
        self.head = Head {
            frame: checkpoint.through,
            recorded: checkpoint.recorded,
            open: checkpoint.open,
            directory: checkpoint.directory,
        };
        self.records.extend(checkpoint.records);
    }

    /// A page of keys with work, the earliest due first.
    pub(crate) fn page(
        &self,
        after: Option<&PageCursor>,
        most: usize,
    ) -> (Vec<(Key, KeyRecord)>, Option<PageCursor>) {
        let mut due: Vec<PageCursor> = self
            .records
            .iter()
            .filter(|(_, record)| record.has_work())
            .filter_map(|(key, record)| Some(PageCursor { due: record.due()?, key: key.clone() }))
            .filter(|cursor| after.is_none_or(|after| cursor > after))
            .collect();
        due.sort();
        let more = due.len() > most;
        due.truncate(most);
        let next = due.last().filter(|_| more).cloned();
        let page = due.into_iter().map(|cursor| {
            let record = self.records[&cursor.key].clone();
            (cursor.key, record)
        });
        (page.collect(), next)
    }
}
