//! Answers queries from what is durable. Independent of the writer: another thread may turn it.
//!
//! Every byte that is returned was verified: record, header and facts by their checksums, bodies
//! by theirs and, where they are packed, by length and digest. What does not verify is an error that
//! names its place.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use sprag_core::fact::{Fact, Received};
use sprag_core::id::{FrameNumber, Key, PartitionId, Place, Sequence, SourceId};

use super::catalog::{Catalog, Location, Lookups, Segment};
use super::dictionaries;
use super::disk::{Disk, read_exact_at, read_up_to};
use super::index::IndexError;
use super::open_index::PackedPlace;
use super::record::{ENVELOPE_BYTES, Envelope, Seal};
use super::recover::OpenError;
use super::replay::replay_segment;
use crate::body::{BODY_ENTRY_BYTES, Body, BodyCodec, BodyEntry};
use crate::chain::{Tip, frame_hash};
use crate::codec::DecodeError;
use crate::dictionary::Unpacks;
use crate::frame::{self, FrameHeader, HEADER_BYTES};
use crate::limits::{
    FOUND_FACTS, HEAD_GUESS_BYTES, READ_FRAMES, READER_BYTES, READER_DICTIONARIES, READER_FRAMES,
    SUMMARIES, WANTED,
};
use crate::log::{
    Answer, Corruption, Damage, Found, Frames, Query, ReadError, ReadFrame, StoredEvent, StoredFact,
};
use crate::lookup::{Handle, Wanted};
use crate::pack::Unpacker;

/// The reading half of the engine.
#[derive(Debug)]
pub struct Reader<D> {
    disk: D,
    catalog: Catalog,
    /// The newest heads read, newest last.
    heads: VecDeque<Arc<Head>>,
    unpacker: Unpacker,
    /// The newest dictionaries used, newest last.
    dictionaries: VecDeque<(Seal, SourceId, Arc<Unpacks>)>,
}

/// A record has these at the least; of a shorter one it is said that it is.
const LEAST_HEAD_BYTES: usize = ENVELOPE_BYTES + HEADER_BYTES;

/// Header and facts of a frame.
#[derive(Debug)]
struct Head {
    location: Location,
    header: FrameHeader,
    /// The record's bytes up to the bodies: envelope, header and facts.
    bytes: Vec<u8>,
}

impl<D: Disk> Reader<D> {
    pub(crate) fn new(disk: D, catalog: Catalog) -> Self {
        let (heads, dictionaries) = (VecDeque::new(), VecDeque::new());
        Self { disk, catalog, heads, unpacker: Unpacker::default(), dictionaries }
    }

    /// What is where; for lookups without IO.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Answers a query, now. What is damaged is noted in the catalog as well.
    ///
    /// # Errors
    /// When there is no such thing, or what is there cannot be read.
    pub fn answer(&mut self, query: &Query) -> Result<Answer, ReadError> {
        let result = self.look(query);
        if let Err(ReadError::Corrupt(corruption)) = &result {
            self.catalog.tell_unreadable(corruption.clone());
        }
        result
    }

    fn look(&mut self, query: &Query) -> Result<Answer, ReadError> {
        match query {
            Query::Frames { partition, from, most, bytes } => {
                self.frames(*partition, *from, *most, *bytes).map(Answer::Frames)
            }
            Query::Event { place } => self.event(*place).map(|e| Answer::Event(Box::new(e))),
            Query::Fact { place } => self.fact(*place).map(|f| Answer::Fact(Box::new(f))),
            Query::Find { partition, wanted, up_to } => {
                self.find_all(*partition, wanted, *up_to).map(Answer::Found)
            }
            Query::Sequences { partition, key, from, to, most } => {
                self.sequences(*partition, key, (*from, *to), *most).map(Answer::Sequences)
            }
            Query::Segments { after } => {
                Ok(Answer::Segments(self.catalog.summaries(*after, SUMMARIES)))
            }
        }
    }

    fn frames(
        &mut self,
        partition: PartitionId,
        from: FrameNumber,
        most: usize,
        bytes: usize,
    ) -> Result<Frames, ReadError> {
        let oldest = self.catalog.oldest(partition).ok_or(ReadError::NoSuchPartition)?;
        if from < oldest {
            return Err(ReadError::Trimmed { oldest });
        }
        let last = self.catalog.last(partition);
        let (mut left, mut tip) = (bytes, None);
        let most = most.clamp(1, READ_FRAMES);
        let mut frames: Vec<ReadFrame> = Vec::new();
        let mut number = from;
        while number <= last && frames.len() < most {
            let head = self.read_head(partition, number)?;
            if !frames.is_empty() && head.frame().len() > left {
                break;
            }
            left = left.saturating_sub(head.frame().len());
            let frame = head.read()?;
            tip = Some(head.follow(tip, &frame)?);
            frames.push(frame);
            number = number.next();
        }
        Ok(Frames { partition, frames, end: number > last })
    }

    fn fact(&mut self, place: Place) -> Result<StoredFact, ReadError> {
        let head = self.head(place)?;
        let fact = head.fact(place.index)?;
        Ok(StoredFact { place, epoch: head.header.epoch, recorded: head.header.recorded, fact })
    }

    fn event(&mut self, place: Place) -> Result<StoredEvent, ReadError> {
        let head = self.head(place)?;
        let Fact::Received(received) = head.fact(place.index)? else {
            return Err(ReadError::Missing);
        };
        let body = match self.body(&head, &received) {
            // Rewritten since it was located, or trimmed: then it says so.
            Err(ReadError::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {
                let head = self.head(place)?;
                self.body(&head, &received)?
            }
            read => read?,
        };
        Ok(StoredEvent { place, recorded: head.header.recorded, received, body })
    }

    /// One body, as received: the entries before the bodies say where it is.
    fn body(&mut self, head: &Head, received: &Received) -> Result<Body, ReadError> {
        let (header, index) = (&head.header, received.body);
        if index >= header.bodies {
            return Err(ReadError::Missing);
        }
        let seal = head.location.seal;
        let section = head.location.offset + (ENVELOPE_BYTES + header.head_bytes()) as u64;
        let mut entries = vec![0; (index as usize + 1) * BODY_ENTRY_BYTES];
        self.read_exact(seal, section, &mut entries)?;
        let damaged = |error| head.corruption(Damage::Decode(error));
        let entry = BodyEntry::find(header, &entries, index).map_err(damaged)?;
        if !entry.is_kept() {
            return Err(ReadError::BodyDropped);
        }
        let mut bytes = vec![0; entry.length];
        self.read_exact(seal, section + entry.offset as u64, &mut bytes)?;
        let stored = entry.verify(&bytes).map_err(damaged)?;
        let dictionary = match stored.codec {
            BodyCodec::ZstdDictionary => Some(self.dictionary(head, received.key.source)?),
            _ => None,
        };
        self.unpacker.unpack(stored, received, dictionary.as_deref()).map_err(damaged)
    }

    /// The dictionary of a frame's segment and a source, kept for the bodies that follow.
    fn dictionary(&mut self, head: &Head, source: SourceId) -> Result<Arc<Unpacks>, ReadError> {
        let seal = head.location.seal;
        let is_it = |(of, whose, _): &&(Seal, SourceId, _)| (*of, *whose) == (seal, source);
        if let Some((_, _, dictionary)) = self.dictionaries.iter().find(is_it) {
            return Ok(Arc::clone(dictionary));
        }
        let bytes = dictionaries::find(&self.disk, seal, source, &self.catalog)?
            .map_err(|error| head.corruption(Damage::Decode(error)))?;
        let unpacks = Unpacks::new(&bytes).ok_or(io::ErrorKind::OutOfMemory);
        let dictionary = Arc::new(unpacks.map_err(io::Error::from)?);
        self.dictionaries.push_back((seal, source, Arc::clone(&dictionary)));
        if self.dictionaries.len() > READER_DICTIONARIES {
            self.dictionaries.pop_front();
        }
        Ok(dictionary)
    }

    fn find_all(
        &mut self,
        partition: PartitionId,
        wanted: &[Wanted],
        up_to: FrameNumber,
    ) -> Result<Found, ReadError> {
        if wanted.len() > WANTED {
            return Err(ReadError::TooMuch);
        }
        self.catalog.oldest(partition).ok_or(ReadError::NoSuchPartition)?;
        let through = self.catalog.last(partition).min(up_to);
        let range = (FrameNumber(0), through);
        let facts = wanted.iter().map(|wanted| self.find(partition, wanted, range));
        Ok(Found { through, facts: facts.collect::<Result<_, _>>()? })
    }

    fn sequences(
        &mut self,
        partition: PartitionId,
        key: &Key,
        (from, to): (Sequence, Sequence),
        most: usize,
    ) -> Result<Vec<StoredFact>, ReadError> {
        self.catalog.oldest(partition).ok_or(ReadError::NoSuchPartition)?;
        let mut facts: Vec<StoredFact> = Vec::new();
        for number in (from.0..=to.0).take(WANTED) {
            if facts.len() >= most {
                break;
            }
            let wanted = Wanted { key: key.clone(), by: Handle::Sequence(Sequence(number)) };
            // A sequence never stands in an older frame than the one before it.
            let since = facts.last().map_or(FrameNumber(0), |fact| fact.place.frame);
            let found = self.find(partition, &wanted, (since, self.catalog.last(partition)))?;
            match found.into_iter().next() {
                Some(fact) => facts.push(fact),
                // Old ones may be trimmed; behind the first kept one they are contiguous.
                None if facts.is_empty() => {}
                None => break,
            }
        }
        Ok(facts)
    }

    /// The facts in a range of frames that are what is wanted, oldest first.
    fn find(
        &mut self,
        partition: PartitionId,
        wanted: &Wanted,
        (since, through): (FrameNumber, FrameNumber),
    ) -> Result<Vec<StoredFact>, ReadError> {
        let mut facts = Vec::new();
        for place in self.places(partition, wanted.hash(), since)? {
            if place.partition != partition || !(since..=through).contains(&place.frame) {
                continue;
            }
            match self.fact(place) {
                Ok(stored) if wanted.is_met_by(&stored.fact) => facts.push(stored),
                // A hash in common, or trimmed since it was looked up.
                Ok(_) | Err(ReadError::Trimmed { .. }) => {}
                Err(error) => return Err(error),
            }
            if facts.len() == FOUND_FACTS {
                break;
            }
        }
        Ok(facts)
    }

    /// Places of a hash, oldest first, leaving out segments before a frame.
    fn places(
        &self,
        partition: PartitionId,
        hash: u64,
        since: FrameNumber,
    ) -> Result<Vec<Place>, ReadError> {
        let (sealed, newest) = self.catalog.candidates(hash);
        let reaches =
            |segment: &Segment| segment.frames.of(partition).is_some_and(|f| f.end() > since);
        let mut places = Vec::new();
        for segment in sealed.iter().filter(|segment| reaches(segment)) {
            let packed = self.packed(segment, hash)?;
            places.extend(packed.into_iter().filter_map(|place| segment.frames.unpack(place)));
        }
        places.extend(newest);
        Ok(places)
    }

    fn packed(&self, segment: &Segment, hash: u64) -> Result<Vec<PackedPlace>, ReadError> {
        match &segment.lookups {
            Lookups::Memory(index) => Ok(index.get(hash).collect()),
            Lookups::Stored(index) => match index.get(&self.disk, hash) {
                Ok(places) => Ok(places),
                Err(IndexError::Failed(error)) => Err(error.into()),
                Err(IndexError::Unusable) => match self.catalog.rewritten(segment.seal) {
                    // Its index went with it; the frames it counts are the same.
                    Some(rewritten) => self.packed(&rewritten, hash),
                    None => self.rebuild(segment, hash),
                },
            },
        }
    }

    /// Goes on from memory where an index file turns out damaged; the next start writes another.
    fn rebuild(&self, segment: &Segment, hash: u64) -> Result<Vec<PackedPlace>, ReadError> {
        let rebuilt = match replay_segment(&self.disk, segment) {
            Ok(rebuilt) => rebuilt,
            // Trimmed or rewritten since it was looked up.
            Err(OpenError::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {
                let rewritten = self.catalog.rewritten(segment.seal);
                return rewritten.map_or(Ok(Vec::new()), |other| self.packed(&other, hash));
            }
            Err(OpenError::Failed(error)) => return Err(error.into()),
            Err(OpenError::Corrupt(corruption)) => return Err(ReadError::Corrupt(corruption)),
            Err(_) => return Err(ReadError::Missing),
        };
        let places = match &rebuilt.lookups {
            Lookups::Memory(index) => index.get(hash).collect(),
            Lookups::Stored(_) => Vec::new(),
        };
        if let Lookups::Stored(index) = &segment.lookups {
            let _ = self.disk.remove(index.name());
        }
        self.catalog.replace_in_memory(rebuilt);
        Ok(places)
    }

    /// The head of a place's frame, kept for the facts beside it.
    fn head(&mut self, place: Place) -> Result<Arc<Head>, ReadError> {
        let (partition, number) = (place.partition, place.frame);
        // Also for a head at hand: it may have been trimmed.
        let location = self.catalog.locate(partition, number)?;
        let is_it = |head: &Arc<Head>| {
            head.header.partition == partition
                && head.header.number == number
                && head.location.seal == location.seal
        };
        if let Some(head) = self.heads.iter().find(|head| is_it(head)) {
            return Ok(Arc::clone(head));
        }
        let head = Arc::new(self.read_head(partition, number)?);
        self.heads.push_back(Arc::clone(&head));
        let mut bytes: usize = self.heads.iter().map(|head| head.bytes.len()).sum();
        while self.heads.len() > READER_FRAMES || bytes > READER_BYTES {
            let Some(oldest) = self.heads.pop_front() else { break };
            bytes -= oldest.bytes.len();
        }
        Ok(head)
    }

    fn read_head(&self, partition: PartitionId, number: FrameNumber) -> Result<Head, ReadError> {
        let location = self.catalog.locate(partition, number)?;
        let read = match self.read_head_at(location) {
            // Rewritten since it was located, or trimmed: then it says so.
            Err(ReadError::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.read_head_at(self.catalog.locate(partition, number)?)
            }
            read => read,
        };
        match read {
            Ok(head) if (head.header.partition, head.header.number) == (partition, number) => {
                Ok(head)
            }
            Ok(head) => Err(head.corruption(Damage::Absent("another frame stands here"))),
            Err(ReadError::Corrupt(mut corruption)) => {
                corruption.frame = Some((partition, number));
                Err(ReadError::Corrupt(corruption))
            }
            Err(error) => Err(error),
        }
    }

    fn read_head_at(&self, location: Location) -> Result<Head, ReadError> {
        let Location { seal, offset } = location;
        let name = seal.segment_name();
        let length = self.catalog.length(location).and_then(|length| usize::try_from(length).ok());
        // A guess: what is missing is read behind it.
        let length = length.unwrap_or(HEAD_GUESS_BYTES).clamp(LEAST_HEAD_BYTES, HEAD_GUESS_BYTES);
        let mut bytes = vec![0; length];
        let read = read_up_to(&self.disk, &name, offset, &mut bytes)?;
        bytes.truncate(read);
        let damaged = |error: DecodeError| {
            let damage = Damage::Decode(error);
            ReadError::Corrupt(Corruption { segment: seal.segment, offset, frame: None, damage })
        };
        Envelope::decode(&bytes, seal, offset).map_err(damaged)?;
        let header = FrameHeader::decode(&bytes[ENVELOPE_BYTES..]).map_err(damaged)?;
        let wanted = ENVELOPE_BYTES + header.head_bytes();
        let have = bytes.len().min(wanted);
        bytes.resize(wanted, 0);
        if have < wanted {
            self.read_exact(seal, offset + have as u64, &mut bytes[have..])?;
        }
        Ok(Head { location, header, bytes })
    }

    /// Bytes that were written: a file that ends before them is damaged, like one that says otherwise.
    fn read_exact(&self, seal: Seal, offset: u64, bytes: &mut [u8]) -> Result<(), ReadError> {
        let read = read_exact_at(&self.disk, &seal.segment_name(), offset, bytes);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let damage = Damage::Absent("the file ends before what was written here");
                let segment = seal.segment;
                ReadError::Corrupt(Corruption { segment, offset, frame: None, damage })
            }
            _ => error.into(),
        })
    }
}

impl Head {
    /// Header and facts.
    fn frame(&self) -> &[u8] {
        &self.bytes[ENVELOPE_BYTES..]
    }

    fn facts(&self) -> &[u8] {
        &self.frame()[HEADER_BYTES..]
    }

    fn fact(&self, index: u32) -> Result<Fact, ReadError> {
        let fact = frame::decode_fact(&self.header, self.facts(), index);
        fact.map_err(|error| self.corruption(Damage::Decode(error)))?.ok_or(ReadError::Missing)
    }

    fn read(&self) -> Result<ReadFrame, ReadError> {
        let facts = frame::decode_facts(&self.header, self.facts())
            .map_err(|error| self.corruption(Damage::Decode(error)))?;
        Ok(ReadFrame {
            number: self.header.number,
            epoch: self.header.epoch,
            recorded: self.header.recorded,
            open: self.header.open,
            predecessor: self.header.predecessor,
            hash: frame_hash(self.frame()),
            facts,
        })
    }

    /// That the frame continues the one read before it, if any was.
    fn follow(&self, tip: Option<Tip>, frame: &ReadFrame) -> Result<Tip, ReadError> {
        let FrameHeader { number, epoch, recorded, open, .. } = self.header;
        match tip {
            None => Ok(Tip { number, epoch, hash: frame.hash, recorded, open }),
            Some(tip) => tip
                .follow(&self.header, frame.hash)
                .map_err(|broken| self.corruption(Damage::Link(broken))),
        }
    }

    fn corruption(&self, damage: Damage) -> ReadError {
        ReadError::Corrupt(Corruption {
            segment: self.location.seal.segment,
            offset: self.location.offset,
            frame: Some((self.header.partition, self.header.number)),
            damage,
        })
    }
}
