//! `forgotten`: a key was idle for long, and this is its tombstone. Fields: key, record (as in `carried`).

use sprag_core::fact::Forgotten;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};
use crate::snapshot::{read_record, write_record};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Forgotten) {
    write_key(writer, &fact.key);
    write_record(writer, &fact.record);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Forgotten, DecodeError> {
    Ok(Forgotten { key: read_key(reader)?, record: Box::new(read_record(reader)?) })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;
    use sprag_core::record::KeyRecord;

    #[test]
    fn golden_bytes() {
        let record =
            KeyRecord { forgotten: true, active: UnixMicros(9), ..KeyRecord::behind(Sequence(5)) };
        check(
            Fact::Forgotten(Forgotten { key: key(), record: Box::new(record) }),
            "29 44000000 \
             0103612f623b000000050000000000000000000000000000000000000000000000000000 \
             000000000000000000000b000000000000000000000000000000000000090105",
        );
    }
}
