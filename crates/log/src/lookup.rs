//! What can be looked up in the log (DESIGN F3), and the hashes that stand for it in indexes.

use std::sync::Arc;

use sprag_core::fact::Fact;
use sprag_core::id::{Key, Sequence};
use sprag_core::position::Position;

use crate::codec::Writer;
use crate::digest::sha256;
use crate::fact::parts::{POSITION_CLOCK, write_position};

/// Something looked up in the log: facts of a key by what the source or Sprag called them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: Key,
    /// Which of its facts.
    pub by: Handle,
}

/// By what a fact of a key is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    /// `received` facts with this id of the source.
    Id(Arc<str>),
    /// `released` facts with this position: what was dead-lettered has taken none.
    Position(Position),
    /// The `released` fact with this sequence.
    Sequence(Sequence),
}

impl Wanted {
    /// Its hash in every index.
    #[must_use]
    pub fn hash(&self) -> u64 {
        match &self.by {
            Handle::Id(id) => hash_id(&self.key, id),
            Handle::Position(position) => hash_position(&self.key, position),
            Handle::Sequence(sequence) => hash_sequence(&self.key, *sequence),
        }
    }

    /// Whether the fact is what is looked for; hashes only say that it may be.
    #[must_use]
    pub fn is_met_by(&self, fact: &Fact) -> bool {
        match (&self.by, fact) {
            (Handle::Id(id), Fact::Received(received)) => {
                received.key == self.key && received.id.as_ref() == Some(id)
            }
            (Handle::Position(position), Fact::Released(released)) => {
                released.key == self.key && released.position.names_the_same(position)
            }
            (Handle::Sequence(sequence), Fact::Released(released)) => {
                released.key == self.key && released.sequence == *sequence
            }
            _ => false,
        }
    }
}

/// The hashes under which a fact is indexed: none, one or two.
pub fn index_hashes(fact: &Fact, mut each: impl FnMut(u64)) {
    match fact {
        Fact::Received(received) => {
            if let Some(id) = &received.id {
                each(hash_id(&received.key, id));
            }
        }
        Fact::Released(released) => {
            if released.position.is_unique() {
                each(hash_position(&released.key, &released.position));
            }
            each(hash_sequence(&released.key, released.sequence));
        }
        _ => {}
    }
}

const KIND_ID: u8 = 1;
const KIND_POSITION: u8 = 2;
const KIND_SEQUENCE: u8 = 3;

fn hash_id(key: &Key, id: &str) -> u64 {
    index_hash(KIND_ID, key, id.as_bytes())
}

fn hash_position(key: &Key, position: &Position) -> u64 {
    let mut bytes = Vec::with_capacity(16);
    // Of a clock only which event of its node it is: another that claims to be that one is to be found by it.
    if let Position::Clock(clock) = position {
        bytes.push(POSITION_CLOCK);
        bytes.extend_from_slice(&clock.count().to_be_bytes());
        bytes.extend_from_slice(clock.node().as_bytes());
        return index_hash(KIND_POSITION, key, &bytes);
    }
    write_position(&mut Writer::new(&mut bytes), position);
    index_hash(KIND_POSITION, key, &bytes)
}

fn hash_sequence(key: &Key, sequence: Sequence) -> u64 {
    index_hash(KIND_SEQUENCE, key, &sequence.0.to_be_bytes())
}

/// The hash on disk: the first eight bytes, big-endian, of SHA-256 over kind, source (four bytes,
/// big-endian), length of the key's name (two bytes, big-endian), name and value.
///
/// SHA-256 and not a faster hash, because whoever may send events chooses ids: with a hash that
/// can be computed backwards they could make every lookup find thousands of candidates.
fn index_hash(kind: u8, key: &Key, value: &[u8]) -> u64 {
    const STACK: usize = 512;
    let name = key.name.as_bytes();
    let mut head = [0; 7];
    head[0] = kind;
    head[1..5].copy_from_slice(&key.source.0.to_be_bytes());
    // Names have at most 200 bytes; a longer one could not be written and only differs in hash.
    head[5..7].copy_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    let length = head.len() + name.len() + value.len();
    let mut buffer = [0; STACK];
    let hash = match buffer.get_mut(..length) {
        // One call over one buffer costs half of three updates.
        Some(message) => {
            message[..7].copy_from_slice(&head);
            message[7..7 + name.len()].copy_from_slice(name);
            message[7 + name.len()..].copy_from_slice(value);
            sha256(&[message])
        }
        None => sha256(&[&head, name, value]),
    };
    let mut first = [0; 8];
    first.copy_from_slice(&hash.0[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::clocks::{Clock, Counter};
    use sprag_core::id::SourceId;

    fn key(name: &str) -> Key {
        Key { source: SourceId(1), name: name.into() }
    }

    /// On disk for ever: printf '\x01\0\0\0\1\0\3a/be1' | sha256sum, and so on.
    #[test]
    fn golden_hashes() {
        assert_eq!(format!("{:016x}", hash_id(&key("a/b"), "e1")), "ddf46fc929a6a6f7");
        assert_eq!(
            format!("{:016x}", hash_position(&key("a/b"), &Position::Sequence(7))),
            "c957da3d830405b4"
        );
        let counter = |node: &str, count| Counter { node: node.into(), count };
        let clock = |other| Clock::new("b", vec![counter("b", 7), counter("a", other)]).unwrap();
        let hash = hash_position(&key("a/b"), &Position::Clock(clock(1)));
        assert_eq!(format!("{hash:016x}"), "0002db7c4b63d5e2");
        assert_eq!(hash, hash_position(&key("a/b"), &Position::Clock(clock(2))));
        assert_eq!(format!("{:016x}", hash_sequence(&key("a/b"), Sequence(7))), "b980801fb0f2ad96");
    }

    #[test]
    fn a_long_value_hashes_as_if_in_one_piece() {
        let long = "x".repeat(600);
        let mut whole = b"\x01\x00\x00\x00\x01\x00\x01k".to_vec();
        whole.extend_from_slice(long.as_bytes());
        let expected = sha256(&[&whole]);
        assert_eq!(hash_id(&key("k"), &long).to_be_bytes(), expected.0[..8]);
    }
}
