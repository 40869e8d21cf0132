//! SHA-256, the one digest of the product. Must not know what is digested.

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use sprag_core::id::Hash;

/// Bytes up to which parts are copied together: a digest that is fed part by part costs more than that, and most of
/// what is digested here is a few short texts.
const TOGETHER: usize = 512;

/// SHA-256 of the parts, one after another.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash {
    if let [part] = parts {
        return hash(&digest(&SHA256, part));
    }
    let mut together = [0; TOGETHER];
    if let Some(bytes) = join(parts, &mut together) {
        return hash(&digest(&SHA256, bytes));
    }
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    hash(&context.finish())
}

/// The parts one after another, where there is room for them.
fn join<'a>(parts: &[&[u8]], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        room.get_mut(length..end)?.copy_from_slice(part);
        length = end;
    }
    room.get(..length)
}

/// SHA-256 as the core takes it (DESIGN F12).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sha256;

impl sprag_core::chain::Digest for Sha256 {
    fn sha256(&self, parts: &[&[u8]]) -> Hash {
        sha256(parts)
    }
}

fn hash(digest: &Digest) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, the example of one block.
    #[test]
    fn digests_the_published_example_however_it_is_cut() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&[b"abc"]).to_string(), expected);
        assert_eq!(sha256(&[b"a", b"", b"bc"]).to_string(), expected);
    }

    #[test]
    fn parts_that_have_no_room_together_are_digested_all_the_same() {
        for length in [TOGETHER - 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER] {
            let bytes = vec![7; length];
            let (first, rest) = bytes.split_at(length / 3);
            assert_eq!(sha256(&[first, rest]), sha256(&[&bytes]), "{length}");
        }
    }
}
