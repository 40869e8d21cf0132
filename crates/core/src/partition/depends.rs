//! Events that wait for another resource (`depends_on`, decision 042): a card for its customer.
//!
//! The two are different keys, perhaps of different sources and in different partitions, and nothing orders them.
//! A lane whose head refers to another key asks, before it asks for a permit, whether that key has settled its first
//! event in the same destination. Meanwhile it holds no slot, and no other key waits for it.
//!
//! ```text
//!  head refers to K ──ask──▶ asked ──told: met───────────────▶ permit
//!                             │ ▲ told: not yet, 10 ms … 1 s
//!                             └─┘
//!                             │ asked behind the bound: not yet, or nobody answers
//!                             └──▶ unmet (fact) ──durable──▶ permit, `sprag-unmet`
//! ```
//!
//! **Asked again, not told.** Nobody keeps a list of who waits: it would need a bound, and who falls off it would ask
//! again all the same. While the other key's partition recovers, or has no room for it, the answer is *not yet*; an ask that
//! is lost with its partition is one that nobody answers.
//!
//! **Crashes.** The bound is in the release, so a restart waits to the same open time and asks anew. *Met* is told
//! only once everything decided about the other key is durable: else a crash could send it again behind this one, as
//! if for the first time. An `unmet` that was not durable has let nothing leave; after it the record has it, so each
//! try says so.
//!
//! **Who may write what.** Only the lane that waits writes `unmet`; the partition of the other key writes nothing.
//!
//! Must not know: bodies, in which partition a key is.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use super::Partition;
use super::draft::Promise;
use super::evolve::lane_mut;
use super::hot::{Hot, LaneHot};
use crate::chain::Digest;
use crate::fact::{DependsOn, Fact, Kind, Unmet};
use crate::id::{DestinationId, Key, Sequence};
use crate::input::{Arrival, Ask, Input, Waiting};
use crate::limits;
use crate::output::Output;
use crate::record::{Essence, KeyRecord, Lane, Omission, OmitReason};
use crate::settings::SourceSettings;
use crate::slab::Slot;
use crate::time::{ElapsedMicros, OpenMicros};

/// What a lane knows of a resource that its events refer to.
#[derive(Debug)]
pub(super) struct Dependency {
    of: Key,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// It asked.
    Asked(Asked),
    /// It was told: not yet; and asks again then.
    NotYet(Asked, ElapsedMicros),
    /// It was told that the resource is there.
    Met,
}

/// An ask that was made.
#[derive(Debug, Clone, Copy)]
struct Asked {
    number: u64,
    /// When, by both times.
    at: ElapsedMicros,
    open: OpenMicros,
    /// How long after a *not yet* it asks again.
    pause: Duration,
}

/// What a lane does about its head's dependency.
pub(super) enum Step {
    /// It asks.
    Ask(Key),
    /// It waits for the answer or its next ask, till then at the most.
    Wait(ElapsedMicros),
    /// It has waited long enough.
    GiveUp(Key),
}

impl Stage {
    fn asked(self) -> Option<Asked> {
        match self {
            Self::Asked(asked) | Self::NotYet(asked, _) => Some(asked),
            Self::Met => None,
        }
    }

    /// When the lane asks next, if it hears nothing before.
    fn next(self) -> ElapsedMicros {
        match self {
            Self::Asked(asked) => asked.at.after(limits::ASK_AGAIN_MAX),
            Self::NotYet(_, next) => next,
            Self::Met => ElapsedMicros::default(),
        }
    }
}

/// What a lane does that could send its head now; none where it need not wait for another resource.
pub(super) fn step(hot: &Hot, at: usize, now: ElapsedMicros, open: OpenMicros) -> Option<Step> {
    let (lane, record) = (&hot.lanes[at], &hot.record.lanes[at]);
    let depends_on = waited_for(lane, record)?;
    let of = || depends_on.of.clone();
    let Some(stage) = stage_of(lane, depends_on) else {
        let first = first_ask(hot).filter(|first| *first > now);
        return Some(first.map_or_else(|| Step::Ask(of()), Step::Wait));
    };
    let asked = stage.asked()?;
    let is_answered = matches!(stage, Stage::NotYet(..)) || stage.next() <= now;
    let left = depends_on.until.since(open);
    Some(if asked.open >= depends_on.until && is_answered {
        Step::GiveUp(of())
    } else if stage.next() <= now || (is_answered && left.is_zero()) {
        Step::Ask(of())
    } else if is_answered {
        Step::Wait(stage.next().min(now.after(left)))
    } else {
        Step::Wait(stage.next())
    })
}

/// When a key that came into memory with what waits asks first: what it was told before it left is not known any more, and
/// that it came says nothing of the other.
fn first_ask(hot: &Hot) -> Option<ElapsedMicros> {
    hot.came.map(|came| came.after(limits::ASK_AGAIN))
}

/// What a lane's head waits for. What was tried, is sent again or has waited in vain waits for nothing.
fn waited_for<'a>(lane: &'a LaneHot, record: &Lane) -> Option<&'a DependsOn> {
    let head = lane.window.front().filter(|head| head.sequence == record.head)?;
    let was_tried = record.failures > 0 || record.sent >= head.sequence;
    let is_over = was_tried || record.unmet == head.sequence || record.sends_again(head.sequence);
    head.depends_on.as_deref().filter(|_| !is_over)
}

fn stage_of(lane: &LaneHot, depends_on: &DependsOn) -> Option<Stage> {
    let known = lane.dependency.as_ref().filter(|known| known.of == depends_on.of);
    known.map(|known| known.stage)
}

/// How long a lane waits for another resource at the most; none where it does not.
pub(super) fn left(lane: &LaneHot, record: &Lane, open: OpenMicros) -> Option<Duration> {
    let depends_on = waited_for(lane, record)?;
    stage_of(lane, depends_on)?.asked()?;
    Some(depends_on.until.since(open))
}

/// Whether one of its lanes is about to ask, or may hear an answer still. A key stays in memory for it: else one that comes and
/// goes would never be told, nor come to the end of its wait.
pub(super) fn is_asking(hot: &Hot, now: ElapsedMicros) -> bool {
    let lanes = hot.lanes.iter().zip(&hot.record.lanes);
    lanes.filter_map(|(lane, record)| Some((lane, waited_for(lane, record)?))).any(
        |(lane, depends_on)| match stage_of(lane, depends_on) {
            Some(stage) => matches!(stage, Stage::Asked(_)) && stage.next() > now,
            None => first_ask(hot).is_some_and(|first| first > now),
        },
    )
}

/// When a key that leaves memory is to be back for a lane that was told *not yet*; none where it waits for no other
/// resource. Were it due at once, it would come, ask and go without end.
pub(super) fn asks_next(hot: &Hot, destination: DestinationId) -> Option<ElapsedMicros> {
    let at = hot.lane_at(destination.into())?;
    let (lane, record) = (&hot.lanes[at], &hot.record.lanes[at]);
    let stage = stage_of(lane, waited_for(lane, record)?)?;
    matches!(stage, Stage::NotYet(..)).then(|| stage.next())
}

/// Whether an event may be in the range that a lane fixes: it is the first, waits for nothing, or for what is there.
pub(super) fn goes_along(lane: &LaneHot, record: &Lane, waiting: &Waiting) -> bool {
    let is_met = |depends_on: &Arc<DependsOn>| {
        let stage = stage_of(lane, depends_on);
        stage.is_some_and(|stage| matches!(stage, Stage::Met))
    };
    waiting.sequence == record.head || waiting.depends_on.as_ref().is_none_or(is_met)
}

/// Whether a key has settled its first event in a destination. One that released events and has no lane there has
/// nothing to settle.
fn is_met(record: &KeyRecord, destination: DestinationId) -> bool {
    !record.begins() && record.lane(destination).is_none_or(has_settled)
}

/// Whether a lane has gone past an event. What it does not know of (`restored`, `boundary`) says nothing.
fn has_settled(lane: &Lane) -> bool {
    let was_passed = |omitted: &Omission| {
        let reason = omitted.reason;
        omitted.merged
            || matches!(reason, OmitReason::Filtered | OmitReason::Dead | OmitReason::Skipped)
    };
    lane.delivered > Sequence(0) || lane.rewound.is_some() || lane.omitted.iter().any(was_passed)
}

/// The lane goes on with what it waited for in vain.
pub(super) fn note(record: &mut KeyRecord, unmet: &Unmet) {
    let lane = lane_mut(record, unmet.destination.into());
    if let Some(lane) = lane.filter(|lane| lane.head == unmet.sequence) {
        lane.unmet = unmet.sequence;
    }
}

impl<D: Digest> Partition<D> {
    /// The other resource that an arriving event refers to. One that refers to itself waits for nothing.
    pub(super) fn dependency_of(&self, arrival: &Arrival) -> Option<Key> {
        let source = self.settings.sources.get(&arrival.key.source)?;
        let (depends_on, name) = (source.depends_on?, arrival.depends_on.clone()?);
        let of = Key { source: depends_on.source, name };
        (of != arrival.key).then_some(of)
    }

    /// What the lanes of an event that is released now wait for. What is undone or repeated does not wait: it did.
    pub(super) fn depends_on(
        &self,
        source: &SourceSettings,
        essence: &Essence,
        kind: Kind,
        earlier: Option<Sequence>,
    ) -> Option<Arc<DependsOn>> {
        let is_first = kind != Kind::Compensation && earlier.is_none();
        let of = essence.depends_on.clone().filter(|_| is_first)?;
        let until = self.open.after(source.depends_on?.wait);
        Some(Arc::new(DependsOn { of, until }))
    }

    /// A lane does what its head's dependency makes it do.
    pub(super) fn take_dependency(&mut self, slot: Slot, at: usize, step: Step) {
        match step {
            Step::Ask(of) => self.ask_about(slot, at, of),
            Step::Wait(until) => self.set_timer(slot, at, until),
            Step::GiveUp(of) => self.wait_in_vain(slot, at, of),
        }
    }

    fn ask_about(&mut self, slot: Slot, at: usize, of: Key) {
        let (now, open) = (self.now.elapsed, self.open);
        let number = self.next_ask + 1;
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let lane = &mut hot.lanes[at];
        let known = lane.dependency.take().filter(|known| known.of == of);
        let before = known.and_then(|known| known.stage.asked());
        let pause = before.map_or(limits::ASK_AGAIN, |before| before.pause);
        let stage = Stage::Asked(Asked { number, at: now, open, pause });
        lane.dependency = Some(Box::new(Dependency { of: of.clone(), stage }));
        let (asker, destination) = (hot.key.clone(), lane.id.destination);
        self.next_ask = number;
        self.outputs.push_back(Output::Ask(Box::new(Ask { number, asker, destination, of })));
        self.set_timer(slot, at, stage.next());
        // The wait goes on behind a crash where open time was last written down.
        if open.since(self.open_persisted) >= limits::OPEN_PERSIST {
            self.begin_frame();
        }
    }

    fn wait_in_vain(&mut self, slot: Slot, at: usize, of: Key) {
        if self.filling.is_full() {
            return self.promise(Promise::Wake(slot));
        }
        let Some(hot) = self.keys.get(slot) else { return };
        let lane = &hot.record.lanes[at];
        let (key, destination, sequence) = (hot.key.clone(), lane.destination, lane.head);
        self.write(Fact::Unmet(Unmet { key, destination, sequence, of }));
        self.rest_on_written(slot, destination);
    }

    /// A lane asks about a key of this partition.
    pub(super) fn asked(&mut self, ask: Box<Ask>) {
        let again = || Input::Asked(ask.clone());
        let Some(slot) = self.slot_or_load(&ask.of, again) else { return };
        // A lane that is to be opened over what the key released has nothing settled yet.
        self.visit(slot);
        let Some(record) = self.keys.get(slot).map(|hot| &hot.record) else { return };
        let is_met = is_met(record, ask.destination);
        if is_met && record.newest.frame > self.committed {
            self.promise(Promise::Tell(ask));
        } else {
            self.outputs.push_back(Output::Tell { ask, is_met });
        }
    }

    /// A lane's ask is answered; an answer to one before it says nothing any more.
    pub(super) fn told(&mut self, ask: &Ask, is_met: bool) {
        let Some(slot) = self.names.get(&ask.asker).copied() else { return };
        let now = self.now.elapsed;
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let Some(at) = hot.lane_at(ask.destination.into()) else { return };
        let Some(dependency) = &mut hot.lanes[at].dependency else { return };
        let Stage::Asked(asked) = dependency.stage else { return };
        if asked.number != ask.number {
            return;
        }
        dependency.stage = if is_met {
            Stage::Met
        } else {
            let pause = (asked.pause * 2).min(limits::ASK_AGAIN_MAX);
            Stage::NotYet(Asked { pause, ..asked }, now.after(asked.pause))
        };
        self.wake_lane(slot, at);
    }
}
