//! Bytes of the log and of the state store: what reads is written back the same, one fact reads like
//! all of them, and nothing that does not read is taken.

use arbitrary::{Result, Unstructured};
use sprag_log::body::{Body, BodyEntry, verify_bodies};
use sprag_log::codec::{Reader, Writer};
use sprag_log::fact;
use sprag_log::frame::{self, FrameDraft, FrameHeader, HEADER_BYTES, decode_fact, decode_facts};
use sprag_log::pack::Packer;
use sprag_log::snapshot::{self, VERSION};

use crate::reference::crc32;

/// Reads the bytes as what their first one says.
///
/// # Panics
/// When something is written back as something else.
pub fn run(data: &[u8]) {
    let Some((what, bytes)) = data.split_first() else { return };
    match what % 6 {
        0 => facts(bytes),
        1 => record(bytes),
        2 => directory(bytes),
        3 => totals(bytes),
        4 => whole_frame(bytes),
        // Bytes that have run out make no frame.
        _ => drop(made_frame(&mut Unstructured::new(bytes))),
    }
}

/// What is written back reads as the same, and is the only way to write it but for fields that older
/// versions did not have: those make it longer.
fn same_bytes(read: &[u8], written: &[u8]) {
    assert!(written.len() > read.len() || written == read, "{read:02x?} is written {written:02x?}");
}

fn facts(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    while reader.left() > 0 {
        let start = reader.position();
        let mut passing = Reader::new(&bytes[start..]);
        let Ok(fact) = fact::decode(&mut reader) else { return };
        assert!(fact::skip(&mut passing).is_ok(), "what reads can be passed over");
        assert_eq!(passing.position(), reader.position() - start);
        let mut written = Vec::new();
        let mut writer = Writer::new(&mut written);
        fact::encode(&mut writer, &fact);
        assert_eq!(writer.finish(), Ok(()), "what was read fits: {fact:?}");
        assert_eq!(fact::decode(&mut Reader::new(&written)), Ok(fact));
        same_bytes(&bytes[start..reader.position()], &written);
    }
}

/// The version is not the fuzzer's to find.
fn versioned(bytes: &[u8]) -> Vec<u8> {
    [&[VERSION], bytes].concat()
}

fn record(bytes: &[u8]) {
    let bytes = versioned(bytes);
    let Ok(record) = snapshot::decode(&bytes) else { return };
    let mut written = Vec::new();
    assert_eq!(snapshot::encode(&record, &mut written), Ok(()), "what was read fits");
    same_bytes(&bytes, &written);
    assert_eq!(snapshot::decode(&written), Ok(record));
}

fn directory(bytes: &[u8]) {
    let Ok(directory) = snapshot::decode_directory(&versioned(bytes)) else { return };
    let mut written = Vec::new();
    assert_eq!(snapshot::encode_directory(&directory, &mut written), Ok(()), "what was read fits");
    assert_eq!(snapshot::decode_directory(&written), Ok(directory));
}

fn totals(bytes: &[u8]) {
    let Ok(totals) = snapshot::decode_totals(&versioned(bytes)) else { return };
    let mut written = Vec::new();
    assert_eq!(snapshot::encode_totals(&totals, &mut written), Ok(()), "what was read fits");
    assert_eq!(snapshot::decode_totals(&written), Ok(totals));
}

/// Reads a whole frame as the engines do.
fn read(bytes: &[u8]) -> Option<(FrameDraft, sprag_core::id::Hash)> {
    let header = FrameHeader::decode(bytes).ok()?;
    assert!(header.frame_bytes() >= header.head_bytes() && header.head_bytes() >= HEADER_BYTES);
    let facts = bytes.get(HEADER_BYTES..header.head_bytes())?;
    let bodies = bytes.get(header.head_bytes()..header.frame_bytes())?;
    let all = decode_facts(&header, facts);
    for index in 0..header.facts.min(64) {
        let one = decode_fact(&header, facts, index);
        if let (Ok(all), Ok(one)) = (&all, one) {
            assert_eq!(all.get(index as usize), one.as_ref(), "one fact reads like all");
        } else {
            assert!(all.is_err(), "a fact of a frame that reads does not read");
        }
    }
    let all = all.ok()?;
    verify_bodies(&header, bodies).ok()?;
    let body = |index| {
        let entry = BodyEntry::find(&header, bodies, index).expect("verified");
        entry.verify(&bodies[entry.offset..entry.offset + entry.length]).expect("verified")
    };
    let draft = FrameDraft {
        partition: header.partition,
        number: header.number,
        epoch: header.epoch,
        recorded: header.recorded,
        open: header.open,
        facts: all,
        bodies: (0..header.bodies).map(body).collect(),
    };
    Some((draft, header.predecessor))
}

fn whole_frame(bytes: &[u8]) {
    if let Some((draft, predecessor)) = read(bytes) {
        written_again(&draft, &predecessor);
    }
}

/// A frame that was read is a frame that can be written, and reads as itself.
fn written_again(draft: &FrameDraft, predecessor: &sprag_core::id::Hash) {
    let mut written = Vec::new();
    let received = |body: &Body| Body::received(body.bytes.clone());
    let bodies = draft.bodies.iter().map(received).collect();
    let draft = FrameDraft { bodies, ..draft.clone() };
    let hash = frame::encode(&draft, predecessor, &mut Packer::default(), &mut written);
    assert!(hash.is_ok(), "what was read fits: {hash:?}");
    let again = read(&written).expect("what was written reads");
    assert_eq!((again.0.facts, again.0.bodies, again.1), (draft.facts, draft.bodies, *predecessor));
}

/// A frame whose checksums are right, of fields and facts that need not be.
fn made_frame(choices: &mut Unstructured<'_>) -> Result<()> {
    let head: [u8; 66] = choices.arbitrary()?;
    let count = u32::from(choices.arbitrary::<u8>()?) % 8;
    let bodies: Vec<&[u8]> =
        (0..choices.int_in_range(0..=3)?).map(|_| choices.arbitrary()).collect::<Result<_>>()?;
    let codec: u8 = choices.arbitrary()?;
    let facts = crate::rest(choices);
    let mut section = Vec::new();
    for body in &bodies {
        section.extend(length(body).to_le_bytes());
        section.push(codec);
        section.extend(crc32(body).to_le_bytes());
    }
    let bodies_bytes = section.len() + bodies.concat().len();
    let mut bytes = [b"SPFR".as_slice(), &[1], &head].concat();
    for size in [count, length(facts), length(&bodies), u32::try_from(bodies_bytes).unwrap_or(0)] {
        bytes.extend(size.to_le_bytes());
    }
    let checksum = crc32(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(crc32(facts).to_le_bytes());
    assert_eq!(bytes.len(), HEADER_BYTES);
    bytes.extend(facts);
    bytes.extend(section);
    bytes.extend(bodies.concat());
    whole_frame(&bytes);
    Ok(())
}

fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
