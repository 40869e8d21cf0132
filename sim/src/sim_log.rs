//! The real log engine on a simulated disk, turned in virtual time: writes, reads and completions
//! happen when the world says so. Must not know what is written.

use std::collections::{BTreeMap, VecDeque};

use sprag_core::chain::Fingerprint;
use sprag_core::fact::{Claimed, Fact, Superseded};
use sprag_core::id::{Epoch, FrameNumber, PartitionId};
use sprag_core::limits::FRAMES_IN_FLIGHT;
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{
    Change, Cut, OpenError, Options, Reader, Report, RewriteJob, Routed, Writer, open,
};
use sprag_log::frame::FrameDraft;
use sprag_log::lookup::Wanted;
use sprag_log::pack::Tally;
use sprag_log::{Answer, Claim, Completion, Log, Query, ReadError, ReadFrame, Request, Ticket};

/// How often faults of the disk strike the reading of what is to be deleted at the most: a world has fewer.
const READ_AGAIN: u32 = 64;

/// An append on its way.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    epoch: Epoch,
    /// Whether another owner wrote it.
    is_foreign: bool,
}

/// The log of a simulated process.
#[derive(Debug)]
pub(crate) struct SimLog {
    writer: Writer<SimulatedDisk>,
    reader: Reader<SimulatedDisk>,
    disk: SimulatedDisk,
    /// Whether changes wait for the writer.
    waiting: bool,
    queries: VecDeque<(Ticket, Query)>,
    /// Completed, but not known to the process yet.
    landing: VecDeque<Completion>,
    ready: VecDeque<Completion>,
    /// Appends that have not completed, in their order.
    in_flight: BTreeMap<PartitionId, VecDeque<InFlight>>,
    /// The newest term of each partition.
    terms: BTreeMap<PartitionId, Epoch>,
    /// The frames handed over since this was last taken.
    pub(crate) submitted: Vec<(PartitionId, FrameNumber, Epoch)>,
    /// What was superseded in them, by the term that says so.
    pub(crate) superseded: Vec<(Epoch, Superseded)>,
    /// The tombstones that became floors in them, by their fingerprints.
    pub(crate) dropped: Vec<Fingerprint>,
    /// The frames before those that a deletion is to keep, as they were when it was asked for.
    pub(crate) deleting: Vec<(PartitionId, Vec<ReadFrame>)>,
    /// Segments to be rewritten, a step at a time.
    rewrites: VecDeque<RewriteJob<SimulatedDisk>>,
    /// By partition the first frame that was not read for a deletion.
    deleted: BTreeMap<PartitionId, FrameNumber>,
    /// A bound that did not hold.
    pub(crate) broken: Option<String>,
    /// Terms that another owner takes: their claims complete unseen by the process.
    foreign_claims: usize,
}

impl SimLog {
    /// Opens the log as a process does that starts.
    pub(crate) fn open(disk: SimulatedDisk, options: Options) -> Result<(Self, Report), OpenError> {
        let (writer, reader, report) = open(disk.clone(), options)?;
        let log = Self {
            writer,
            reader,
            disk,
            waiting: false,
            queries: VecDeque::new(),
            landing: VecDeque::new(),
            ready: VecDeque::new(),
            in_flight: BTreeMap::new(),
            terms: BTreeMap::new(),
            submitted: Vec::new(),
            superseded: Vec::new(),
            dropped: Vec::new(),
            deleting: Vec::new(),
            rewrites: VecDeque::new(),
            deleted: BTreeMap::new(),
            broken: None,
            foreign_claims: 0,
        };
        Ok((log, report))
    }

    /// What packing bodies saved.
    pub(crate) fn tally(&self) -> Tally {
        self.writer.tally()
    }

    /// History as it stands, for a backup.
    pub(crate) fn cut(&self) -> Cut {
        self.writer.catalog().cut()
    }

    /// Whether the writer has something to do.
    pub(crate) fn is_writing(&self) -> bool {
        self.waiting || !self.rewrites.is_empty()
    }

    /// Whether queries wait.
    pub(crate) fn is_asked(&self) -> bool {
        !self.queries.is_empty()
    }

    /// Whether completions are on their way to the process.
    pub(crate) fn is_landing(&self) -> bool {
        !self.landing.is_empty()
    }

    /// One batch, one sync, and perhaps the index of a sealed segment.
    pub(crate) fn write(&mut self) {
        self.waiting = self.writer.step();
        while let Some(completion) = self.writer.complete() {
            if !self.is_foreign(&completion) {
                self.landing.push_back(completion);
            }
        }
    }

    /// Whether a completion is another owner's; keeps count of terms and appends on the way.
    fn is_foreign(&mut self, completion: &Completion) -> bool {
        match completion {
            Completion::Claimed { partition, result } => {
                if let Ok(claim) = result {
                    self.terms.insert(*partition, claim.epoch);
                }
                if self.foreign_claims == 0 {
                    return false;
                }
                self.foreign_claims -= 1;
                if let Ok(claim) = result {
                    self.append_by_another(*partition, claim);
                }
                true
            }
            Completion::Appended { partition, number, result } => {
                let queue = self.in_flight.entry(*partition).or_default();
                let Some(append) = queue.pop_front() else { return false };
                let term = self.terms.get(partition).copied().unwrap_or_default();
                if result.is_ok() && append.epoch < term {
                    let (partition, number, epoch) = (partition.0, number.0, append.epoch.0);
                    let what = format!("frame {partition}-{number} of epoch {epoch}");
                    self.broken = Some(format!("{what} after epoch {} began", term.0));
                }
                append.is_foreign
            }
            _ => false,
        }
    }

    /// The other owner writes its claim down, as an owner does, and then is gone.
    fn append_by_another(&mut self, partition: PartitionId, claim: &Claim) {
        let draft = FrameDraft {
            partition,
            number: claim.tip.number.next(),
            epoch: claim.epoch,
            recorded: claim.tip.recorded,
            open: claim.tip.open,
            facts: vec![Fact::Claimed(Claimed { epoch: claim.epoch })],
            bodies: Vec::new(),
        };
        let append = InFlight { epoch: claim.epoch, is_foreign: true };
        self.in_flight.entry(partition).or_default().push_back(append);
        self.writer.submit(Change::Append { draft });
        self.waiting = true;
    }

    /// Writes the index of a sealed segment, if one waits for it.
    pub(crate) fn seal(&mut self) -> bool {
        if let Some(job) = self.writer.train_job() {
            job.run();
        }
        let Some(job) = self.writer.seal_job() else { return false };
        match job.run(&self.disk) {
            Ok(index) => index.install(),
            Err(_) => false,
        }
    }

    /// Goes on with rewriting a segment; says whether it was rewritten once that has ended.
    pub(crate) fn rewrite(&mut self) -> Option<bool> {
        self.rewrites.extend(self.writer.rewrite_job());
        let completion = self.rewrites.front_mut()?.step()?;
        self.rewrites.pop_front();
        let done = matches!(completion, Completion::Rewritten { result: Ok(_), .. });
        self.landing.push_back(completion);
        Some(done)
    }

    /// Reads the frames that a deletion may take.
    fn read_before(&mut self, partition: PartitionId, before: FrameNumber) {
        let mut read = Vec::new();
        let mut from = self.deleted.get(&partition).copied().unwrap_or(FrameNumber(1));
        let mut struck = 0;
        while from < before {
            let most = usize::try_from(before.0 - from.0).unwrap_or(usize::MAX);
            let query = Query::Frames { partition, from, most, bytes: usize::MAX };
            match self.reader.answer(&query) {
                Ok(Answer::Frames(frames)) => {
                    let Some(last) = frames.frames.last() else { break };
                    from = last.number.next();
                    read.extend(frames.frames);
                }
                // An earlier process deleted them.
                Err(ReadError::Trimmed { oldest }) => from = oldest,
                // Faults of the disk are the process's, each once: who judges it reads again.
                Err(ReadError::Failed(_)) if struck < READ_AGAIN => struck += 1,
                _ => break,
            }
        }
        read.retain(|frame| frame.number < before);
        self.deleted.insert(partition, before);
        self.deleting.push((partition, read));
    }

    /// Answers one of the queries that wait.
    pub(crate) fn answer(&mut self, which: usize) {
        let Some((ticket, query)) = self.queries.remove(which % self.queries.len().max(1)) else {
            return;
        };
        let result = self.reader.answer(&query);
        self.landing.push_back(Completion::Answered { ticket, result });
    }

    /// Completions reach the process.
    pub(crate) fn land(&mut self) {
        self.ready.append(&mut self.landing);
    }

    /// Another owner takes a partition.
    pub(crate) fn claim_by_another(&mut self, partition: PartitionId) {
        // Claims complete in the order they were submitted: only with none before it is the next
        // one to complete the other owner's.
        if !self.waiting {
            self.writer.submit(Change::Claim { partition });
            self.waiting = true;
            self.foreign_claims += 1;
        }
    }

    fn count(&mut self, partition: PartitionId, epoch: Epoch) {
        let queue = self.in_flight.entry(partition).or_default();
        queue.push_back(InFlight { epoch, is_foreign: false });
        let own = queue.iter().filter(|append| append.epoch == epoch).count();
        if own > FRAMES_IN_FLIGHT {
            self.broken = Some(format!("{own} frames of {} in flight", partition.0));
        }
    }
}

impl Log for SimLog {
    fn submit(&mut self, request: Request) {
        match Routed::from(request) {
            Routed::Query(ticket, query) => self.queries.push_back((ticket, query)),
            Routed::Change(change) => {
                if let Change::Trim { partition, before } = &change {
                    self.read_before(*partition, *before);
                }
                if let Change::Append { draft } = &change {
                    self.submitted.push((draft.partition, draft.number, draft.epoch));
                    let superseded = draft.facts.iter().filter_map(|fact| match fact {
                        Fact::Superseded(superseded) => Some((draft.epoch, superseded.clone())),
                        _ => None,
                    });
                    self.superseded.extend(superseded);
                    let dropped = draft.facts.iter().flat_map(|fact| match fact {
                        Fact::Boundary(boundary) => boundary.dropped.as_slice(),
                        _ => &[],
                    });
                    self.dropped.extend(dropped);
                    self.count(draft.partition, draft.epoch);
                }
                self.writer.submit(change);
                self.waiting = true;
            }
        }
    }

    fn complete(&mut self) -> Option<Completion> {
        self.ready.pop_front()
    }

    fn may_contain(&self, _partition: PartitionId, wanted: &Wanted) -> bool {
        self.writer.catalog().may_contain(wanted.hash())
    }
}
