//! `dropped`: a dead letter is given up for good. Fields: key, letter.

use sprag_core::fact::{DeadLetter, Dropped};

use super::parts::{
    read_destination, read_key, read_place, read_sequence, unknown, write_destination, write_key,
    write_place,
};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Dropped) {
    write_key(writer, &fact.key);
    match &fact.letter {
        DeadLetter::InLane { destination, sequence } => {
            writer.byte(0);
            write_destination(writer, *destination);
            writer.number(sequence.0);
        }
        DeadLetter::AtIngress { event } => {
            writer.byte(1);
            write_place(writer, event);
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Dropped, DecodeError> {
    Ok(Dropped { key: read_key(reader)?, letter: letter(reader)? })
}

fn letter(reader: &mut Reader<'_>) -> Result<DeadLetter, DecodeError> {
    match reader.byte()? {
        0 => Ok(DeadLetter::InLane {
            destination: read_destination(reader)?,
            sequence: read_sequence(reader)?,
        }),
        1 => Ok(DeadLetter::AtIngress { event: read_place(reader)? }),
        byte => unknown(reader, "unknown kind of dead letter", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Dropped { key: key(), letter: DeadLetter::AtIngress { event: place() } };
        check(
            Fact::Dropped(fact),
            "12 0a000000 \
             0103612f620103920807",
        );
    }
}
