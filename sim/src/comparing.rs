//! Authorities that say which position a resource has: what their provider ever said of it, what was lost besides. They
//! answer late, lag behind, claim what never was, have no such resource, fail, or say that they are asked too often.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::fact::{Fact, RefillOutcome};
use sprag_core::id::{Key, PartitionId};
use sprag_core::input::Compared;
use sprag_core::output::Compare;
use sprag_core::position::Position;
use sprag_core::rate::Rate;
use sprag_core::record::KeyRecord;
use sprag_core::settings::{Contract, ReconcileSettings, Then};

use crate::dice::{Dice, Seed};
use crate::happening::Happening;
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::setting::Setting;
use crate::theirs::worded;
use crate::workload::Workload;
use crate::world::{CLOCK, Phase, World};

/// The stream of chance that decides which sources are compared, and what they answer.
const COMPARE_DICE: u64 = 94;
/// How long it takes at the most until a key is compared beyond what its settings say, once nothing fails.
const SURELY_COMPARED: Instant = 25 * SECOND;
/// For so long keys may move still once nothing fails: what is at rest from then on is judged.
const CALM: Instant = 15 * SECOND;
/// With fewer keys in memory, an answer may find no room: then its key is not compared in that pass.
pub(crate) const FEW_KEYS: usize = 40;

/// Everything that authorities know and do.
#[derive(Debug)]
pub(crate) struct Comparisons {
    pub(crate) dice: Dice,
    /// What is said of a resource, by when: numbers, ascending by time.
    told: BTreeMap<usize, Vec<(Instant, Position)>>,
    /// Where it is not what was told: of a resource a scenario says it; none where there is none.
    fixed: BTreeMap<usize, Option<Position>>,
    under_way: BTreeMap<u64, (PartitionId, usize, Compared)>,
    asked: u64,
    /// Sources that said in this life of the process that they are asked too often.
    throttling: BTreeSet<usize>,
}

/// Some sources are compared, in half of all worlds. Gives what decides on.
pub(crate) fn draw(seed: &Seed, setting: &mut Setting) -> Dice {
    let mut dice = Dice::new(seed, COMPARE_DICE);
    if !dice.chance(500) {
        return dice;
    }
    for source in &mut setting.plan.sources {
        let settings = &mut source.settings;
        let refills = settings.refill.is_some() && dice.chance(500);
        let counts = matches!(settings.contract, Contract::Fifo { .. });
        let brings = !counts && dice.chance(500);
        let reconcile = ReconcileSettings {
            every: Duration::from_millis(dice.between(500, 4_000)),
            grace: Duration::from_millis(dice.between(100, 2_000)),
            sample: dice.pick(&[300, 1_000, 1_000]),
            rate: Rate { count: 50, period: Duration::from_secs(1) },
            then: match (refills, brings) {
                (true, _) => Then::Refill,
                (_, true) => Then::Event,
                _ => Then::Note,
            },
        };
        let has_newest = matches!(
            settings.contract,
            Contract::Fifo { .. } | Contract::Latest { .. } | Contract::Settle
        );
        settings.reconcile = Some(reconcile).filter(|_| has_newest && dice.chance(750));
    }
    dice
}

impl Comparisons {
    /// What they know: what is told, also where it never comes. Whoever counts anew has no such resource.
    pub(crate) fn of(dice: Dice, workload: &Workload) -> Self {
        let anew = workload.posts.iter().filter(|post| post.twist == Some("counts anew"));
        let anew: BTreeSet<usize> = anew.map(|post| post.resource).collect();
        let mut told: BTreeMap<usize, Vec<(Instant, Position)>> = BTreeMap::new();
        for post in workload.posts.iter().chain(&workload.dropped) {
            let usual = matches!(post.twist, None | Some("shuffled" | "delayed" | "dropped"));
            let is_whole = usual && post.accepted && !post.is_unreadable;
            if is_whole && post.position.number().is_some() && !anew.contains(&post.resource) {
                told.entry(post.resource).or_default().push((post.at, post.position.clone()));
            }
        }
        told.values_mut().for_each(|told| told.sort_by_key(|(at, _)| *at));
        let (under_way, throttling) = (BTreeMap::new(), BTreeSet::new());
        Self { dice, told, fixed: BTreeMap::new(), under_way, asked: 0, throttling }
    }

    /// The process is gone: nobody waits for an answer any more.
    pub(crate) fn disconnected(&mut self) {
        self.under_way.clear();
        self.throttling.clear();
    }

    /// Of these resources they have what a scenario says.
    pub(crate) fn says(&mut self, fixed: &BTreeMap<usize, Option<Position>>) {
        self.fixed = fixed.clone();
    }

    /// The newest position that was told by then.
    fn newest(&self, resource: usize, by: Instant) -> Option<Position> {
        if let Some(fixed) = self.fixed.get(&resource) {
            return fixed.clone();
        }
        let told = self.told.get(&resource)?.iter().take_while(|(at, _)| *at <= by);
        told.map(|(_, position)| position.clone()).max_by_key(Position::number)
    }

    /// What is answered, when, and under which name.
    fn answer(
        &mut self,
        resource: usize,
        compare: Compare,
        (now, faults): (Instant, bool),
    ) -> (Compared, Instant, &'static str) {
        let theirs = self.newest(resource, now);
        let Compare { id, key, quiet } = compare;
        let (outcome, retry_after, body) = (RefillOutcome::Whole, None, None);
        let mut compared = Compared { id, key, quiet, outcome, theirs, body, retry_after };
        let mut after = self.dice.between(MILLISECOND, 60 * MILLISECOND);
        let roll = if faults { self.dice.below(100) } else { 0 };
        let fails = |compared: &mut Compared, outcome| {
            (compared.outcome, compared.theirs) = (outcome, None);
        };
        let name = match roll {
            _ if compared.theirs.is_none() => {
                fails(&mut compared, RefillOutcome::Answered { status: 404 });
                "has no such resource"
            }
            0..50 => "says",
            50..62 => {
                after = self.dice.between(SECOND, 9 * SECOND);
                "says late"
            }
            62..70 => {
                let by = now.saturating_sub(self.dice.between(SECOND, 20 * SECOND));
                compared.theirs = self.newest(resource, by).or(compared.theirs);
                "lags"
            }
            70..76 => {
                let ahead = self.dice.between(1, 5);
                compared.theirs = compared.theirs.map(|position| beyond(&position, ahead));
                "claims what never was"
            }
            76..82 => {
                fails(&mut compared, RefillOutcome::Unreachable);
                "unreachable"
            }
            82..88 => {
                fails(&mut compared, RefillOutcome::Answered { status: 503 });
                "fails"
            }
            88..94 => {
                fails(&mut compared, RefillOutcome::Answered { status: 429 });
                let says = self.dice.chance(500);
                compared.retry_after = says.then(|| Duration::from_secs(self.dice.between(1, 4)));
                "throttles"
            }
            _ => {
                fails(&mut compared, RefillOutcome::Unreadable);
                "says nothing of use"
            }
        };
        (compared, after, name)
    }
}

/// A position so far beyond another.
fn beyond(position: &Position, by: u64) -> Position {
    match *position {
        Position::Timestamp(number) => Position::Timestamp(number + by),
        Position::Sequence(number) => Position::Sequence(number + by),
        Position::Version(number) => Position::Version(number + by),
        ref other => other.clone(),
    }
}

impl World {
    /// A source is asked what it has of a key.
    pub(crate) fn compare(&mut self, partition: PartitionId, compare: Compare) {
        let Some(resource) = self.numbers.get(&compare.key).copied() else {
            return self.judge("reconcile", Err(format!("{compare:?} of no resource")));
        };
        let settings = self.process.as_ref().and_then(|process| process.settings.clone());
        let source = settings.as_ref().and_then(|known| known.sources.get(&compare.key.source));
        let Some(reconcile) = source.and_then(|source| source.reconcile) else {
            let what = format!("{compare:?} of a source that is not compared");
            return self.judge("reconcile", Err(what));
        };
        let verdict = self.watching.said.asked(self.now, compare.key.source, reconcile.rate);
        self.judge("reconcile", verdict);
        let key = compare.key.clone();
        let faults = self.phase == Phase::Safety;
        let (mut compared, after, name) =
            self.comparisons.answer(resource, compare, (self.now, faults));
        if let Some(theirs) = compared.theirs.as_ref().filter(|_| reconcile.then == Then::Event) {
            compared.body = Some(worded(&mut self.comparisons.dice, resource, theirs));
        }
        if compared.outcome.is_throttled() {
            self.comparisons.throttling.insert(self.resources[resource].source);
        }
        self.counts.hit("compare", "asked");
        self.counts.hit("compare", name);
        self.trace.note(self.now, '?', &[resource as u64], || {
            format!("what of {} resource {resource}: {name} {:?}", key.name, compared.theirs)
        });
        self.comparisons.asked += 1;
        let number = self.comparisons.asked;
        self.comparisons.under_way.insert(number, (partition, resource, compared));
        self.schedule.plan(self.now + after, Happening::Compared(self.life, number));
    }

    /// A source says what it has.
    pub(crate) fn compared(&mut self, life: u64, number: u64) {
        if self.alive(life).is_none() {
            return;
        }
        let Some((partition, resource, compared)) = self.comparisons.under_way.remove(&number)
        else {
            return;
        };
        self.watching.said.ended(compared.key.source);
        if let Some(theirs) = compared.theirs.as_ref().and_then(Position::number) {
            self.watching.said.said(resource, theirs);
            let sources = self.compared_sources();
            let asks = |(id, reconcile): &(_, ReconcileSettings)| {
                *id == compared.key.source && reconcile.then == Then::Refill
            };
            if sources.iter().any(asks) {
                self.watching.refilled.may_follow_once_more(&compared.key);
            }
        }
        self.tell_compared(resource, &compared);
        self.may_bring(partition, resource, &compared);
        let now = self.clock();
        if let Some(process) = &mut self.process {
            process.node.compared(now, partition, Box::new(compared));
        }
        self.turn();
    }

    /// Whether all keys had the time to be compared since nothing fails any more.
    pub(crate) fn comparisons_had_time(&self) -> bool {
        let sources = self.compared_sources();
        sources.iter().all(|(_, settings)| self.had_time(patience(*settings) + CALM))
    }

    fn had_time(&self, patience: Instant) -> bool {
        let Some(process) = &self.process else { return false };
        let since = self.phase_began.max(process.started + process.away);
        self.now >= since + patience
    }

    pub(crate) fn compared_sources(&self) -> Vec<(sprag_core::id::SourceId, ReconcileSettings)> {
        let settings = self.process.as_ref().and_then(|process| process.settings.as_ref());
        let sources = settings.into_iter().flat_map(|settings| &settings.sources);
        sources.filter_map(|(id, source)| Some((*id, source.reconcile?))).collect()
    }

    /// A key that was behind and quiet for long enough has the fact that says so.
    pub(crate) fn judge_compared(&mut self) {
        let different = self.surely_different();
        if different.is_empty() {
            return;
        }
        self.counts.add("compare", "a difference is due", different.len() as u64);
        let frames = match self.read_history(&self.disk.fork(self.seed.number())) {
            Ok(frames) => frames,
            Err(what) => return self.judge("log", Err(what)),
        };
        // It may have been said so long ago that it was deleted.
        let deleted = self.archive.values().flatten();
        let facts = frames.values().flatten().chain(deleted).flat_map(|frame| &frame.facts);
        let said: BTreeSet<_> = facts
            .filter_map(|fact| match fact {
                Fact::Reconciled(fact) => {
                    Some((fact.key.clone(), fact.ours.number()?, fact.theirs.number()?))
                }
                _ => None,
            })
            .collect();
        if let Some(unsaid) = different.iter().find(|difference| !said.contains(*difference)) {
            let (key, ours, theirs) = unsaid;
            let what = format!("{key:?} stands at {ours} for long, its source at {theirs}");
            self.judge("reconcile", Err(format!("{what}, and history says nothing of it")));
        }
        let unbrought = different.iter().find(|difference| !self.is_brought_if_wanted(difference));
        if let Some((key, ours, theirs)) = unbrought {
            let what = format!("{key:?} stands at {ours} for long, its source at {theirs}");
            self.judge("reconcile", Err(format!("{what}, and nobody brings it in")));
        }
    }

    /// What its source has of a key comes in each time it is found to be newer, where that is wanted.
    fn is_brought_if_wanted(&self, (key, ours, theirs): &(Key, u64, u64)) -> bool {
        let sources = self.compared_sources();
        let settings =
            sources.iter().find(|(id, _)| *id == key.source).map(|(_, settings)| *settings);
        let wants = |settings: &ReconcileSettings| settings.then == Then::Event && theirs > ours;
        let Some(settings) = settings.filter(wants) else { return true };
        let last =
            self.numbers.get(key).and_then(|resource| self.arrivals.last(*resource, *theirs));
        last.is_some_and(|last| last >= self.now.saturating_sub(patience(settings)))
    }

    /// Keys that are at rest for long, and are not as their source has them all the while.
    fn surely_different(&self) -> Vec<(Key, u64, u64)> {
        let Some(process) = &self.process else { return Vec::new() };
        let sources: BTreeMap<_, _> = self.compared_sources().into_iter().collect();
        if self.setting.plan.hot_keys < FEW_KEYS || self.skew != 0 {
            return Vec::new();
        }
        let live = self.live_records(process).into_values().flatten();
        let different = live.filter_map(|(key, record)| {
            let settings =
                sources.get(&key.source).filter(|settings| self.had_time(patience(**settings)))?;
            let resource = self.numbers.get(&key).copied()?;
            let source = self.resources[resource].source;
            let is_sure = settings.sample == 1_000 && settings.then != Then::Refill;
            let is_sure = is_sure && !self.comparisons.throttling.contains(&source);
            let since = self.now.saturating_sub(patience(*settings));
            let at_rest = is_sure && record.is_idle() && is_quiet_since(&record, since);
            let ours = record.order.newest().filter(|_| at_rest)?;
            let theirs = self.comparisons.newest(resource, since)?.number()?;
            let now = self.comparisons.newest(resource, self.now)?.number()?;
            (ours != theirs && now == theirs).then_some((key, ours, theirs))
        });
        different.collect()
    }
}

fn is_quiet_since(record: &KeyRecord, since: Instant) -> bool {
    record.active.0 < CLOCK + since
}

/// After how long every key is compared that nothing keeps from it.
fn patience(settings: ReconcileSettings) -> Instant {
    let most = settings.grace + 2 * settings.every;
    Instant::try_from(most.as_micros()).unwrap_or(Instant::MAX).saturating_add(SURELY_COMPARED)
}
