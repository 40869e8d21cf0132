//! What memory knows of the waiting keys outside it: per queue the next look, the round that reads
//! it, and the page on its way. When any of it changes is `waiting`'s.

use alloc::collections::BTreeMap;

use crate::id::DestinationId;
use crate::input::PageCursor;
use crate::record::Queue;
use crate::time::ElapsedMicros;

/// The end of a round that passes everything, due or not.
pub(super) const NEVER: u64 = u64::MAX;

/// How keys came into memory and left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moves {
    /// Left with nothing to do.
    pub left_idle: u64,
    /// Left while something of them waited for its time.
    pub left_waiting: u64,
    /// Left while only an operator or an arrival could move them.
    pub left_stopped: u64,
    /// Permits that were asked for and withdrawn.
    pub withdrawn: u64,
    /// Came back because a lane was due.
    pub lanes_due: u64,
    /// Came back because a hold ended.
    pub holds_due: u64,
    /// Came because every key was visited.
    pub visited: u64,
    /// Came back because a wait for an acknowledgement ended.
    pub acknowledgements_due: u64,
    /// Turns of unordered keys that were over while what is due waited outside.
    pub turns_over: u64,
}

/// What is known of the waiting keys outside, by queue.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) lines: BTreeMap<Queue, Line>,
    /// Keys that pages on their way may bring.
    pub(super) expected: usize,
}

/// What is known of one queue.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The next look; none when nothing outside waits but what the round is about to pass.
    pub(super) next: Option<Look>,
    /// The round that reads it; none between two.
    pub(super) round: Option<Round>,
    /// The queue's time when the newest round began; 0 before the first.
    pub(super) began: u64,
    /// Keys that the page on its way may bring; none when none is.
    pub(super) asked: Option<usize>,
    /// Lanes in memory that ask for a permit, or for the events they need to.
    pub(super) seeking: usize,
}

/// When to look at a queue, and from where on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The earliest due time outside, in the queue's time.
    pub(super) from: u64,
    /// When lanes are looked at: a stored due time counts for no more than the longest delay.
    pub(super) at: ElapsedMicros,
}

/// A pass over what was due when it began.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// The first place it has not read.
    pub(super) from: PageCursor,
    /// The last due time it reads.
    pub(super) until: u64,
}

impl Outside {
    /// A new term: everything may be outside, and is looked at at once.
    pub(super) fn unread(now: ElapsedMicros, to: impl Iterator<Item = DestinationId>) -> Self {
        let unread = |queue| {
            let next = Some(Look { from: 0, at: now });
            (queue, Line { next, ..Line::default() })
        };
        let queues =
            [Queue::Holds, Queue::Acknowledgements].into_iter().chain(to.map(Queue::Lanes));
        Self { lines: queues.map(unread).collect(), expected: 0 }
    }

    /// A destination is configured, perhaps again: what waits for it outside is looked at at once.
    pub(super) fn look_at_lanes(&mut self, now: ElapsedMicros, to: DestinationId) {
        let line = self.lines.entry(Queue::Lanes(to)).or_default();
        line.note(Look { from: 0, at: now });
    }

    /// Waits that were to last for ever may end: all of them are looked at.
    pub(super) fn look_at_holds(&mut self, now: ElapsedMicros) {
        let line = self.lines.entry(Queue::Holds).or_default();
        line.note(Look { from: 0, at: now });
    }

    /// Every key is to be looked at, from the first on.
    pub(super) fn look_at_keys(&mut self, now: ElapsedMicros) {
        let line = self.lines.entry(Queue::Keys).or_default();
        line.round = None;
        line.next = Some(Look { from: 0, at: now });
    }

    /// Keys are not looked at any more, but for a page on its way.
    pub(super) fn look_at_no_keys(&mut self) {
        if let Some(line) = self.lines.get_mut(&Queue::Keys) {
            (line.round, line.next) = (None, None);
        }
    }

    /// Whether waits may be outside for which open time counts.
    pub(super) fn waits_by_open_time(&self) -> bool {
        let is_open = |queue| self.lines.get(queue).is_some_and(Line::is_open);
        [Queue::Holds, Queue::Acknowledgements].iter().any(is_open)
    }

    /// Whether nothing outside waits for its time.
    pub(super) fn is_empty(&self) -> bool {
        !self.lines.values().any(Line::is_open)
    }

    /// Lanes to a destination that are in memory and on their way to a permit.
    pub(super) fn seeking(&self, to: DestinationId) -> usize {
        self.lines.get(&Queue::Lanes(to)).map_or(0, |line| line.seeking)
    }
}

impl Line {
    /// Whether anything outside may wait in the queue.
    pub(super) fn is_open(&self) -> bool {
        self.next.is_some() || self.round.is_some() || self.asked.is_some()
    }

    /// Something outside is due at `from` and to be looked at at `at`.
    pub(super) fn note(&mut self, look: Look) {
        let known = self.next.unwrap_or(look);
        self.next = Some(Look { from: known.from.min(look.from), at: known.at.min(look.at) });
    }
}
