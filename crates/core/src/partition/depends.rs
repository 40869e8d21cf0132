//! Events that wait for another resource (`depends_on`, decision 042): a card for its customer. What the lane that
//! waits does; what it is told is `asked`'s.
//!
//! The two are different keys, perhaps of different sources and in different partitions, and nothing orders them.
//! A lane whose head refers to another key asks, before it asks for a permit, whether that key has settled its first
//! event in the same destination. Meanwhile it holds no slot, and no other key waits for it.
//!
//! ```text
//!  head refers to K ──ask──▶ asked ──told: met───────────────▶ permit
//!                             │ ▲ told: pending; or not yet, before the bound
//!                             └─┘
//!                             │ asked behind the bound: not yet, or nobody answers for long
//!                             └──▶ unmet (fact) ──durable──▶ permit, `sprag-unmet`
//! ```
//!
//! **The bound ends waits for what is not there.** What is there and moves by itself (*pending*) is waited for beyond it, as
//! an event waits for the handler of the one before it.
//!
//! **Asked again, not told.** Nobody keeps a list of who waits: it would need a bound, and who falls off it would ask
//! again all the same. An ask that is lost with its partition is one that nobody answers, and is made again.
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
use crate::input::{Arrival, Ask, Waiting, Word};
use crate::limits;
use crate::output::Output;
use crate::record::{Essence, KeyRecord, Lane};
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
    /// It was told that the resource is not there, and asks again then.
    Told(Told),
    /// It was told that the resource is there.
    Met,
}

/// An ask that was made.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// When, by both times.
    at: ElapsedMicros,
    open: OpenMicros,
    /// For the sake of which event.
    head: Sequence,
    /// How long nobody had answered those made just before it for this event, by open time.
    silent: Duration,
}

/// What it was told.
#[derive(Debug, Clone, Copy)]
struct Told {
    is_pending: bool,
    /// When it had asked, by open time.
    asked: OpenMicros,
    /// When it asks again.
    next: ElapsedMicros,
}

/// What a lane does about its head's dependency.
pub(super) enum Step {
    /// It asks.
    Ask(DependsOn),
    /// It waits for the answer or its next ask, till then at the most.
    Wait(ElapsedMicros),
    /// It has waited long enough.
    GiveUp(Key),
}

impl Asked {
    /// When the lane asks again, if nobody answers.
    fn next(self) -> ElapsedMicros {
        self.at.after(limits::ASK_AGAIN_MAX)
    }

    /// How long nobody answers what is asked for this event, by open time. Of each ask no more counts than until the next is
    /// due: a lane that stood meanwhile has not listened for so long.
    fn silent(self, head: Sequence, open: OpenMicros) -> Duration {
        if self.head != head {
            return Duration::ZERO;
        }
        self.silent + open.since(self.open).min(limits::ASK_AGAIN_MAX)
    }
}

/// What a lane does that could send its head now; none where it need not wait for another resource.
pub(super) fn step(hot: &Hot, at: usize, now: ElapsedMicros, open: OpenMicros) -> Option<Step> {
    let (lane, record) = (&hot.lanes[at], &hot.record.lanes[at]);
    let depends_on = waited_for(lane, record)?;
    let Some(known) = known_of(lane, depends_on) else {
        let first = first_ask(hot).filter(|first| *first > now);
        return Some(first.map_or_else(|| Step::Ask(depends_on.clone()), Step::Wait));
    };
    let left = depends_on.until.since(open);
    let is_behind = |asked: OpenMicros| asked >= depends_on.until;
    Some(match known.stage {
        Stage::Met => return None,
        Stage::Asked(asked) if asked.next() > now => Step::Wait(asked.next()),
        Stage::Asked(asked) => {
            let is_silent = asked.silent(record.head, open) >= limits::ASK_SILENCE;
            if is_silent && is_behind(asked.open) {
                Step::GiveUp(depends_on.of.clone())
            } else {
                Step::Ask(depends_on.clone())
            }
        }
        Stage::Told(told) if told.next <= now => Step::Ask(depends_on.clone()),
        Stage::Told(told) if told.is_pending => Step::Wait(told.next),
        Stage::Told(told) if is_behind(told.asked) => Step::GiveUp(depends_on.of.clone()),
        Stage::Told(_) if left.is_zero() => Step::Ask(depends_on.clone()),
        Stage::Told(told) => Step::Wait(told.next.min(now.after(left))),
    })
}

/// When a key that came into memory with what waits asks first: what it was told before it left is not known any more, and
/// that it came says nothing of the other.
fn first_ask(hot: &Hot) -> Option<ElapsedMicros> {
    hot.came.map(|came| came.after(limits::ASK_AGAIN))
}

/// What a lane's head refers to and has not waited for yet. What was tried, is sent again or has waited in vain waits for
/// nothing.
fn waited_for<'a>(lane: &'a LaneHot, record: &Lane) -> Option<&'a DependsOn> {
    let head = lane.window.front().filter(|head| head.sequence == record.head)?;
    let is_over =
        was_tried(record) || record.unmet == head.sequence || record.sends_again(head.sequence);
    head.depends_on.as_deref().filter(|_| !is_over)
}

/// Whether a lane's consumer may have got its head.
pub(super) fn was_tried(record: &Lane) -> bool {
    record.failures > 0 || record.accepted.is_some() || record.sent >= record.head
}

fn known_of<'a>(lane: &'a LaneHot, depends_on: &DependsOn) -> Option<&'a Dependency> {
    lane.dependency.as_deref().filter(|known| known.of == depends_on.of)
}

/// Whether a lane was told last that what it waits for is there.
pub(super) fn is_met(lane: &LaneHot) -> bool {
    lane.dependency.as_deref().is_some_and(|known| matches!(known.stage, Stage::Met))
}

/// The resource that a lane's head waits for; none where it waits for none, or that is there.
pub(super) fn waits_for<'a>(lane: &'a LaneHot, record: &Lane) -> Option<&'a DependsOn> {
    let depends_on = waited_for(lane, record)?;
    let is_met = known_of(lane, depends_on).is_some_and(|known| matches!(known.stage, Stage::Met));
    Some(depends_on).filter(|_| !is_met)
}

/// How long a lane waits for another resource at the most, where it waits for one: none while that is on its way.
pub(super) fn left(lane: &LaneHot, record: &Lane, open: OpenMicros) -> Option<Option<Duration>> {
    let depends_on = waits_for(lane, record)?;
    let stage = known_of(lane, depends_on).map(|known| known.stage);
    let is_pending = matches!(stage, Some(Stage::Told(told)) if told.is_pending);
    Some((!is_pending).then(|| depends_on.until.since(open)))
}

/// Whether a newer event takes the place of a lane's head, as far as that refers to another resource. One that waits stays:
/// each newer one would bring a bound of its own, and nothing ever leave. So does one that has waited in vain, until it is
/// tried.
pub(super) fn may_be_superseded(lane: &LaneHot, record: &Lane) -> bool {
    let is_unmet = record.unmet == record.head && !was_tried(record);
    !is_unmet && waits_for(lane, record).is_none()
}

/// Whether one of its lanes is about to ask, or may hear an answer still. A key stays in memory for it: else one that comes and
/// goes would never be told, nor come to the end of its wait.
pub(super) fn is_asking(hot: &Hot, now: ElapsedMicros) -> bool {
    let lanes = hot.lanes.iter().zip(&hot.record.lanes);
    lanes.filter_map(|(lane, record)| Some((lane, waited_for(lane, record)?))).any(
        |(lane, depends_on)| match known_of(lane, depends_on).map(|known| known.stage) {
            Some(Stage::Asked(asked)) => asked.next() > now,
            Some(_) => false,
            None => first_ask(hot).is_some_and(|first| first > now),
        },
    )
}

/// When a key that leaves memory is to be back for a lane that was told to wait; none where it waits for no other
/// resource. Were it due at once, it would come, ask and go without end.
pub(super) fn asks_next(hot: &Hot, destination: DestinationId) -> Option<ElapsedMicros> {
    let at = hot.lane_at(destination.into())?;
    let (lane, record) = (&hot.lanes[at], &hot.record.lanes[at]);
    match known_of(lane, waited_for(lane, record)?)?.stage {
        Stage::Told(told) => Some(told.next),
        Stage::Asked(_) | Stage::Met => None,
    }
}

/// Whether an event may be in the range that a lane fixes: it is the first, waits for nothing, or for what is there.
pub(super) fn goes_along(lane: &LaneHot, record: &Lane, waiting: &Waiting) -> bool {
    let is_met = |depends_on: &Arc<DependsOn>| {
        let known = known_of(lane, depends_on);
        known.is_some_and(|known| matches!(known.stage, Stage::Met))
    };
    waiting.sequence == record.head || waiting.depends_on.as_ref().is_none_or(is_met)
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
            Step::Ask(depends_on) => self.ask_about(slot, at, depends_on),
            Step::Wait(until) => self.set_timer(slot, at, until),
            Step::GiveUp(of) => self.wait_in_vain(slot, at, of),
        }
    }

    fn ask_about(&mut self, slot: Slot, at: usize, DependsOn { of, until }: DependsOn) {
        let (now, open) = (self.now.elapsed, self.open);
        if self.is_full(self.now) {
            // An answer would wait with all else until the disk goes on; so would one a second of each lane.
            return self.set_timer(slot, at, now.after(limits::ASK_AGAIN_MAX));
        }
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let (lane, head) = (&mut hot.lanes[at], hot.record.lanes[at].head);
        let known = lane.dependency.take().filter(|known| known.of == of);
        let silent = match known.map(|known| known.stage) {
            Some(Stage::Asked(asked)) => asked.silent(head, open),
            _ => Duration::ZERO,
        };
        let asked = Asked { at: now, open, head, silent };
        let stage = Stage::Asked(asked);
        lane.dependency = Some(Box::new(Dependency { of: of.clone(), stage }));
        let ask = Ask {
            from: self.id,
            asker: hot.key.clone(),
            destination: lane.id.destination,
            made: open,
            until,
            reached: of.clone(),
            of,
            steps: 0,
            over: None,
        };
        let is_bounded = until > open;
        self.outputs.push_back(Output::Ask(Box::new(ask)));
        self.set_timer(slot, at, asked.next());
        // The wait goes on behind a crash where open time was last written down.
        if is_bounded && open.since(self.open_persisted) >= limits::OPEN_PERSIST {
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

    /// A lane's ask is answered: perhaps one before its last, where the answer took long. It is as good: what counts is
    /// when it was made.
    pub(super) fn told(&mut self, ask: &Ask, word: Word) {
        let Some(slot) = self.slot_of(&ask.asker) else { return };
        let (now, recorded) = (self.now.elapsed, self.recorded);
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let Some(at) = hot.lane_at(ask.destination.into()) else { return };
        let lane = &mut hot.lanes[at];
        // Who was told that it is there needs no other word.
        let depends_on = waits_for(lane, &hot.record.lanes[at]);
        if depends_on.is_none_or(|depends_on| depends_on.of != ask.of) {
            return;
        }
        let waited = lane.window.front().map(|head| recorded.since(head.recorded));
        let pause = waited.unwrap_or_default().clamp(limits::ASK_AGAIN, limits::ASK_AGAIN_MAX);
        let (asked, next) = (ask.made, now.after(pause));
        let stage = match word {
            Word::Met => Stage::Met,
            Word::Pending => Stage::Told(Told { is_pending: true, asked, next }),
            Word::NotYet => Stage::Told(Told { is_pending: false, asked, next }),
        };
        lane.dependency = Some(Box::new(Dependency { of: ask.of.clone(), stage }));
        self.wake_lane(slot, at);
    }
}
