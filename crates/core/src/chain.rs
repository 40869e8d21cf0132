//! The chain of a key's events (DESIGN C1), and the fingerprints dedupe knows events by.
//!
//! Must not know: how a digest is computed; the outside brings it (DESIGN F12).

use crate::id::{Hash, Key, Sequence};
use crate::limits;
use crate::position::Position;
use crate::record::Essence;

use crate::fact::Kind;

/// SHA-256, brought in at construction.
pub trait Digest {
    /// The digest of the parts, one after another.
    fn sha256(&self, parts: &[&[u8]]) -> Hash;
}

/// The tag of the event chain: a change of what is hashed is a new tag.
pub const EVENT_TAG: &[u8] = b"sprag-event-1";

/// Computes Hₙ = SHA-256(tag ‖ source ‖ key ‖ n ‖ position ‖ kind ‖ content type ‖ source id ‖
/// Hₙ₋₁ ‖ Dₙ), every part after its length as u32 big-endian, n as u64 big-endian (DESIGN C1).
pub fn event_hash(
    digest: &impl Digest,
    source: &str,
    key: &Key,
    sequence: Sequence,
    kind: Kind,
    essence: &Essence,
    previous: &Hash,
) -> Hash {
    let number = sequence.0.to_be_bytes();
    let position = essence.position.header_text(digest);
    let parts: [&[u8]; 10] = [
        EVENT_TAG,
        source.as_bytes(),
        key.name.as_bytes(),
        &number,
        position.as_bytes(),
        kind.as_str().as_bytes(),
        essence.content_type.as_bytes(),
        essence.id.as_deref().unwrap_or_default().as_bytes(),
        &previous.0,
        &essence.digest.0,
    ];
    let lengths = parts.map(length_prefix);
    let mut framed: [&[u8]; 20] = [&[]; 20];
    for (at, (length, part)) in lengths.iter().zip(parts).enumerate() {
        framed[2 * at] = length;
        framed[2 * at + 1] = part;
    }
    digest.sha256(&framed)
}

/// A part's length as u32 big-endian; the bounds of every part keep it below 2³².
fn length_prefix(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// What dedupe knows an event by: 128 bits of SHA-256 over (what, source, key, value).
///
/// Two different events share one with a chance of 2⁻¹²⁸; to make two on purpose takes 2⁶⁴
/// digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// The fingerprint of a source's event id within its key.
    pub fn of_id(digest: &impl Digest, key: &Key, id: &str) -> Self {
        Self::of(digest, b"id", key, id.as_bytes())
    }

    /// The fingerprint of a position within its key; none where a position names no event.
    pub fn of_position(digest: &impl Digest, key: &Key, position: &Position) -> Option<Self> {
        if let Position::Clock(clock) = position {
            let value = [&clock.count().to_be_bytes(), clock.node().as_bytes()].concat();
            return Some(Self::of(digest, b"clock", key, &value));
        }
        let number = position.number().filter(|_| position.is_unique())?;
        Some(Self::of(digest, b"position", key, &number.to_be_bytes()))
    }

    /// What is known of a key whose name is forgotten (DESIGN D8).
    pub fn of_key(digest: &impl Digest, key: &Key) -> Self {
        Self::of(digest, b"key", key, b"")
    }

    /// Which of [`BUCKETS`](crate::limits::BUCKETS) hash buckets of its partition a key lies in.
    #[must_use]
    pub fn bucket(self) -> u16 {
        // The topmost bits are those of the bucket's number: what is left fits.
        const SHIFT: u32 = u128::BITS - limits::BUCKETS.trailing_zeros();
        u16::try_from(self.0 >> SHIFT).unwrap_or(u16::MAX)
    }

    /// What a choice among keys is drawn from.
    #[must_use]
    pub fn seed(self) -> u64 {
        // The low half: the topmost bits name the bucket.
        u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or_default()
    }

    /// What tells events of one instant apart: the source's id, or the body where there is none.
    pub fn of_event(digest: &impl Digest, key: &Key, id: Option<&str>, body: &Hash) -> Self {
        match id {
            Some(id) => Self::of_id(digest, key, id),
            None => Self::of(digest, b"body", key, &body.0),
        }
    }

    fn of(digest: &impl Digest, what: &[u8], key: &Key, value: &[u8]) -> Self {
        let source = key.source.0.to_be_bytes();
        let length = length_prefix(key.name.as_bytes());
        let hash = digest.sha256(&[what, &source, &length, key.name.as_bytes(), value]);
        let mut half = [0; 16];
        half.copy_from_slice(&hash.0[..16]);
        Self(u128::from_be_bytes(half))
    }
}
