//! Which partition a key belongs to (DESIGN K2).

use crate::chain::Digest;
use crate::id::PartitionId;

/// ⌊u64be(SHA-256(source ‖ 0 ‖ key)[0..8]) × N / 2⁶⁴⌋, with the source's and the key's names.
pub fn partition_of(digest: &impl Digest, source: &str, key: &str, partitions: u16) -> PartitionId {
    let hash = digest.sha256(&[source.as_bytes(), &[0], key.as_bytes()]);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.0[..8]);
    let scaled = u128::from(u64::from_be_bytes(first)) * u128::from(partitions);
    // The high half of a 64 × 16 bit product is below 2¹⁶.
    PartitionId(u16::try_from(scaled >> 64).unwrap_or(u16::MAX))
}
