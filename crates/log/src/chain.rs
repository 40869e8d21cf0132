//! The chain of frames: each names the hash of the one before it, so that whoever holds the hash
//! of the last can tell that nothing before was changed, dropped, reordered or cut (promise 6).
//!
//! frame hash = SHA-256("sprag-frame-1" ‖ header bytes 0…78 ‖ facts section).

use std::fmt;

use sprag_core::id::{Epoch, FrameNumber, Hash, PartitionId};
use sprag_core::time::{OpenMicros, UnixMicros};

use crate::digest::sha256;
use crate::frame::{FrameHeader, HASHED_BYTES, HEADER_BYTES};

/// What sets a frame's hash apart from every other hash of the product.
pub const TAG: &[u8] = b"sprag-frame-1";

/// The hash of a frame, from the bytes of its header and its facts section.
///
/// # Panics
/// When there are fewer bytes than a header has.
#[must_use]
pub fn frame_hash(head: &[u8]) -> Hash {
    sha256(&[TAG, &head[..HASHED_BYTES], &head[HEADER_BYTES..]])
}

/// The last frame of a partition: where its chain goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tip {
    /// Its number; 0 before the first frame.
    pub number: FrameNumber,
    /// The term it was written in.
    pub epoch: Epoch,
    /// Its hash; zeros before the first frame.
    pub hash: Hash,
    /// When it was decided.
    pub recorded: UnixMicros,
    /// How long the partition's ingress had been open.
    pub open: OpenMicros,
}

/// A frame that does not continue its partition's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenLink {
    /// The partition.
    pub partition: PartitionId,
    /// The frame that should come.
    pub expected: FrameNumber,
    /// The frame that came.
    pub found: FrameNumber,
}

impl fmt::Display for BrokenLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, expected, found } = self;
        let (partition, expected, found) = (partition.0, expected.0, found.0);
        if expected == found {
            return write!(formatter, "frame {partition}-{found} names another predecessor");
        }
        write!(formatter, "frame {partition}-{found} stands where {partition}-{expected} belongs")
    }
}

impl Tip {
    /// Goes on to the next frame.
    ///
    /// # Errors
    /// When number or predecessor are not those of the next, or its epoch is older.
    pub fn follow(&self, header: &FrameHeader, hash: Hash) -> Result<Self, BrokenLink> {
        let expected = self.number.next();
        let continues = header.number == expected
            && header.predecessor == self.hash
            && header.epoch >= self.epoch;
        if !continues {
            let found = header.number;
            return Err(BrokenLink { partition: header.partition, expected, found });
        }
        Ok(Self {
            number: header.number,
            epoch: header.epoch,
            hash,
            recorded: header.recorded,
            open: header.open,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameDraft, encode};
    use crate::pack::Packer;

    fn frame(number: u64, epoch: u64, predecessor: Hash) -> (FrameHeader, Hash) {
        let draft = FrameDraft {
            partition: PartitionId(1),
            number: FrameNumber(number),
            epoch: Epoch(epoch),
            recorded: UnixMicros(1),
            open: OpenMicros(2),
            facts: Vec::new(),
            bodies: Vec::new(),
        };
        let mut bytes = Vec::new();
        let hash = encode(&draft, &predecessor, &mut Packer::default(), &mut bytes).unwrap();
        (FrameHeader::decode(&bytes).unwrap(), hash)
    }

    #[test]
    fn a_chain_is_followed_from_zeros() {
        let (first, hash) = frame(1, 4, Hash::default());
        let tip = Tip::default().follow(&first, hash).unwrap();
        let (second, hash) = frame(2, 4, tip.hash);
        assert_eq!(tip.follow(&second, hash).map(|tip| tip.hash), Ok(hash));
    }

    #[test]
    fn a_frame_dropped_swapped_changed_or_of_an_older_term_breaks_the_chain() {
        let (first, hash) = frame(1, 4, Hash::default());
        let tip = Tip::default().follow(&first, hash).unwrap();
        for (number, epoch, predecessor) in
            [(3, 4, tip.hash), (1, 4, tip.hash), (2, 4, Hash([1; 32])), (2, 3, tip.hash)]
        {
            let (header, hash) = frame(number, epoch, predecessor);
            assert!(tip.follow(&header, hash).is_err(), "{number} {epoch}");
        }
    }
}
