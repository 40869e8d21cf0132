//! The authorities: sources that are asked for the positions that are missing. Each has everything its
//! provider ever said, and what was lost besides; it answers, late or in part, fails, or says that it is
//! asked too often. What it gives goes the way of any event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::fact::{Origin, RefillOutcome};
use sprag_core::id::{Key, PartitionId, Place};
use sprag_core::input::{Fetched, Ticket};
use sprag_core::output::{Answer, Busy, Fetch, Status};
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::rate::Rate;
use sprag_core::record::{HeldAt, KeyRecord};
use sprag_core::settings::{Contract, OnGap, RefillSettings};

use crate::dice::{Dice, Seed};
use crate::happening::Happening;
use crate::judge::commands::Asked;
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::setting::Setting;
use crate::workload::{Post, Workload, make};
use crate::world::{CLOCK, Phase, World};

/// The stream of chance that decides which sources are asked.
const ASKED_DICE: u64 = 51;
/// The stream of chance that decides what they answer.
const ANSWER_DICE: u64 = 52;
/// The stream of chance that decides which are asked for what follows, and how often.
const EVERY_DICE: u64 = 53;
/// Tries to take an event in before the ask is given up.
const TRIES: u32 = 6;
/// A halted gap that is older than this was asked for.
const SURELY_ASKED: Instant = 25 * SECOND;

/// Everything that authorities know and do.
#[derive(Debug)]
pub(crate) struct Authorities {
    dice: Dice,
    /// What there is of a resource, by position.
    events: BTreeMap<(usize, u64), Post>,
    asks: BTreeMap<u64, Ask>,
    tickets: BTreeMap<Ticket, (u64, usize)>,
    asked: u64,
    /// Sources that said in this life of the process that they are asked too often.
    throttling: BTreeSet<usize>,
    /// When resources were asked for last in this life of the process.
    resources: BTreeMap<usize, Instant>,
}

/// An ask that an authority has.
#[derive(Debug)]
struct Ask {
    partition: PartitionId,
    fetch: Fetch,
    resource: usize,
    outcome: RefillOutcome,
    retry_after: Option<Duration>,
    /// What it gives, and how often that was tried to be taken in.
    gives: Vec<(Post, u32)>,
    /// Events that have no answer yet.
    open: usize,
    events: u32,
    /// Positions that are impossible, too far ahead of what the resource has, or were when they came first.
    invalid: BTreeSet<u64>,
    /// Of what it says that there is none.
    none: Ranges,
}

/// Some sources are asked for what is missing, in half of all worlds.
pub(crate) fn draw(seed: &Seed, setting: &mut Setting) {
    let mut dice = Dice::new(seed, ASKED_DICE);
    if !dice.chance(500) {
        return;
    }
    let mut every = Dice::new(seed, EVERY_DICE);
    for source in &mut setting.plan.sources {
        let every = every.chance(500).then(|| Duration::from_secs(every.between(4, 15)));
        let count = dice.pick(&[2, 5, 20]);
        let refill = RefillSettings {
            after: Duration::from_millis(dice.between(50, 1_500)),
            attempts: u32::try_from(dice.between(1, 4)).unwrap_or(1),
            rate: Rate { count, period: Duration::from_secs(1) },
            every,
        };
        let counts = matches!(source.settings.contract, Contract::Fifo { .. });
        source.settings.refill = Some(refill).filter(|_| counts && dice.chance(750));
    }
}

impl Authorities {
    /// What they know: what is told, also where it never comes. Whoever counts anew says nothing of
    /// what it counted before.
    pub(crate) fn of(seed: &Seed, workload: &Workload) -> Self {
        let anew = workload.posts.iter().filter(|post| post.twist == Some("counts anew"));
        let anew: BTreeSet<usize> = anew.map(|post| post.resource).collect();
        let told = |post: &&Post| {
            let usual = matches!(
                post.twist,
                None | Some("shuffled" | "delayed" | "dropped" | "stale signature")
            );
            usual && post.accepted && !post.is_unreadable && !anew.contains(&post.resource)
        };
        // What never comes, another Sprag may have passed on purpose.
        let passed = |post: &&Post| {
            says_none(post.resource) && post.position.number().is_some_and(|it| it % 3 == 0)
        };
        let dropped = workload.dropped.iter().filter(|post| !passed(post));
        let all = workload.posts.iter().chain(dropped).filter(told);
        let numbered = all.filter_map(|post| match post.position {
            Position::Sequence(number) => Some(((post.resource, number), post.clone())),
            _ => None,
        });
        Self {
            dice: Dice::new(seed, ANSWER_DICE),
            events: numbered.collect(),
            asks: BTreeMap::new(),
            tickets: BTreeMap::new(),
            asked: 0,
            throttling: BTreeSet::new(),
            resources: BTreeMap::new(),
        }
    }

    /// The process is gone: nobody waits for an answer any more.
    pub(crate) fn disconnected(&mut self) {
        self.asks.clear();
        self.tickets.clear();
        self.throttling.clear();
        self.resources.clear();
    }

    fn known(&self, resource: usize, from: u64, to: u64) -> Vec<Post> {
        let known = self.events.range((resource, from)..=(resource, to));
        known.map(|(_, post)| Post { in_time: true, twist: None, ..post.clone() }).collect()
    }

    /// Whether an authority says of what it does not know that there is none: another Sprag does. Of who
    /// counts anew it knows nothing.
    fn knows_all(&self, resource: usize) -> bool {
        let mut known = self.events.range((resource, 0)..=(resource, u64::MAX));
        says_none(resource) && known.next().is_some()
    }

    /// Of what is asked for, what nobody told it.
    fn unknown(&self, resource: usize, asked: Range) -> Ranges {
        let unknown =
            (asked.from..=asked.to).filter(|at| !self.events.contains_key(&(resource, *at)));
        Ranges::from_ranges(unknown.map(Range::one))
    }

    /// What is answered, when, and under which name.
    fn answer(
        &mut self,
        resource: usize,
        fetch: &Fetch,
        faults: bool,
    ) -> (Ask, Instant, &'static str) {
        let gives = self.known(resource, fetch.asked.from, fetch.asked.to);
        let mut ask = Ask {
            partition: PartitionId(0),
            fetch: fetch.clone(),
            resource,
            outcome: RefillOutcome::Whole,
            retry_after: None,
            gives: gives.into_iter().map(|post| (post, 0)).collect(),
            open: 0,
            events: 0,
            invalid: BTreeSet::new(),
            none: Ranges::default(),
        };
        let quick = self.dice.between(MILLISECOND, 300 * MILLISECOND);
        let roll = if faults { self.dice.below(100) } else { 0 };
        let fails = |ask: &mut Ask, outcome| (ask.outcome, ask.gives) = (outcome, Vec::new());
        let name = match roll {
            0..40 if self.knows_all(resource) => {
                ask.none = self.unknown(resource, fetch.asked);
                if ask.none.is_empty() { "answers" } else { "says there is none" }
            }
            0..40 => "answers",
            40..50 => return (ask, self.dice.between(SECOND, 12 * SECOND), "answers late"),
            50..58 => {
                fails(&mut ask, RefillOutcome::Unreachable);
                "unreachable"
            }
            58..66 => {
                fails(&mut ask, RefillOutcome::Answered { status: 503 });
                "fails"
            }
            66..74 => {
                fails(&mut ask, RefillOutcome::Answered { status: 429 });
                let says = self.dice.chance(500);
                ask.retry_after = says.then(|| Duration::from_secs(self.dice.between(1, 4)));
                "throttles"
            }
            74..82 => {
                let part = self.dice.index(ask.gives.len() + 1);
                ask.gives.truncate(part);
                ask.outcome = RefillOutcome::Cut;
                "gives a part"
            }
            82..88 => {
                ask.gives.clear();
                "has nothing"
            }
            88..94 => {
                let more = self.known(resource, fetch.asked.from.saturating_sub(3), u64::MAX);
                ask.gives = more.into_iter().take(12).map(|post| (post, 0)).collect();
                "gives more"
            }
            _ => {
                ask.gives.iter_mut().for_each(|(post, _)| reword(&mut self.dice, post));
                "gives other bodies"
            }
        };
        (ask, quick, name)
    }
}

/// Whether the authority of a resource says of what is missing that there is none.
fn says_none(resource: usize) -> bool {
    resource.is_multiple_of(2)
}

/// The same event as its source writes it when it is asked: where it has an id, that tells.
pub(crate) fn reword(dice: &mut Dice, post: &mut Post) {
    if post.id.is_some() {
        let other = make(dice, post.resource, None, post.position.clone(), post.at);
        (post.body, post.digest) = (other.body, other.digest);
    }
}

impl World {
    /// A source is asked for missing positions.
    pub(crate) fn ask(&mut self, partition: PartitionId, fetch: &Fetch) {
        let Some(resource) = self.numbers.get(&fetch.key).copied() else {
            return self.judge("refill", Err(format!("{fetch:?} of no resource")));
        };
        self.judge_ask(resource, fetch);
        self.tell_ask(resource, fetch);
        let faults = self.phase == Phase::Safety;
        let (ask, after, name) = self.authorities.answer(resource, fetch, faults);
        let source = self.resources[resource].source;
        if ask.outcome.is_throttled() {
            self.authorities.throttling.insert(source);
        }
        self.counts.hit("authority", "asked");
        self.counts.hit("authority", name);
        let again = fetch.attempt > 1;
        self.counts.add("authority", "asked again", again.into());
        let numbers = [resource as u64, fetch.asked.from, fetch.asked.to, fetch.attempt.into()];
        self.trace.note(self.now, '?', &numbers, || {
            let (from, to, attempt) = (fetch.asked.from, fetch.asked.to, fetch.attempt);
            format!("resource {resource} positions {from} to {to} try {attempt}: {name}")
        });
        self.authorities.resources.insert(resource, self.now);
        self.authorities.asked += 1;
        let number = self.authorities.asked;
        self.authorities.asks.insert(number, Ask { partition, ..ask });
        self.schedule.plan(self.now + after, Happening::Asked(self.life, number));
    }

    /// What was asked for is answered: its events come in.
    pub(crate) fn asked(&mut self, life: u64, number: u64) {
        if self.alive(life).is_none() {
            return;
        }
        let Some(ask) = self.authorities.asks.get_mut(&number) else { return };
        ask.open = ask.gives.len();
        for which in 0..ask.open {
            self.bring(life, number, which);
        }
        self.end_ask(number);
        self.turn();
    }

    /// An event that was asked for comes in.
    pub(crate) fn bring(&mut self, life: u64, number: u64, which: usize) {
        if self.alive(life).is_none() {
            return;
        }
        let ask = self.authorities.asks.get_mut(&number);
        let Some((post, tries)) = ask.and_then(|ask| ask.gives.get_mut(which)) else { return };
        *tries += 1;
        let post = post.clone();
        let Some(key) = self.key_of(post.resource) else { return };
        let ticket = self.next_ticket();
        let uptime = self.uptime();
        self.authorities.tickets.insert(ticket, (number, which));
        self.watching.answers.sent(ticket, &post, (self.now, uptime));
        self.watching.refilled.given(post.resource, post.digest);
        self.trace.note(self.now, '>', &[ticket.0, number], || {
            format!("{} resource {} {:?} asked for", ticket.0, post.resource, post.position)
        });
        self.receive(ticket, key, &post, Origin::Refilled);
    }

    /// An event that was asked for is answered; says whether the ticket was one.
    pub(crate) fn refill_answered(&mut self, ticket: Ticket, answer: &Answer) -> bool {
        let Some((number, which)) = self.authorities.tickets.remove(&ticket) else { return false };
        let verdict = self.watching.answers.answered(self.now, ticket, answer);
        self.judge("answers", verdict);
        let Some(ask) = self.authorities.asks.get_mut(&number) else { return true };
        let tries = ask.gives[which].1;
        match answer {
            Answer::Event { status, event, sequence } => {
                self.watching.refilled.answered(*status, *event);
                (ask.open, ask.events) = (ask.open - 1, ask.events + 1);
                let is_none = *status == Status::Duplicate && sequence.is_none();
                if *status == Status::Invalid || is_none {
                    ask.invalid.extend(ask.gives[which].0.position.number());
                }
            }
            Answer::Busy(Busy::Rate { .. } | Busy::Keys | Busy::Loading) | Answer::Unavailable
                if tries < TRIES =>
            {
                let at = self.now + self.authorities.dice.between(50, 600) * MILLISECOND;
                self.schedule.plan(at, Happening::Bring(self.life, number, which));
            }
            _ => {
                ask.open -= 1;
                ask.outcome = RefillOutcome::Cut;
            }
        }
        self.end_ask(number);
        true
    }

    /// An ask ends once all that it gave is answered.
    fn end_ask(&mut self, number: u64) {
        if self.authorities.asks.get(&number).is_some_and(|ask| ask.open == 0) {
            self.schedule.plan(self.now, Happening::AskEnded(self.life, number));
        }
    }

    pub(crate) fn ask_ended(&mut self, life: u64, number: u64) {
        if self.alive(life).is_none() {
            return;
        }
        let Some(ask) = self.authorities.asks.remove(&number) else { return };
        self.judge_end(&ask);
        let Ask { partition, resource, fetch, outcome, retry_after, events, none, .. } = ask;
        let source = fetch.key.source;
        self.watching.refilled.ended(&fetch.key, outcome.is_throttled());
        self.watching.refilled.said_none(resource, &none);
        let numbers = [number, events.into()];
        self.trace.note(self.now, '?', &numbers, || {
            format!(
                "{} {:?}: {} with {events} events",
                fetch.key.name,
                fetch.asked,
                outcome.as_str()
            )
        });
        let now = self.clock();
        if let Some(process) = &mut self.process {
            let fetched = Fetched { id: fetch.id, source, outcome, events, retry_after, none };
            process.node.fetched(now, partition, fetched);
        }
        self.turn();
    }

    fn judge_ask(&mut self, resource: usize, fetch: &Fetch) {
        let Some(process) = &self.process else { return };
        let settings = process.settings.as_ref();
        let source = settings.and_then(|settings| settings.sources.get(&fetch.key.source));
        let refill = source.and_then(|source| Some((source.contract, source.refill?)));
        let Some((contract, refill)) = refill else {
            let what = format!("{fetch:?} of a source that is not asked");
            return self.judge("refill", Err(what));
        };
        let record = self.record_of(&fetch.key);
        let anew = self.watching.commands.possible(Asked::Rebase(resource)) > 0;
        let record = record.filter(|_| !anew);
        let known = record.as_ref().map(|record| &record.order);
        let is_tail = known.is_some_and(|order| order.held.is_empty());
        self.counts.add("authority", "asked for what follows", is_tail.into());
        let verdict = self.watching.refilled.asked(self.now, fetch, (contract, refill), known);
        self.judge("refill", verdict);
    }

    /// A key in memory, as history has it: while its partition takes history in, it is an older one.
    pub(crate) fn record_of(&self, key: &Key) -> Option<KeyRecord> {
        let node = &self.process.as_ref()?.node;
        let (id, view) = node.view(key)?;
        let serves = node.partitions().any(|one| one.id() == id && one.is_serving());
        Some(view.record).filter(|_| serves)
    }

    /// For how long nothing was written down of a key; none where a clock that stepped may tell of a
    /// silence that was none, or none of one.
    fn quiet(&self, record: &KeyRecord) -> Option<Duration> {
        let now = CLOCK + self.now;
        let told = self.skew == 0 && self.latest_clock <= now;
        told.then(|| Duration::from_micros(now.saturating_sub(record.active.0)))
    }

    /// What was given whole is there.
    fn judge_end(&mut self, ask: &Ask) {
        let anew = self.watching.commands.possible(Asked::Rebase(ask.resource)) > 0;
        let record = self.record_of(&ask.fetch.key).filter(|_| !anew);
        let order = record.map(|record| record.order);
        let Some(order) = order.filter(|_| ask.outcome == RefillOutcome::Whole) else { return };
        // What came before positions began anew is known by its id.
        if order.since != Place::default() {
            return;
        }
        let positions = ask.gives.iter().filter_map(|(post, _)| post.position.number());
        let positions = positions.filter(|position| !ask.invalid.contains(position));
        let asked = ask.fetch.asked;
        let missing = positions.filter(|position| (asked.from..=asked.to).contains(position)).find(
            |position| {
                order.next.is_some_and(|next| next <= *position)
                    && !order.held.contains_key(&HeldAt::numbered(*position))
            },
        );
        if let Some(position) = missing {
            let what = format!("position {position} of resource {} was given", ask.resource);
            self.judge("refill", Err(format!("{what}, and is missing still: {order:?}")));
        }
    }

    /// Of a key that is quiet its source is asked what follows, at the latest when it is quiet for twice as
    /// long as when the process began, or as `every`.
    pub(crate) fn judge_tails(&mut self) {
        let Some(process) = &self.process else { return };
        let Some(settings) = process.settings.clone() else { return };
        if self.now < process.started + process.away + SURELY_ASKED {
            return;
        }
        let began = CLOCK + process.started + process.away;
        let live = self.live_records(process).into_values().flatten();
        let unasked = live.filter_map(|(key, record)| {
            let every = settings.sources.get(&key.source)?.refill?.every?;
            let resource = self.numbers.get(&key).copied()?;
            let before = Duration::from_micros(began.saturating_sub(record.active.0));
            let surely = every.max(before) * 2 + every + Duration::from_micros(SURELY_ASKED);
            let is_due = self.quiet(&record)? >= surely && record.order.held.is_empty();
            let is_throttled =
                self.authorities.throttling.contains(&self.resources[resource].source);
            let since = record.active.0.saturating_sub(CLOCK);
            let asked = self.authorities.resources.get(&resource);
            let was_asked = asked.is_some_and(|at| *at >= since);
            // A forgotten key may be in memory still; nothing follows what is forgotten.
            let begins = record.order.next.is_some() && !record.forgotten;
            (is_due && begins && !is_throttled && !was_asked).then_some((key, record.active))
        });
        let unasked: Vec<_> = unasked.take(1).collect();
        if let Some((key, active)) = unasked.first() {
            let what = format!("nobody asked what follows of {key:?}, quiet since {active:?}");
            self.judge("refill", Err(what));
        }
    }

    /// A gap that halts is asked for, if its source is and had the time to.
    pub(crate) fn judge_unasked(&mut self) {
        let Some(process) = &self.process else { return };
        let Some(settings) = process.settings.clone() else { return };
        if self.now < process.started + process.away + SURELY_ASKED {
            return;
        }
        let records = process.node.partitions().flat_map(|partition| partition.records());
        let unasked = records.filter_map(|(key, record)| {
            let source = settings.sources.get(&key.source)?;
            let waits = source.refill.is_some() && source.on_gap == OnGap::Halt;
            let opened = record.order.gap.filter(|_| waits)?;
            let resource = self.numbers.get(key).copied()?;
            let is_throttled =
                self.authorities.throttling.contains(&self.resources[resource].source);
            let is_new = self.latest_clock < record.active.0 + SURELY_ASKED;
            let was_asked = self.authorities.resources.contains_key(&resource);
            (!was_asked && !is_throttled && !is_new).then(|| (key.clone(), opened))
        });
        let unasked: Vec<(Key, _)> = unasked.take(1).collect();
        if let Some((key, gap)) = unasked.first() {
            let what = format!("nobody asked for {gap:?} of {key:?} in this process");
            self.judge("refill", Err(what));
        }
    }
}
