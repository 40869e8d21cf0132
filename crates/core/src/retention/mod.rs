//! Which history goes, and when (DESIGN D6): a node has one of these beside its partitions.
//!
//! History is kept in segments; a sealed one is looked at once all of it is old enough.
//!
//! - **Bodies.** A body is *live* while one lane its event entered is unsettled, while the event is
//!   held, while an operator's redrive of it is under way, until `bodies` after it was received, and
//!   until `bodies` after it became a dead letter that is still listed. A segment whose newest
//!   frame is older than `bodies` is written anew without the bodies that are not; again only when
//!   over half of what was left is dead.
//! - **Facts.** The oldest segment is deleted once its newest frame is older than `facts`, after each
//!   key that it names has a `carried` fact behind it: then a state that is built anew from what is
//!   left is the same. A segment with a live event **stays, and so does everything behind it**: what
//!   waits must be readable, and history has no holes. Its dead bodies go all the same.
//!
//! **Order of things.** Judged are records in memory, which may be ahead of the log, so nothing is
//! done before the frames they rest on are committed. What is dead stays dead but by a redrive, and
//! by a destination that comes and takes events of before: one that comes while a segment is judged
//! has it judged again, and while bodies or a segment go, redrives and reloads wait (and then find
//! what is left). While lanes are being opened nothing is dead. A term that is lost ends the look.
//!
//! ```text
//! Idle ─▶ Listing ─▶ Ready ⇄ Reading ─▶ Settling ─▶ Acting ─▶ Idle
//! ```
//!
//! **Turns.** Segments are looked at in rounds (`round`), from the oldest to the newest that is old enough.
//!
//! **Pace.** One page of one segment at a time, with a pause behind it; one rewriting or deletion
//! at a time. Age is measured by the machine's clock or by what passed since the process began,
//! whichever says less: a clock that jumps ahead deletes nothing.
//!
//! Must not know: how segments are stored, what a page costs.

mod job;
mod round;
mod said;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::time::Duration;

use job::Job;
use round::Round;
pub use said::{DeadBodies, Looked, Reading, Segment, Step, Tally};

use crate::id::{FrameNumber, PartitionId};
use crate::limits;
use crate::settings::RetentionSettings;
use crate::time::{ElapsedMicros, Now, UnixMicros};

/// The machine. Ask [`Self::poll`] for the next step whenever something happened, and at
/// [`Self::deadline`]; bring what came of it.
#[derive(Debug)]
pub struct Retention {
    settings: RetentionSettings,
    /// The clock when the process began to watch, and when that was.
    began: Option<Now>,
    phase: Phase,
    due: ElapsedMicros,
    seal_due: Option<ElapsedMicros>,
    /// Segments that were looked at, and when they may be again.
    looked: BTreeMap<u64, ElapsedMicros>,
    /// The round of looks that is under way.
    round: Option<Round>,
    /// Counts steps that are answered: answers to earlier ones are void.
    asked: u64,
    /// Redrives that are not answered yet; and how many began or ended so far.
    redriving: usize,
    redrives: u64,
    tally: Tally,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Listing { after: u64 },
    Listed { after: u64 },
    Ready(Box<Job>),
    Reading(Box<Job>),
    Settling(Box<Job>),
    Acting { segment: u64, bytes: u64, deletes: bool, rewrites: bool },
}

impl Retention {
    /// Retention as configured.
    #[must_use]
    pub fn new(settings: RetentionSettings) -> Self {
        Self {
            settings,
            began: None,
            phase: Phase::Idle,
            due: ElapsedMicros(0),
            seal_due: None,
            looked: BTreeMap::new(),
            round: None,
            asked: 0,
            redriving: 0,
            redrives: 0,
            tally: Tally::default(),
        }
    }

    /// Other settings. A segment that was looked at under those before is looked at again at once.
    pub fn revise(&mut self, settings: RetentionSettings) {
        if self.settings != settings {
            self.settings = settings;
            self.due = ElapsedMicros(0);
            self.looked.clear();
            self.round = None;
        }
    }

    /// Lanes may be opened over history from now on: what was looked at before is looked at again.
    pub fn judge_anew(&mut self) {
        self.redrives += 1;
    }

    /// What was done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Names the step that was polled last: its answer must bring it.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Whether bodies or history are going: a redrive must wait until it is known what is left.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        match self.phase {
            Phase::Acting { deletes, rewrites, .. } => deletes || rewrites,
            _ => false,
        }
    }

    /// A redrive of an event that its lane has passed is asked for.
    pub fn redrive_begins(&mut self) {
        self.redriving += 1;
        self.redrives += 1;
    }

    /// It is answered: what it changed is in the records.
    pub fn redrive_ends(&mut self) {
        self.redriving = self.redriving.saturating_sub(1);
        self.redrives += 1;
    }

    /// A partition lost its term: what it said may not be so.
    pub fn lost(&mut self, now: Now) {
        if !matches!(self.phase, Phase::Acting { .. }) {
            // A look that ended early has its turn again.
            self.round = None;
            self.rest(now.elapsed.after(self.every()));
        }
    }

    /// The next thing to do, given which frames are committed. Only while every partition serves.
    pub fn poll(
        &mut self,
        now: Now,
        committed: impl Fn(PartitionId) -> FrameNumber,
    ) -> Option<Step> {
        self.began.get_or_insert(now);
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle if self.due <= now.elapsed => Some(self.begin(now)),
            Phase::Listed { after } => Some(self.list(after)),
            Phase::Ready(job) if job.due <= now.elapsed => Some(self.read(now, job)),
            Phase::Settling(job) => self.settle(now, job, committed),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// When time alone makes something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        match &self.phase {
            Phase::Idle => Some(self.due),
            Phase::Ready(job) => Some(job.due),
            _ => None,
        }
    }

    fn begin(&mut self, now: Now) -> Step {
        let seal = now.elapsed.after(self.seal_every());
        if self.seal_due.is_none_or(|due| due <= now.elapsed) {
            let first = self.seal_due.replace(seal).is_none();
            // A process begins with a segment of its own.
            if !first {
                self.asked += 1;
                self.phase =
                    Phase::Acting { segment: 0, bytes: 0, deletes: false, rewrites: false };
                return Step::Seal;
            }
        }
        self.list(0)
    }

    fn list(&mut self, after: u64) -> Step {
        self.asked += 1;
        self.phase = Phase::Listing { after };
        Step::List { after }
    }

    /// Segments came, oldest first; `is_all` where there are none behind them.
    pub fn listed(&mut self, now: Now, asked: u64, segments: &[Segment], is_all: bool) {
        let Phase::Listing { after } = self.phase else { return };
        if asked != self.asked {
            return;
        }
        if let (0, Some(first)) = (after, segments.first()) {
            self.looked = self.looked.split_off(&first.number);
        }
        let mut round = self.round.take().unwrap_or_else(|| self.new_round(now));
        let last = segments.last().filter(|_| !is_all);
        let goes_on = last.filter(|last| round.goes_on_behind(last));
        let mut chosen = self.choose(now, &round, segments, after);
        let is_over = chosen.is_none() && goes_on.is_none() && !round.is_untouched();
        if is_over {
            // The next begins with the oldest.
            round = self.new_round(now);
            chosen = self.choose(now, &round, segments, after).filter(|_| after == 0);
        }
        if let Some((segment, deletes)) = chosen {
            round.take(segment.number, deletes);
            let job = Job::new(segment.clone(), deletes, self.redrives, now.elapsed);
            self.go_on(now, Box::new(job));
        } else if let Some(last) = goes_on {
            self.phase = Phase::Listed { after: last.number };
        } else if is_over && after > 0 {
            self.phase = Phase::Listed { after: 0 };
        } else {
            self.rest(now.elapsed.after(self.every()));
            return;
        }
        self.round = Some(round);
    }

    fn new_round(&self, now: Now) -> Round {
        Round::new(self.before(now, self.settings.bodies))
    }

    fn choose<'s>(
        &self,
        now: Now,
        round: &Round,
        segments: &'s [Segment],
        after: u64,
    ) -> Option<(&'s Segment, bool)> {
        let may_look = |segment: &Segment| {
            self.looked.get(&segment.number).is_none_or(|due| *due <= now.elapsed)
        };
        let old = self.before(now, self.settings.facts);
        round.next(segments, after == 0, old, may_look)
    }

    fn read(&mut self, now: Now, job: Box<Job>) -> Step {
        self.asked += 1;
        let partition = PartitionId(u16::try_from(job.at).unwrap_or(u16::MAX));
        let end = job.segment.frames.get(job.at).map_or(job.from, |(_, end)| *end);
        let (from, carries) = (job.from, job.deletes);
        let expired = self.before(now, self.settings.bodies);
        self.phase = Phase::Reading(job);
        Step::Read(Reading { partition, from, end, expired, carries })
    }

    /// A page was looked at; the next begins with this frame.
    pub fn looked(&mut self, now: Now, asked: u64, page: Looked, next: FrameNumber) {
        if asked != self.asked || !matches!(self.phase, Phase::Reading(_)) {
            return;
        }
        let Phase::Reading(mut job) = core::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        self.tally.carried += page.carried;
        if job.deletes && page.is_pinned {
            // It stays; what is dead in it goes all the same.
            self.tally.is_pinned = true;
            let segment = job.segment;
            if segment.kept == Some(0) {
                self.put_off(now, segment.number);
            } else {
                // That is its turn for bodies too.
                self.round.iter_mut().for_each(|round| round.take(segment.number, false));
                let job = Job::new(segment, false, self.redrives, now.elapsed);
                self.go_on(now, Box::new(job));
            }
            return;
        }
        // Without room for any of its keys, it waits for others to leave.
        let stuck = page.is_incomplete && page.carried == 0;
        let pause = if stuck { limits::RETENTION_EVERY.0 } else { limits::RETENTION_PAUSE };
        job.due = now.elapsed.after(pause);
        let partition = PartitionId(u16::try_from(job.at).unwrap_or(u16::MAX));
        job.rests_on.insert(partition, page.rests_on);
        if page.is_incomplete {
            self.phase = Phase::Ready(job);
            return;
        }
        job.live_bytes += page.live;
        for (frame, body, bytes) in page.dead {
            job.dead.entry((partition, frame)).or_default().push(body);
            job.dead_bytes += u64::from(bytes);
        }
        job.from = next;
        self.go_on(now, job);
    }

    /// The page could not be read or judged: another time.
    pub fn not_looked(&mut self, now: Now, asked: u64) {
        let waits = matches!(self.phase, Phase::Reading(_) | Phase::Listing { .. });
        if asked == self.asked && waits {
            self.rest(now.elapsed.after(self.every()));
        }
    }

    /// To the next page, or to the end of the look.
    fn go_on(&mut self, now: Now, mut job: Box<Job>) {
        while let Some((first, end)) = job.segment.frames.get(job.at).copied() {
            job.from = job.from.max(first);
            if job.from < end {
                self.phase = Phase::Ready(job);
                return;
            }
            (job.at, job.from) = (job.at + 1, FrameNumber(0));
        }
        if job.deletes || job.is_worth_it() {
            self.phase = Phase::Settling(job);
        } else {
            self.put_off(now, job.segment.number);
        }
    }

    /// All of a segment was looked at: once what that rests on is committed, it is done.
    fn settle(
        &mut self,
        now: Now,
        job: Box<Job>,
        committed: impl Fn(PartitionId) -> FrameNumber,
    ) -> Option<Step> {
        let waits = job.rests_on.iter().any(|(partition, frame)| committed(*partition) < *frame);
        if waits || self.redriving > 0 {
            self.phase = Phase::Settling(job);
            return None;
        }
        if job.redrives != self.redrives {
            // A redrive or a reload may have made live what was dead.
            let job = Job::new(job.segment, job.deletes, self.redrives, now.elapsed);
            self.go_on(now, Box::new(job));
            return None;
        }
        self.asked += 1;
        let Job { segment, deletes, dead, .. } = *job;
        let (number, bytes, rewrites) = (segment.number, segment.bytes, !deletes);
        self.phase = Phase::Acting { segment: number, bytes, deletes, rewrites };
        Some(if deletes {
            Step::Trim { before: segment.frames.into_iter().map(|(_, end)| end).collect() }
        } else {
            Step::Rewrite { segment: number, dead }
        })
    }

    /// The segment was written anew, and so many bytes are free; none: it could not be.
    pub fn rewritten(&mut self, now: Now, freed: Option<u64>) {
        let Phase::Acting { segment, rewrites: true, .. } = self.phase else { return };
        match freed {
            Some(freed) => {
                self.tally.rewritten += 1;
                self.tally.freed += freed;
            }
            None => self.tally.failed += 1,
        }
        self.put_off(now, segment);
    }

    /// The deletion is done, or could not be.
    pub fn trimmed(&mut self, now: Now, done: bool) {
        let Phase::Acting { segment, bytes, deletes: true, .. } = self.phase else { return };
        if done {
            self.tally.deleted += 1;
            self.tally.freed += bytes;
            self.tally.is_pinned = false;
            self.rest(now.elapsed);
        } else {
            self.tally.failed += 1;
            self.put_off(now, segment);
        }
    }

    /// The open segment was sealed, or could not be.
    pub fn sealed(&mut self, now: Now) {
        if let Phase::Acting { deletes: false, rewrites: false, .. } = self.phase {
            self.rest(now.elapsed);
        }
    }

    /// The segment is looked at again only later; others may be now.
    fn put_off(&mut self, now: Now, segment: u64) {
        let again = now.elapsed.after(self.again());
        self.looked.insert(segment, again);
        self.rest(now.elapsed);
    }

    fn rest(&mut self, until: ElapsedMicros) {
        self.phase = Phase::Idle;
        self.due = until;
    }

    /// What was recorded before this is older than `age`.
    fn before(&self, now: Now, age: Duration) -> UnixMicros {
        let began = self.began.unwrap_or(now);
        let passed = began.clock.after(now.elapsed.since(began.elapsed));
        UnixMicros(now.clock.min(passed).0.saturating_sub(crate::time::micros(age)))
    }

    /// How often it looks whether anything is old enough.
    fn every(&self) -> Duration {
        (self.settings.bodies / 100).clamp(limits::RETENTION_EVERY.0, limits::RETENTION_EVERY.1)
    }

    /// How long a segment that was looked at is left alone.
    fn again(&self) -> Duration {
        (self.settings.bodies / 30).clamp(limits::RETENTION_AGAIN.0, limits::RETENTION_AGAIN.1)
    }

    /// How long a segment may be written before it is sealed in any case.
    fn seal_every(&self) -> Duration {
        self.again()
    }
}
