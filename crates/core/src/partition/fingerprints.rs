//! The fingerprints of the event that is being decided: each is asked for when it is judged, when it is written
//! and when it is released, and is a digest each time (DESIGN F4).
//!
//! Must not know: what they are asked for.

use alloc::sync::Arc;

use crate::chain::{Digest, Fingerprint};
use crate::id::Key;
use crate::position::Position;

/// The last fingerprint of an id and of a position. What it gives is what the digest gives.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    id: Option<(Key, Arc<str>, Fingerprint)>,
    position: Option<(Key, u64, Fingerprint)>,
}

impl Fingerprints {
    /// [`Fingerprint::of_id`].
    pub(super) fn of_id(&mut self, digest: &impl Digest, key: &Key, id: &Arc<str>) -> Fingerprint {
        if let Some((of, last, fingerprint)) = &self.id
            && last == id
            && of == key
        {
            return *fingerprint;
        }
        let fingerprint = Fingerprint::of_id(digest, key, id);
        self.id = Some((key.clone(), id.clone(), fingerprint));
        fingerprint
    }

    /// [`Fingerprint::of_position`]. Of clocks none is kept: one is as long as it has nodes.
    pub(super) fn of_position(
        &mut self,
        digest: &impl Digest,
        key: &Key,
        position: &Position,
    ) -> Option<Fingerprint> {
        let number = match position {
            Position::Clock(_) => return Fingerprint::of_position(digest, key, position),
            numbered => numbered.number()?,
        };
        // That of a number which names no event is none, whatever was kept for an equal one.
        if let Some((of, last, fingerprint)) = &self.position
            && *last == number
            && position.is_unique()
            && of == key
        {
            return Some(*fingerprint);
        }
        let fingerprint = Fingerprint::of_position(digest, key, position)?;
        self.position = Some((key.clone(), number, fingerprint));
        Some(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Hash, SourceId};

    /// No digest, but another for each text that is used here.
    struct Sum;

    impl Digest for Sum {
        fn sha256(&self, parts: &[&[u8]]) -> Hash {
            let mut hash = Hash::default();
            for (at, byte) in parts.iter().flat_map(|part| part.iter()).enumerate() {
                hash.0[at % 16] = hash.0[at % 16].wrapping_mul(31).wrapping_add(*byte);
            }
            hash
        }
    }

    #[test]
    fn they_are_those_of_the_digest_whatever_was_asked_before() {
        let mut fingerprints = Fingerprints::default();
        let keys = [(1, "a"), (1, "b"), (2, "a")]
            .map(|(source, name)| Key { source: SourceId(source), name: name.into() });
        let ids: [Arc<str>; 2] = ["e1".into(), "e2".into()];
        let positions = [
            Position::Sequence(5),
            Position::Sequence(6),
            Position::Timestamp(5),
            Position::None,
            Position::Version(5),
        ];
        let mut random = crate::random::Random::new(3);
        let mut any = |most: usize| usize::try_from(random.below(most as u64)).unwrap();
        for _ in 0..1_000 {
            let (key, id) = (&keys[any(3)], &ids[any(2)]);
            assert_eq!(fingerprints.of_id(&Sum, key, id), Fingerprint::of_id(&Sum, key, id));
            let (key, position) = (&keys[any(3)], &positions[any(5)]);
            let expected = Fingerprint::of_position(&Sum, key, position);
            assert_eq!(fingerprints.of_position(&Sum, key, position), expected, "{position:?}");
        }
    }
}
