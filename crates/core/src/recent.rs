//! The newest ids and positions of a partition, for dedupe without IO (DESIGN F4).
//!
//! What is older is looked up by the driver and attached to the input. Must not know: indexes.

use alloc::collections::{BTreeMap, VecDeque};

use crate::chain::Fingerprint;
use crate::id::{FrameNumber, Hash, Place, Sequence};
use crate::time::UnixMicros;

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

/// A bounded memory of priors by fingerprint.
#[derive(Debug, Default)]
pub struct Recent {
    /// With the frame that told of them last: under one position, a held event may be released long
    /// after it was received.
    priors: BTreeMap<Fingerprint, (FrameNumber, Prior)>,
    arrival: VecDeque<(FrameNumber, Fingerprint)>,
    floor: FrameNumber,
}

impl Recent {
    /// An empty memory that knows nothing up to and including `floor`.
    #[must_use]
    pub fn since(floor: FrameNumber) -> Self {
        Self { floor, ..Self::default() }
    }

    /// Remembers an event under a fingerprint, written in `frame`.
    pub fn insert(&mut self, frame: FrameNumber, fingerprint: Fingerprint, prior: Prior) {
        self.priors.insert(fingerprint, (frame, prior));
        self.arrival.push_back((frame, fingerprint));
    }

    /// Notes the sequence an event got, if it is remembered.
    pub fn set_sequence(&mut self, fingerprint: Fingerprint, event: Place, sequence: Sequence) {
        if let Some((_, prior)) = self.priors.get_mut(&fingerprint)
            && prior.event == event
        {
            prior.sequence = sequence;
        }
    }

    /// The event remembered under a fingerprint.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Prior> {
        self.priors.get(&fingerprint).map(|(_, prior)| prior)
    }

    /// Everything up to and including this frame may be forgotten.
    #[must_use]
    pub fn floor(&self) -> FrameNumber {
        self.floor
    }

    /// How many priors it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.priors.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.priors.is_empty()
    }

    /// Forgets the oldest whole frames above `most` entries, but nothing past `committed`:
    /// what is not committed yet can be looked up nowhere else.
    pub fn trim(&mut self, most: usize, committed: FrameNumber) {
        while self.arrival.len() > most {
            let Some(&(oldest, _)) = self.arrival.front() else { return };
            if oldest > committed {
                return;
            }
            self.floor = oldest;
            self.forget_frame(oldest);
        }
    }

    fn forget_frame(&mut self, frame: FrameNumber) {
        while let Some(&(written, fingerprint)) = self.arrival.front() {
            if written > frame {
                return;
            }
            self.arrival.pop_front();
            if self.priors.get(&fingerprint).is_some_and(|(newest, _)| *newest <= frame) {
                self.priors.remove(&fingerprint);
            }
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
        let mut recent = Recent::default();
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
        let (mut recent, position) = (Recent::default(), Fingerprint(1));
        // An old event is released by a rebase; in the same frame another one comes for its
        // position, waits, and is released in the next.
        recent.insert(FrameNumber(2), position, prior(1));
        recent.insert(FrameNumber(3), position, prior(2));
        recent.trim(1, FrameNumber(2));
        assert_eq!((recent.floor(), recent.get(position)), (FrameNumber(2), Some(&prior(2))));
    }

    #[test]
    fn what_is_not_committed_is_kept() {
        let mut recent = Recent::default();
        (1..=4).for_each(|f| recent.insert(FrameNumber(f), Fingerprint(u128::from(f)), prior(f)));
        recent.trim(1, FrameNumber(2));
        assert_eq!((recent.floor(), recent.len()), (FrameNumber(2), 2));
    }
}
