//! `tombstone`: a tombstone said anew. Fields: the key's fingerprint (16 bytes), record (as in `carried`).

use sprag_core::fact::Tombstone;

use crate::codec::{DecodeError, Reader, Writer};
use crate::snapshot::{read_fingerprint, read_record, write_record};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Tombstone) {
    writer.raw(&fact.digest.0.to_be_bytes());
    write_record(writer, &fact.record);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Tombstone, DecodeError> {
    Ok(Tombstone { digest: read_fingerprint(reader)?, record: Box::new(read_record(reader)?) })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;
    use sprag_core::chain::Fingerprint;
    use sprag_core::record::KeyRecord;

    #[test]
    fn golden_bytes() {
        let record = KeyRecord { forgotten: true, ..KeyRecord::behind(Sequence(5)) };
        let fact = Tombstone { digest: Fingerprint(0x0102), record: Box::new(record) };
        check(
            Fact::Tombstone(fact),
            "2b 4f000000 \
             000000000000000000000000000001023b00000005000000000000000000000000000000 \
             0000000000000000000000000000000000000000000b0000000000000000000000000000 \
             00000000000105",
        );
    }
}
