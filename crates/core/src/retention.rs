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
//! done before the frames they rest on are committed. What is dead stays dead but by a redrive: one
//! that comes while a segment is judged has it judged again, and while bodies or a
//! segment go, redrives wait (and then find what is left). A term that is lost ends the look.
//!
//! ```text
//! Idle ─▶ Listing ─▶ Ready ⇄ Reading ─▶ Settling ─▶ Acting ─▶ Idle
//! ```
//!
//! **Pace.** One page of one segment at a time, with a pause behind it; one rewriting or deletion
//! at a time. Age is measured by the machine's clock or by what passed since the process began,
//! whichever says less: a clock that jumps ahead deletes nothing.
//!
//! Must not know: how segments are stored, what a page costs.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::id::{FrameNumber, PartitionId};
use crate::limits;
use crate::settings::RetentionSettings;
use crate::time::{ElapsedMicros, Now, UnixMicros};

/// A sealed segment, as far as retention needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number; newer ones have higher numbers.
    pub number: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// When the newest of it was recorded.
    pub newest: UnixMicros,
    /// Bytes of bodies that were left when it was rewritten, as received; none where it never was.
    pub kept: Option<u64>,
    /// By partition its first frame, and the one that follows its last.
    pub frames: Vec<(FrameNumber, FrameNumber)>,
}

/// Bodies to be left out of a segment: of each frame, the numbers of bodies as its `received`
/// facts have them.
pub type DeadBodies = BTreeMap<(PartitionId, FrameNumber), Vec<u32>>;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Seal the segment being written, so that what is in it can grow old.
    Seal,
    /// List the sealed segments behind one.
    List {
        /// Its number.
        after: u64,
    },
    /// Read frames of a partition, and bring them to it with what is known of their keys.
    Read(Reading),
    /// Write a segment anew.
    Rewrite {
        /// The segment.
        segment: u64,
        /// Without these bodies.
        dead: DeadBodies,
    },
    /// Delete history before these frames, by partition.
    Trim {
        /// The first frame that stays.
        before: Vec<FrameNumber>,
    },
}

/// A page to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The partition.
    pub partition: PartitionId,
    /// The first frame.
    pub from: FrameNumber,
    /// The frame behind the last.
    pub end: FrameNumber,
    /// Its segment has no more bytes than this: more need not be read.
    pub bytes: u64,
    /// Bodies received, and dead letters made, after this are live.
    pub expired: UnixMicros,
    /// Whether keys are to be carried: the segment is to be deleted.
    pub carries: bool,
}

/// What a partition says of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// The dead bodies: frame, number, bytes as received.
    pub dead: Vec<(FrameNumber, u32, u32)>,
    /// Bytes of the bodies that are live.
    pub live: u64,
    /// Whether an event of it is live, or one of its keys cannot be carried now.
    pub is_pinned: bool,
    /// Whether it must be read again: not all of its keys could be carried at once.
    pub is_incomplete: bool,
    /// How many keys were carried.
    pub carried: u64,
    /// The frame that must be committed before anything rests on this.
    pub rests_on: FrameNumber,
}

/// What was done since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Segments deleted.
    pub deleted: u64,
    /// Segments written anew.
    pub rewritten: u64,
    /// Bytes freed by both.
    pub freed: u64,
    /// Keys carried.
    pub carried: u64,
    /// Whether the oldest segment is old enough to be deleted and must stay for what waits.
    pub is_pinned: bool,
    /// What could not be done, and is tried again.
    pub failed: u64,
}

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

/// A look at one segment.
#[derive(Debug)]
struct Job {
    segment: Segment,
    deletes: bool,
    /// The partition being read, and the frame it is read from.
    at: usize,
    from: FrameNumber,
    dead: DeadBodies,
    dead_bytes: u64,
    live_bytes: u64,
    rests_on: BTreeMap<PartitionId, FrameNumber>,
    redrives: u64,
    /// When the next page may be read.
    due: ElapsedMicros,
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
        }
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
        let expired = self.before(now, self.settings.bodies);
        let goes_on = segments.last().filter(|last| !is_all && last.newest < expired);
        if let Some((segment, deletes)) = self.choose(now, segments, after) {
            let job = Job::new(segment.clone(), deletes, self.redrives, now.elapsed);
            self.go_on(now, Box::new(job));
        } else if let Some(last) = goes_on {
            self.phase = Phase::Listed { after: last.number };
        } else {
            self.rest(now.elapsed.after(self.every()));
        }
    }

    /// The segment that is looked at next: the oldest for deletion, or the first for its bodies.
    fn choose<'s>(
        &self,
        now: Now,
        segments: &'s [Segment],
        after: u64,
    ) -> Option<(&'s Segment, bool)> {
        let may_look = |segment: &&Segment| {
            self.looked.get(&segment.number).is_none_or(|due| *due <= now.elapsed)
        };
        let old = self.before(now, self.settings.facts);
        let expired = self.before(now, self.settings.bodies);
        let oldest = segments.first().filter(|first| after == 0 && first.newest < old);
        let oldest = oldest.filter(may_look).map(|first| (first, true));
        let is_due = |segment: &&Segment| segment.newest < expired && segment.kept != Some(0);
        let mut rest = segments.iter().filter(is_due).filter(may_look);
        oldest.or_else(|| rest.next().map(|segment| (segment, false)))
    }

    fn read(&mut self, now: Now, job: Box<Job>) -> Step {
        self.asked += 1;
        let partition = PartitionId(u16::try_from(job.at).unwrap_or(u16::MAX));
        let end = job.segment.frames.get(job.at).map_or(job.from, |(_, end)| *end);
        let (from, bytes, carries) = (job.from, job.segment.bytes, job.deletes);
        let expired = self.before(now, self.settings.bodies);
        self.phase = Phase::Reading(job);
        Step::Read(Reading { partition, from, end, bytes, expired, carries })
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
            // A redrive may have made live what was dead.
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

impl Job {
    fn new(segment: Segment, deletes: bool, redrives: u64, due: ElapsedMicros) -> Self {
        Self {
            segment,
            deletes,
            at: 0,
            from: FrameNumber(0),
            dead: DeadBodies::new(),
            dead_bytes: 0,
            live_bytes: 0,
            rests_on: BTreeMap::new(),
            redrives,
            due,
        }
    }

    /// Whether writing the segment anew is worth it: once for anything, again for over half of
    /// what was left.
    fn is_worth_it(&self) -> bool {
        match self.segment.kept {
            None => self.dead_bytes > 0,
            Some(kept) => self.live_bytes < kept / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const DAY: u64 = 86_400_000_000;
    const P: PartitionId = PartitionId(0);

    fn at(days: u64) -> Now {
        let clock = UnixMicros(1_000 * DAY + days * DAY);
        Now { elapsed: ElapsedMicros(days * DAY), clock }
    }

    /// A machine that keeps bodies for two days and facts for ten.
    fn machine() -> Retention {
        let days = |days| Duration::from_micros(days * DAY);
        Retention::new(RetentionSettings { bodies: days(2), facts: days(10) })
    }

    fn segment(number: u64, days: u64, kept: Option<u64>) -> Segment {
        let frames = vec![(FrameNumber(number * 10), FrameNumber(number * 10 + 10))];
        Segment { number, bytes: 100, newest: at(days).clock, kept, frames }
    }

    fn poll(machine: &mut Retention, now: Now, committed: u64) -> Option<Step> {
        machine.poll(now, |_| FrameNumber(committed))
    }

    /// Lets it list segments, and answers with these.
    fn lists(machine: &mut Retention, now: Now, segments: &[Segment]) {
        let mut step = poll(machine, now, 0);
        if step == Some(Step::Seal) {
            machine.sealed(now);
            step = poll(machine, now, 0);
        }
        assert_eq!(step, Some(Step::List { after: 0 }));
        machine.listed(now, machine.asked(), segments, true);
    }

    /// It reads a segment as one page with this answer.
    fn reads(machine: &mut Retention, now: Now, carries: bool, looked: Looked) {
        match poll(machine, now, 0) {
            Some(Step::Read(reading)) => {
                assert_eq!(reading.carries, carries);
                machine.looked(now, machine.asked(), looked, reading.end);
            }
            other => panic!("{other:?}"),
        }
    }

    fn dead(frame: u64, bytes: u32, live: u64) -> Looked {
        Looked { dead: vec![(FrameNumber(frame), 0, bytes)], live, ..Looked::default() }
    }

    #[test]
    fn a_segment_is_rewritten_once_and_again_for_more_than_half() {
        let mut machine = machine();
        let now = at(5);
        lists(&mut machine, now, &[segment(1, 3, None), segment(2, 4, None)]);
        assert_eq!(poll(&mut machine, now, 0), None, "nothing of them is old enough");
        let now = at(6);
        lists(&mut machine, now, &[segment(1, 3, None), segment(2, 5, None)]);
        reads(&mut machine, now, false, dead(12, 1, 1_000));
        let one = DeadBodies::from([((P, FrameNumber(12)), vec![0])]);
        assert_eq!(poll(&mut machine, now, 0), Some(Step::Rewrite { segment: 1, dead: one }));
        machine.rewritten(now, Some(9));
        for (day, live, again) in [(8, 500, false), (10, 499, true)] {
            let now = at(day);
            lists(&mut machine, now, &[segment(1, 3, Some(1_000))]);
            reads(&mut machine, now, false, dead(12, 1, live));
            let step = poll(&mut machine, now, 0);
            assert_eq!(matches!(step, Some(Step::Rewrite { .. })), again, "{step:?}");
            machine.lost(now);
        }
        let tally = Tally { rewritten: 1, freed: 9, ..Tally::default() };
        assert_eq!(machine.tally(), tally);
    }

    #[test]
    fn the_oldest_segment_is_deleted_once_what_it_rests_on_is_committed() {
        let mut machine = machine();
        let now = at(20);
        let segments = [segment(1, 9, Some(0)), segment(2, 9, Some(0))];
        lists(&mut machine, now, &segments);
        let looked = Looked { rests_on: FrameNumber(70), carried: 3, ..Looked::default() };
        reads(&mut machine, now, true, looked);
        assert_eq!(poll(&mut machine, now, 69), None);
        let before = vec![FrameNumber(20)];
        assert_eq!(poll(&mut machine, now, 70), Some(Step::Trim { before }));
        machine.trimmed(now, true);
        let tally = Tally { deleted: 1, freed: 100, carried: 3, ..Tally::default() };
        assert_eq!(machine.tally(), tally);
        // The next one is pinned: it is left alone for a while, and only its bodies are looked at.
        lists(&mut machine, now, &segments[1..]);
        reads(&mut machine, now, true, Looked { is_pinned: true, ..Looked::default() });
        assert!(machine.tally().is_pinned);
        lists(&mut machine, now, &segments[1..]);
        assert_eq!(poll(&mut machine, now, 99), None);
        lists(&mut machine, at(21), &segments[1..]);
        reads(&mut machine, at(21), true, Looked::default());
    }

    #[test]
    fn a_redrive_while_a_segment_is_judged_has_it_judged_again() {
        let mut machine = machine();
        let now = at(6);
        lists(&mut machine, now, &[segment(1, 3, None)]);
        reads(&mut machine, now, false, dead(12, 1, 0));
        machine.redrive_begins();
        assert_eq!(poll(&mut machine, now, 0), None, "it is not answered yet");
        machine.redrive_ends();
        assert_eq!(poll(&mut machine, now, 0), None);
        reads(&mut machine, now, false, Looked { live: 1, ..Looked::default() });
        lists(&mut machine, now, &[segment(1, 3, None)]);
        assert_eq!(poll(&mut machine, now, 0), None, "it is live");
        assert!(!machine.is_deleting());
    }

    #[test]
    fn a_segment_that_must_stay_loses_its_dead_bodies() {
        let mut machine = machine();
        let now = at(20);
        lists(&mut machine, now, &[segment(1, 9, None)]);
        reads(&mut machine, now, true, Looked { is_pinned: true, ..dead(12, 5, 7) });
        reads(&mut machine, now, false, Looked { is_pinned: true, ..dead(12, 5, 7) });
        let step = poll(&mut machine, now, 0);
        assert!(matches!(step, Some(Step::Rewrite { segment: 1, .. })), "{step:?}");
        assert!(machine.is_deleting() && machine.tally().is_pinned);
    }

    #[test]
    fn redrives_wait_while_history_goes() {
        let mut machine = machine();
        let now = at(20);
        lists(&mut machine, now, &[segment(1, 9, Some(0))]);
        reads(&mut machine, now, true, Looked::default());
        assert!(matches!(poll(&mut machine, now, 0), Some(Step::Trim { .. })));
        assert!(machine.is_deleting());
        machine.trimmed(now, true);
        assert!(!machine.is_deleting());
    }

    #[test]
    fn a_clock_that_jumps_ahead_deletes_nothing() {
        let mut machine = machine();
        lists(&mut machine, at(1), &[]);
        let jumped = Now { elapsed: at(2).elapsed, clock: at(500).clock };
        lists(&mut machine, jumped, &[segment(1, 1, None)]);
        assert_eq!(poll(&mut machine, jumped, 0), None);
        let back = Now { elapsed: at(30).elapsed, clock: at(0).clock };
        lists(&mut machine, back, &[segment(1, 1, None)]);
        assert_eq!(poll(&mut machine, back, 0), None);
        lists(&mut machine, at(31), &[segment(1, 1, None)]);
        reads(&mut machine, at(31), true, Looked::default());
    }

    #[test]
    fn a_lost_term_ends_the_look_and_answers_to_it_are_void() {
        let mut machine = machine();
        let now = at(6);
        lists(&mut machine, now, &[segment(1, 3, None)]);
        assert!(matches!(poll(&mut machine, now, 0), Some(Step::Read(_))));
        let asked = machine.asked();
        machine.lost(now);
        machine.looked(now, asked, dead(12, 1, 0), FrameNumber(20));
        assert_eq!(poll(&mut machine, now, 0), None);
        lists(&mut machine, at(7), &[segment(1, 3, None)]);
    }
}
