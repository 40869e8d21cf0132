//! The real log engine on a simulated disk, turned in virtual time: writes, reads and completions
//! happen when the world says so. Must not know what is written.

use std::collections::{BTreeMap, VecDeque};

use sprag_core::id::{Epoch, FrameNumber, PartitionId};
use sprag_core::limits::FRAMES_IN_FLIGHT;
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Change, OpenError, Options, Reader, Report, Routed, Writer, open};
use sprag_log::lookup::Wanted;
use sprag_log::{Completion, Log, Query, Request, Ticket};

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
    in_flight: BTreeMap<PartitionId, usize>,
    /// The frames handed over since this was last taken.
    pub(crate) submitted: Vec<(PartitionId, FrameNumber, Epoch)>,
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
            submitted: Vec::new(),
            broken: None,
            foreign_claims: 0,
        };
        Ok((log, report))
    }

    /// Whether the writer has something to do.
    pub(crate) fn is_writing(&self) -> bool {
        self.waiting
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
            if let Completion::Appended { partition, .. } = &completion {
                *self.in_flight.entry(*partition).or_default() -= 1;
            }
            if self.foreign_claims > 0 && matches!(completion, Completion::Claimed { .. }) {
                self.foreign_claims -= 1;
                continue;
            }
            self.landing.push_back(completion);
        }
    }

    /// Writes the index of a sealed segment, if one waits for it.
    pub(crate) fn seal(&mut self) -> bool {
        let Some(job) = self.writer.seal_job() else { return false };
        match job.run(&self.disk) {
            Ok(index) => index.install(),
            Err(_) => false,
        }
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

    fn count(&mut self, partition: PartitionId) {
        let in_flight = self.in_flight.entry(partition).or_default();
        *in_flight += 1;
        if *in_flight > FRAMES_IN_FLIGHT {
            self.broken = Some(format!("{in_flight} frames of {} in flight", partition.0));
        }
    }
}

impl Log for SimLog {
    fn submit(&mut self, request: Request) {
        match Routed::from(request) {
            Routed::Query(ticket, query) => self.queries.push_back((ticket, query)),
            Routed::Change(change) => {
                if let Change::Append { draft } = &change {
                    self.submitted.push((draft.partition, draft.number, draft.epoch));
                    self.count(draft.partition);
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
