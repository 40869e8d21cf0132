//! The newest ids and positions of a partition, for dedupe without IO (DESIGN F4).
//!
//! What is older is looked up by the driver and attached to the input. Must not know: indexes.

use alloc::collections::VecDeque;

use crate::chain::Fingerprint;
use crate::id::{FrameNumber, Hash, Place, Sequence};
use crate::index::{Hashed, Index};
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

/// Numbers of entries count modulo this: the index has no more of them.
const NUMBERS: u32 = 1 << 31;

/// The number of a fingerprint of an entry: entries count up by two, modulo 2³¹, and an odd number is
/// the second fingerprint of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Number(u32);

impl Number {
    /// The number of so many entries behind this one.
    #[expect(clippy::cast_possible_truncation, reason = "what is cut off is a multiple of 2³¹")]
    fn plus(self, entries: usize, is_second: bool) -> Self {
        let count = (entries as u32).wrapping_mul(2) + u32::from(is_second);
        Self(self.0.wrapping_add(count) % NUMBERS)
    }

    /// How many entries come after `first` before this one.
    fn since(self, first: Self) -> usize {
        (self.0.wrapping_sub(first.0) % NUMBERS) as usize / 2
    }

    /// Whether it is an entry's second fingerprint.
    fn is_second(self) -> bool {
        !self.0.is_multiple_of(2)
    }
}

/// What a frame told of an event.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// That told of it: under its position, a held event may be told of long after it was received.
    frame: FrameNumber,
    prior: Prior,
    /// Under which it is known: what an event is told with first, and its position where the same
    /// frame tells of that right behind; else the first twice. As halves, for a number of 128 bits
    /// would leave a gap of eight bytes in each entry.
    fingerprints: [[u64; 2]; 2],
}

impl Told {
    /// The fingerprint a number stands for.
    fn fingerprint(&self, number: Number) -> Fingerprint {
        whole(self.fingerprints[usize::from(number.is_second())])
    }

    /// Whether it is known under one fingerprint only.
    fn is_single(&self) -> bool {
        self.fingerprints[0] == self.fingerprints[1]
    }
}

fn whole([low, high]: [u64; 2]) -> Fingerprint {
    Fingerprint(u128::from(low) | u128::from(high) << 64)
}

/// A bounded memory of priors by fingerprint.
///
/// A million fingerprints are a large part of a gateway's memory, so what they stand for is in one
/// list in the order it was told, once for the id and the position of an event, and beside it only
/// where each one is.
#[derive(Debug)]
pub struct Recent {
    told: VecDeque<Told>,
    /// The number of the first in the list.
    first: Number,
    /// Of a fingerprint the newest.
    index: Index,
    /// Fingerprints in the list, those that were told anew too.
    entries: usize,
    floor: FrameNumber,
}

impl Recent {
    /// An empty memory of everything. What it answers does not depend on the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (told, first, floor) = (VecDeque::new(), Number::default(), FrameNumber::default());
        Self { told, first, index: Index::new(seed), entries: 0, floor }
    }

    /// Knows nothing any more, and nothing up to and including `floor` from now on.
    pub fn begin(&mut self, floor: FrameNumber) {
        self.told = VecDeque::new();
        self.index.clear();
        self.entries = 0;
        self.floor = floor;
    }

    /// Remembers an event under a fingerprint, written in `frame`.
    pub fn insert(&mut self, frame: FrameNumber, fingerprint: Fingerprint, prior: Prior) {
        let same = |last: &&mut Told| {
            last.frame == frame && last.prior.event == prior.event && last.is_single()
        };
        let known = fingerprint.halves();
        let last = self.told.back_mut().filter(same);
        let is_second = match last.filter(|last| last.fingerprints[0] != known) {
            Some(last) => {
                last.prior = prior;
                last.fingerprints[1] = known;
                true
            }
            None => {
                self.told.push_back(Told { frame, prior, fingerprints: [known; 2] });
                false
            }
        };
        self.entries += 1;
        let number = self.first.plus(self.told.len() - 1, is_second);
        let (told, first) = (&self.told, self.first);
        self.index.put(fingerprint, number.0, |of| of_number(told, first, of));
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
        let number = self.index.get(fingerprint, |of| of_number(&self.told, self.first, of));
        number.map(|number| Number(number).since(self.first))
    }

    /// Everything up to and including this frame may be forgotten.
    #[must_use]
    pub fn floor(&self) -> FrameNumber {
        self.floor
    }

    /// How many fingerprints it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the oldest whole frames above `most` fingerprints, but nothing past `committed`:
    /// what is not committed yet can be looked up nowhere else.
    pub fn trim(&mut self, most: usize, committed: FrameNumber) {
        while self.entries > most {
            let Some(&Told { frame: oldest, .. }) = self.told.front() else { return };
            if oldest > committed {
                return;
            }
            self.floor = oldest;
            self.forget_frame(oldest);
        }
    }

    fn forget_frame(&mut self, frame: FrameNumber) {
        while let Some(oldest) = self.told.front().copied().filter(|told| told.frame <= frame) {
            self.forget(&oldest, self.first);
            if !oldest.is_single() {
                self.forget(&oldest, self.first.plus(0, true));
            }
            self.told.pop_front();
            self.first = self.first.plus(1, false);
        }
    }

    fn forget(&mut self, oldest: &Told, number: Number) {
        self.entries -= 1;
        let (told, first) = (&self.told, self.first);
        let fingerprint = oldest.fingerprint(number);
        self.index.remove(fingerprint, number.0, |of| of_number(told, first, of));
    }
}

/// Whose a number is.
fn of_number(told: &VecDeque<Told>, first: Number, number: u32) -> Fingerprint {
    let number = Number(number);
    told[number.since(first)].fingerprint(number)
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
    fn numbers_go_around() {
        let last = Number(NUMBERS - 2);
        let third = last.plus(3, true);
        assert_eq!((last.plus(1, false), third), (Number(0), Number(5)));
        assert_eq!((third.since(last), third.is_second()), (3, true));
    }

    #[test]
    fn an_event_with_its_position_takes_one_place() {
        let mut recent = Recent::new(7);
        let [id, position, other] = [1, 2, 3].map(Fingerprint);
        recent.insert(FrameNumber(1), id, prior(1));
        recent.set_sequence(id, prior(1).event, Sequence(9));
        let released = Prior { sequence: Sequence(9), ..prior(1) };
        recent.insert(FrameNumber(1), position, released);
        assert_eq!((recent.told.len(), recent.len()), (1, 2));
        assert_eq!([recent.get(id), recent.get(position)], [Some(&released); 2]);
        // One that is told of in another frame has a place of its own there.
        recent.insert(FrameNumber(2), other, prior(1));
        assert_eq!((recent.told.len(), recent.len()), (2, 3));
        recent.trim(2, FrameNumber(2));
        assert_eq!((recent.len(), recent.get(id), recent.get(position)), (1, None, None));
        assert_eq!((size_of::<Told>(), recent.get(other)), (104, Some(&prior(1))));
    }

    #[test]
    fn events_of_one_frame_have_an_entry_each() {
        let mut recent = Recent::new(7);
        let second = Place { index: 2, ..prior(1).event };
        let other = Prior { event: second, sequence: Sequence(4), ..prior(1) };
        recent.insert(FrameNumber(1), Fingerprint(1), prior(1));
        recent.insert(FrameNumber(1), Fingerprint(2), other);
        recent.insert(FrameNumber(1), Fingerprint(3), prior(1));
        assert_eq!((recent.told.len(), recent.len()), (3, 3));
        let of = |number| recent.get(Fingerprint(number));
        assert_eq!([of(1), of(2), of(3)], [Some(&prior(1)), Some(&other), Some(&prior(1))]);
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
        // Its numbers go around soon.
        recent.first = Number(NUMBERS - 2_000);
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
