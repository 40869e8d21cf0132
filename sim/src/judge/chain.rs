//! The judge of both chains, computed from DESIGN C1 and the frame format, not by the engine.

use sprag_core::fact::Kind;
use sprag_core::id::{FrameNumber, Hash, PartitionId};
use sprag_core::position::Position;
use sprag_log::digest::sha256;
use sprag_log::frame::{self, FrameDraft};
use sprag_log::{ReadFrame, chain};

use super::{Verdict, must};

/// What Hₙ is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) source: &'a str,
    pub(crate) key: &'a str,
    pub(crate) sequence: u64,
    pub(crate) position: Position,
    pub(crate) kind: Kind,
    pub(crate) content_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) previous: Hash,
    pub(crate) digest: Hash,
}

/// Hₙ by rule C1.
pub(crate) fn hash(link: &Link<'_>) -> Hash {
    let position = match link.position {
        Position::None => String::new(),
        Position::Sequence(number) => number.to_string(),
    };
    let kind = match link.kind {
        Kind::Event => "event",
        Kind::Late => "late",
    };
    let mut bytes = Vec::with_capacity(256);
    for part in [
        b"sprag-event-1".as_slice(),
        link.source.as_bytes(),
        link.key.as_bytes(),
        &link.sequence.to_be_bytes(),
        position.as_bytes(),
        kind.as_bytes(),
        link.content_type.as_bytes(),
        link.id.as_bytes(),
        &link.previous.0,
        &link.digest.0,
    ] {
        let length = u32::try_from(part.len()).expect("parts are short");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    sha256(&[&bytes])
}

/// Whether the frames of a partition are whole: none missing, each naming the one before, times
/// and epochs never going back, each with the hash it says.
pub(crate) fn frames_follow(partition: PartitionId, frames: &[ReadFrame]) -> Verdict {
    let (mut previous, mut buffer) = (None::<&ReadFrame>, Vec::new());
    for read in frames {
        let number = previous.map_or(FrameNumber(1), |frame| frame.number.next());
        let hash = previous.map_or(Hash::default(), |frame| frame.hash);
        let broken = |what: &str| format!("frame {}-{}: {what}", partition.0, read.number.0);
        must(read.number == number, || broken("a frame is missing before it"))?;
        must(read.predecessor == hash, || broken("names another predecessor"))?;
        if let Some(before) = previous {
            must(read.epoch >= before.epoch, || broken("its epoch is older"))?;
            must(read.recorded >= before.recorded, || broken("recorded time goes back"))?;
            must(read.open >= before.open, || broken("open time goes back"))?;
        }
        must(hash_of(partition, read, &mut buffer)? == read.hash, || broken("has another hash"))?;
        previous = Some(read);
    }
    Ok(())
}

fn hash_of(partition: PartitionId, read: &ReadFrame, buffer: &mut Vec<u8>) -> Result<Hash, String> {
    let draft = FrameDraft {
        partition,
        number: read.number,
        epoch: read.epoch,
        recorded: read.recorded,
        open: read.open,
        facts: read.facts.clone(),
        bodies: Vec::new(),
    };
    buffer.clear();
    frame::encode(&draft, &read.predecessor, buffer).map_err(|error| error.to_string())?;
    let facts_end = buffer.len();
    Ok(chain::frame_hash(&buffer[..facts_end]))
}
