//! Events of files on their way to the target, in the disorder that was worked out before.

use super::counts::Counts;
use super::queue::Queue;
use super::rehearse::Plan;
use super::road::{Drive, Make, Road};
use super::schedule::Line;
use super::{Settings, Watch};
use crate::clock::Clock;
use crate::provider::{Answer, Supply, Target, request};
use crate::verify::Signer;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, Notify};

/// What is sent.
pub struct Events {
    /// So many.
    pub count: u64,
    /// The event with this place, from 0.
    pub supply: Supply,
    /// Signs each, where the target looks at signatures.
    pub signer: Option<Signer>,
    /// They come so far apart.
    pub every: Duration,
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Events({})", self.count)
    }
}

/// Events on their way.
pub struct Generating {
    road: Arc<Generated>,
    drive: Drive,
}

impl fmt::Debug for Generating {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Generating({})", self.road.plan.departures.len())
    }
}

impl Generating {
    /// Waits until all have left and were answered.
    pub async fn finished(&mut self) -> Counts {
        self.drive.finished().await;
        self.road.counts()
    }

    /// Sends nothing more; the counts at the end.
    pub async fn stop(self) -> Counts {
        self.road.is_stopped.store(true, Ordering::Relaxed);
        self.road.stopped.notify_one();
        self.drive.end().await;
        self.road.counts()
    }
}

struct Generated {
    plan: Plan,
    events: Events,
    target: Arc<Target>,
    signer: Option<Arc<Signer>>,
    clock: Clock,
    /// The place of what leaves next.
    turn: Turn<usize>,
    counts: Mutex<Counts>,
    is_stopped: AtomicBool,
    /// Wakes whoever has the turn.
    stopped: Notify,
    watch: Box<dyn Watch>,
}

/// Begins to send. The clock begins with the first event.
pub fn generate(
    mut events: Events,
    settings: Settings,
    queue: Queue,
    clock: Clock,
    watch: impl Watch,
) -> Generating {
    let plan = Plan::of(queue, events.count, events.every);
    let mut counts = Counts::default();
    for (number, ways) in (1..).zip(plan.ways(events.count)) {
        counts.take(number, ways);
    }
    plan.dropped.iter().for_each(|number| watch.line(Line::Dropped(*number)));
    let road = Arc::new(Generated {
        plan,
        signer: events.signer.take().map(Arc::new),
        events,
        target: Arc::new(settings.target),
        clock,
        turn: Turn::new(0),
        counts: Mutex::new(counts),
        is_stopped: AtomicBool::new(false),
        stopped: Notify::new(),
        watch: Box::new(watch),
    });
    let drive = Drive::start(&road, &road.target, settings.concurrency);
    Generating { road, drive }
}

impl Generated {
    fn counts(&self) -> Counts {
        let mut counts = self.state().clone();
        counts.left = self.plan.departures.len() as u64 - counts.tally.sent;
        counts
    }

    fn state(&self) -> MutexGuard<'_, Counts> {
        // A task that panicked while it held the lock leaves a count that is at worst one too low.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Road for Generated {
    async fn next(&self) -> Option<Make> {
        // Whoever has the turn keeps it until its event leaves: the order is that of the plan.
        let mut turn = self.turn.lock().await;
        let planned = *self.plan.departures.get(*turn)?;
        let now = Duration::from_micros(self.clock.now().elapsed.0);
        tokio::select! {
            () = tokio::time::sleep(planned.at.saturating_sub(now)) => {}
            () = self.stopped.notified() => {}
        }
        if self.is_stopped.load(Ordering::Relaxed) {
            return None;
        }
        *turn += 1;
        let number = planned.departure.number;
        self.state().leave(number);
        self.watch.line(Line::Leaves(planned.departure));
        // Numbers count from 1; there are no more of them than places of a list.
        let post = (self.events.supply)(usize::try_from(number - 1).unwrap_or(usize::MAX));
        let (target, signer, clock) = (self.target.clone(), self.signer.clone(), self.clock);
        Some(Box::new(move || request(&target, signer.as_deref(), clock, &post)))
    }

    fn answered(&self, answer: &Answer, tries: u32) {
        self.state().answered(answer, tries);
    }
}
