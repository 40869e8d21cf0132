//! What outlives a crash: the durable frames of a partition and its state store.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::{Fact, Origin};
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Place, Sequence};
use sprag_core::input::{Arrival, Input, PageCursor, Recalled, Waiting};
use sprag_core::output::{Checkpoint, Draft, IdleRequest, PageRequest};
use sprag_core::partition::Head;
use sprag_core::recent::{Prior, Seen};
use sprag_core::record::{Due, KeyRecord, Queue};

use super::Sha;

/// The durable frames of a partition: frame n stands at n − 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameLog {
    pub(crate) partition: PartitionId,
    pub(crate) frames: Vec<Draft>,
    /// Up to here releases are not found any more: retention deleted them.
    pub(crate) deleted: FrameNumber,
    /// Up to here nothing is left: history begins behind it.
    pub(crate) trimmed: FrameNumber,
    /// Ids are looked up in vain.
    pub(crate) forgets_ids: bool,
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
        for (place, frame, fact) in self.facts().filter(|(place, ..)| place.frame > self.trimmed) {
            match fact {
                Fact::Received(fact) if fact.key == arrival.key && fact.origin != Origin::Again => {
                    let prior = Prior {
                        event: place,
                        digest: fact.digest,
                        sequence: self.sequence_of(place),
                        recorded: frame.recorded,
                    };
                    if fact.id.is_some() && fact.id == arrival.id && !self.forgets_ids {
                        seen.by_id = Some(prior);
                    }
                    let same = fact.position.names_the_same(&arrival.position);
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
    pub(crate) fn backlog(
        &self,
        lane: DestinationId,
        key: &Key,
        from: Sequence,
        to: Sequence,
    ) -> Vec<Waiting> {
        let kept = self.facts().filter(|(place, ..)| place.frame > self.deleted);
        let waiting = kept.filter_map(|(place, frame, fact)| match fact {
            Fact::Released(fact) if fact.key == *key && (from..=to).contains(&fact.sequence) => {
                Some(Waiting {
                    sequence: fact.sequence,
                    released: place,
                    recorded: frame.recorded,
                    epoch: frame.epoch,
                    entered: fact.lanes.contains(&lane),
                    late: fact.late,
                    depends_on: fact.depends_on.clone(),
                })
            }
            _ => None,
        });
        waiting.collect()
    }

    /// What a key released, whole.
    pub(crate) fn recall(&self, key: &Key, from: Sequence, to: Sequence) -> Vec<Recalled> {
        let received = |event: Place| match self.facts().find(|(place, ..)| *place == event) {
            Some((_, _, Fact::Received(received))) => received.clone(),
            other => panic!("{event} was released and is {other:?}"),
        };
        let kept = self.facts().filter(|(place, ..)| place.frame > self.deleted);
        let recalled = kept.filter_map(|(_, _, fact)| match fact {
            Fact::Released(fact) if fact.key == *key && (from..=to).contains(&fact.sequence) => {
                let (released, received) = (fact.clone(), received(fact.event));
                Some(Recalled { released, received, body: Some(Arc::from([])) })
            }
            _ => None,
        });
        recalled.collect()
    }

    /// The types of events whose release says nothing of a lane, up to this one, and of all up to the one
    /// up to which it sends again.
    pub(crate) fn earlier(
        &self,
        lane: DestinationId,
        key: &Key,
        opened: Sequence,
        again: Sequence,
    ) -> BTreeMap<Sequence, Arc<str>> {
        let event_type = |event: Place| match self.facts().find(|(place, ..)| *place == event) {
            Some((_, _, Fact::Received(received))) => received.event_type.clone(),
            other => panic!("{event} was released and is {other:?}"),
        };
        let kept = self.facts().filter(|(place, ..)| place.frame > self.deleted);
        let unsaid = kept.filter_map(|(_, _, fact)| match fact {
            Fact::Released(fact)
                if fact.key == *key
                    && (fact.sequence <= again
                        || (fact.sequence <= opened
                            && !fact.lanes.contains(&lane)
                            && !fact.filtered.contains(&lane))) =>
            {
                Some((fact.sequence, event_type(fact.event)))
            }
            _ => None,
        });
        unsaid.collect()
    }
}

/// The state store of a partition: written behind the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateStore {
    pub(crate) head: Head,
    pub(crate) records: BTreeMap<Key, KeyRecord>,
    /// Of keys that are forgotten (DESIGN D8).
    pub(crate) tombstones: BTreeMap<Fingerprint, KeyRecord>,
}

impl StateStore {
    pub(crate) fn apply(&mut self, checkpoint: Checkpoint) {
        assert!(checkpoint.through >= self.head.frame, "checkpoints go forward");
        self.head = Head {
            frame: checkpoint.through,
            recorded: checkpoint.recorded,
            open: checkpoint.open,
            directory: checkpoint.directory,
            totals: checkpoint.totals,
        };
        for (key, record) in checkpoint.records {
            match record.forgotten {
                true => self.records.remove(&key),
                false => self.records.insert(key, record),
            };
        }
        for (digest, record) in checkpoint.tombstones {
            match record {
                Some(record) => self.tombstones.insert(digest, record),
                None => self.tombstones.remove(&digest),
            };
        }
    }

    /// A key's record, else its tombstone.
    pub(crate) fn find(&self, key: &Key) -> Option<KeyRecord> {
        let tombstone = || self.tombstones.get(&Fingerprint::of_key(&Sha, key));
        self.records.get(key).or_else(tombstone).cloned()
    }

    /// Idle keys of a source, so many at the most, and the oldest tombstones beyond as many as are kept.
    pub(crate) fn idle(&self, request: &IdleRequest, most: usize) -> Input {
        let begins = |key: &Key| request.from.as_ref().is_none_or(|from| key >= from);
        let of_source = self.records.iter();
        let of_source = of_source.filter(|(key, _)| key.source == request.source && begins(key));
        let mut idle = of_source.filter(|(_, record)| record.active <= request.until);
        let keys: Vec<_> = idle.by_ref().take(most).collect();
        let next = idle.next().map(|(key, _)| key.clone());
        let keys = keys.into_iter().map(|(key, record)| (key.clone(), record.clone())).collect();
        let mut oldest: Vec<_> = self.tombstones.iter().collect();
        oldest.sort_by_key(|(digest, record)| (record.active, **digest));
        oldest.truncate(self.tombstones.len().saturating_sub(request.tombstones));
        let beyond = oldest.into_iter().map(|(digest, record)| (*digest, record.sequence));
        Input::Idle { keys, next, beyond: beyond.collect() }
    }

    /// A page of waiting keys, the earliest due first, and the first place behind them.
    pub(crate) fn page(
        &self,
        page: &PageRequest,
        most: usize,
    ) -> (Vec<(Key, KeyRecord)>, Option<PageCursor>) {
        let places = self.records.iter().flat_map(|(key, record)| {
            let all = (page.queue == Queue::Keys).then_some(Due { queue: Queue::Keys, at: 0 });
            let dues = record.dues().filter(|due| due.queue == page.queue).chain(all);
            dues.map(|due| PageCursor { due: due.at, key: Some(key.clone()) })
        });
        let mut places: Vec<_> = places.filter(|place| *place >= page.from).collect();
        places.sort();
        let due = places.iter().filter(|place| place.due <= page.until).count();
        let rest = places.split_off(due.min(page.keys).min(most.max(1)));
        let keys = places.into_iter().filter_map(|place| place.key).map(|key| {
            let record = self.records[&key].clone();
            (key, record)
        });
        (keys.collect(), rest.into_iter().next())
    }
}
