//! The node: all partitions and destinations over one log and one state store.
//!
//! It decides nothing: it carries inputs to the core and outputs to log, state and network, and
//! keeps what it takes to do so. Every step returns at once; what takes time is submitted and
//! completes later (DESIGN F8). Must not know: clocks, threads, sockets, files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sprag_core::backlog::Watch;
use sprag_core::chain::Digest;
use sprag_core::compares::Compares;
use sprag_core::destination::Destination;
use sprag_core::fact::{Fact, Origin};
use sprag_core::id::{DestinationId, Hash, Key, PartitionId, SourceId};
use sprag_core::input::{Arrival, AttemptId, Command, Ended, Input, Ticket};
use sprag_core::intake::Intake;
use sprag_core::lists::Lists;
use sprag_core::output::{Answer, Output};
use sprag_core::partition::{KeyView, Partition};
use sprag_core::partitioning::partition_of;
use sprag_core::plan::Plan;
use sprag_core::record::Directory;
use sprag_core::refill::Refills;
use sprag_core::retention::{Retention, Tally};
use sprag_core::settings::Settings;
use sprag_core::time::{ElapsedMicros, Now};
use sprag_log::{Completion, Log, Request};

use crate::ask::{Asked, WantedBacklog};
use crate::cache::EventCache;
use crate::effect::{Effect, Notice};
use crate::limits;
use crate::numbered::{ByNumber, Numbers};
use crate::owner::{Owner, Stage};
use crate::redrive::Redrives;
use crate::reload::Reload;
use crate::retain::Retaining;
use crate::state::{State, StateRequest};

/// The ticket of what the node asks of itself.
pub(crate) const OWN_TICKET: Ticket = Ticket(u64::MAX);

/// The ticket of the pause that the node asks for itself.
pub(crate) const GONE_TICKET: Ticket = Ticket(u64::MAX - 1);

/// All partitions and destinations of a process.
///
/// After any of the calls that bring something in ([`receive`](Self::receive),
/// [`ignore`](Self::ignore), [`command`](Self::command), [`ended`](Self::ended),
/// [`fetched`](Self::fetched), [`compared`](Self::compared), [`list_read`](Self::list_read), [`reload`](Self::reload)), call
/// [`turn`](Self::turn), then carry out [`poll_effect`](Self::poll_effect) until there is none,
/// and call `turn` again when log or state completed something, and at
/// [`deadline`](Self::deadline).
#[derive(Debug)]
pub struct Node<L, S, D> {
    pub(crate) log: L,
    pub(crate) state: S,
    pub(crate) digest: D,
    pub(crate) plan: Plan,
    /// None until the history of partition 0 says which numbers names have.
    pub(crate) settings: Option<Arc<Settings>>,
    pub(crate) owners: Vec<Owner<D>>,
    pub(crate) destinations: BTreeMap<DestinationId, Destination>,
    /// How many events may come in; everything until the settings are known.
    pub(crate) intake: Intake,
    /// Whose turn it is to ask for missing positions.
    pub(crate) refills: Refills,
    /// Whose turn it is to be compared with what its source has.
    pub(crate) compares: Compares,
    /// When the lists of whole sources are read.
    pub(crate) lists: Lists,
    /// Whether a destination's own pause was asked for and is not answered yet.
    pub(crate) is_pausing: bool,
    /// Compares what waits with what may.
    pub(crate) watch: Watch,
    pub(crate) retention: Retention,
    pub(crate) retaining: Retaining,
    pub(crate) redrives: Redrives,
    pub(crate) cache: EventCache,
    pub(crate) asked: ByNumber<u64, Asked>,
    pub(crate) next_query: u64,
    /// Attempts broken off while their event was still being read.
    pub(crate) broken_off: Numbers<(PartitionId, AttemptId)>,
    /// Tickets that wait until the state store has what was committed when they came.
    pub(crate) storing: Vec<crate::checkpoint::Storing>,
    /// Whether history has all configured names: before, no fact may use their numbers (F6).
    pub(crate) is_declared: bool,
    /// Another configuration, on its way to be in force.
    pub(crate) reload: Reload,
    pub(crate) effects: VecDeque<Effect>,
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// A node over `partitions` partitions (DESIGN K2). The seed is all its randomness.
    #[must_use]
    pub fn new(log: L, state: S, digest: D, plan: Plan, partitions: u16, seed: u64) -> Self {
        let nothing = Arc::new(Settings {
            revision: plan.revision,
            sources: BTreeMap::new(),
            destinations: BTreeMap::new(),
            retired: BTreeSet::new(),
            hot_keys: plan.hot_keys,
            key_backlog: plan.key_backlog,
            dedupe_ids: plan.dedupe_ids,
            forgotten: plan.forgotten,
            partition_rate: None,
            restore: None,
        });
        let retention = Retention::new(plan.retention);
        let owner = |number: u16| {
            let seed = seed.wrapping_add(u64::from(number).wrapping_mul(0x9E37_79B9));
            let id = PartitionId(number);
            Owner::new(Partition::new(id, nothing.clone(), seed, digest.clone()))
        };
        Self {
            owners: (0..partitions.max(1)).map(owner).collect(),
            log,
            state,
            digest,
            plan,
            settings: None,
            destinations: BTreeMap::new(),
            intake: Intake::default(),
            refills: Refills::default(),
            compares: Compares::default(),
            lists: Lists::default(),
            is_pausing: false,
            watch: Watch::default(),
            retention,
            retaining: Retaining::default(),
            redrives: Redrives::default(),
            cache: EventCache::new(limits::CACHE_BYTES),
            asked: ByNumber::default(),
            next_query: 0,
            broken_off: Numbers::default(),
            storing: Vec::new(),
            is_declared: false,
            reload: Reload::default(),
            effects: VecDeque::new(),
        }
    }

    /// An event came in. Its ticket is answered with an effect, always.
    pub fn receive(&mut self, now: Now, arrival: Arrival, body: Arc<[u8]>) {
        let partition = self.partition_of(&arrival.key);
        if !self.admit(now, arrival.ticket, arrival.key.source, partition) {
            return;
        }
        if arrival.origin == Origin::Posted {
            self.lists.heard(now.elapsed, arrival.key.source);
        }
        self.owner(partition).bodies.insert(arrival.ticket, body);
        // Where history may have it the core asks: what comes behind it in its key waits then.
        let seen = self.glance(partition, &arrival).unwrap_or_default();
        self.input(now, partition, Input::Receive { arrival: Box::new(arrival), seen });
    }

    /// An event came in whose type its source does not accept. History has it in partition 0,
    /// for it may have no key.
    pub fn ignore(
        &mut self,
        now: Now,
        ticket: Ticket,
        source: SourceId,
        id: Option<Arc<str>>,
        event_type: Arc<str>,
        digest: Hash,
    ) {
        if self.admit(now, ticket, source, PartitionId(0)) {
            let input = Input::Ignore { ticket, source, id, event_type, digest };
            self.input(now, PartitionId(0), input);
        }
    }

    /// A request was refused. History has it in partition 0, as far as its bounds allow.
    pub fn refuse(
        &mut self,
        now: Now,
        source: SourceId,
        code: Arc<str>,
        peer: Arc<str>,
        digest: Option<Hash>,
    ) {
        self.input(now, PartitionId(0), Input::Refuse { source, code, peer, digest });
    }

    /// An operator's command.
    pub fn command(&mut self, now: Now, ticket: Ticket, command: Command) {
        let partition = match &command {
            Command::PauseKey(key)
            | Command::ResumeKey(key)
            | Command::Rebase(key)
            | Command::GiveUpGap { key, .. }
            | Command::Redrive { key, .. }
            | Command::RedriveGone { key, .. }
            | Command::Rewind { key, .. }
            | Command::Acknowledge { key, .. }
            | Command::Drop { key, .. } => self.partition_of(key),
            Command::PauseDestination(_)
            | Command::PauseGone(_)
            | Command::ResumeDestination(_)
            | Command::Declare(_) => PartitionId(0),
        };
        match command {
            Command::Redrive { passed: Some(_), .. } | Command::Rewind { .. } => {
                self.redrive(now, partition, ticket, command);
            }
            command => self.input(now, partition, Input::Command { ticket, command }),
        }
    }

    /// An attempt ended.
    pub fn ended(&mut self, now: Now, partition: PartitionId, ended: Ended) {
        self.cache.ended(partition, &ended);
        self.input(now, partition, Input::Ended(ended));
    }

    /// Works off what has completed and what is due, until nothing more can be done now.
    pub fn turn(&mut self, now: Now) {
        loop {
            let mut progressed = false;
            while let Some(completion) = self.log.complete() {
                self.log_completed(now, completion);
                progressed = true;
            }
            while let Some(completion) = self.state.complete() {
                self.state_completed(now, completion);
                progressed = true;
            }
            // Asked once for all partitions: their frames go out in one write.
            let write = self.log.is_idle();
            for at in 0..self.owners.len() {
                progressed |= self.turn_partition(now, at, write);
            }
            progressed |= self.decide_reload(now);
            progressed |= self.grant(now);
            progressed |= self.let_fetch(now);
            progressed |= self.let_compare(now);
            progressed |= self.let_read(now);
            progressed |= self.watch_backlogs(now);
            progressed |= self.retain(now);
            if !progressed {
                self.answer_stored();
                return;
            }
        }
    }

    fn turn_partition(&mut self, now: Now, at: usize, write: bool) -> bool {
        let owner = &mut self.owners[at];
        if let Stage::Unclaimed(due) = owner.stage
            && due <= now.elapsed
        {
            owner.stage = Stage::Claiming;
            let partition = owner.partition.id();
            self.log.submit(Request::Claim { partition });
            return true;
        }
        if owner.partition.deadline().is_some_and(|deadline| deadline <= now.elapsed) {
            owner.partition.handle(now, Input::Tick);
        }
        let taken = write && self.take_frames(now, at);
        self.checkpoint(now, at);
        let put_out = self.put_out(now, at);
        taken || put_out
    }

    /// Carries the outputs of a partition out.
    pub(crate) fn put_out(&mut self, now: Now, at: usize) -> bool {
        let mut progressed = false;
        let mut cold = Vec::new();
        while let Some(output) = self.owners[at].partition.poll_output() {
            progressed = true;
            match output {
                Output::Load(key) => cold.push(key),
                output => self.carry_out(now, at, output),
            }
        }
        if !cold.is_empty() {
            let partition = self.owners[at].partition.id();
            self.state.submit(StateRequest::Load(partition, cold));
        }
        progressed
    }

    fn carry_out(&mut self, now: Now, at: usize, output: Output) {
        let partition = self.owners[at].partition.id();
        match output {
            Output::Answer { ticket, answer } => self.answer(now, at, ticket, answer),
            Output::Attempt(attempt) => self.deliver(now, partition, attempt),
            Output::Abort(attempt) => self.abort(partition, attempt),
            Output::Request(_) | Output::Withdraw(_) | Output::Return { .. } => {
                self.about_permit(now, &output);
            }
            Output::WantFetch(_)
            | Output::WithdrawFetch(_)
            | Output::SpareFetch(_)
            | Output::Fetch(_) => self.about_refill(partition, output),
            Output::WantCompare(_)
            | Output::SpareCompare(_)
            | Output::Compare(_)
            | Output::BringTheirs(_) => self.about_compare(partition, output),
            Output::Load(key) => self.state.submit(StateRequest::Load(partition, vec![key])),
            Output::LookUp(arrival) => self.look_up(now, partition, arrival),
            Output::Recall { key, from, to } => self.recall(partition, key, (from, to)),
            Output::Page(page) => self.state.submit(StateRequest::Page(partition, page)),
            Output::FindIdle(request) => self.state.submit(StateRequest::Idle(partition, request)),
            Output::Backlog { lane, key, from, to, most, opened, again } => {
                let singly = None;
                let wanted = WantedBacklog { lane, key, from, to, most, opened, again, singly };
                self.ask_backlog(partition, Box::new(wanted));
            }
            Output::SequenceReset(key) => {
                self.effects.push_back(Effect::Notice(Notice::SequenceReset(key)));
            }
            Output::Forward { place, fact } => self.forward(now, partition, place, &fact),
            Output::Ask(ask) => {
                let to = self.partition_asked(&ask.reached);
                self.input(now, to, Input::Asked(ask));
            }
            Output::Tell { ask, word } => self.input(now, ask.from, Input::Told { ask, word }),
        }
    }

    pub(crate) fn answer(&mut self, now: Now, at: usize, ticket: Ticket, answer: Answer) {
        self.owners[at].bodies.remove(&ticket);
        self.redrive_answered(ticket);
        if ticket == GONE_TICKET {
            self.is_pausing = false;
        } else if ticket != OWN_TICKET {
            self.effects.push_back(Effect::Answer { ticket, answer });
        } else if answer == Answer::Done {
            self.declared(now);
        }
    }

    /// Brings a fact of one partition to the others and to the destinations.
    pub(crate) fn forward(
        &mut self,
        now: Now,
        from: PartitionId,
        place: sprag_core::id::Place,
        fact: &Fact,
    ) {
        self.pause_destinations(fact);
        for at in 0..self.owners.len() {
            if self.owners[at].partition.id() != from {
                let fact = Box::new(fact.clone());
                self.owners[at].partition.handle(now, Input::Foreign { place, fact });
            }
        }
    }

    /// Brings what partition 0 decides about destinations to them.
    pub(crate) fn pause_destinations(&mut self, fact: &Fact) {
        let (id, paused) = match fact {
            Fact::DestinationPaused(fact) => (fact.destination, true),
            Fact::DestinationResumed(fact) => (fact.destination, false),
            _ => return,
        };
        if let Some(destination) = self.destinations.get_mut(&id) {
            destination.set_paused(paused);
        }
    }

    /// Gives an input to its partition, or lets it wait for room in the frame being filled.
    pub(crate) fn input(&mut self, now: Now, partition: PartitionId, input: Input) {
        let owner = self.owner(partition);
        match input {
            input if !owner.partition.is_full(now) => owner.partition.handle(now, input),
            input if input.waits_for_room() => owner.inbox.push_back(input),
            _ => {}
        }
    }

    pub(crate) fn owner(&mut self, partition: PartitionId) -> &mut Owner<D> {
        &mut self.owners[usize::from(partition.0)]
    }

    /// The partition of a key; 0 for a source that is not configured.
    fn partition_of(&self, key: &Key) -> PartitionId {
        let source = self.settings.as_ref().and_then(|known| known.sources.get(&key.source));
        source.map_or(PartitionId(0), |source| self.partition_in(&source.name, key))
    }

    /// The partition of a key that is asked about, also where its source is not configured any more: what waits still
    /// refers to it.
    fn partition_asked(&self, key: &Key) -> PartitionId {
        let is_configured =
            self.settings.as_ref().is_some_and(|known| known.sources.contains_key(&key.source));
        let declared = self.owners[0].partition.directory().sources.get(&key.source);
        match declared.filter(|_| !is_configured) {
            Some(declared) => self.partition_in(&declared.name, key),
            None => self.partition_of(key),
        }
    }

    /// The partition of a key of a source of this name.
    fn partition_in(&self, source: &str, key: &Key) -> PartitionId {
        // There are as many owners as partitions, which is a u16.
        let partitions = u16::try_from(self.owners.len()).unwrap_or(u16::MAX);
        partition_of(&self.digest, source, &key.name, partitions)
    }

    fn log_completed(&mut self, now: Now, completion: Completion) {
        match completion {
            Completion::Claimed { partition, result } => self.claimed(now, partition, result),
            Completion::Appended { partition, number, result } => {
                self.appended(now, partition, number, result.err());
            }
            Completion::Answered { ticket, result } => self.answered(now, ticket.0, result),
            Completion::Trimmed { partition, result } => self.trimmed(now, partition, result.ok()),
            Completion::Rewritten { result, .. } => self.rewritten(now, result.ok()),
            Completion::Sealed(_) => self.retention.sealed(now),
        }
    }

    /// The next thing to do outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When time alone makes something happen.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        let owners = self.owners.iter();
        let times = owners.flat_map(|owner| {
            let claim = match owner.stage {
                Stage::Unclaimed(due) => Some(due),
                _ => None,
            };
            let refused = owner.refused.as_ref().map(|(due, _)| *due);
            let dirty = owner.partition.is_serving() && owner.partition.dirty_keys() > 0;
            // While a commit is under way its end is waited for: what is due then is made then.
            let is_next = dirty && owner.is_settled() && self.log.is_idle();
            let checkpoint = is_next.then_some(owner.checkpoint_due);
            [owner.partition.deadline(), claim, refused, checkpoint]
        });
        let destinations = self.destinations.values().filter_map(Destination::deadline);
        let watch = self.plan.destination_backlog.and(self.watch.deadline());
        let own = self.retention.deadline().into_iter().chain(watch).chain(self.lists.deadline());
        let own = own.filter(|_| self.is_serving());
        let reload = match &self.reload {
            Reload::Wanted(_, until) => Some(*until),
            _ => None,
        };
        let refills = self.refills.deadline().into_iter().chain(self.compares.deadline());
        times.flatten().chain(destinations).chain(own).chain(reload).chain(refills).min()
    }

    /// Whether every partition serves.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.owners.iter().all(|owner| matches!(owner.stage, Stage::Serving))
    }

    /// The settings by number, once the history of partition 0 is known.
    #[must_use]
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    /// The sources and destinations that history knows.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        self.owners[0].partition.directory()
    }

    /// The partitions, by number.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition<D>> {
        self.owners.iter().map(|owner| &owner.partition)
    }

    /// Whose turn it is to ask for missing positions.
    #[must_use]
    pub fn refills(&self) -> &Refills {
        &self.refills
    }

    /// The destinations, by number.
    #[must_use]
    pub fn destinations(&self) -> &BTreeMap<DestinationId, Destination> {
        &self.destinations
    }

    /// What retention did.
    #[must_use]
    pub fn retention(&self) -> Tally {
        self.retention.tally()
    }

    /// A key in memory as it is; none when it is not in memory.
    #[must_use]
    pub fn view(&self, key: &Key) -> Option<(PartitionId, KeyView)> {
        let partition = self.partition_of(key);
        let view = self.owners[usize::from(partition.0)].partition.view(key)?;
        Some((partition, view))
    }

    /// The log, for whoever watches it.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// The log, for whoever turns it.
    pub fn log_mut(&mut self) -> &mut L {
        &mut self.log
    }

    /// The state store, for whoever turns it.
    pub fn state_mut(&mut self) -> &mut S {
        &mut self.state
    }
}
