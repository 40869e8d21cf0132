//! The newest ids and positions of a partition, for dedupe without IO (DESIGN F4).
//!
//! What is older is looked up by the driver and attached to the input. Must not know: indexes.

mod index;

use alloc::collections::VecDeque;

use crate::chain::Fingerprint;
use crate::id::{FrameNumber, Hash, Place, Sequence};
use crate::time::UnixMicros;
use index::{Index, Number};

/// An event that came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prior {
    /// Its `received` fact.
    pub event: Place,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// The sequence it got; 0 when it has none (yet).
    pub sequence: Sequence,
    /// When it was received.
    pub recorded: UnixMicros,
}

/// What the driver found of an arriving event in frames the core no longer remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// The newest frame it looked at; everything up to it was considered.
    pub through: FrameNumber,
    /// The event with the same id.
    pub by_id: Option<Prior>,
    /// The released event with the same position.
    pub by_position: Option<Prior>,
}

/// What a frame told of a fingerprint.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// That told of it: under one position, a held event may be released long after it was
    /// received.
    frame: FrameNumber,
    fingerprint: Fingerprint,
    prior: Prior,
}

/// A bounded memory of priors by fingerprint.
///
/// A million entries are a large part of a gateway's memory, so they stand in one list in the order
/// they were told, and beside it only where each one is.
#[derive(Debug)]
pub struct Recent {
    told: VecDeque<Told>,
    /// The number of the first in the list.
    first: Number,
    /// Of a fingerprint the newest.
    index: Index,
    floor: FrameNumber,
}

impl Recent {
    /// An empty memory of everything. What it answers does not depend on the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (told, first, floor) = (VecDeque::new(), Number::default(), FrameNumber::default());
        Self { told, first, index: Index::new(seed), floor }
    }

    /// Knows nothing any more, and nothing up to and including `floor` from now on.
    pub fn begin(&mut self, floor: FrameNumber) {
        self.told = VecDeque::new();
        self.index.clear();
        self.floor = floor;
    }

    /// Remembers an event under a fingerprint, written in `frame`.
    pub fn insert(&mut self, frame: FrameNumber, fingerprint: Fingerprint, prior: Prior) {
        let number = self.first.plus(self.told.len());
        self.told.push_back(Told { frame, fingerprint, prior });
        let (told, first) = (&self.told, self.first);
        self.index.put(fingerprint, number, |of: Number| told[of.since(first)].fingerprint);
    }

    /// Notes the sequence an event got, if it is remembered.
    pub fn set_sequence(&mut self, fingerprint: Fingerprint, event: Place, sequence: Sequence) {
        let Some(at) = self.find(fingerprint) else { return };
        let prior = &mut self.told[at].prior;
        if prior.event == event {
            prior.sequence = sequence;
        }
    }

    /// The event remembered under a fingerprint.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Prior> {
        Some(&self.told[self.find(fingerprint)?].prior)
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<usize> {
        let of = |of: Number| self.told[of.since(self.first)].fingerprint;
        self.index.get(fingerprint, of).map(|number| number.since(self.first))
    }

    /// Everything up to and including this frame may be forgotten.
    #[must_use]
    pub fn floor(&self) -> FrameNumber {
        self.floor
    }

    /// How many priors it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the oldest whole frames above `most` entries, but nothing past `committed`:
    /// what is not committed yet can be looked up nowhere else.
    pub fn trim(&mut self, most: usize, committed: FrameNumber) {
        while self.told.len() > most {
            let Some(&Told { frame: oldest, .. }) = self.told.front() else { return };
            if oldest > committed {
                return;
            }
            self.floor = oldest;
            self.forget_frame(oldest);
        }
    }

    fn forget_frame(&mut self, frame: FrameNumber) {
        while let Some(&Told { frame: of, fingerprint, .. }) = self.told.front() {
            if of > frame {
                return;
            }
            let (told, first) = (&self.told, self.first);
            self.index.remove(fingerprint, first, |of: Number| told[of.since(first)].fingerprint);
            self.told.pop_front();
            self.first = first.plus(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PartitionId;

    fn prior(frame: u64) -> Prior {
        let place =
            Place { partition: PartitionId(0), frame: FrameNumber(frame), ..Place::default() };
        Prior {
            event: place,
            digest: Hash::default(),
            sequence: Sequence(0),
            recorded: UnixMicros(0),
        }
    }

    #[test]
    fn forgets_whole_frames_and_says_so() {
        let mut recent = Recent::new(7);
        for entry in 0..6_u64 {
            let frame = entry / 2 + 1;
            recent.insert(FrameNumber(frame), Fingerprint(u128::from(entry)), prior(frame));
        }
        recent.trim(3, FrameNumber(3));
        assert_eq!((recent.floor(), recent.len()), (FrameNumber(2), 2));
        assert!(recent.get(Fingerprint(1)).is_none() && recent.get(Fingerprint(4)).is_some());
    }

    #[test]
    fn what_a_later_frame_told_anew_is_kept() {
        let (mut recent, position) = (Recent::new(7), Fingerprint(1));
        // An old event is released by a rebase; in the same frame another one comes for its
        // position, waits, and is released in the next.
        recent.insert(FrameNumber(2), position, prior(1));
        recent.insert(FrameNumber(3), position, prior(2));
        recent.trim(1, FrameNumber(2));
        assert_eq!((recent.floor(), recent.get(position)), (FrameNumber(2), Some(&prior(2))));
    }

    #[test]
    fn what_is_not_committed_is_kept() {
        let mut recent = Recent::new(7);
        (1..=4).for_each(|f| recent.insert(FrameNumber(f), Fingerprint(u128::from(f)), prior(f)));
        recent.trim(1, FrameNumber(2));
        assert_eq!((recent.floor(), recent.len()), (FrameNumber(2), 2));
    }

    /// A map that remembers everything, beside a memory that is small: whatever comes in whatever
    /// order, what the memory still has is what was told last.
    #[test]
    fn it_remembers_what_was_told_last_of_each() {
        let (mut recent, mut all) = (Recent::new(1), alloc::collections::BTreeMap::new());
        let mut random = crate::random::Random::new(2);
        for frame in 1..=4_000_u64 {
            for _ in 0..random.below(4) {
                let fingerprint = Fingerprint(u128::from(random.below(600)) << 60);
                recent.insert(FrameNumber(frame), fingerprint, prior(frame));
                all.insert(fingerprint, frame);
            }
            recent.trim(300, FrameNumber(frame));
            let floor = recent.floor().0;
            let kept = all.iter().filter(|(_, told)| **told > floor);
            assert_eq!(recent.len(), kept.clone().count());
            for (fingerprint, told) in kept {
                assert_eq!(recent.get(*fingerprint), Some(&prior(*told)), "frame {frame}");
            }
            let gone = all.iter().filter(|(_, told)| **told <= floor);
            gone.for_each(|(fingerprint, _)| assert_eq!(recent.get(*fingerprint), None));
        }
        recent.begin(FrameNumber(4_000));
        assert!(recent.is_empty() && all.keys().all(|known| recent.get(*known).is_none()));
    }
}
