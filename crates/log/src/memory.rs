//! The engine without durability: everything is gone when it is dropped. For tests, for models
//! and for whoever says `engine = "memory"`.
//!
//! It keeps facts as they are, but encodes every frame once, so that its hashes and refusals are
//! those of the engines that write. Must not know disks.

use std::collections::{BTreeMap, HashMap, VecDeque};

use sprag_core::fact::Fact;
use sprag_core::id::{Epoch, FrameNumber, Hash, Key, PartitionId, Place, Sequence};

use crate::body::Body;
use crate::chain::Tip;
use crate::frame::{self, FrameDraft, FrameHeader};
use crate::limits::{FOUND_FACTS, READ_FRAMES, WANTED};
use crate::log::{
    Answer, AppendError, Claim, ClaimError, Completion, Found, Frames, Log, Query, ReadError,
    ReadFrame, Request, StoredEvent, StoredFact,
};
use crate::lookup::{Handle, Wanted, index_hashes};
use crate::pack::Packer;

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog {
    partitions: Vec<Partition>,
    /// The newest epoch of all partitions.
    epoch: Epoch,
    completions: VecDeque<Completion>,
    /// Reused for every encoding.
    buffer: Vec<u8>,
}

#[derive(Debug, Default)]
struct Partition {
    tip: Tip,
    claimed: Option<Epoch>,
    frames: BTreeMap<FrameNumber, KeptFrame>,
    /// Places by index hash, oldest first.
    index: HashMap<u64, Vec<Place>>,
}

#[derive(Debug)]
struct KeptFrame {
    read: ReadFrame,
    bodies: Vec<Body>,
    head_bytes: usize,
}

impl MemoryLog {
    /// An empty log of so many partitions.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Self {
            partitions,
            epoch: Epoch::default(),
            completions: VecDeque::new(),
            buffer: Vec::new(),
        }
    }

    fn partition(&self, partition: PartitionId) -> Result<&Partition, ReadError> {
        self.partitions.get(usize::from(partition.0)).ok_or(ReadError::NoSuchPartition)
    }

    fn claim(&mut self, partition: PartitionId) -> Result<Claim, ClaimError> {
        let Some(kept) = self.partitions.get_mut(usize::from(partition.0)) else {
            return Err(ClaimError::NoSuchPartition);
        };
        self.epoch = Epoch(self.epoch.0.max(kept.tip.epoch.0) + 1);
        kept.claimed = Some(self.epoch);
        Ok(Claim { epoch: self.epoch, tip: kept.tip, oldest: kept.oldest() })
    }

    fn append(&mut self, draft: FrameDraft) -> Result<Hash, AppendError> {
        let Some(kept) = self.partitions.get_mut(usize::from(draft.partition.0)) else {
            return Err(AppendError::Fenced);
        };
        if kept.claimed != Some(draft.epoch) {
            return Err(AppendError::Fenced);
        }
        let expected = kept.tip.number.next();
        if draft.number != expected {
            return Err(AppendError::OutOfOrder { expected });
        }
        self.buffer.clear();
        let hash = frame::encode(&draft, &kept.tip.hash, &mut Packer::default(), &mut self.buffer)
            .map_err(AppendError::TooLarge)?;
        let header = FrameHeader::decode(&self.buffer).expect("a header just encoded decodes");
        kept.keep(draft, &header, hash);
        Ok(hash)
    }

    fn trim(&mut self, partition: PartitionId, before: FrameNumber) -> FrameNumber {
        let Some(kept) = self.partitions.get_mut(usize::from(partition.0)) else {
            return FrameNumber(1);
        };
        kept.frames = kept.frames.split_off(&before);
        kept.index.retain(|_, places| {
            places.retain(|place| place.frame >= before);
            !places.is_empty()
        });
        kept.oldest()
    }

    fn answer(&self, query: &Query) -> Result<Answer, ReadError> {
        match query {
            Query::Frames { partition, from, most, bytes } => {
                let kept = self.partition(*partition)?;
                kept.read(*partition, *from, *most, *bytes).map(Answer::Frames)
            }
            Query::Event { place } => {
                self.partition(place.partition)?.event(*place).map(|e| Answer::Event(Box::new(e)))
            }
            Query::Fact { place } => {
                self.partition(place.partition)?.fact(*place).map(|f| Answer::Fact(Box::new(f)))
            }
            Query::Find { partition, wanted, up_to } if wanted.len() <= WANTED => {
                let kept = self.partition(*partition)?;
                let through = kept.tip.number.min(*up_to);
                let facts = wanted.iter().map(|wanted| kept.find(wanted, through)).collect();
                Ok(Answer::Found(Found { through, facts }))
            }
            Query::Segments { .. } => Ok(Answer::Segments(Vec::new())),
            Query::Find { .. } => Err(ReadError::TooMuch),
            Query::Sequences { partition, key, from, to, most } => {
                let kept = self.partition(*partition)?;
                Ok(Answer::Sequences(kept.sequences(key, (*from, *to), *most)))
            }
        }
    }
}

impl Partition {
    fn oldest(&self) -> FrameNumber {
        let first = self.frames.keys().next();
        first.copied().unwrap_or_else(|| self.tip.number.next())
    }

    fn keep(&mut self, draft: FrameDraft, header: &FrameHeader, hash: Hash) {
        for (index, fact) in (0..).zip(&draft.facts) {
            let place = Place { partition: draft.partition, frame: draft.number, index };
            index_hashes(fact, |hash| self.index.entry(hash).or_default().push(place));
        }
        self.tip = Tip {
            number: draft.number,
            epoch: draft.epoch,
            hash,
            recorded: draft.recorded,
            open: draft.open,
        };
        let read = ReadFrame {
            number: draft.number,
            epoch: draft.epoch,
            recorded: draft.recorded,
            open: draft.open,
            predecessor: header.predecessor,
            hash,
            facts: draft.facts,
        };
        let head_bytes = header.head_bytes();
        self.frames.insert(draft.number, KeptFrame { read, bodies: draft.bodies, head_bytes });
    }

    fn read(
        &self,
        partition: PartitionId,
        from: FrameNumber,
        most: usize,
        bytes: usize,
    ) -> Result<Frames, ReadError> {
        let oldest = self.oldest();
        if from < oldest {
            return Err(ReadError::Trimmed { oldest });
        }
        let mut left = bytes;
        let mut frames = Vec::new();
        let most = most.clamp(1, READ_FRAMES);
        for kept in self.frames.range(from..).map(|(_, kept)| kept) {
            if !frames.is_empty() && (kept.head_bytes > left || frames.len() == most) {
                break;
            }
            left = left.saturating_sub(kept.head_bytes);
            frames.push(kept.read.clone());
        }
        let last = frames.last().map_or(self.tip.number, |frame| frame.number);
        Ok(Frames { partition, frames, end: last == self.tip.number })
    }

    fn kept(&self, place: Place) -> Result<(&KeptFrame, &Fact), ReadError> {
        let oldest = self.oldest();
        if place.frame < oldest {
            return Err(ReadError::Trimmed { oldest });
        }
        let kept = self.frames.get(&place.frame).ok_or(ReadError::Missing)?;
        let index = usize::try_from(place.index).map_err(|_| ReadError::Missing)?;
        Ok((kept, kept.read.facts.get(index).ok_or(ReadError::Missing)?))
    }

    fn fact(&self, place: Place) -> Result<StoredFact, ReadError> {
        let (kept, fact) = self.kept(place)?;
        let (epoch, recorded) = (kept.read.epoch, kept.read.recorded);
        Ok(StoredFact { place, epoch, recorded, fact: fact.clone() })
    }

    fn event(&self, place: Place) -> Result<StoredEvent, ReadError> {
        let (kept, fact) = self.kept(place)?;
        let Fact::Received(received) = fact else { return Err(ReadError::Missing) };
        let body = usize::try_from(received.body).ok().and_then(|index| kept.bodies.get(index));
        let body = body.ok_or(ReadError::Missing)?.clone();
        Ok(StoredEvent { place, recorded: kept.read.recorded, received: received.clone(), body })
    }

    fn find(&self, wanted: &Wanted, through: FrameNumber) -> Vec<StoredFact> {
        let places = self.index.get(&wanted.hash()).into_iter().flatten();
        let places = places.filter(|place| place.frame <= through);
        let facts = places.filter_map(|place| self.fact(*place).ok());
        facts.filter(|stored| wanted.is_met_by(&stored.fact)).take(FOUND_FACTS).collect()
    }

    fn sequences(&self, key: &Key, range: (Sequence, Sequence), most: usize) -> Vec<StoredFact> {
        let numbers = (range.0.0..=range.1.0).take(WANTED);
        let facts = numbers.flat_map(|number| {
            let by = Handle::Sequence(Sequence(number));
            self.find(&Wanted { key: key.clone(), by }, self.tip.number)
        });
        facts.take(most).collect()
    }
}

impl Log for MemoryLog {
    fn submit(&mut self, request: Request) {
        let completion = match request {
            Request::Claim { partition } => {
                Completion::Claimed { partition, result: self.claim(partition) }
            }
            Request::Append { draft } => {
                let (partition, number) = (draft.partition, draft.number);
                Completion::Appended { partition, number, result: self.append(draft) }
            }
            Request::Trim { partition, before } => {
                Completion::Trimmed { partition, result: Ok(self.trim(partition, before)) }
            }
            Request::Rewrite { segment, .. } => {
                let result = Err(std::io::ErrorKind::NotFound.into());
                Completion::Rewritten { segment, result }
            }
            Request::Seal => Completion::Sealed(Ok(())),
            Request::Query { ticket, query } => {
                Completion::Answered { ticket, result: self.answer(&query) }
            }
        };
        self.completions.push_back(completion);
    }

    fn complete(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }
}
