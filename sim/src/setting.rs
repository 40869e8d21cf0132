//! What a seed configures: sources of every contract, destinations of every policy, tight limits.
//!
//! Between processes an operator may change what rule K8 lets them change; names stay.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::id::Revision;
use sprag_core::pattern::Pattern;
use sprag_core::plan::{Plan, PlannedDestination, PlannedSource};
use sprag_core::rate::Rate;
use sprag_core::settings::{
    Ack, Contract, DestinationSettings, First, OnGap, OnGiveUp, OnLate, RetentionSettings, Retry,
    SourceSettings, Start,
};

use crate::acker;
use crate::batches;
use crate::causal;
use crate::dice::{Dice, Seed};
use crate::late;
use crate::latest::{self, Counted};
use crate::links;
use crate::merge;
use crate::settle;
use crate::states;
use crate::unordered;
use crate::world::CLOCK;
use sprag_core::time::UnixMicros;

/// How long an id is remembered where facts stay; no simulation lasts that long.
const DEDUPE: Duration = Duration::from_secs(7 * 86_400);

/// The shortest time facts are kept.
const FACTS_LEAST: Duration = Duration::from_secs(30);

/// With bodies that are kept longer, keys are idle for too short.
const FORGETS_FROM: Duration = Duration::from_millis(4_000);

/// Keys kept in memory, all partitions for themselves: far fewer than wait, or more than there are.
const HOT_KEYS: [usize; 5] = [1, 3, 8, 40, 10_000];

/// How far ahead of the highest known position one may be.
pub(crate) const HOLD_SPAN: u64 = 200;

/// A configuration and the ones it may become.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) plan: Plan,
    pub(crate) partitions: u16,
    /// The sources of contract `latest`, and what they count by.
    pub(crate) latest: Vec<(Arc<str>, Counted)>,
    /// Decides which types destinations take, and where they begin.
    types_dice: Dice,
    /// Decides who is retired.
    retire_dice: Dice,
    /// Decides what becomes of late events, once it has begun to.
    late_dice: Option<Dice>,
    /// Decides who wants late events in their place, in seeds in which somebody may.
    compensation_dice: Option<Dice>,
    /// The destinations that were ever configured no more: between, events pass them by.
    pub(crate) removed: BTreeSet<Arc<str>>,
    /// A destination that is configured no more.
    gone: Option<PlannedDestination>,
    /// A destination that a later revision adds.
    spare: Option<PlannedDestination>,
}

impl Setting {
    pub(crate) fn draw(
        dice: &mut Dice,
        latest_dice: &mut Dice,
        mut types_dice: Dice,
        retire_dice: Dice,
        [settle_dice, merge_dice, causal_dice, states_dice, links_dice]: [&mut Dice; 5],
        (ack_dice, batch_dice, unordered_dice): (&mut Dice, &mut Dice, &mut Dice),
    ) -> Self {
        let mut sources = draw_sources(dice);
        let mut latest = latest::draw_sources(latest_dice, &mut sources);
        latest.extend(settle::draw_source(settle_dice, &mut sources));
        latest.extend(merge::draw_source(merge_dice, &mut sources));
        latest.extend(states::draw_source(states_dice, &mut sources));
        latest.extend(causal::draw_source(causal_dice, &mut sources));
        latest.extend(links::draw_source(links_dice, &mut sources));
        let names: Vec<Arc<str>> =
            sources.iter().map(|source| source.settings.name.clone()).collect();
        let count = dice.between(1, 3);
        let mut destinations: Vec<_> =
            (0..count).map(|number| draw_destination(dice, number, &names)).collect();
        let mut spare = draw_destination(dice, count, &names);
        spare.settings.types = draw_types(&mut types_dice);
        spare.settings.start = draw_start(&mut types_dice);
        for destination in &mut destinations {
            destination.settings.types = draw_types(&mut types_dice);
            destination.settings.start = draw_start(&mut types_dice);
        }
        let all: &mut [_] = &mut destinations.iter_mut().chain([&mut spare]).collect::<Vec<_>>();
        acker::draw(ack_dice, all);
        batches::draw(batch_dice, all);
        if let Some(first) = destinations.first_mut() {
            first.from.clone_from(&names);
        }
        let all: &mut [_] = &mut destinations.iter_mut().chain([&mut spare]).collect::<Vec<_>>();
        unordered::draw(unordered_dice, &mut sources, all);
        let plan = Plan {
            revision: Revision(1),
            sources,
            destinations,
            retired: Vec::new(),
            hot_keys: dice.pick(&HOT_KEYS),
            key_backlog: dice.pick(&[6, 15, 200]),
            dedupe_ids: dice.pick(&[8, 60, 100_000]),
            partition_rate: draw_rate(dice, 80, 20),
            forgotten: usize::MAX,
            destination_backlog: None,
            retention: RetentionSettings::default(),
            restore: None,
        };
        let spare = dice.chance(750).then_some(spare);
        Self {
            plan,
            partitions: dice.pick(&[1, 2, 3, 5]),
            latest,
            types_dice,
            retire_dice,
            late_dice: None,
            compensation_dice: None,
            removed: BTreeSet::new(),
            gone: None,
            spare,
        }
    }

    /// One that stays as it is.
    pub(crate) fn fixed(plan: Plan) -> Self {
        let never = || Dice::new(&Seed::new(0, &[]), 0);
        Self {
            plan,
            partitions: 1,
            latest: Vec::new(),
            types_dice: never(),
            retire_dice: never(),
            late_dice: None,
            compensation_dice: None,
            removed: BTreeSet::new(),
            gone: None,
            spare: None,
        }
    }

    /// What becomes of late events in this seed.
    pub(crate) fn draw_late(&mut self, mut dice: Dice) {
        let names = self.names();
        late::draw(&mut dice, &mut self.plan.sources, &names);
        self.late_dice = Some(dice);
    }

    /// Whether anybody may want, or have wanted, late events in their place.
    pub(crate) fn undoes(&self) -> bool {
        self.compensation_dice.is_some()
    }

    /// Who wants late events in their place in this seed.
    pub(crate) fn draw_compensation(&mut self, mut dice: Dice) {
        let wanted = late::draw_compensation(&mut dice, &mut self.plan.sources);
        self.compensation_dice = wanted.then_some(dice);
    }

    /// Every destination that there ever may be.
    fn names(&self) -> Vec<Arc<str>> {
        let all = self.plan.destinations.iter().chain(&self.spare);
        let mut names: Vec<_> = all.map(|to| to.settings.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// How much may wait for a destination in this seed: seldom so little that it is reached.
    pub(crate) fn draw_backlog(&mut self, dice: &mut Dice) {
        self.plan.destination_backlog =
            dice.chance(120).then(|| dice.pick(&[1_500, 6_000, 30_000]));
    }

    /// How long history is kept in this seed: in most so shortly that it goes while things happen.
    /// Says whether facts do.
    pub(crate) fn draw_retention(&mut self, dice: &mut Dice) -> bool {
        let retention = &mut self.plan.retention;
        if !dice.chance(600) {
            return false;
        }
        retention.bodies = Duration::from_millis(dice.pick(&[1_500, 4_000, 12_000]));
        let goes = dice.chance(500);
        if goes {
            retention.facts = FACTS_LEAST + Duration::from_secs(dice.between(0, 15));
            // An id can be recognised as long as its fact is there.
            let dedupe = Duration::from_secs(dice.between(5, 30));
            for source in &mut self.plan.sources {
                (source.settings.dedupe, source.settings.facts) = (dedupe, retention.facts);
            }
        }
        goes
    }

    /// In many of the seeds that keep bodies shortly, idle keys are forgotten; never before bodies go. Says
    /// whether they are.
    pub(crate) fn draw_forgetting(&mut self, dice: &mut Dice, tombstones: &mut Dice) -> bool {
        let bodies = self.plan.retention.bodies;
        if bodies > FORGETS_FROM || !dice.chance(600) {
            return false;
        }
        for source in &mut self.plan.sources {
            let later = Duration::from_millis(dice.between(0, 2_000));
            source.settings.forget_after = dice.chance(800).then_some(bodies + later);
        }
        self.plan.forgotten = tombstones.pick(&[0, 1, 3, usize::MAX, usize::MAX]);
        true
    }

    /// The names of the destinations.
    pub(crate) fn destination_names(&self) -> Vec<String> {
        let destinations = self.plan.destinations.iter();
        destinations.map(|destination| destination.settings.name.to_string()).collect()
    }

    /// What a source of contract `latest` counts by.
    pub(crate) fn counted(&self, name: &str) -> Option<Counted> {
        self.latest.iter().find(|(latest, _)| **latest == *name).map(|(_, counted)| *counted)
    }

    /// What an operator changes between two processes.
    pub(crate) fn revise(&mut self, dice: &mut Dice) {
        self.plan.revision = Revision(self.plan.revision.0 + 1);
        for source in &mut self.plan.sources {
            source.settings.hold_wait = draw_wait(dice);
            source.settings.hold_events = draw_hold_events(dice);
        }
        for destination in &mut self.plan.destinations {
            let name = destination.settings.name.clone();
            let DestinationSettings { ack, batch, start, .. } = destination.settings;
            let drawn = draw_delivery(dice, name);
            destination.settings = DestinationSettings { ack, batch, start, ..drawn };
            destination.settings.types = draw_types(&mut self.types_dice);
        }
        if let Some(late_dice) = &mut self.late_dice {
            let names: Vec<_> =
                self.plan.destinations.iter().map(|to| to.settings.name.clone()).collect();
            late::revise(late_dice, &mut self.plan.sources, &names);
        }
        if let Some(dice) = &mut self.compensation_dice {
            late::revise_compensation(dice, &mut self.plan.sources);
        }
        if let Some(added) = self.spare.take_if(|_| dice.chance(700)) {
            // Names written in another order must not change which number a name has (F6).
            self.plan.destinations.insert(0, added);
            self.plan.sources.reverse();
        }
        self.plan.hot_keys = dice.pick(&HOT_KEYS);
        self.plan.dedupe_ids = dice.pick(&[8, 60, 100_000]);
        self.retire();
    }

    /// Seldom a destination is retired, or only removed; a name that was retired may come again.
    fn retire(&mut self) {
        let dice = &mut self.retire_dice;
        if let Some(mut again) = self.gone.take_if(|_| dice.chance(500)) {
            self.plan.retired.retain(|name| *name != again.settings.name);
            again.settings.start = draw_start(dice);
            self.plan.destinations.push(again);
            return;
        }
        if self.gone.is_some() || self.plan.destinations.len() < 2 || !dice.chance(400) {
            return;
        }
        let at = dice.index(self.plan.destinations.len());
        let gone = self.plan.destinations.remove(at);
        self.removed.insert(gone.settings.name.clone());
        if dice.chance(600) {
            self.plan.retired.push(gone.settings.name.clone());
        }
        self.gone = Some(gone);
    }

    /// A destination was removed too early: it is retired.
    pub(crate) fn retire_instead(&mut self, name: &Arc<str>) {
        self.plan.retired.push(name.clone());
    }
}

fn draw_sources(dice: &mut Dice) -> Vec<PlannedSource> {
    let first = dice.pick(&[1, 1, 100]);
    let kinds = [
        ("skip", Contract::Fifo { first: First::At(first) }, OnGap::Skip),
        ("halt", Contract::Fifo { first: First::At(1) }, OnGap::Halt),
        ("strict", Contract::Fifo { first: First::Strictly(1) }, OnGap::Skip),
        ("any", Contract::Fifo { first: First::Any }, OnGap::Skip),
        ("arrival", Contract::Arrival, OnGap::Skip),
    ];
    let mut chosen: Vec<_> = kinds.into_iter().filter(|_| dice.chance(600)).collect();
    while chosen.len() < 2 {
        chosen = kinds.into_iter().filter(|_| dice.chance(600)).collect();
    }
    chosen
        .into_iter()
        .map(|(name, contract, on_gap)| PlannedSource {
            identity: format!("{contract:?}").into(),
            late_to: None,
            depends_on: None,
            settings: SourceSettings {
                name: name.into(),
                contract,
                hold_wait: draw_wait(dice),
                hold_events: draw_hold_events(dice),
                hold_span: HOLD_SPAN,
                max_ahead: latest::MAX_AHEAD,
                states: Arc::default(),
                ranks: Vec::new(),
                on_gap,
                on_late: OnLate::Deliver,
                dedupe: DEDUPE,
                facts: RetentionSettings::default().facts,
                forget_after: None,
                destinations: Vec::new(),
                rate: draw_rate(dice, 80, 30),
                refill: None,
                list: None,
                depends_on: None,
            },
        })
        .collect()
}

/// Seldom, so many a second, or a few times as many.
fn draw_rate(dice: &mut Dice, chance: u64, least: u32) -> Option<Rate> {
    let count = least * dice.pick(&[1, 2, 5]);
    dice.chance(chance).then_some(Rate { count, period: Duration::from_secs(1) })
}

fn draw_wait(dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.between(500, 6_000))
}

fn draw_hold_events(dice: &mut Dice) -> usize {
    dice.pick(&[3, 10, 100])
}

fn draw_destination(dice: &mut Dice, number: u64, names: &[Arc<str>]) -> PlannedDestination {
    let from = names.iter().filter(|_| dice.chance(700)).cloned().collect();
    let name = format!("destination-{number}").into();
    PlannedDestination { from, settings: draw_delivery(dice, name) }
}

/// Mostly now, or some way back.
fn draw_start(dice: &mut Dice) -> Start {
    let at = Start::At(UnixMicros(CLOCK).after(Duration::from_secs(dice.between(1, 30))));
    dice.pick(&[Start::Now, Start::Now, Start::Earliest, Start::Earliest, at])
}

/// All types, or some of those that events have.
fn draw_types(dice: &mut Dice) -> Vec<Pattern> {
    let types = dice.pick(&[&["*"][..], &["*"], &["thing.*"], &["other.*", "thing.b"], &["*.b"]]);
    let parse = |pattern: &&str| Pattern::parse(pattern).unwrap_or_else(|_| Pattern::any());
    types.iter().map(parse).collect()
}

fn draw_delivery(dice: &mut Dice, name: Arc<str>) -> DestinationSettings {
    let retry = Retry {
        first: Duration::from_millis(dice.between(20, 400)),
        cap: Duration::from_millis(dice.between(500, 4_000)),
        give_up_after: Duration::from_secs(dice.between(4, 40)),
        attempts: dice.chance(600).then(|| u32::try_from(dice.between(2, 6)).unwrap_or(2)),
    };
    DestinationSettings {
        name,
        start: Start::Now,
        types: vec![Pattern::any()],
        concurrency: dice.index(8) + 1,
        slow_concurrency: dice.pick(&[None, None, Some(1), Some(3)]),
        slow_after: Duration::from_millis(dice.pick(&[1_000, 1_000, 300, 100])),
        rate: draw_rate(dice, 120, 30),
        key_rate: draw_rate(dice, 120, 3),
        retry,
        on_give_up: dice.pick(&[OnGiveUp::Halt, OnGiveUp::Park, OnGiveUp::Skip]),
        ack: Ack::Answer,
        batch: None,
    }
}
