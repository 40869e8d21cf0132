//! What was configured over the whole simulation: a judge that sees an act cannot always say under
//! which revision it was decided, and then allows what any of them allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fact::Released;
use sprag_core::id::{DestinationId, Revision, SourceId};
use sprag_core::settings::{Ack, Contract, First, OnGap, OnGiveUp, Settings, Start};

use super::late::{Leads, Wanted};
use super::memory::Memory;
use super::{Verdict, must};

/// For so long attempts may arrive that were decided before a reload, in microseconds.
const RELOAD_GRACE: u64 = 10_000_000;
/// For so long after a process first started with a destination, in microseconds, crashes may keep it from being declared.
const UNDECLARED: u64 = 5_000_000;

/// Everything configured so far.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) sources: BTreeMap<SourceId, SourcePolicy>,
    pub(crate) destinations: BTreeMap<DestinationId, DestinationPolicy>,
    /// How long things are remembered.
    pub(crate) memory: Memory,
    /// Whether bodies go while the simulation lasts: then not all is there for a lane opened later.
    pub(crate) bodies_go: bool,
    /// The shortest time that bodies are kept, in microseconds; none before anything started.
    pub(crate) bodies: Option<u64>,
    /// The destinations that were ever retired.
    pub(crate) retired: BTreeSet<DestinationId>,
    /// Whether there ever was a limit to what waits for a destination.
    pub(crate) limits_backlog: bool,
    /// The destinations that were ever configured no more.
    pub(crate) removed: BTreeSet<Arc<str>>,
    /// Which destinations a source had under each revision, and the types they took.
    /// (several where a reload closes what goes before it is in force).
    takers: BTreeMap<(Revision, SourceId), Vec<Leads>>,
    /// What becomes of late events.
    pub(crate) late: Wanted,
}

/// A source over all revisions.
#[derive(Debug, Clone)]
pub(crate) struct SourcePolicy {
    pub(crate) name: Arc<str>,
    pub(crate) contract: Contract,
    pub(crate) on_gap: OnGap,
    pub(crate) hold_span: u64,
    /// How far ahead of its receipt an instant may be, in microseconds.
    pub(crate) max_ahead: u64,
    /// The shortest wait, in microseconds.
    pub(crate) hold_wait: u64,
    /// The longest one.
    pub(crate) longest_wait: u64,
    /// The fewest events that end a wait.
    pub(crate) hold_events: usize,
    /// The most events a key may ever hold.
    pub(crate) most_held: usize,
    /// The shortest time after which keys were forgotten, in microseconds; none if never.
    pub(crate) forget_after: Option<u64>,
    pub(crate) memory: Memory,
}

impl SourcePolicy {
    /// Where the positions of a key begin, if the source says so.
    pub(crate) fn first(&self) -> Option<u64> {
        match self.contract {
            Contract::Fifo { first: First::At(first) | First::Strictly(first) } => Some(first),
            _ => None,
        }
    }

    /// Whether a newer event takes the place of those that wait in a lane.
    pub(crate) fn coalesces(&self) -> bool {
        matches!(self.contract, Contract::Latest { coalesce: true })
    }

    /// Whether what is missing from the first position on is a gap like any other (K7).
    pub(crate) fn is_strict(&self) -> bool {
        matches!(self.contract, Contract::Fifo { first: First::Strictly(_) })
    }
}

/// A destination over all revisions.
#[derive(Debug, Clone)]
pub(crate) struct DestinationPolicy {
    pub(crate) name: Arc<str>,
    /// Where its lanes begin.
    pub(crate) start: Start,
    /// When a process first started with it.
    since: u64,
    /// As configured now: attempts that are not slow, and those that are.
    pub(crate) concurrency: usize,
    pub(crate) slow_concurrency: usize,
    /// Both together as they were before, and until when that is allowed still.
    before: (usize, u64),
    /// The fewest attempts after which it gave up; none if it never counted.
    pub(crate) attempts: Option<u32>,
    /// The shortest time after which it gave up, in microseconds.
    pub(crate) give_up_after: u64,
    /// What it did on giving up.
    pub(crate) on_give_up: Vec<OnGiveUp>,
    /// The shortest wait for an acknowledgement of its own, in microseconds; none where answers
    /// acknowledge.
    pub(crate) ack_timeout: Option<u64>,
    /// Events that one attempt carries at the most; 0 where each is sent by itself.
    pub(crate) batch: u64,
}

impl DestinationPolicy {
    /// The most attempts that may be under way.
    pub(crate) fn most_under_way(&self, now: u64) -> usize {
        let (before, until) = self.before;
        let most = self.concurrency + self.slow_concurrency;
        if now <= until { most.max(before) } else { most }
    }
}

impl Policies {
    /// Nothing is configured yet.
    pub(crate) fn remembering(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// Names may get other numbers. What took what stays: an event may have become durable although nobody was told.
    pub(crate) fn begin_anew(&mut self) {
        let takers = std::mem::take(&mut self.takers);
        *self = Self { takers, ..Self::remembering(self.memory) };
    }

    /// A process starts with these settings, or reloads them. Names keep their numbers for ever (F6).
    pub(crate) fn started(&mut self, settings: &Settings, now: u64) -> Verdict {
        self.retired.extend(&settings.retired);
        for (id, source) in &settings.sources {
            let wait = micros(source.hold_wait);
            let leads = Leads::of(settings, source);
            self.takers.entry((settings.revision, *id)).or_default().push(leads);
            self.late.started(*id, source.on_late);
            let policy = self.sources.entry(*id).or_insert_with(|| SourcePolicy {
                name: source.name.clone(),
                contract: source.contract,
                on_gap: source.on_gap,
                hold_span: source.hold_span,
                max_ahead: micros(source.max_ahead),
                hold_wait: wait,
                longest_wait: wait,
                hold_events: source.hold_events,
                most_held: 0,
                forget_after: source.forget_after.map(micros),
                memory: self.memory,
            });
            must(policy.name == source.name && policy.contract == source.contract, || {
                format!("source {} was {} and is {}", id.0, policy.name, source.name)
            })?;
            policy.hold_wait = policy.hold_wait.min(wait);
            policy.longest_wait = policy.longest_wait.max(wait);
            policy.hold_events = policy.hold_events.min(source.hold_events);
            // One more may come in the step in which waiting ends.
            let most = source.hold_events.max(settings.key_backlog) + 1;
            policy.most_held = policy.most_held.max(most);
        }
        for (id, destination) in &settings.destinations {
            let give_up_after = micros(destination.retry.give_up_after);
            let policy = self.destinations.entry(*id).or_insert_with(|| DestinationPolicy {
                name: destination.name.clone(),
                start: destination.start,
                since: now,
                concurrency: 0,
                slow_concurrency: 0,
                before: (0, 0),
                attempts: destination.retry.attempts,
                give_up_after,
                on_give_up: Vec::new(),
                ack_timeout: match destination.ack {
                    Ack::Explicit { timeout } => Some(micros(timeout)),
                    Ack::Answer => None,
                },
                batch: destination.batch.map_or(0, |most| most as u64),
            });
            // What a crash kept from being declared is declared as configured then.
            if now.saturating_sub(policy.since) < UNDECLARED {
                policy.start = destination.start;
            }
            must(policy.start == destination.start, || {
                format!("destination {} began {:?}, now {destination:?}", id.0, policy.start)
            })?;
            must(policy.name == destination.name, || {
                format!("destination {} was {} and is {}", id.0, policy.name, destination.name)
            })?;
            let both = policy.attempts.into_iter().chain(destination.retry.attempts);
            policy.attempts = both.min();
            policy.give_up_after = policy.give_up_after.min(give_up_after);
            policy.before = (policy.most_under_way(now), now + RELOAD_GRACE);
            policy.concurrency = destination.concurrency;
            policy.slow_concurrency =
                destination.slow_concurrency.unwrap_or(4 * destination.concurrency);
            policy.on_give_up.push(destination.on_give_up);
        }
        Ok(())
    }

    /// An event entered exactly the lanes whose destinations took its type under the revision it was
    /// released under. Of a start that was forgotten nothing is known.
    pub(crate) fn entered(
        &self,
        released: &Released,
        event_type: &str,
        found_none: bool,
    ) -> Verdict {
        let Some(takers) = self.takers.get(&(released.revision, released.key.source)) else {
            return Ok(());
        };
        let is_right = takers.iter().any(|leads| leads.fit(released, event_type, found_none));
        must(is_right, || format!("{event_type} enters other lanes than {takers:?}: {released:?}"))
    }

    /// The destinations of a source that take every event from the first on, and were configured ever
    /// since they came.
    pub(crate) fn takers_from_the_first(&self, source: SourceId) -> Vec<DestinationId> {
        let newest = self.takers.keys().map(|(revision, _)| *revision).max().unwrap_or_default();
        let takers = self.takers.get(&(newest, source)).and_then(|takers| takers.last());
        let takers = takers.into_iter().flat_map(|leads| leads.takers.keys()).copied();
        let stayed = |to: &DestinationId| {
            self.destinations.get(to).is_some_and(|policy| !self.removed.contains(&policy.name))
        };
        let early = takers.filter(|to| self.start_of(*to) != Some(Start::Now));
        early.filter(stayed).collect()
    }

    /// Where the lanes of a destination begin.
    pub(crate) fn start_of(&self, to: DestinationId) -> Option<Start> {
        self.destinations.get(&to).map(|policy| policy.start)
    }

    /// Whether a destination took a type whenever it was configured.
    pub(crate) fn always_takes(&self, to: DestinationId, event_type: &str) -> bool {
        let mut types = self.takers.values().flatten().filter_map(|leads| leads.types_of(to));
        types.all(|types| types.iter().any(|pattern| pattern.matches(event_type)))
    }

    /// Whether a destination took from a source whenever it was configured at all.
    pub(crate) fn always_leads(&self, source: SourceId, to: DestinationId) -> bool {
        let of = self.takers.iter().filter(|((_, of), _)| *of == source);
        let mut leads =
            of.flat_map(|(_, leads)| leads).filter(|leads| leads.types_of(to).is_some());
        leads.all(|leads| leads.takers.contains_key(&to))
    }

    /// Whether a destination ever took a type.
    pub(crate) fn may_take(&self, to: DestinationId, event_type: &str) -> bool {
        let types = self.takers.values().flatten().filter_map(|leads| leads.types_of(to));
        types.flatten().any(|pattern| pattern.matches(event_type))
    }

    /// The number of a source.
    pub(crate) fn source_number(&self, name: &str) -> Option<SourceId> {
        self.sources.iter().find(|(_, source)| *source.name == *name).map(|(id, _)| *id)
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
