//! `received`: an event came in and is kept. Fields: key, id, position, event type, content type,
//! headers (name, value), digest, size, body; where its source did not post it or it refers to another resource, its origin;
//! and the key of that resource.

use super::parts::{
    read_id, read_key, read_last, read_position, read_text, unknown, write_id, write_key,
    write_position, write_text,
};
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::{HEADER_NAME_BYTES, HEADER_VALUE_BYTES, STORED_HEADERS};
use sprag_core::fact::{Origin, Received, StoredHeader};
use std::sync::Arc;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Received) {
    write_key(writer, &fact.key);
    write_id(writer, fact.id.as_ref());
    write_position(writer, &fact.position);
    write_text(writer, "event type", &fact.event_type);
    write_text(writer, "content type", &fact.content_type);
    writer.count("stored headers", fact.headers.len(), STORED_HEADERS);
    for header in &fact.headers {
        writer.text("header name", &header.name, HEADER_NAME_BYTES);
        writer.bytes("header value", &header.value, HEADER_VALUE_BYTES);
    }
    writer.hash(&fact.digest);
    writer.number(u64::from(fact.size));
    writer.number(u64::from(fact.body));
    match fact.origin {
        Origin::Posted if fact.depends_on.is_none() => {}
        Origin::Posted => writer.byte(0),
        Origin::Refilled => writer.byte(1),
        Origin::Again => writer.byte(2),
    }
    if let Some(of) = &fact.depends_on {
        write_key(writer, of);
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Received, DecodeError> {
    Ok(Received {
        key: read_key(reader)?,
        id: read_id(reader)?,
        position: read_position(reader)?,
        event_type: read_text(reader, "event type")?,
        content_type: read_text(reader, "content type")?,
        headers: reader.list("stored headers", STORED_HEADERS, header)?,
        digest: reader.hash()?,
        size: reader.narrow("body size")?,
        body: reader.narrow("body index")?,
        origin: origin(reader)?,
        depends_on: read_last(reader, read_key)?,
    })
}

/// Nearly all events are posted: that takes no byte, and history before knew nothing else.
fn origin(reader: &mut Reader<'_>) -> Result<Origin, DecodeError> {
    if reader.left() == 0 {
        return Ok(Origin::Posted);
    }
    match reader.byte()? {
        0 if reader.left() > 0 => Ok(Origin::Posted),
        1 => Ok(Origin::Refilled),
        2 => Ok(Origin::Again),
        byte => unknown(reader, "unknown origin of an event", byte),
    }
}

fn header(reader: &mut Reader<'_>) -> Result<StoredHeader, DecodeError> {
    Ok(StoredHeader {
        name: Arc::from(reader.text("header name", HEADER_NAME_BYTES)?),
        value: Arc::from(reader.bytes("header value", HEADER_VALUE_BYTES)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    fn fact(origin: Origin) -> Fact {
        Fact::Received(Received {
            key: key(),
            id: Some("e1".into()),
            position: Position::Sequence(7),
            event_type: "push".into(),
            content_type: "application/json".into(),
            headers: vec![StoredHeader { name: "x-a".into(), value: (*b"1").into() }],
            digest: Hash([9; 32]),
            size: 1200,
            body: 3,
            origin,
            depends_on: None,
        })
    }

    #[test]
    fn golden_bytes() {
        check(
            fact(Origin::Posted),
            "06 53000000 \
             0103612f6201026531010800000000000000070470757368106170706c69636174696f6e \
             2f6a736f6e0103782d610131090909090909090909090909090909090909090909090909 \
             0909090909090909b00903",
        );
    }

    #[test]
    fn golden_bytes_of_an_event_that_was_asked_for() {
        check(
            fact(Origin::Refilled),
            "06 54000000 \
             0103612f6201026531010800000000000000070470757368106170706c69636174696f6e \
             2f6a736f6e0103782d610131090909090909090909090909090909090909090909090909 \
             0909090909090909b0090301",
        );
    }

    /// Behind an origin that is said, also where the source posted it.
    #[test]
    fn golden_bytes_of_an_event_that_refers_to_another_resource() {
        let of = Key { source: SourceId(3), name: "c".into() };
        for (origin, byte) in [(Origin::Posted, "00"), (Origin::Refilled, "01")] {
            let Fact::Received(received) = fact(origin) else { unreachable!() };
            let depends_on = Some(of.clone());
            check(
                Fact::Received(Received { depends_on, ..received }),
                &format!(
                    "06 57000000 \
                     0103612f6201026531010800000000000000070470757368106170706c69636174696f6e \
                     2f6a736f6e0103782d610131090909090909090909090909090909090909090909090909 \
                     0909090909090909b00903 {byte} 030163"
                ),
            );
        }
    }
}
