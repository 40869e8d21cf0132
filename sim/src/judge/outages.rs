//! The judge of outages: how a destination that is down, throttles or is gone is treated (rules L2,
//! L3). Sees only the wire.
//!
//! A destination is *surely down* once so many distinct resources failed, one after another and all
//! sent well after the last answer, that no reading of the rule leaves its breaker closed; until
//! anything is answered. From then on it gets probes only, and no failure counts. Probes are of three kinds
//! of lanes, each ever more rarely and one at a time; of which kind one is, the wire does not say.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Attempted, Outcome};
use sprag_core::id::DestinationId;

use super::{Verdict, must};
use crate::schedule::{Instant, SECOND};

/// Attempts leave up to this much after they were decided: their event is read first. Behind a start all lanes read
/// at once (seed 1706: a dozen first attempts came within six seconds of it).
const GRACE: Instant = 4 * SECOND;
/// Failures that together make an outage lie within this; the rule says 10 s.
const WINDOW: Instant = 8 * SECOND;
/// Answers of 410 by three resources within this pause a destination.
const GONE_WINDOW: Instant = 60 * SECOND;
/// The longest wait between two probes.
const PROBE_MOST: Instant = 60 * SECOND;

/// Kinds of probes.
const KINDS: usize = 3;

/// Probes of one kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Clock {
    /// When the one arrived that is under way.
    under_way: Option<Instant>,
    /// When the next may arrive, and how long it waited for that.
    next: Option<(Instant, Instant)>,
}

/// What is known of a destination in this process.
#[derive(Debug, Default)]
struct Destination {
    /// When the newest attempt arrived that was answered.
    answered: Option<Instant>,
    /// Resources that failed since, with when.
    failed: BTreeMap<usize, Instant>,
    down_since: Option<Instant>,
    /// One for each kind of probes: each way to read what was seen, for of which kind a probe is, the wire
    /// does not say. None where nothing was seen yet.
    readings: BTreeSet<[Clock; KINDS]>,
    under_way: usize,
    /// Resources that were answered 410, with when.
    gone: BTreeMap<usize, Instant>,
    /// Since when nothing may be sent but what was decided before.
    gone_since: Option<Instant>,
    /// From when until when nothing may arrive, as it asked.
    rests: Option<(Instant, Instant)>,
}

/// How an attempt ended on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) to: DestinationId,
    pub(crate) resource: usize,
    pub(crate) sequence: u64,
    /// The last of a range.
    pub(crate) last: u64,
    /// When it arrived.
    pub(crate) since: Instant,
    pub(crate) now: Instant,
    pub(crate) outcome: Outcome,
    pub(crate) retry_after: Option<std::time::Duration>,
    /// How many events of a range it says it has processed.
    pub(crate) acknowledged: Option<u64>,
    /// Whether the server broke it off.
    pub(crate) aborted: bool,
}

/// The judge.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    destinations: BTreeMap<DestinationId, Destination>,
    /// Distinct resources that make an outage sure.
    keys: usize,
    /// Failures of an event in a lane that may count towards giving up.
    countable: BTreeMap<(DestinationId, usize, u64), u32>,
    /// Resources that were answered 410 lately, in whichever process.
    said: BTreeMap<DestinationId, BTreeMap<usize, Instant>>,
    /// Destinations that three resources ever called gone.
    pub(crate) gone: BTreeSet<DestinationId>,
    pub(crate) probes: u64,
    pub(crate) outages: u64,
    /// Attempts failed that never left, for their event could not be read.
    pub(crate) reads_fail: bool,
}

impl Outages {
    pub(crate) fn of(resources: usize) -> Self {
        Self { keys: (resources / 10).clamp(3, 20), ..Self::default() }
    }

    /// An attempt arrives.
    pub(crate) fn arrived(&mut self, now: Instant, to: DestinationId) -> Verdict {
        let known = self.destinations.entry(to).or_default();
        known.under_way += 1;
        let name = |what: &str| format!("destination {}: {what}", to.0);
        if let Some(since) = known.gone_since {
            must(now <= since + GRACE, || name("attempted although it said that it is gone"))?;
        }
        must(known.rests.is_none_or(|(from, until)| now <= from || now >= until), || {
            name("attempted although it asked for a rest")
        })?;
        let Some(since) = known.down_since.filter(|since| now > *since + GRACE) else {
            return Ok(());
        };
        self.probes += 1;
        let is_early = since + GRACE + 4 * SECOND > now;
        must(known.under_way <= KINDS || is_early, || {
            name("more probes at a time than there are kinds")
        })?;
        let readings = known.probed(now);
        if readings.is_empty() {
            return must(is_early, || name("probed too soon"));
        }
        known.readings = readings;
        Ok(())
    }

    /// An attempt ended.
    pub(crate) fn ended(&mut self, ending: &Ending) {
        let Ending { to, resource, sequence, now, .. } = *ending;
        let known = self.destinations.entry(to).or_default();
        known.under_way = known.under_way.saturating_sub(1);
        if ending.aborted {
            known.readings.clear();
            return;
        }
        let failed = match ending.outcome {
            Outcome::Answered { status } => status >= 500,
            _ => true,
        };
        // What is accepted may not be acknowledged in time.
        let failed_now = !ending.outcome.is_acknowledged() && !ending.outcome.is_throttled();
        let counts = failed_now && known.down_since.is_none();
        // A 2xx that acknowledges nothing of a range has failed.
        let nothing = ending.acknowledged == Some(0);
        if counts || nothing || ending.outcome.is_accepted() {
            for sequence in sequence..=ending.last {
                *self.countable.entry((to, resource, sequence)).or_default() += 1;
            }
        }
        if !failed {
            known.answered(ending);
            if ending.outcome.is_gone() {
                self.said(to, resource, now);
            }
            return;
        }
        if known.failed(ending, self.keys) {
            self.outages += 1;
        }
    }

    /// A resource was answered 410, whatever an operator did meanwhile.
    fn said(&mut self, to: DestinationId, resource: usize, now: Instant) {
        let said = self.said.entry(to).or_default();
        said.retain(|_, at| now <= *at + GONE_WINDOW + SECOND);
        said.insert(resource, now);
        if said.len() >= 3 {
            self.gone.insert(to);
        }
    }

    /// Whether no more failures count than may: so no lane is given up for an outage.
    pub(crate) fn counts(&self, resource: usize, fact: &Attempted) -> Verdict {
        let Some(toll) = fact.toll.filter(|_| !fact.out_of_order && !self.reads_fail) else {
            return Ok(());
        };
        let name = (fact.destination, resource, fact.sequence.0);
        let most = self.countable.get(&name).copied().unwrap_or(0);
        must(toll.failures <= most || fact.outcome == Outcome::Unreadable, || {
            format!("{} failures of {} count, {most} may", toll.failures, fact.sequence.0)
        })
    }

    /// An operator let a destination go on, perhaps.
    pub(crate) fn resumed(&mut self, to: DestinationId) {
        if let Some(known) = self.destinations.get_mut(&to) {
            known.gone_since = None;
            known.gone.clear();
        }
    }

    /// The machine was suspended: what arrives after that may have been decided long before.
    pub(crate) fn thawed(&mut self, now: Instant) {
        for known in self.destinations.values_mut() {
            known.answered = known.answered.max(Some(now));
            known.down_since = None;
            known.readings.clear();
            known.failed.clear();
        }
    }

    /// The process ended: breakers are closed when the next one starts.
    pub(crate) fn disconnected(&mut self) {
        self.destinations.clear();
    }
}

impl Destination {
    /// How all can be read when another probe came: it was of any kind that was due.
    fn probed(&self, now: Instant) -> BTreeSet<[Clock; KINDS]> {
        let none = BTreeSet::from([[Clock::default(); KINDS]]);
        let readings = if self.readings.is_empty() { &none } else { &self.readings };
        let is_due = |clock: &Clock| {
            clock.under_way.is_none() && clock.next.is_none_or(|(from, _)| now >= from)
        };
        let of = |reading: &[Clock; KINDS], kind: usize| {
            let mut reading = *reading;
            reading[kind].under_way = Some(now);
            reading.sort_unstable();
            reading
        };
        let kinds = |reading| (0..KINDS).map(move |kind| (reading, kind));
        let due = readings.iter().flat_map(kinds).filter(|(reading, kind)| is_due(&reading[*kind]));
        due.map(|(reading, kind)| of(reading, kind)).collect()
    }

    fn answered(&mut self, ending: &Ending) {
        self.answered = self.answered.max(Some(ending.since));
        self.failed.clear();
        self.down_since = None;
        self.readings.clear();
        if ending.outcome.is_throttled()
            && let Some(after) = ending.retry_after
        {
            let after = Instant::try_from(after.as_micros()).unwrap_or(0).min(60 * SECOND);
            // What was decided before it asked may still be on its way.
            let (from, until) = (ending.now + GRACE, ending.now + after);
            let going_on = self.rests.filter(|(_, until)| *until >= ending.now);
            self.rests =
                Some(going_on.map_or((from, until), |(from, known)| (from, known.max(until))));
        }
        if ending.outcome.is_gone() {
            self.gone.retain(|_, at| ending.now <= *at + GONE_WINDOW - SECOND);
            self.gone.insert(ending.resource, ending.now);
            if self.gone.len() >= 3 {
                self.gone_since = self.gone_since.or(Some(ending.now));
            }
        }
    }

    /// Says whether an outage began with this failure.
    fn failed(&mut self, ending: &Ending, keys: usize) -> bool {
        let Ending { resource, since, now, .. } = *ending;
        let ended = |mut reading: [Clock; KINDS]| {
            if let Some(clock) = reading.iter_mut().find(|clock| clock.under_way == Some(since)) {
                // The first that is seen need not have been the first.
                let wait = clock.next.map_or(2 * SECOND, |(_, wait)| (wait * 2).min(PROBE_MOST));
                *clock = Clock { under_way: None, next: Some((now + wait, wait)) };
            }
            reading.sort_unstable();
            reading
        };
        self.readings = std::mem::take(&mut self.readings).into_iter().map(ended).collect();
        if self.answered.is_some_and(|answered| since <= answered + GRACE) {
            return false;
        }
        self.failed.insert(resource, now);
        self.failed.retain(|_, at| now <= *at + WINDOW);
        let begins = self.down_since.is_none() && self.failed.len() >= keys;
        if begins {
            self.down_since = Some(now);
        }
        begins
    }
}
