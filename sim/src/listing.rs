//! Sources that have a list of all they ever said, what was lost besides: it is read as a whole, late or in part, fails,
//! or says that it is read too often. What it gives goes the way of any event, the oldest first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sprag_core::fact::{Origin, RefillOutcome};
use sprag_core::id::SourceId;
use sprag_core::input::Ticket;
use sprag_core::lists::{ListAsk, ListRead};
use sprag_core::output::{Answer, Busy, Status};
use sprag_core::rate::Rate;
use sprag_core::settings::{Contract, ListSettings};
use sprag_core::time::UnixMicros;

use crate::authority::reword;
use crate::dice::{Dice, Seed};
use crate::happening::Happening;
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::setting::Setting;
use crate::workload::{Post, Workload};
use crate::world::{CLOCK, Phase, World};

/// The stream of chance that decides which sources have a list, and what it answers.
const LIST_DICE: u64 = 90;
/// Tries to take an event in before the pass goes on without it.
const TRIES: u32 = 6;
/// How long it takes at the most until a list is read beyond what its settings say, once nothing fails.
const SURELY_READ: Instant = 6 * SECOND;
/// A list that is read so far back is read back to the beginning of any world.
const ALL: Duration = Duration::from_secs(3_600);

/// Everything that lists know and do.
#[derive(Debug)]
pub(crate) struct Listings {
    dice: Dice,
    /// What is listed, by source, oldest first; and whether it is nowhere else.
    listed: BTreeMap<usize, Vec<(Post, bool)>>,
    passes: BTreeMap<u64, Pass>,
    tickets: BTreeMap<Ticket, (u64, usize)>,
    /// Events that were answered.
    taken: BTreeSet<(usize, Arc<str>)>,
    /// Events that had no room, and for which pass: another brings them.
    refused: BTreeMap<(usize, Arc<str>), u64>,
    /// Sources that said in this life of the process that they are read too often.
    throttling: BTreeSet<SourceId>,
    /// When lists were read whole last under what is in force.
    whole: BTreeMap<SourceId, Instant>,
    /// Up to when lists were read last by a pass that nothing was to fail, under what is in force.
    sound: BTreeMap<SourceId, UnixMicros>,
}

/// A pass that is under way.
#[derive(Debug)]
struct Pass {
    /// The number of the source.
    of: usize,
    asked: ListAsk,
    outcome: RefillOutcome,
    newest: Option<UnixMicros>,
    retry_after: Option<Duration>,
    /// What it gives, and how often that was tried to be taken in.
    gives: Vec<(Post, u32)>,
    /// Events that have no answer yet.
    open: usize,
    /// Whether nothing was to fail when it began: it gives all that it is asked for.
    is_sound: bool,
}

/// Some sources that do not count have a list, in half of all worlds.
/// Gives what decides on.
pub(crate) fn draw(seed: &Seed, setting: &mut Setting, workload: &Workload) -> Dice {
    let mut dice = Dice::new(seed, LIST_DICE);
    if !dice.chance(500) {
        return dice;
    }
    for (planned, source) in setting.plan.sources.iter_mut().zip(&workload.sources) {
        let settings = &mut planned.settings;
        let silence = Duration::from_millis(dice.between(2_000, 9_000));
        let list = ListSettings {
            after: Duration::from_millis(dice.between(50, 2_000)),
            every: Duration::from_millis(dice.between(1_000, 6_000)),
            reach: (settings.dedupe / 2).min(Duration::from_secs(dice.pick(&[8, 86_400, 86_400]))),
            rate: Rate { count: 100, period: Duration::from_secs(1) },
            silence: dice.chance(400).then_some(silence),
        };
        let counts = matches!(settings.contract, Contract::Fifo { .. });
        settings.list = Some(list).filter(|_| !counts && source.has_ids && dice.chance(750));
    }
    dice
}

impl Listings {
    /// What they list: what is told, also where it never comes. Whoever counts anew has no list of before.
    pub(crate) fn of(dice: Dice, workload: &Workload) -> Self {
        let anew = workload.posts.iter().filter(|post| post.twist == Some("counts anew"));
        let anew: BTreeSet<usize> = anew.map(|post| post.resource).collect();
        let told = |post: &&Post| {
            let usual = matches!(post.twist, None | Some("shuffled" | "delayed" | "dropped"));
            let is_whole = post.accepted && !post.is_unreadable && post.id.is_some();
            usual && is_whole && !anew.contains(&post.resource)
        };
        let posts = workload.posts.iter().map(|post| (post, false));
        let dropped = workload.dropped.iter().map(|post| (post, true));
        let mut listed: BTreeMap<usize, Vec<(Post, bool)>> = BTreeMap::new();
        for (post, is_lost) in posts.chain(dropped).filter(|(post, _)| told(post)) {
            let post = Post { in_time: true, twist: None, ..post.clone() };
            let source = workload.resources[post.resource].source;
            listed.entry(source).or_default().push((post, is_lost));
        }
        listed.values_mut().for_each(|posts| posts.sort_by_key(|(post, _)| post.at));
        Self {
            dice,
            listed,
            passes: BTreeMap::new(),
            tickets: BTreeMap::new(),
            taken: BTreeSet::new(),
            refused: BTreeMap::new(),
            throttling: BTreeSet::new(),
            whole: BTreeMap::new(),
            sound: BTreeMap::new(),
        }
    }

    /// The process is gone: nobody waits for an answer any more.
    pub(crate) fn disconnected(&mut self) {
        self.passes.clear();
        self.tickets.clear();
        self.throttling.clear();
        self.begins_anew();
    }

    /// Whether an event was not answered although there was room for it.
    fn is_missing(&self, post: &Post) -> bool {
        let event = named(post);
        event
            .is_some_and(|event| !self.taken.contains(&event) && !self.refused.contains_key(&event))
    }

    /// A pass over a source's list has ended: what had no room before has its chance behind it.
    fn passed(&mut self, number: u64, source: usize) {
        for event in
            self.listed.get(&source).into_iter().flatten().filter_map(|(post, _)| named(post))
        {
            if self.refused.get(&event).is_some_and(|pass| *pass != number) {
                self.refused.remove(&event);
            }
        }
    }

    /// Other settings are in force.
    pub(crate) fn begins_anew(&mut self) {
        self.whole.clear();
        self.sound.clear();
    }

    /// What is answered, when, and under which name.
    fn answer(
        &mut self,
        source: usize,
        asked: ListAsk,
        (now, faults): (Instant, bool),
    ) -> (Pass, Instant, &'static str) {
        let time = |post: &Post| UnixMicros(CLOCK + post.at);
        let listed = self.listed.get(&source).map_or(&[][..], Vec::as_slice);
        let there = listed.iter().map(|(post, _)| post).filter(|post| post.at <= now);
        let old = there.filter(|post| time(post) <= asked.until);
        let newest = old.clone().map(time).max();
        let gives = old.filter(|post| time(post) >= asked.since).map(|post| (post.clone(), 0));
        let mut pass = Pass {
            of: source,
            asked,
            outcome: RefillOutcome::Whole,
            newest,
            retry_after: None,
            gives: gives.collect(),
            open: 0,
            is_sound: !faults,
        };
        let quick = self.dice.between(MILLISECOND, 300 * MILLISECOND);
        let roll = if faults { self.dice.below(100) } else { 0 };
        let fails = |pass: &mut Pass, outcome| (pass.outcome, pass.gives) = (outcome, Vec::new());
        let name = match roll {
            0..45 => "answers",
            45..53 => return (pass, self.dice.between(SECOND, 4 * SECOND), "answers late"),
            53..62 => {
                fails(&mut pass, RefillOutcome::Unreachable);
                "unreachable"
            }
            62..71 => {
                fails(&mut pass, RefillOutcome::Answered { status: 503 });
                "fails"
            }
            71..80 => {
                fails(&mut pass, RefillOutcome::Answered { status: 429 });
                let says = self.dice.chance(500);
                pass.retry_after = says.then(|| Duration::from_secs(self.dice.between(1, 4)));
                "throttles"
            }
            80..92 => {
                let part = self.dice.index(pass.gives.len() + 1);
                pass.gives.truncate(part);
                pass.outcome = RefillOutcome::Cut;
                "gives a part"
            }
            _ => {
                pass.gives.iter_mut().for_each(|(post, _)| reword(&mut self.dice, post));
                "gives other bodies"
            }
        };
        (pass, quick, name)
    }
}

impl World {
    /// The list of a source is read.
    pub(crate) fn read_list(&mut self, asked: ListAsk) {
        let settings = self.process.as_ref().and_then(|process| process.settings.clone());
        let known = settings.as_ref().and_then(|settings| settings.sources.get(&asked.source));
        let Some((name, list)) = known.and_then(|known| Some((known.name.clone(), known.list?)))
        else {
            let what = format!("{asked:?} of a source without a list");
            return self.judge("list", Err(what));
        };
        self.judge_read(asked, list);
        let Some(source) = self.sources.iter().position(|source| source.name == name) else {
            return self.judge("list", Err(format!("{asked:?} of no source")));
        };
        let faults = self.phase == Phase::Safety;
        let (pass, after, answers) = self.listings.answer(source, asked, (self.now, faults));
        if pass.outcome.is_throttled() {
            self.listings.throttling.insert(asked.source);
        }
        self.counts.hit("list", "read");
        self.counts.add("list", "read once more", u64::from(asked.number > 1));
        self.counts.hit("list", answers);
        let numbers = [source as u64, asked.number, asked.since.0, asked.until.0];
        self.trace.note(self.now, '?', &numbers, || {
            let (since, until) =
                (asked.since.0.saturating_sub(CLOCK), asked.until.0.saturating_sub(CLOCK));
            format!(
                "the list of {name} from {since} to {until}: {answers}, {} events",
                pass.gives.len()
            )
        });
        self.listings.passes.insert(asked.number, pass);
        self.schedule.plan(self.now + after, Happening::Listed(self.life, asked.number));
    }

    /// No further back than `reach`, one pass at a time, and not again before it is time.
    fn judge_read(&mut self, asked: ListAsk, list: ListSettings) {
        let clock = self.clock().clock;
        let of_source = |pass: &Pass| pass.asked.source == asked.source;
        let is_second = self.listings.passes.values().any(of_source);
        let reach = clock.since(asked.since);
        let every = Instant::try_from(list.every.as_micros()).unwrap_or(Instant::MAX);
        let whole = self.listings.whole.get(&asked.source);
        // A silence may have lasted for long when the pass ended in which it began.
        let is_early = whole.is_some_and(|at| self.now < at + every && list.silence.is_none());
        let verdict = match () {
            () if reach > list.reach => Err(format!("{asked:?} is beyond {:?}", list.reach)),
            () if is_second => Err(format!("{asked:?} beside another")),
            () if clock.since(asked.until) < list.after => Err(format!("{asked:?} is too new")),
            () if is_early => Err(format!("{asked:?} although it was read at {whole:?}")),
            () => Ok(()),
        };
        self.judge("list", verdict);
    }

    /// A list is answered: its events come in.
    pub(crate) fn listed(&mut self, life: u64, number: u64) {
        if self.alive(life).is_none() {
            return;
        }
        let Some(pass) = self.listings.passes.get_mut(&number) else { return };
        pass.open = pass.gives.len();
        for which in 0..pass.gives.len() {
            self.list_bring(life, number, which);
        }
        self.end_list(number);
        self.turn();
    }

    /// An event of a list comes in.
    pub(crate) fn list_bring(&mut self, life: u64, number: u64, which: usize) {
        if self.alive(life).is_none() {
            return;
        }
        let pass = self.listings.passes.get_mut(&number);
        let Some((post, tries)) = pass.and_then(|pass| pass.gives.get_mut(which)) else { return };
        *tries += 1;
        let post = post.clone();
        let Some(key) = self.key_of(post.resource) else { return };
        let ticket = self.next_ticket();
        let uptime = self.uptime();
        self.listings.tickets.insert(ticket, (number, which));
        self.watching.answers.sent(ticket, &post, (self.now, uptime));
        self.watching.refilled.given(post.resource, post.digest);
        self.trace.note(self.now, '>', &[ticket.0, number], || {
            format!("{} resource {} {:?} listed", ticket.0, post.resource, post.position)
        });
        self.receive(ticket, key, &post, Origin::Refilled);
    }

    /// An event of a list is answered; says whether the ticket was one.
    pub(crate) fn list_answered(&mut self, ticket: Ticket, answer: &Answer) -> bool {
        let Some((number, which)) = self.listings.tickets.remove(&ticket) else { return false };
        let verdict = self.watching.answers.answered(self.now, ticket, answer);
        self.judge("answers", verdict);
        let Some(pass) = self.listings.passes.get_mut(&number) else { return true };
        let (post, tries) = &pass.gives[which];
        match answer {
            Answer::Event { status, event, .. } => {
                let is_known = *status == Status::Duplicate;
                let what = if is_known { "brought what is known" } else { "brought what was lost" };
                self.counts.hit("list", what);
                self.watching.refilled.answered(*status, *event);
                self.listings.taken.extend(named(post));
                pass.open -= 1;
            }
            Answer::Busy(Busy::Rate { .. } | Busy::Keys | Busy::Loading) | Answer::Unavailable
                if *tries < TRIES =>
            {
                let at = self.now + self.listings.dice.between(50, 600) * MILLISECOND;
                self.schedule.plan(at, Happening::ListBring(self.life, number, which));
            }
            _ => {
                self.listings.refused.extend(named(post).map(|event| (event, number)));
                pass.open -= 1;
                pass.outcome = RefillOutcome::Cut;
            }
        }
        self.end_list(number);
        true
    }

    /// A pass ends once all that it gave is answered.
    fn end_list(&mut self, number: u64) {
        if self.listings.passes.get(&number).is_some_and(|pass| pass.open == 0) {
            self.schedule.plan(self.now, Happening::ListEnded(self.life, number));
        }
    }

    pub(crate) fn list_ended(&mut self, life: u64, number: u64) {
        if self.alive(life).is_none() {
            return;
        }
        let Some(pass) = self.listings.passes.remove(&number) else { return };
        let Pass { of, asked, outcome, newest, retry_after, is_sound, .. } = pass;
        let source = asked.source;
        if is_sound {
            self.listings.passed(number, of);
            self.listings.sound.insert(source, asked.until);
        }
        if outcome == RefillOutcome::Whole {
            self.listings.whole.insert(source, self.now);
        }
        self.trace
            .note(self.now, '?', &[number], || format!("pass {number}: {}", outcome.as_str()));
        let now = self.clock();
        if let Some(process) = &mut self.process {
            let read = ListRead { number, source, outcome, newest, retry_after };
            process.node.list_read(now, &read);
        }
        self.turn();
    }

    /// Whether every list was read since nothing fails any more.
    pub(crate) fn lists_had_time(&self) -> bool {
        let lists = self.lists();
        let mut unread = lists.iter().filter(|(id, _)| !self.listings.sound.contains_key(id));
        self.lists_began() && unread.all(|(id, _)| self.listings.throttling.contains(id))
    }

    /// Whether every list was surely begun to be read since nothing fails any more.
    fn lists_began(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let since = self.phase_began.max(process.started + process.away);
        self.lists().into_iter().all(|(_, list)| self.now >= since + patience(list))
    }

    /// What has a list, as the process has it.
    fn lists(&self) -> Vec<(SourceId, ListSettings)> {
        let settings = self.process.as_ref().and_then(|process| process.settings.as_ref());
        let sources = settings.into_iter().flat_map(|settings| &settings.sources);
        sources.filter_map(|(id, source)| Some((*id, source.list?))).collect()
    }

    /// What is nowhere but on a list was taken in, once that was read by a pass that nothing was to fail; and there is
    /// such a pass. How long it takes is nobody's promise: of memory for few keys each of its events waits for room.
    pub(crate) fn judge_listed(&mut self) {
        if !self.lists_began() {
            return;
        }
        for (id, list) in self.lists() {
            let verdict = self.is_read(id, list);
            self.judge("list", verdict);
        }
    }

    fn is_read(&self, id: SourceId, list: ListSettings) -> Result<(), String> {
        let settings = self.process.as_ref().and_then(|process| process.settings.as_ref());
        let source = settings.and_then(|settings| settings.sources.get(&id));
        let Some(name) = source.map(|source| &source.name) else { return Ok(()) };
        let Some(until) = self.listings.sound.get(&id) else {
            let is_under_way = self.listings.passes.values().any(|pass| pass.asked.source == id);
            let rests = is_under_way || self.listings.throttling.contains(&id);
            return if rests { Ok(()) } else { Err(format!("the list of {name} is not read")) };
        };
        let number = self.sources.iter().position(|known| known.name == *name);
        let listed = number.and_then(|number| self.listings.listed.get(&number));
        let is_read = |post: &Post| UnixMicros(CLOCK + post.at) <= *until;
        let missing = listed.into_iter().flatten().find(|(post, is_lost)| {
            *is_lost && list.reach >= ALL && is_read(post) && self.listings.is_missing(post)
        });
        let Some((Post { at, resource, id, .. }, _)) = missing else { return Ok(()) };
        let what = format!("{id:?} of resource {resource} is on the list of {name} since {at}");
        Err(format!("{what}, and is not here although it was read to {until:?}"))
    }
}

fn named(post: &Post) -> Option<(usize, Arc<str>)> {
    post.id.clone().map(|id| (post.resource, id))
}

/// After how long a list is read that nothing keeps from it.
fn patience(list: ListSettings) -> Instant {
    let most = list.after + 2 * list.every;
    Instant::try_from(most.as_micros()).unwrap_or(Instant::MAX).saturating_add(SURELY_READ)
}
