//! The world around the partitions: it carries outputs out and brings their answers back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sprag_core::destination::{Destination, End, LaneRef};
use sprag_core::fact::{Fact, RefillOutcome};
use sprag_core::id::{DestinationId, Epoch, Key, PartitionId};
use sprag_core::input::{AttemptId, Command, Ended, Fetched, Input, Ticket};
use sprag_core::intake::Intake;
use sprag_core::output::{Attempt, Draft, Fetch, Output};
use sprag_core::partition::Partition;
use sprag_core::ranges::Ranges;
use sprag_core::refill::Refills;
use sprag_core::settings::Settings;
use sprag_core::time::{ElapsedMicros, Now, UnixMicros, micros};

use super::asking::Asking;
use super::comparing::Comparing;
use super::judge::Judge;
use super::retaining::Retaining;
use super::store::{FrameLog, StateStore};
use super::{Sha, describe, history};

/// One partition and what belongs to it outside.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) partition: Partition<Sha>,
    pub(crate) log: FrameLog,
    pub(crate) state: StateStore,
    /// Frames appended that are not durable yet.
    pub(crate) flight: VecDeque<Draft>,
    checkpoints: VecDeque<sprag_core::output::Checkpoint>,
    epoch: Epoch,
    /// History that was looked at.
    pub(crate) retaining: Option<Retaining>,
}

/// How the world behaves unless a story says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Frames become durable after every step.
    pub(crate) commits: bool,
    /// The state store takes a checkpoint after every commit.
    pub(crate) stores: bool,
    /// Cold keys are loaded at once.
    pub(crate) loads: bool,
    /// Aborted attempts end at once.
    pub(crate) aborts: bool,
    /// History can be read.
    pub(crate) backlogs: bool,
    /// What cannot be read of them is damaged.
    pub(crate) damage: bool,
    /// Pages, backlogs and look-ups are answered at once.
    pub(crate) reads: bool,
    /// Asks about other resources reach their partitions.
    pub(crate) asks: bool,
    /// Keys a page brings.
    pub(crate) page: usize,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            commits: true,
            stores: true,
            loads: true,
            aborts: true,
            backlogs: true,
            damage: false,
            reads: true,
            asks: true,
            page: 2,
        }
    }
}

/// Everything outside, on virtual time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) destinations: BTreeMap<DestinationId, Destination>,
    pub(crate) intake: Intake,
    pub(crate) refills: Refills,
    pub(crate) comparing: Comparing,
    pub(crate) settings: Arc<Settings>,
    pub(crate) habits: Habits,
    pub(crate) now: Now,
    /// What the next answer acknowledges of a range.
    pub(crate) says: Option<u64>,
    pub(crate) under_way: Vec<Attempt>,
    pub(crate) aborted: Vec<AttemptId>,
    /// Asks for missing positions under way; those of a term before still end.
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) loads: VecDeque<(PartitionId, Key)>,
    pub(super) asking: Asking,
    /// Pages, backlogs and look-ups that were asked for.
    reads: VecDeque<(usize, Output)>,
    pub(crate) judge: Judge,
    pub(crate) trace: Vec<String>,
    tickets: u64,
    /// Destinations whose own pause was asked for.
    pausing: BTreeSet<DestinationId>,
}

impl World {
    pub(crate) fn new(settings: Settings, partitions: u16, habits: Habits) -> Self {
        let settings = Arc::new(settings);
        let names = settings.sources.iter();
        let judge = Judge::of(names.map(|(id, source)| (*id, source.name.clone())).collect());
        let mut world = Self {
            nodes: Vec::new(),
            destinations: BTreeMap::new(),
            intake: Intake::default(),
            refills: Refills::default(),
            comparing: Comparing::default(),
            settings,
            habits,
            now: Now { elapsed: ElapsedMicros(0), clock: describe::CLOCK_START },
            says: None,
            under_way: Vec::new(),
            aborted: Vec::new(),
            fetches: Vec::new(),
            loads: VecDeque::new(),
            asking: Asking::default(),
            reads: VecDeque::new(),
            judge,
            trace: Vec::new(),
            tickets: 0,
            pausing: BTreeSet::new(),
        };
        world.nodes = (0..partitions).map(|id| world.node(PartitionId(id))).collect();
        world.boot();
        world
    }

    fn node(&self, id: PartitionId) -> Node {
        Node {
            partition: self.fresh(id),
            log: FrameLog { partition: id, ..FrameLog::default() },
            state: StateStore::default(),
            flight: VecDeque::new(),
            checkpoints: VecDeque::new(),
            epoch: Epoch(0),
            retaining: None,
        }
    }

    pub(super) fn fresh(&self, id: PartitionId) -> Partition<Sha> {
        Partition::new(id, self.settings.clone(), 7 + u64::from(id.0), Sha)
    }

    /// A process starts: new destinations, every partition recovers.
    fn boot(&mut self) {
        let destinations = self.settings.destinations.iter();
        self.destinations = destinations.map(|(id, told)| (*id, Destination::new(told))).collect();
        self.intake = Intake::new(&self.settings);
        (self.refills, self.fetches) = (Refills::default(), Vec::new());
        self.forget_asks();
        self.refills.revise(&self.settings);
        self.comparing = Comparing::by(&self.settings);
        (0..self.nodes.len()).for_each(|at| self.recover(at));
        self.settle();
    }

    /// A partition takes in what is durable and resumes in a new term.
    pub(crate) fn recover(&mut self, at: usize) {
        self.take_in(at);
        let (now, settings) = (self.now, self.settings.clone());
        let node = &mut self.nodes[at];
        node.epoch = Epoch(node.epoch.0 + 1);
        node.partition.resume(now, node.epoch, settings);
        self.bring_pauses();
    }

    fn take_in(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.checkpoints.clear();
        history::replay(&mut node.partition, &node.log, &node.state);
    }

    /// What partition 0 knows of destinations reaches everybody again.
    fn bring_pauses(&mut self) {
        for fact in self.nodes[0].partition.pauses() {
            self.forward(sprag_core::id::Place::default(), &fact);
        }
    }

    fn forward(&mut self, place: sprag_core::id::Place, fact: &Fact) {
        let (paused, destination) = match fact {
            Fact::DestinationPaused(fact) => (true, fact.destination),
            Fact::DestinationResumed(fact) => (false, fact.destination),
            _ => return,
        };
        let id = destination;
        if let Some(destination) = self.destinations.get_mut(&destination) {
            destination.set_paused(paused);
            self.pausing.remove(&id);
        }
        for at in 1..self.nodes.len() {
            self.handle(at, Input::Foreign { place, fact: Box::new(fact.clone()) });
        }
    }

    /// One input, its frame, its outputs.
    pub(crate) fn handle(&mut self, at: usize, input: Input) {
        self.nodes[at].partition.handle(self.now, input);
        self.nodes[at].partition.check_invariants();
        self.drain(at);
    }

    /// Takes what a partition has to append and to do.
    pub(crate) fn drain(&mut self, at: usize) {
        // What is read at once asks for the next at once: what never ends is to be red, not to hang.
        for round in 0.. {
            assert!(
                round < 100_000,
                "what is read takes no time and never ends: {:?}",
                self.trace.last()
            );
            self.take_frame(at);
            let Some(output) = self.nodes[at].partition.poll_output() else { break };
            self.carry_out(at, output);
        }
    }

    fn take_frame(&mut self, at: usize) {
        while let Some(draft) = self.nodes[at].partition.poll_frame() {
            let partition = self.nodes[at].log.partition;
            for (index, fact) in (0_u32..).zip(&draft.facts) {
                let place = sprag_core::id::Place { partition, frame: draft.number, index };
                self.trace.push(format!("  {}", describe::fact(place, fact)));
            }
            assert_eq!(draft.bodies.len(), bodies(&draft), "a body for every received event");
            self.judge_waits(&draft.facts);
            let node = &mut self.nodes[at];
            node.flight.push_back(draft);
            node.checkpoints.extend(node.partition.checkpoint());
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Answer { ticket, answer } => {
                self.answer(ticket, &answer);
            }
            Output::Attempt(attempt) => {
                self.trace.push(format!("  attempt {}", describe::attempt(&attempt)));
                let partition = self.nodes[at].log.partition;
                self.judge.attempt(partition, &attempt, &self.under_way);
                self.under_way.push(*attempt);
            }
            Output::Abort(id) => self.abort(id),
            Output::Request(request) => {
                if let Some(destination) = self.destinations.get_mut(&request.lane.destination) {
                    destination.request(request);
                }
            }
            Output::Withdraw(request) => {
                if let Some(destination) = self.destinations.get_mut(&request.lane.destination) {
                    destination.withdraw_lane(request);
                }
            }
            Output::Return { lane, end } => self.give_back(lane, end),
            Output::Load(key) => {
                self.trace.push(format!("  load {}", key.name));
                self.loads.push_back((self.nodes[at].log.partition, key));
            }
            Output::LookUp(_)
            | Output::Page(_)
            | Output::FindIdle(_)
            | Output::Recall { .. }
            | Output::Backlog { .. } => {
                self.tell_read(&output);
                self.reads.push_back((at, output));
                if self.habits.reads {
                    self.read_one(0);
                }
            }
            Output::Forward { place, fact } => self.forward(place, &fact),
            Output::Ask(ask) => self.take_ask(ask),
            Output::Tell { ask, word } => self.tell(ask, word),
            Output::WantFetch(wanted) => self.refills.want(wanted),
            Output::WithdrawFetch(wanted) => self.refills.withdraw(&wanted),
            Output::SpareFetch(source) => self.refills.spare(source),
            Output::Fetch(fetch) => {
                self.trace.push(format!("  fetch {}", describe::fetch(&fetch)));
                self.fetches.push(*fetch);
            }
            Output::WantCompare(_)
            | Output::SpareCompare(_)
            | Output::Compare(_)
            | Output::BringTheirs(_) => self.about_compare(at, output),
            Output::SequenceReset(key) => self.trace.push(format!("  alert {}", key.name)),
        }
    }

    /// A request is answered.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: &sprag_core::output::Answer) {
        self.trace.push(format!("  t{} {}", ticket.0, describe::answer(answer)));
        self.judge.answer(ticket, answer);
    }

    /// A permit comes back; everybody learns at once when that moves the breaker.
    fn give_back(&mut self, lane: LaneRef, end: End) {
        let destination = lane.destination;
        let Some(machine) = self.destinations.get_mut(&destination) else { return };
        machine.give_back(self.now.elapsed, lane, end);
        machine.check_invariants();
        while let Some(is_open) =
            self.destinations.get_mut(&destination).and_then(Destination::poll_breaker)
        {
            let change = if is_open { "opens" } else { "closes" };
            self.trace.push(format!("  breaker of {} {change}", destination.0));
            for node in &mut self.nodes {
                node.partition.handle(self.now, Input::Breaker { destination, is_open });
            }
        }
    }

    /// A destination that says it is gone is paused.
    fn pause_gone(&mut self) -> bool {
        let gone = self.destinations.iter().find(|(_, destination)| destination.is_gone());
        let Some(id) = gone.map(|(id, _)| *id).filter(|id| !self.pausing.contains(id)) else {
            return false;
        };
        self.pausing.insert(id);
        let ticket = self.ticket();
        let command = Command::PauseGone(id);
        self.handle(0, Input::Command { ticket, command });
        true
    }

    /// What a lane asks for, where that is not answered at once.
    fn tell_read(&mut self, output: &Output) {
        if let (Output::Backlog { lane, key, from, to, .. }, false) = (output, self.habits.backlogs)
        {
            let (destination, from, to) = (lane.destination.0, from.0, to.0);
            self.trace.push(format!("  reads {}>{destination} {from} to {to}", key.name));
        }
    }

    /// One of the things that were asked of log and state is answered.
    pub(crate) fn read_one(&mut self, which: usize) -> bool {
        let which = which % self.reads.len().max(1);
        let Some((at, output)) = self.reads.remove(which) else { return false };
        let node = &mut self.nodes[at];
        let input = match output {
            Output::LookUp(arrival) if !self.habits.backlogs => Input::NotLookedUp(arrival),
            Output::LookUp(arrival) => {
                let seen = node.log.look_up(&arrival);
                Input::Receive { arrival, seen }
            }
            Output::Page(page) => {
                let (keys, next) = node.state.page(&page, self.habits.page);
                Input::Page { queue: page.queue, keys, next }
            }
            Output::FindIdle(request) => node.state.idle(&request, self.habits.page),
            Output::Recall { key, from, to } => {
                let page = self.habits.backlogs.then(|| node.log.recall(&key, from, to));
                Input::Recalled { key, to, page }
            }
            Output::Backlog { lane, key, from, to, opened, again, .. } => {
                let events = node.log.backlog(lane.destination, &key, from, to);
                Input::Backlog {
                    lane,
                    events: if self.habits.backlogs { events } else { Vec::new() },
                    looked: self.habits.backlogs.then_some(to),
                    damaged: !self.habits.backlogs && self.habits.damage,
                    earlier: node.log.earlier(lane.destination, &key, opened, again),
                }
            }
            other => unreachable!("no read: {other:?}"),
        };
        node.partition.handle(self.now, input);
        true
    }

    fn abort(&mut self, id: AttemptId) {
        self.aborted.push(id);
        let attempt = self.under_way.iter().find(|attempt| attempt.id == id);
        let attempt = attempt.expect("only what is under way is aborted");
        self.trace.push(format!("  abort {}", describe::attempt(attempt)));
    }

    /// Carries everything out that needs no choice, until all is quiet.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "the world never comes to rest: {:?}", self.trace.last());
            if !self.settle_once() {
                break;
            }
        }
        self.permits_add_up();
    }

    fn settle_once(&mut self) -> bool {
        let mut moved = false;
        for at in 0..self.nodes.len() {
            self.drain(at);
            moved |= self.habits.commits && self.commit_one(at);
            if self.habits.stores {
                moved |= self.store(at);
            }
        }
        if self.habits.aborts {
            moved |= self.end_aborted();
        }
        if self.habits.loads {
            moved |= self.load_one();
        }
        if self.habits.reads {
            moved |= self.read_one(0);
        }
        if self.habits.asks {
            moved |= self.bring_ask();
        }
        moved | self.grant() | self.let_fetch() | self.let_compare() | self.pause_gone()
    }

    /// The oldest frame in flight becomes durable.
    pub(crate) fn commit_one(&mut self, at: usize) -> bool {
        self.drain(at);
        let Some(draft) = self.nodes[at].flight.pop_front() else { return false };
        let number = draft.number;
        self.judge.durable(self.nodes[at].log.partition, &draft);
        self.nodes[at].log.append(draft);
        self.handle(at, Input::Committed(number));
        self.act(at);
        true
    }

    /// An append fails or its outcome is unknown: the first `durable` frames in flight are in the
    /// log after all. The partition reads it again in a new term.
    pub(crate) fn fail(&mut self, at: usize, durable: usize) {
        self.drain(at);
        self.lose(at, durable);
        self.nodes[at].partition.fail();
        let id = self.nodes[at].log.partition;
        self.destinations.values_mut().for_each(|destination| destination.withdraw(id));
        self.refills.forget(id);
        self.comparing.turns.forget(id);
        self.loads.retain(|(partition, _)| *partition != id);
        // What was asked before is void; a request that is looked up still waits for its answer.
        let void =
            |(of, output): &(usize, Output)| *of == at && !matches!(output, Output::LookUp(_));
        self.reads.retain(|read| !void(read));
        self.drain(at);
        self.recover(at);
    }

    fn lose(&mut self, at: usize, durable: usize) {
        let node = &mut self.nodes[at];
        node.retaining = None;
        for draft in node.flight.drain(..).take(durable) {
            self.judge.durable(node.log.partition, &draft);
            node.log.append(draft);
        }
    }

    /// The process ends and starts again: `durable` frames of those in flight are in the log.
    pub(crate) fn crash(&mut self, durable: usize, keep_state: bool) {
        self.judge.forget_requests();
        self.under_way.clear();
        self.aborted.clear();
        self.pausing.clear();
        self.loads.clear();
        self.reads.clear();
        self.now.elapsed = ElapsedMicros(0);
        for at in 0..self.nodes.len() {
            self.take_frame(at);
            self.lose(at, durable);
            if !keep_state {
                self.nodes[at].state = StateStore::default();
            }
            self.nodes[at].partition = self.fresh(self.nodes[at].log.partition);
        }
        self.boot();
    }

    /// The state store catches up with what is durable.
    /// Says whether anything was: keys may leave memory then, and take back what they asked for.
    pub(crate) fn store(&mut self, at: usize) -> bool {
        let mut moved = false;
        let node = &mut self.nodes[at];
        let committed = node.partition.committed();
        while node.checkpoints.front().is_some_and(|first| first.through <= committed) {
            let Some(checkpoint) = node.checkpoints.pop_front() else { return moved };
            let through = checkpoint.through;
            node.state.apply(checkpoint);
            node.partition.handle(self.now, Input::Stored(through));
            moved = true;
        }
        moved
    }

    pub(crate) fn load_one(&mut self) -> bool {
        let Some((partition, key)) = self.loads.pop_front() else { return false };
        let at = usize::from(partition.0);
        let record = self.nodes[at].state.find(&key).map(Box::new);
        self.handle(at, Input::Loaded { key, record });
        true
    }

    fn grant(&mut self) -> bool {
        let now = self.now.elapsed;
        let granted = self.destinations.values_mut().find_map(|to| to.poll_grant(now));
        let Some(grant) = granted else { return false };
        self.handle(usize::from(grant.lane.partition.0), Input::Granted(grant));
        true
    }

    fn let_fetch(&mut self) -> bool {
        let Some(wanted) = self.refills.poll(self.now.elapsed) else { return false };
        self.handle(usize::from(wanted.partition.0), Input::MayFetch(wanted));
        true
    }

    /// An ask under way ends; what it brought was received before.
    pub(crate) fn end_fetch(
        &mut self,
        which: usize,
        outcome: RefillOutcome,
        events: u32,
        (retry_after, none): (Option<Duration>, Ranges),
    ) {
        let Fetch { id, key, .. } = self.fetches.remove(which);
        let source = key.source;
        self.refills.ended(self.now.elapsed, source, outcome, retry_after);
        let fetched = Fetched { id, source, outcome, events, retry_after, none };
        self.handle(usize::from(partition_of(&key).0), Input::Fetched(fetched));
    }

    pub(crate) fn end_aborted(&mut self) -> bool {
        let Some(id) = self.aborted.pop() else { return false };
        let at = self.under_way.iter().position(|attempt| attempt.id == id);
        if let Some(at) = at {
            self.end(at, sprag_core::fact::Outcome::Unknown, None);
        }
        true
    }

    /// An attempt under way ends.
    pub(crate) fn end(
        &mut self,
        at: usize,
        outcome: sprag_core::fact::Outcome,
        retry_after: Option<Duration>,
    ) {
        let attempt = self.under_way.remove(at);
        self.aborted.retain(|id| *id != attempt.id);
        self.end_with(&attempt, outcome, retry_after, None);
    }

    /// An attempt that was under way ends, perhaps because its consumer drops the event.
    pub(crate) fn end_with(
        &mut self,
        attempt: &Attempt,
        outcome: sprag_core::fact::Outcome,
        retry_after: Option<Duration>,
        dropped: Option<Arc<str>>,
    ) {
        let took = Duration::from_millis(1);
        let acknowledged = self.says.take();
        let ended =
            Ended { attempt: attempt.id, outcome, retry_after, dropped, acknowledged, took };
        self.handle(usize::from(partition_of(&attempt.key).0), Input::Ended(ended));
    }

    /// Time goes on, with a tick at every deadline; partitions that are quiet hear nothing.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.elapsed.0 + micros(by);
        for step in 0.. {
            assert!(step < 1_000_000, "timers that never end");
            self.settle();
            let deadlines = self.nodes.iter().filter_map(|node| node.partition.deadline());
            let destinations = self.destinations.values().filter_map(Destination::deadline);
            let deadlines = deadlines.chain(destinations).chain(self.refills.deadline());
            let deadlines = deadlines.chain(self.comparing.turns.deadline());
            let next = deadlines.min().map_or(end, |due| due.0.min(end)).max(self.now.elapsed.0);
            self.pass(next - self.now.elapsed.0);
            let due = self.tick();
            if self.now.elapsed.0 >= end && !due {
                break;
            }
        }
        self.settle();
    }

    fn pass(&mut self, by: u64) {
        self.now.elapsed.0 += by;
        self.now.clock = UnixMicros(self.now.clock.0 + by);
    }

    /// Ticks every partition that asked for this time; says whether one did.
    fn tick(&mut self) -> bool {
        let now = self.now.elapsed;
        let waits = |to: &mut Destination| to.deadline().is_some_and(|due| due <= now);
        let granted = self.destinations.values_mut().filter_map(|to| waits(to).then_some(to));
        let ticked = granted.map(|to| to.tick(now)).count();
        let due = |node: &Node| node.partition.deadline().is_some_and(|due| due <= now);
        let due: Vec<_> = (0..self.nodes.len()).filter(|at| due(&self.nodes[*at])).collect();
        due.iter().for_each(|at| self.handle(*at, Input::Tick));
        for at in &due {
            let again = self.nodes[*at].partition.deadline();
            assert!(again.is_none_or(|again| again > now), "a timer that is due after its tick");
        }
        !due.is_empty() || ticked > 0
    }

    /// A ticket nobody has used.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.judge.asked(ticket);
        ticket
    }

    /// Attempts under way and permits given out are the same, once all is quiet; and who waits for
    /// a permit is in memory.
    fn permits_add_up(&self) {
        for (id, destination) in &self.destinations {
            let waiting: usize = self.nodes.iter().map(|node| seeking(node, *id)).sum();
            assert_eq!(destination.waiting(), waiting, "lanes that wait for permits of {id:?}");
            let under_way = self.under_way.iter().filter(|attempt| attempt.destination == *id);
            assert_eq!(destination.in_flight(), under_way.count(), "permits of {id:?}");
        }
    }
}

/// Lanes in memory that asked for a permit.
fn seeking(node: &Node, to: DestinationId) -> usize {
    let keys = node.partition.records().map(|(key, _)| key);
    let views = keys.filter_map(|key| node.partition.view(key));
    let lanes = views.flat_map(|view| view.lanes);
    lanes.filter(|lane| lane.destination == to && lane.has_asked).count()
}

fn bodies(draft: &Draft) -> usize {
    draft.facts.iter().filter(|fact| matches!(fact, Fact::Received(_))).count()
}

/// The partition of a key: what follows `@` in its name, else 0.
pub(crate) fn partition_of(key: &Key) -> PartitionId {
    let number = key.name.split_once('@').and_then(|(_, number)| number.parse().ok());
    PartitionId(number.unwrap_or_default())
}
