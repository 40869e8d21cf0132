//! `returned`: a key of which no record was kept goes on with this. Fields: key, record (as in `carried`).

use sprag_core::fact::Returned;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};
use crate::snapshot::{read_record, write_record};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Returned) {
    write_key(writer, &fact.key);
    write_record(writer, &fact.record);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Returned, DecodeError> {
    Ok(Returned { key: read_key(reader)?, record: Box::new(read_record(reader)?) })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;
    use sprag_core::record::KeyRecord;

    #[test]
    fn golden_bytes() {
        let record =
            KeyRecord { forgotten: false, active: UnixMicros(9), ..KeyRecord::behind(Sequence(5)) };
        check(
            Fact::Returned(Returned { key: key(), record: Box::new(record) }),
            "2a 44000000 \
             0103612f623b000000050000000000000000000000000000000000000000000000000000 \
             000000000000000000000b000000000000000000000000000000000000090005",
        );
    }
}
