//! The judge of both chains, computed from DESIGN C1 and the frame format, not by the engine.

use sprag_core::clocks::{Clock, Counter};
use sprag_core::fact::Kind;
use sprag_core::fields::{At, Field, Fields};
use sprag_core::id::{FrameNumber, Hash, PartitionId};
use sprag_core::position::Position;
use sprag_log::digest::sha256;
use sprag_log::frame::{self, FrameDraft};
use sprag_log::pack::Packer;
use sprag_log::{ReadFrame, chain};

use super::{Verdict, must};

/// What Hₙ is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) source: &'a str,
    pub(crate) key: &'a str,
    pub(crate) sequence: u64,
    pub(crate) position: &'a Position,
    pub(crate) kind: Kind,
    pub(crate) content_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) previous: Hash,
    pub(crate) digest: Hash,
}

/// Names and versions; where that is longer than a header may be, its digest (C4). The names in simulations need
/// no escapes.
fn fields_text(fields: &Fields) -> String {
    let field = |field: &Field| match field.at {
        At::Version(number) => format!("{}={number}", field.name),
        At::Instant(nanoseconds) => format!("{}={}", field.name, instant_text(nanoseconds)),
    };
    let text = fields.as_slice().iter().map(field).collect::<Vec<_>>().join(",");
    if text.len() <= 256 { text } else { format!("sha256:{}", sha256(&[text.as_bytes()])) }
}

/// Names here need no encoding.
fn clock_text(clock: &Clock) -> String {
    let counter = |counter: &Counter| format!("{}={}", counter.node, counter.count);
    let text = clock.counters().iter().map(counter).collect::<Vec<_>>().join(",");
    let text = format!("{text};{}", clock.node());
    if text.len() <= 256 { text } else { format!("sha256:{}", sha256(&[text.as_bytes()])) }
}

/// Hₙ by rule C1.
pub(crate) fn hash(link: &Link<'_>) -> Hash {
    let position = match link.position {
        Position::None => String::new(),
        Position::Sequence(number) | Position::Version(number) => number.to_string(),
        Position::Timestamp(nanoseconds) => instant_text(*nanoseconds),
        Position::Fields(fields) => fields_text(fields),
        Position::Clock(clock) => clock_text(clock),
        Position::State { state, at: None } => state.to_string(),
        Position::State { state, at: Some(At::Version(number)) } => format!("{state}@{number}"),
        Position::State { state, at: Some(At::Instant(nanoseconds)) } => {
            format!("{state}@{}", instant_text(*nanoseconds))
        }
        // Hashes here need no encoding.
        Position::Link(link) => {
            let dots = if link.forced { "..." } else { ".." };
            format!("{}{dots}{}", link.before, link.after)
        }
    };
    let kind = match link.kind {
        Kind::Event => "event",
        Kind::Late => "late",
        Kind::Compensation => "compensation",
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

/// RFC 3339 in UTC with nine digits of a second: years and months are counted off from 1970.
fn instant_text(nanoseconds: u64) -> String {
    let (seconds, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let day = day + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z")
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
    frame::encode(&draft, &read.predecessor, &mut Packer::default(), buffer)
        .map_err(|error| error.to_string())?;
    let facts_end = buffer.len();
    Ok(chain::frame_hash(&buffer[..facts_end]))
}
