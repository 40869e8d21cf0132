//! `rewound`: a lane sends again what it had settled. Fields: key, destination, from, until.

use sprag_core::fact::Rewound;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Rewound) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.until.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Rewound, DecodeError> {
    Ok(Rewound {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        from: read_sequence(reader)?,
        until: read_sequence(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Rewound {
            key: key(),
            destination: DestinationId(2),
            from: Sequence(3),
            until: Sequence(300),
        };
        check(
            Fact::Rewound(fact),
            "34 09000000 \
             0103612f62 02 03 ac02",
        );
    }
}
