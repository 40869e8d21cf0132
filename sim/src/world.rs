//! The world of one seed: virtual time, one machine with its disk, a provider, consumers, an
//! operator, and the judges that watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::chain::Digest;
use sprag_core::id::{DestinationId, Hash, Key, PartitionId};
use sprag_core::input::{AttemptId, Ticket};
use sprag_core::output::Attempt;
use sprag_core::settings::Settings;
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use sprag_driver::node::Node;
use sprag_log::digest::sha256;
use sprag_log::embedded::simulated::SimulatedDisk;

use crate::acker::Acker;
use crate::authority::{self, Authorities};
use crate::comparing::{self, Comparisons};
use crate::consumer::{Conduct, Consumers};
use crate::counts::Counts;
use crate::depends::{self, References};
use crate::dice::{Dice, Seed};
use crate::faults::Faults;
use crate::happening::{Happening, Strike};
use crate::judge::answers::Answers;
use crate::judge::brought::Brought;
use crate::judge::commands::{Asked, Commands};
use crate::judge::deliveries::Deliveries;
use crate::judge::history::{Frames, Submitted};
use crate::judge::memory::Memory;
use crate::judge::outages::Outages;
use crate::judge::policies::Policies;
use crate::judge::reconciled::Said;
use crate::judge::refilled::Refilled;
use crate::judge::refusals::Refusals;
use crate::judge::{Verdict, Violation};
use crate::listing::{self, Listings};
use crate::operator::Operator;
use crate::patience::Given;
use crate::provider::Provider;
use crate::refuser::Refuser;
use crate::reload::Reloads;
use crate::restore::{BACKUP_DICE, Backup, Places};
use crate::scenario::Tale;
use crate::schedule::{Instant, SECOND, Schedule};
use crate::setting::Setting;
use crate::sim_log::SimLog;
use crate::state_model::StateModel;
use crate::theirs::Arrivals;
use crate::trace::Trace;
use crate::workload::{Post, Resource, Source, Workload};
use crate::{anew, silence, unordered, unreadable};

/// The machine's clock at the beginning: 2026-01-01T00:00:00Z, in microseconds.
pub(crate) const CLOCK: u64 = 1_767_225_600_000_000;
/// The stream of chance that decides about sources of contract `latest`.
const LATEST_DICE: u64 = 25;
/// The stream of chance that decides about sources of contract `settle`.
const SETTLE_DICE: u64 = 47;
/// The stream of chance that decides about sources of contract `merge`.
const MERGE_DICE: u64 = 48;
/// The stream of chance that decides about sources of contract `causal`.
const CAUSAL_DICE: u64 = 70;
/// The stream of chance that decides about sources of contract `states`.
const STATES_DICE: u64 = 61;
/// The stream of chance that decides who wants late events in their place.
const COMPENSATION_DICE: u64 = 82;
/// The stream of chance that decides what becomes of late events.
const LATE_DICE: u64 = 66;
/// The stream of chance that decides about sources whose positions are hash links.
const LINKS_DICE: u64 = 78;
/// Decides how much may wait for a destination.
const BACKLOG_DICE: u64 = 46;
/// The stream of chance that decides who counts anew.
const ANEW_DICE: u64 = 26;
/// The stream of chance that decides what cannot be read.
const UNREADABLE_DICE: u64 = 27;
/// The stream of chance that decides what is refused.
const REFUSED_DICE: u64 = 28;
/// The stream of chance that decides how long history is kept.
const RETENTION_DICE: u64 = 38;
/// The stream of chance that decides when retention acts and is audited.
const RETAINING_DICE: u64 = 39;
/// The stream of chance that decides about rebases.
const REBASE_DICE: u64 = 29;
/// The stream that decides which lanes an operator sets back.
const REPLAY_DICE: u64 = 56;
/// The stream that decides which gaps an operator gives up.
const GIVE_UP_DICE: u64 = 98;
/// The stream of chance that decides who acknowledges by a request of its own.
const ACK_DICE: u64 = 30;
/// The stream of chance that decides about ranges of events.
const BATCH_DICE: u64 = 31;
/// The stream of chance that decides which sources have no order.
const UNORDERED_DICE: u64 = 32;
/// The stream of chance that decides about bursts of one key's events.
const BURST_DICE: u64 = 33;
/// The stream of chance that decides which types destinations take and where they begin.
const TYPES_DICE: u64 = 34;
/// The stream of chance that decides which destinations are retired.
const RETIRE_DICE: u64 = 35;
/// The stream of chance that decides about reloads.
const RELOAD_DICE: u64 = 45;
/// The stream of chance that decides how bodies are stored.
const PACKING_DICE: u64 = 44;
/// Where dictionaries are damaged.
const DAMAGE_DICE: u64 = 50;
/// Things that happen in one simulation; one that never ends is a violation, not a hang.
const MOST_EVENTS: u64 = 1_000_000;

/// SHA-256 for the core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sha256;

impl Digest for Sha256 {
    fn sha256(&self, parts: &[&[u8]]) -> Hash {
        sha256(parts)
    }
}

/// The node that is simulated: the real one.
pub(crate) type SimNode = Node<SimLog, StateModel, Sha256>;

/// What the simulation is about at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything may fail; nothing may break.
    Safety,
    /// Only some keys and destinations fail still: the others must be through.
    Isolation,
    /// Everything works: everything must be through.
    Repair,
    /// All is through.
    Over,
    /// A scenario is played: nothing fails but what it says.
    Story,
}

/// An attempt at its consumer.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) attempt: Box<Attempt>,
    pub(crate) resource: usize,
    pub(crate) conduct: Conduct,
    pub(crate) since: Instant,
    /// Whether the connection is being closed by the server.
    pub(crate) cut: bool,
    /// Whether the server broke it off.
    pub(crate) aborted: bool,
}

/// A process and what is true of it.
pub(crate) struct Process {
    pub(crate) node: SimNode,
    pub(crate) started: Instant,
    /// Time that it was suspended and that does not count as up.
    pub(crate) away: Instant,
    /// Whether the numbers of names are known.
    pub(crate) is_named: bool,
    /// What it has in force, as last looked at.
    pub(crate) settings: Option<Arc<Settings>>,
    pub(crate) effects: u64,
    /// The effect before which it dies.
    pub(crate) dies_before: Option<u64>,
    /// Whether it dies at the next fault of the disk.
    pub(crate) dies_with_disk: bool,
    /// The ticket of a shutdown that waits for everything to be stored.
    pub(crate) stopping: Option<Ticket>,
    pub(crate) turn_at: Option<Instant>,
    pub(crate) planned: [bool; 4],
    /// Destinations whose breaker is open.
    pub(crate) open: BTreeSet<DestinationId>,
}

/// The judges that watch while the simulation runs.
#[derive(Default)]
pub(crate) struct Watching {
    pub(crate) answers: Answers,
    pub(crate) deliveries: Deliveries,
    pub(crate) commands: Commands,
    pub(crate) policies: Policies,
    pub(crate) outages: Outages,
    pub(crate) submitted: Submitted,
    pub(crate) refusals: Refusals,
    pub(crate) refilled: Refilled,
    pub(crate) said: Said,
    pub(crate) brought: Brought,
    /// How often an operator was told that a resource seems to count anew.
    pub(crate) alerts: BTreeMap<usize, u64>,
    /// What waited when the end of the phase was put off last, if it was.
    pub(crate) patience: Option<Given>,
}

impl Watching {
    fn over(workload: &Workload, memory: Memory) -> Self {
        let outages = Outages::of(workload.resources.len());
        let policies = Policies::remembering(memory);
        let mut watching = Self { outages, policies, ..Self::default() };
        watching.answers.memory = memory;
        watching.answers.settling = workload.settling();
        watching
    }

    /// A rebase is asked for or answered: from then on, positions of before say nothing.
    pub(crate) fn may_begin_anew(&mut self, asked: Asked) {
        if let Asked::Rebase(resource) = asked {
            self.answers.begins_anew(resource);
        }
    }
}

/// The world.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) schedule: Schedule<Happening>,
    pub(crate) faults: Faults,
    pub(crate) setting: Setting,
    pub(crate) disk: SimulatedDisk,
    pub(crate) state: StateModel,
    pub(crate) process: Option<Process>,
    /// Counts processes: what belongs to an earlier one is void.
    pub(crate) life: u64,
    pub(crate) uptime_before: u64,
    /// What the machine's clock is ahead or behind, in microseconds.
    pub(crate) skew: i64,
    pub(crate) frozen_until: Instant,
    pub(crate) provider: Provider,
    pub(crate) consumers: Consumers,
    pub(crate) operator: Operator,
    pub(crate) refuser: Refuser,
    pub(crate) acker: Acker,
    pub(crate) reloads: Reloads,
    pub(crate) authorities: Authorities,
    pub(crate) listings: Listings,
    pub(crate) comparisons: Comparisons,
    pub(crate) arrivals: Arrivals,
    pub(crate) references: References,
    pub(crate) batch_dice: Dice,
    pub(crate) sources: Vec<Source>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) numbers: BTreeMap<Key, usize>,
    pub(crate) dropped: Vec<Post>,
    pub(crate) under_way: BTreeMap<(PartitionId, AttemptId), UnderWay>,
    pub(crate) watching: Watching,
    pub(crate) reads_fail: bool,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
    pub(crate) phase: Phase,
    /// Everything is through: the process stores it, and the auditor reads.
    pub(crate) is_ending: bool,
    pub(crate) phase_began: Instant,
    /// The uptime when it did.
    pub(crate) works_since: u64,
    pub(crate) phase_ends: Instant,
    pub(crate) leaves_paused: bool,
    pub(crate) tickets: u64,
    pub(crate) dice: Dice,
    pub(crate) disk_dice: Dice,
    pub(crate) retaining_dice: Dice,
    /// Decides in each life of the process how bodies are stored; none where always as received.
    pub(crate) packing_dice: Option<Dice>,
    /// Chance that damages dictionaries.
    pub(crate) damage_dice: Dice,
    /// The frames that were deleted, as they were read just before.
    pub(crate) archive: Frames,
    /// The latest time any process was told.
    pub(crate) latest_clock: u64,
    pub(crate) seed: Seed,
    pub(crate) violation: Option<Violation>,
    /// What a second life begins with, once it was taken.
    pub(crate) backup: Option<Backup>,
    /// Where releases stand, once history was read.
    pub(crate) places: Places,
    /// What a scenario tells, where one is played.
    pub(crate) tale: Option<Box<Tale>>,
}

/// What a world is made of before anything happens in it.
pub(crate) struct Cast {
    pub(crate) dice: Dice,
    pub(crate) faults: Faults,
    pub(crate) setting: Setting,
    pub(crate) ack: Dice,
    pub(crate) batch: Dice,
    pub(crate) comparing: Dice,
    pub(crate) workload: Workload,
    pub(crate) consumers: Consumers,
    pub(crate) listing: Dice,
    pub(crate) length: Instant,
}

/// The operator, with the chance of each thing it does apart.
fn operator(seed: &Seed) -> Operator {
    let dice = [REBASE_DICE, REPLAY_DICE, GIVE_UP_DICE].map(|organ| Dice::new(seed, organ));
    Operator::new(Dice::new(seed, 7), dice)
}

/// Chance that packs bodies, in half of the seeds.
fn packing_dice(seed: &Seed) -> Option<Dice> {
    let mut dice = Dice::new(seed, PACKING_DICE);
    dice.chance(500).then_some(dice)
}

/// What is configured, and the streams that decide what consumers do about it. Each has its own: the
/// seeds without a thing stay the worlds they were.
fn draw_setting(seed: &Seed) -> (Setting, Dice, Dice, Dice) {
    let (types, retire) = (Dice::new(seed, TYPES_DICE), Dice::new(seed, RETIRE_DICE));
    let (mut ack, mut batch) = (Dice::new(seed, ACK_DICE), Dice::new(seed, BATCH_DICE));
    let mut unordered = Dice::new(seed, UNORDERED_DICE);
    let (usual, latest) = (&mut Dice::new(seed, 3), &mut Dice::new(seed, LATEST_DICE));
    let (settle, merge) = (&mut Dice::new(seed, SETTLE_DICE), &mut Dice::new(seed, MERGE_DICE));
    let causal = &mut Dice::new(seed, CAUSAL_DICE);
    let (states, links) = (&mut Dice::new(seed, STATES_DICE), &mut Dice::new(seed, LINKS_DICE));
    let contracts = [settle, merge, causal, states, links];
    let others = (&mut ack, &mut batch, &mut unordered);
    let mut setting = Setting::draw(usual, latest, types, retire, contracts, others);
    authority::draw(seed, &mut setting);
    setting.draw_backlog(&mut Dice::new(seed, BACKLOG_DICE));
    setting.draw_late(Dice::new(seed, LATE_DICE));
    setting.draw_compensation(Dice::new(seed, COMPENSATION_DICE));
    let comparing = comparing::draw(seed, &mut setting);
    (setting, ack, batch, comparing)
}

/// What few sources say.
fn add_unusual(seed: &Seed, workload: &mut Workload, length: Instant) {
    unordered::add(&mut Dice::new(seed, BURST_DICE), workload, length);
    anew::add(&mut Dice::new(seed, ANEW_DICE), workload, length);
    unreadable::add(&mut Dice::new(seed, UNREADABLE_DICE), workload, length);
}

impl World {
    pub(crate) fn new(seed: &Seed, trace: Trace) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mut faults = Faults::draw(&mut Dice::new(seed, 2));
        let (mut setting, ack, batch, comparing) = draw_setting(seed);
        let mut length = dice.between(15, 50) * SECOND;
        if setting.draw_retention(&mut Dice::new(seed, RETENTION_DICE)) {
            // Long enough that facts go while everything may fail. A clock that steps between two
            // processes makes them older than they are: repeats would not be recognised any more.
            length *= 2;
            faults.clock_steps = 0;
        }
        let forgetting = silence::draw(seed, &mut setting);
        let mut workload = Workload::draw(&mut Dice::new(seed, 4), &setting, length);
        let names = setting.destination_names();
        let consumers = Consumers::new(Dice::new(seed, 5), &names, workload.resources.len());
        add_unusual(seed, &mut workload, length);
        silence::add(forgetting, &mut workload, length);
        let listing = listing::draw(seed, &mut setting, &workload);
        let references = depends::draw(seed, &mut setting, &workload);
        let cast = Cast {
            dice,
            faults,
            setting,
            ack,
            batch,
            comparing,
            workload,
            consumers,
            listing,
            length,
        };
        let mut world = Self { references, ..Self::of(seed, trace, cast) };
        world.plan_all();
        world
    }

    /// A world in which nothing is planned yet.
    pub(crate) fn of(seed: &Seed, trace: Trace, cast: Cast) -> Self {
        let Cast { mut dice, faults, setting, ack, batch, comparing, .. } = cast;
        let Cast { workload, consumers, listing, length, .. } = cast;
        let watching = Watching::over(&workload, Memory::of(&setting.plan));
        Self {
            now: 0,
            schedule: Schedule::new(),
            faults,
            setting,
            authorities: Authorities::of(seed, &workload),
            listings: Listings::of(listing, &workload),
            comparisons: Comparisons::of(comparing, &workload),
            arrivals: Arrivals::default(),
            references: References::default(),
            disk: SimulatedDisk::new(seed.number()),
            state: StateModel::default(),
            process: None,
            life: 0,
            uptime_before: 0,
            skew: 0,
            frozen_until: 0,
            provider: Provider::new(workload.posts, Dice::new(seed, 6)),
            consumers,
            operator: operator(seed),
            refuser: Refuser::new(Dice::new(seed, REFUSED_DICE)),
            acker: Acker::new(ack),
            reloads: Reloads::new(Dice::new(seed, RELOAD_DICE)),
            batch_dice: batch,
            sources: workload.sources,
            resources: workload.resources,
            numbers: BTreeMap::new(),
            dropped: workload.dropped,
            under_way: BTreeMap::new(),
            watching,
            reads_fail: false,
            counts: Counts::default(),
            trace,
            phase: Phase::Safety,
            is_ending: false,
            phase_began: 0,
            works_since: 0,
            phase_ends: length,
            leaves_paused: dice.chance(400),
            tickets: 0,
            dice,
            disk_dice: Dice::new(seed, 8),
            retaining_dice: Dice::new(seed, RETAINING_DICE),
            packing_dice: packing_dice(seed),
            damage_dice: Dice::new(seed, DAMAGE_DICE),
            archive: Frames::new(),
            latest_clock: 0,
            seed: seed.clone(),
            violation: None,
            backup: None,
            places: Places::new(),
            tale: None,
        }
    }

    fn plan_all(&mut self) {
        self.schedule.plan(0, Happening::Start);
        self.plan_strikes();
        self.plan_reloads();
        let mut dice = Dice::new(&self.seed, BACKUP_DICE);
        let at = dice.between(SECOND, self.phase_ends);
        self.schedule.plan(at, Happening::Strike(Strike::Backup));
        self.plan_posts();
        self.counts.add("provider", "dropped", self.dropped.len() as u64);
        self.schedule.plan(SECOND, Happening::Operate);
        if self.refuser.is_active() {
            self.schedule.plan(SECOND, Happening::Refuse);
        }
        self.schedule.plan(self.phase_ends, Happening::Look);
    }

    pub(crate) fn plan_posts(&mut self) {
        for post in 0..self.provider.posts().len() {
            let at = self.provider.posts()[post].at;
            self.schedule.plan(at, Happening::Post(post));
            if let Some(twist) = self.provider.posts()[post].twist {
                self.counts.hit("provider", twist);
            }
        }
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(&mut self) {
        while self.violation.is_none() && self.phase != Phase::Over {
            let Some((at, happening)) = self.schedule.advance() else {
                self.judge("liveness", Err("nothing happens any more".to_owned()));
                return;
            };
            self.now = self.now.max(at);
            self.step_of_scenario();
            self.happen(happening);
            if self.trace.events() > MOST_EVENTS {
                self.judge("liveness", Err(format!("more than {MOST_EVENTS} events")));
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        let touches_process = !matches!(happening, Happening::Look | Happening::Start);
        let thaws = matches!(happening, Happening::Strike(Strike::Thaw(_)));
        if touches_process && !thaws && self.now < self.frozen_until {
            self.schedule.plan(self.frozen_until, happening);
            return;
        }
        match happening {
            Happening::Start => self.start(),
            Happening::Turn(life) => self.turn_of(life),
            Happening::Write(life) => self.write_log(life),
            Happening::Answer(life) => self.answer_query(life),
            Happening::Land(life) => self.land(life),
            Happening::Store(life) => self.store(life),
            Happening::Post(post) => self.post(post),
            Happening::Reply(life, partition, attempt) => self.reply(life, partition, attempt),
            Happening::Acknowledge(number) => self.acknowledge(number),
            Happening::Asked(life, number) => self.asked(life, number),
            Happening::Bring(life, number, which) => {
                self.bring(life, number, which);
                self.turn();
            }
            Happening::AskEnded(life, number) => self.ask_ended(life, number),
            Happening::Listed(life, number) => self.listed(life, number),
            Happening::ListBring(life, number, which) => {
                self.list_bring(life, number, which);
                self.turn();
            }
            Happening::ListEnded(life, number) => self.list_ended(life, number),
            Happening::Compared(life, number) => self.compared(life, number),
            Happening::Theirs(life, number) => self.theirs_come(life, number),
            Happening::Operate => self.operate(),
            Happening::Refuse => self.refuse(),
            Happening::Strike(strike) => self.strike(strike),
            Happening::Look => self.look(),
        }
    }

    /// Takes a judge's verdict down; the first one against counts.
    pub(crate) fn judge(&mut self, judge: &'static str, verdict: Verdict) {
        if let Err(what) = verdict
            && self.violation.is_none()
        {
            self.violation = Some(Violation { judge, at: self.now, what });
        }
    }

    /// What the process is told the time is.
    pub(crate) fn clock(&self) -> Now {
        let started = self.process.as_ref().map_or(self.now, |process| process.started);
        Now {
            elapsed: ElapsedMicros(self.now - started),
            clock: UnixMicros((CLOCK + self.now).saturating_add_signed(self.skew)),
        }
    }

    /// For how long a process was up so far; suspended it counts for no more than a second.
    pub(crate) fn uptime(&self) -> u64 {
        let up = self.process.as_ref().map_or(0, |p| self.now - p.started - p.away);
        self.uptime_before + up
    }

    pub(crate) fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// The process of this number, if it lives.
    pub(crate) fn alive(&mut self, life: u64) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| life == self.life)
    }

    /// The name of a destination.
    pub(crate) fn destination_name(&self, to: DestinationId) -> String {
        let policy = self.watching.policies.destinations.get(&to);
        policy.map_or_else(|| format!("destination {}", to.0), |policy| policy.name.to_string())
    }
}
