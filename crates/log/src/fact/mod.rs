//! Facts as bytes: a tag byte, a four-byte length, and the fields of the fact, one file per fact.
//!
//! # How to change a fact
//! What is on disk stays readable for ever, so bytes are never reinterpreted:
//! 1. **A new fact** gets the next free tag in `tag` and a file of its own here. A tag is never
//!    reused, also not after its fact is gone.
//! 2. **A new field** goes behind the last one, and `decode` reads it only when bytes are left
//!    (`reader.left() > 0`), with the meaning that history without it had. `encode` always writes
//!    it. The old golden bytes stay as a test that they still decode; new ones are added.
//! 3. **Anything else** (a field removed, reordered, of another type or meaning) is a new fact with
//!    a new tag; the old one keeps its decoder.
//! 4. A new variant of an enumeration inside a fact gets the next free byte.
//!
//! An older version that meets a tag, a byte or a trailing field it does not know refuses the
//! frame and names it: it must not guess at history. `frame` gives facts their checksum and hash.

mod acknowledged;
mod attempted;
mod backlog_dropped;
mod batched;
pub(crate) mod boundary;
mod carried;
mod claimed;
mod conflict;
mod destination_declared;
mod destination_paused;
mod destination_resumed;
mod destination_retired;
mod dropped;
mod duplicate;
mod filtered;
mod forgotten;
mod gap_abandoned;
mod gap_filled;
mod gap_opened;
pub(crate) mod held;
mod ignored;
mod invalid;
mod jumped;
mod key_paused;
mod key_resumed;
pub(crate) mod keys_visited;
mod lane_ended;
mod lane_opened;
mod late_dead;
pub(crate) mod parts;
mod rebased;
mod received;
mod redriven;
mod refill_ended;
mod refused;
mod released;
mod restored;
mod returned;
mod rewound;
mod sequence_reset;
mod source_declared;
mod stale;
mod strands_taken;
mod superseded;
mod tombstone;
mod unmet;

use sprag_core::fact::Fact;

use crate::codec::{DecodeError, Reader, Writer};

/// The tag byte of each fact. Never changed, never reused.
mod tag {
    pub(super) const CLAIMED: u8 = 1;
    pub(super) const SOURCE_DECLARED: u8 = 2;
    pub(super) const DESTINATION_DECLARED: u8 = 3;
    pub(super) const DESTINATION_PAUSED: u8 = 4;
    pub(super) const DESTINATION_RESUMED: u8 = 5;
    pub(super) const RECEIVED: u8 = 6;
    pub(super) const HELD: u8 = 7;
    pub(super) const RELEASED: u8 = 8;
    pub(super) const DUPLICATE: u8 = 9;
    pub(super) const CONFLICT: u8 = 10;
    pub(super) const INVALID: u8 = 11;
    pub(super) const IGNORED: u8 = 12;
    pub(super) const GAP_OPENED: u8 = 13;
    pub(super) const GAP_FILLED: u8 = 14;
    pub(super) const GAP_ABANDONED: u8 = 15;
    pub(super) const ATTEMPTED: u8 = 16;
    pub(super) const REDRIVEN: u8 = 17;
    pub(super) const DROPPED: u8 = 18;
    pub(super) const KEY_PAUSED: u8 = 19;
    pub(super) const KEY_RESUMED: u8 = 20;
    pub(super) const STALE: u8 = 21;
    pub(super) const SUPERSEDED: u8 = 22;
    pub(super) const REFUSED: u8 = 23;
    pub(super) const SEQUENCE_RESET: u8 = 24;
    pub(super) const REBASED: u8 = 25;
    pub(super) const ACKNOWLEDGED: u8 = 26;
    pub(super) const BATCHED: u8 = 27;
    pub(super) const STRANDS_TAKEN: u8 = 28;
    pub(super) const BACKLOG_DROPPED: u8 = 29;
    pub(super) const FILTERED: u8 = 32;
    pub(super) const LANE_OPENED: u8 = 33;
    pub(super) const LANE_ENDED: u8 = 34;
    pub(super) const KEYS_VISITED: u8 = 35;
    pub(super) const DESTINATION_RETIRED: u8 = 36;
    pub(super) const CARRIED: u8 = 40;
    pub(super) const FORGOTTEN: u8 = 41;
    pub(super) const RETURNED: u8 = 42;
    pub(super) const TOMBSTONE: u8 = 43;
    pub(super) const BOUNDARY: u8 = 44;
    pub(super) const RESTORED: u8 = 46;
    pub(super) const JUMPED: u8 = 47;
    pub(super) const REFILL_ENDED: u8 = 50;
    pub(super) const REWOUND: u8 = 52;
    pub(super) const LATE_DEAD: u8 = 53;
    pub(super) const UNMET: u8 = 57;
}

/// Appends a fact: tag, length, fields.
pub fn encode(writer: &mut Writer<'_>, fact: &Fact) {
    writer.byte(tag_of(fact));
    let opened = writer.open_length();
    match fact {
        Fact::Claimed(fact) => claimed::encode(writer, fact),
        Fact::SourceDeclared(fact) => source_declared::encode(writer, fact),
        Fact::DestinationDeclared(fact) => destination_declared::encode(writer, fact),
        Fact::DestinationPaused(fact) => destination_paused::encode(writer, fact),
        Fact::DestinationResumed(fact) => destination_resumed::encode(writer, fact),
        Fact::Received(fact) => received::encode(writer, fact),
        Fact::Held(fact) => held::encode(writer, fact),
        Fact::Released(fact) => released::encode(writer, fact),
        Fact::Duplicate(fact) => duplicate::encode(writer, fact),
        Fact::Conflict(fact) => conflict::encode(writer, fact),
        Fact::Invalid(fact) => invalid::encode(writer, fact),
        Fact::Ignored(fact) => ignored::encode(writer, fact),
        Fact::GapOpened(fact) => gap_opened::encode(writer, fact),
        Fact::GapFilled(fact) => gap_filled::encode(writer, fact),
        Fact::GapAbandoned(fact) => gap_abandoned::encode(writer, fact),
        Fact::Attempted(fact) => attempted::encode(writer, fact),
        Fact::Redriven(fact) => redriven::encode(writer, fact),
        Fact::Dropped(fact) => dropped::encode(writer, fact),
        Fact::KeyPaused(fact) => key_paused::encode(writer, fact),
        Fact::KeyResumed(fact) => key_resumed::encode(writer, fact),
        Fact::Stale(fact) => stale::encode(writer, fact),
        Fact::Superseded(fact) => superseded::encode(writer, fact),
        Fact::Refused(fact) => refused::encode(writer, fact),
        Fact::SequenceReset(fact) => sequence_reset::encode(writer, fact),
        Fact::Rebased(fact) => rebased::encode(writer, fact),
        Fact::Acknowledged(fact) => acknowledged::encode(writer, fact),
        Fact::Batched(fact) => batched::encode(writer, fact),
        Fact::StrandsTaken(fact) => strands_taken::encode(writer, fact),
        Fact::Filtered(fact) => filtered::encode(writer, fact),
        Fact::DestinationRetired(fact) => destination_retired::encode(writer, fact),
        Fact::KeysVisited(fact) => keys_visited::encode(writer, fact),
        Fact::LaneEnded(fact) => lane_ended::encode(writer, fact),
        Fact::BacklogDropped(fact) => backlog_dropped::encode(writer, fact),
        Fact::Rewound(fact) => rewound::encode(writer, fact),
        Fact::LateDead(fact) => late_dead::encode(writer, fact),
        Fact::Unmet(fact) => unmet::encode(writer, fact),
        Fact::LaneOpened(fact) => lane_opened::encode(writer, fact),
        Fact::Carried(fact) => carried::encode(writer, fact),
        Fact::Forgotten(fact) => forgotten::encode(writer, fact),
        Fact::Returned(fact) => returned::encode(writer, fact),
        Fact::Tombstone(fact) => tombstone::encode(writer, fact),
        Fact::Boundary(fact) => boundary::encode(writer, fact),
        Fact::Restored(fact) => restored::encode(writer, fact),
        Fact::Jumped(fact) => jumped::encode(writer, fact),
        Fact::RefillEnded(fact) => refill_ended::encode(writer, fact),
    }
    writer.close_length("fact", opened);
}

/// Reads one fact, whole: a field that is missing or too many is an error.
///
/// # Errors
/// When the bytes are not a fact this version knows.
pub fn decode(reader: &mut Reader<'_>) -> Result<Fact, DecodeError> {
    let start = reader.position();
    let tag = reader.byte()?;
    let mut part = reader.part("fact is longer than its frame")?;
    let fields = &mut part;
    let fact = match tag {
        tag::CLAIMED => Fact::Claimed(claimed::decode(fields)?),
        tag::SOURCE_DECLARED => Fact::SourceDeclared(source_declared::decode(fields)?),
        tag::DESTINATION_DECLARED => {
            Fact::DestinationDeclared(destination_declared::decode(fields)?)
        }
        tag::DESTINATION_PAUSED => Fact::DestinationPaused(destination_paused::decode(fields)?),
        tag::DESTINATION_RESUMED => Fact::DestinationResumed(destination_resumed::decode(fields)?),
        tag::RECEIVED => Fact::Received(received::decode(fields)?),
        tag::HELD => Fact::Held(held::decode(fields)?),
        tag::RELEASED => Fact::Released(released::decode(fields)?),
        tag::DUPLICATE => Fact::Duplicate(duplicate::decode(fields)?),
        tag::CONFLICT => Fact::Conflict(conflict::decode(fields)?),
        tag::INVALID => Fact::Invalid(invalid::decode(fields)?),
        tag::IGNORED => Fact::Ignored(ignored::decode(fields)?),
        tag::GAP_OPENED => Fact::GapOpened(gap_opened::decode(fields)?),
        tag::GAP_FILLED => Fact::GapFilled(gap_filled::decode(fields)?),
        tag::GAP_ABANDONED => Fact::GapAbandoned(gap_abandoned::decode(fields)?),
        tag::ATTEMPTED => Fact::Attempted(attempted::decode(fields)?),
        tag::REDRIVEN => Fact::Redriven(redriven::decode(fields)?),
        tag::DROPPED => Fact::Dropped(dropped::decode(fields)?),
        tag::KEY_PAUSED => Fact::KeyPaused(key_paused::decode(fields)?),
        tag::KEY_RESUMED => Fact::KeyResumed(key_resumed::decode(fields)?),
        tag::STALE => Fact::Stale(stale::decode(fields)?),
        tag::SUPERSEDED => Fact::Superseded(superseded::decode(fields)?),
        tag::REFUSED => Fact::Refused(refused::decode(fields)?),
        tag::SEQUENCE_RESET => Fact::SequenceReset(sequence_reset::decode(fields)?),
        tag::REBASED => Fact::Rebased(rebased::decode(fields)?),
        tag::ACKNOWLEDGED => Fact::Acknowledged(acknowledged::decode(fields)?),
        tag::BATCHED => Fact::Batched(batched::decode(fields)?),
        tag::STRANDS_TAKEN => Fact::StrandsTaken(strands_taken::decode(fields)?),
        tag::FILTERED => Fact::Filtered(filtered::decode(fields)?),
        tag::DESTINATION_RETIRED => Fact::DestinationRetired(destination_retired::decode(fields)?),
        tag::KEYS_VISITED => Fact::KeysVisited(keys_visited::decode(fields)?),
        tag::BACKLOG_DROPPED => Fact::BacklogDropped(backlog_dropped::decode(fields)?),
        tag::REWOUND => Fact::Rewound(rewound::decode(fields)?),
        tag::LATE_DEAD => Fact::LateDead(late_dead::decode(fields)?),
        tag::UNMET => Fact::Unmet(unmet::decode(fields)?),
        tag::LANE_ENDED => Fact::LaneEnded(lane_ended::decode(fields)?),
        tag::LANE_OPENED => Fact::LaneOpened(lane_opened::decode(fields)?),
        tag::CARRIED => Fact::Carried(carried::decode(fields)?),
        tag::FORGOTTEN => Fact::Forgotten(forgotten::decode(fields)?),
        tag::RETURNED => Fact::Returned(returned::decode(fields)?),
        tag::TOMBSTONE => Fact::Tombstone(tombstone::decode(fields)?),
        tag::BOUNDARY => Fact::Boundary(boundary::decode(fields)?),
        tag::RESTORED => Fact::Restored(restored::decode(fields)?),
        tag::JUMPED => Fact::Jumped(jumped::decode(fields)?),
        tag::REFILL_ENDED => Fact::RefillEnded(refill_ended::decode(fields)?),
        _ => {
            let found = Some(u64::from(tag));
            return Err(DecodeError { at: start, what: "unknown fact tag", found });
        }
    };
    part.end()?;
    Ok(fact)
}

/// Passes over one fact without reading its fields.
///
/// # Errors
/// When its length does not fit.
pub fn skip(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    reader.byte()?;
    reader.part("fact is longer than its frame").map(|_| ())
}

fn tag_of(fact: &Fact) -> u8 {
    match fact {
        Fact::Claimed(_) => tag::CLAIMED,
        Fact::SourceDeclared(_) => tag::SOURCE_DECLARED,
        Fact::DestinationDeclared(_) => tag::DESTINATION_DECLARED,
        Fact::DestinationPaused(_) => tag::DESTINATION_PAUSED,
        Fact::DestinationResumed(_) => tag::DESTINATION_RESUMED,
        Fact::Received(_) => tag::RECEIVED,
        Fact::Held(_) => tag::HELD,
        Fact::Released(_) => tag::RELEASED,
        Fact::Duplicate(_) => tag::DUPLICATE,
        Fact::Conflict(_) => tag::CONFLICT,
        Fact::Invalid(_) => tag::INVALID,
        Fact::Ignored(_) => tag::IGNORED,
        Fact::GapOpened(_) => tag::GAP_OPENED,
        Fact::GapFilled(_) => tag::GAP_FILLED,
        Fact::GapAbandoned(_) => tag::GAP_ABANDONED,
        Fact::Attempted(_) => tag::ATTEMPTED,
        Fact::Redriven(_) => tag::REDRIVEN,
        Fact::Dropped(_) => tag::DROPPED,
        Fact::KeyPaused(_) => tag::KEY_PAUSED,
        Fact::KeyResumed(_) => tag::KEY_RESUMED,
        Fact::Stale(_) => tag::STALE,
        Fact::Superseded(_) => tag::SUPERSEDED,
        Fact::Refused(_) => tag::REFUSED,
        Fact::SequenceReset(_) => tag::SEQUENCE_RESET,
        Fact::Rebased(_) => tag::REBASED,
        Fact::Acknowledged(_) => tag::ACKNOWLEDGED,
        Fact::Batched(_) => tag::BATCHED,
        Fact::StrandsTaken(_) => tag::STRANDS_TAKEN,
        Fact::Filtered(_) => tag::FILTERED,
        Fact::DestinationRetired(_) => tag::DESTINATION_RETIRED,
        Fact::KeysVisited(_) => tag::KEYS_VISITED,
        Fact::LaneEnded(_) => tag::LANE_ENDED,
        Fact::BacklogDropped(_) => tag::BACKLOG_DROPPED,
        Fact::Rewound(_) => tag::REWOUND,
        Fact::LateDead(_) => tag::LATE_DEAD,
        Fact::Unmet(_) => tag::UNMET,
        Fact::LaneOpened(_) => tag::LANE_OPENED,
        Fact::Carried(_) => tag::CARRIED,
        Fact::Forgotten(_) => tag::FORGOTTEN,
        Fact::Returned(_) => tag::RETURNED,
        Fact::Tombstone(_) => tag::TOMBSTONE,
        Fact::Boundary(_) => tag::BOUNDARY,
        Fact::Restored(_) => tag::RESTORED,
        Fact::Jumped(_) => tag::JUMPED,
        Fact::RefillEnded(_) => tag::REFILL_ENDED,
    }
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_fact_reads_back(fact in arbitrary::fact()) {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            encode(&mut writer, &fact);
            prop_assert_eq!(writer.finish(), Ok(()));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(decode(&mut reader), Ok(fact));
            prop_assert_eq!(reader.end(), Ok(()));
            let mut skipping = Reader::new(&bytes);
            prop_assert_eq!(skip(&mut skipping), Ok(()));
            prop_assert_eq!(skipping.left(), 0);
        }

        /// Whatever is accepted is what its own encoding says: no two byte strings, one fact.
        #[test]
        fn damaged_facts_are_refused_or_are_other_facts(
            fact in arbitrary::fact(), at: prop::sample::Index, flip in 1_u8..
        ) {
            let mut bytes = Vec::new();
            encode(&mut Writer::new(&mut bytes), &fact);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = decode(&mut Reader::new(&bytes)) {
                let mut again = Vec::new();
                encode(&mut Writer::new(&mut again), &other);
                prop_assert!(bytes.starts_with(&again));
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn an_unknown_tag_is_named() {
        let error = decode(&mut Reader::new(&[200, 0, 0, 0, 0])).unwrap_err();
        assert_eq!(error.to_string(), "unknown fact tag (200) at byte 0");
    }

    #[test]
    fn a_field_of_a_later_version_is_refused() {
        let error = decode(&mut Reader::new(&[tag::CLAIMED, 2, 0, 0, 0, 1, 1])).unwrap_err();
        assert_eq!(error.what, "bytes beyond the end");
    }
}
