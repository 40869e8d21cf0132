//! `boundary`: tombstones are gone, floors of hash buckets are at least so high. Fields: the list of
//! floors (bucket, sequence), the list of the fingerprints that are gone (16 bytes each).

use sprag_core::fact::{Boundary, Floor};

use super::parts::read_sequence;
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::FLOORS;
use crate::snapshot::read_fingerprint;

/// A floor as a part of a list.
pub(crate) fn write_floor(writer: &mut Writer<'_>, floor: &Floor) {
    writer.number(u64::from(floor.bucket));
    writer.number(floor.sequence.0);
}

pub(crate) fn read_floor(reader: &mut Reader<'_>) -> Result<Floor, DecodeError> {
    let bucket = reader.number()?;
    match u16::try_from(bucket) {
        Ok(bucket) if usize::from(bucket) < FLOORS => {
            Ok(Floor { bucket, sequence: read_sequence(reader)? })
        }
        _ => Err(reader.error("unknown hash bucket", Some(bucket))),
    }
}

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Boundary) {
    writer.count("floors", fact.floors.len(), FLOORS);
    fact.floors.iter().for_each(|floor| write_floor(writer, floor));
    writer.count("tombstones", fact.dropped.len(), FLOORS);
    fact.dropped.iter().for_each(|digest| writer.raw(&digest.0.to_be_bytes()));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Boundary, DecodeError> {
    let floors = reader.list("floors", FLOORS, read_floor)?;
    let dropped = reader.list("tombstones", FLOORS, read_fingerprint)?;
    Ok(Boundary { floors, dropped })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;
    use sprag_core::chain::Fingerprint;

    #[test]
    fn golden_bytes() {
        let floors = vec![
            Floor { bucket: 2, sequence: Sequence(300) },
            Floor { bucket: 4_095, sequence: Sequence(1) },
        ];
        let fact = Boundary { floors, dropped: vec![Fingerprint(0x0102)] };
        check(
            Fact::Boundary(fact),
            "2c 18000000 \
             0202ac02ff1f010100000000000000000000000000000102",
        );
    }

    #[test]
    fn a_bucket_that_there_is_not_is_refused() {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).number(4_096);
        assert_eq!(read_floor(&mut Reader::new(&bytes)).unwrap_err().what, "unknown hash bucket");
    }
}
