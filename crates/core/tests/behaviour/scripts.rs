//! Golden scripts: `tests/scripts/*.txt`, a story and below `---` what it led to, line by line.
//!
//! `UPDATE_SCRIPTS=1` writes what happens now; read the difference before you commit it. The words
//! of the language are the arms of [`Story::run`] and [`Story::set_up`].

mod compare;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sprag_core::clocks::{Clock, Counter};
use sprag_core::fact::{DeadLetter, Origin, Outcome, RefillOutcome};
use sprag_core::fields::{At, Field, Fields};
use sprag_core::id::{DestinationId, FrameNumber, Key, Revision, Sequence, SourceId};
use sprag_core::input::{Command, Input};
use sprag_core::links::Link;
use sprag_core::pattern::Pattern;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::rate::Rate;
use sprag_core::settings::{
    Ack, Contract, DependsOnSettings, DestinationSettings, First, OnGap, OnGiveUp, OnLate,
    RefillSettings, Restore, Retry, Settings, SourceSettings, Start,
};
use sprag_core::states::StateTable;
use sprag_core::time::UnixMicros;

use crate::harness::describe;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World, partition_of};

/// The words of one line: a verb, names, and `name=value` pairs.
struct Words<'a> {
    line: &'a str,
    plain: Vec<&'a str>,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let (pairs, plain): (Vec<_>, Vec<_>) =
            line.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
        Self { line, plain, pairs: pairs.collect() }
    }

    fn word(&self, at: usize) -> &'a str {
        self.plain.get(at).unwrap_or_else(|| panic!("a word is missing: {}", self.line))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.pairs.get(name).copied()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).map(|value| match value {
            "max" => u64::MAX,
            "any" => 0,
            value => value.parse().unwrap_or_else(|_| panic!("no number: {}", self.line)),
        })
    }

    fn size(&self, name: &str) -> Option<usize> {
        self.number(name).map(|number| usize::try_from(number).expect("a small number"))
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name).map(duration)
    }

    /// `2/1s`: two in a second.
    fn rate(&self, name: &str) -> Option<Rate> {
        let (count, period) = self.get(name)?.split_once('/')?;
        Some(Rate { count: count.parse().expect("a count"), period: duration(period) })
    }
}

fn duration(text: &str) -> Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).expect("a duration has a unit");
    let number: u64 = text[..digits].parse().expect("a duration begins with a number");
    match &text[digits..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(60 * number),
        "h" => Duration::from_secs(3_600 * number),
        unit => panic!("no unit: {unit}"),
    }
}

/// A story being told.
struct Story {
    settings: Settings,
    partitions: u16,
    habits: Habits,
    world: Option<World>,
    trace: Vec<String>,
}

impl Story {
    fn new() -> Self {
        let settings = Settings {
            revision: Revision(1),
            sources: BTreeMap::new(),
            destinations: BTreeMap::new(),
            retired: BTreeSet::new(),
            hot_keys: 100,
            key_backlog: 100,
            dedupe_ids: 1_000,
            forgotten: usize::MAX,
            partition_rate: None,
            restore: None,
        };
        let habits = Habits::default();
        Self { settings, partitions: 1, habits, world: None, trace: Vec::new() }
    }

    /// Tells the whole story and gives back its trace.
    fn tell(mut self, script: &str) -> String {
        let lines = script.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words = Words::of(line);
            if self.world.is_none() && self.set_up(&words) {
                continue;
            }
            self.start();
            self.trace.push(format!("> {line}"));
            self.run(&words);
            let world = self.world.as_mut().expect("it has started");
            world.settle();
            self.trace.append(&mut world.trace);
        }
        self.trace.push(String::new());
        self.trace.join("\n")
    }

    fn start(&mut self) {
        if self.world.is_some() {
            return;
        }
        let mut world = World::new(self.settings.clone(), self.partitions, Habits::default());
        world.declare();
        world.settle();
        world.trace.clear();
        world.habits = self.habits.clone();
        self.world = Some(world);
    }

    /// Lines before the first that acts.
    fn set_up(&mut self, words: &Words<'_>) -> bool {
        match words.word(0) {
            "source" => self.source(words),
            "destination" => self.destination(words),
            "limits" => self.limits(words),
            "partitions" => self.partitions = words.word(1).parse().expect("a number"),
            "manual" => {
                words.plain[1..].iter().for_each(|habit| set(&mut self.habits, habit, false));
            }
            _ => return false,
        }
        true
    }

    fn source(&mut self, words: &Words<'_>) {
        let id = SourceId(u32::try_from(self.settings.sources.len()).expect("few sources") + 1);
        let number = words.number("first").unwrap_or(1);
        let first = match (words.get("first"), words.get("strict")) {
            (Some("any"), _) => First::Any,
            (_, Some("true")) => First::Strictly(number),
            _ => First::At(number),
        };
        let contract = match words.word(2) {
            "arrival" => Contract::Arrival,
            "unordered" => Contract::Unordered,
            "settle" => Contract::Settle,
            "merge" => Contract::Merge,
            "causal" => Contract::Causal,
            "states" => Contract::States,
            "links" => Contract::Link,
            "latest" => Contract::Latest { coalesce: words.get("coalesce") == Some("true") },
            _ => Contract::Fifo { first },
        };
        let on_gap = if words.get("on_gap") == Some("halt") { OnGap::Halt } else { OnGap::Skip };
        let to = words.get("to").unwrap_or("1").split(',');
        let source = SourceSettings {
            name: Arc::from(words.word(1)),
            contract,
            hold_wait: words.duration("wait").unwrap_or(Duration::from_secs(5)),
            hold_events: words.size("events").unwrap_or(1_000),
            hold_span: words.number("span").unwrap_or(10_000),
            facts: words.duration("facts").unwrap_or(Duration::from_secs(34_560_000)),
            max_ahead: words.duration("max_ahead").unwrap_or(Duration::from_secs(300)),
            states: states(words),
            ranks: patterns(words.get("ranks").unwrap_or("")),
            on_gap,
            on_late: on_late(words).unwrap_or(OnLate::Deliver),
            dedupe: words.duration("dedupe").unwrap_or(Duration::from_secs(604_800)),
            forget_after: words.duration("forget_after"),
            destinations: to.map(|id| DestinationId(id.parse().expect("a number"))).collect(),
            rate: words.rate("rate"),
            refill: words.duration("refill").map(|after| RefillSettings {
                after,
                attempts: words.number("asks").map_or(3, |most| u32::try_from(most).expect("few")),
                rate: words.rate("ask_rate").unwrap_or(Rate { count: 10, period: duration("1s") }),
                every: words.duration("every"),
            }),
            list: None,
            reconcile: compare::settings(words),
            depends_on: words.number("depends_on").map(|source| DependsOnSettings {
                source: SourceId(u32::try_from(source).expect("few sources")),
                wait: words.duration("depends_wait").unwrap_or(Duration::from_secs(5)),
            }),
        };
        self.settings.sources.insert(id, source);
    }

    fn destination(&mut self, words: &Words<'_>) {
        let id = u32::try_from(self.settings.destinations.len()).expect("few destinations") + 1;
        let retry = Retry {
            first: words.duration("first").unwrap_or(Duration::from_secs(1)),
            cap: words.duration("cap").unwrap_or(Duration::from_secs(3_600)),
            give_up_after: words.duration("for").unwrap_or(Duration::from_secs(259_200)),
            attempts: words.number("attempts").map(|most| u32::try_from(most).expect("few")),
        };
        let on_give_up = match words.get("give_up") {
            Some("park") => OnGiveUp::Park,
            Some("skip") => OnGiveUp::Skip,
            _ => OnGiveUp::Halt,
        };
        let destination = DestinationSettings {
            name: Arc::from(words.word(1)),
            start: start(words),
            types: types(words),
            concurrency: words.size("concurrency").unwrap_or(64),
            slow_concurrency: words.size("slow"),
            slow_after: words.duration("slow_after").unwrap_or(Duration::from_secs(1)),
            rate: words.rate("rate"),
            key_rate: words.rate("key_rate"),
            retry,
            on_give_up,
            ack: match words.duration("ack") {
                Some(timeout) => Ack::Explicit { timeout },
                None => Ack::Answer,
            },
            batch: words.size("batch"),
        };
        self.settings.destinations.insert(DestinationId(id), destination);
    }

    fn limits(&mut self, words: &Words<'_>) {
        let settings = &mut self.settings;
        settings.hot_keys = words.size("hot_keys").unwrap_or(settings.hot_keys);
        settings.key_backlog = words.size("key_backlog").unwrap_or(settings.key_backlog);
        settings.partition_rate = words.rate("rate");
        settings.dedupe_ids = words.size("dedupe_ids").unwrap_or(settings.dedupe_ids);
        settings.forgotten = words.size("forgotten").unwrap_or(settings.forgotten);
    }

    /// Lines that act.
    fn run(&mut self, words: &Words<'_>) {
        let world = self.world.as_mut().expect("it has started");
        match words.word(0) {
            "receive" => receive(world, words),
            "refuse" => refuse(world, words),
            "commit" => (0..world.nodes.len()).for_each(|at| while world.commit_one(at) {}),
            "commit-one" => assert!(world.commit_one(0), "nothing to commit"),
            "commit-fails" => {
                let at = words.size("partition").unwrap_or(0);
                world.fail(at, words.size("durable").unwrap_or(0));
            }
            "answer" => end(world, words, Outcome::Answered { status: status(words) }),
            "timeout" => end(world, words, Outcome::Unknown),
            "unreachable" => end(world, words, Outcome::Unreachable),
            "read" => read(world, words),
            "unreadable" => end(world, words, Outcome::Unreadable),
            "fetched" => fetched(world, words),
            "compared" => compare::compared(world, words),
            "wait" => world.advance(duration(words.word(1))),
            "clock" => clock(world, words.word(1)),
            "crash" => {
                let keep = words.get("state") != Some("lost");
                world.crash(words.size("durable").unwrap_or(0), keep);
            }
            "reconfigure" => reconfigure(world, words),
            "reload" => {
                reconfigure(world, words);
                world.reload();
            }
            "restored" => restored(world, words),
            "delete" => {
                let through = words.number("through").expect("up to which frame");
                world.nodes.iter_mut().for_each(|node| node.log.deleted = FrameNumber(through));
            }
            "retain" => shown::retain(world, words),
            "overflow" => {
                let bytes = words.number("bytes").expect("how many to free");
                let destination = destination(words);
                world.handle(0, Input::Overflow { destination, bytes });
                let goes_on = world.nodes[0].partition.is_overflowing(destination);
                world.trace.push(format!("  gives up: {goes_on}"));
            }
            "store" => {
                for at in 0..world.nodes.len() {
                    world.store(at);
                }
            }
            "load" => assert!(world.load_one(), "nothing is to be loaded"),
            "aborted" => assert!(world.end_aborted(), "nothing was aborted"),
            "manual" => words.plain[1..].iter().for_each(|it| set(&mut world.habits, it, false)),
            "auto" => words.plain[1..].iter().for_each(|it| set(&mut world.habits, it, true)),
            "show" => shown::show(world, words),
            "counted" => shown::counted(world),
            "tallied" => compare::tallied(world),
            "watched" => shown::watched(world),
            "same" => world.memory_equals_history(),
            _ => command(world, words),
        }
    }
}

/// `on_late=dead-letter`, `late_to=2`
fn on_late(words: &Words<'_>) -> Option<OnLate> {
    let to = words.number("late_to").map(|to| u32::try_from(to).expect("few destinations"));
    to.map(|to| OnLate::To(DestinationId(to))).or_else(|| {
        words.get("on_late").map(|way| match way {
            "dead-letter" => OnLate::DeadLetter,
            "compensate" => OnLate::Compensate,
            _ => OnLate::Deliver,
        })
    })
}

/// The source gets other destinations or states or waits otherwise, a destination other types, rates or ranges,
/// another destination comes or one goes: from the next start on, or at once in a reload.
fn reconfigure(world: &mut World, words: &Words<'_>) {
    let mut settings = (*world.settings).clone();
    if let Some(to) = words.get("to") {
        let to = to.split(',').map(|id| DestinationId(id.parse().expect("a number"))).collect();
        settings.sources.get_mut(&SourceId(1)).expect("the source").destinations = to;
    }
    if words.get("initial").is_some() {
        settings.sources.get_mut(&SourceId(1)).expect("the source").states = states(words);
    }
    if let Some(number) = words.plain.get(1) {
        let to = DestinationId(number.parse().expect("a number"));
        let first = settings.destinations[&DestinationId(1)].clone();
        let destination = settings.destinations.entry(to).or_insert(first);
        destination.start = start(words);
        destination.batch = words.size("batch");
        destination.types = types(words);
        deliver_otherwise(destination, words);
    }
    if let Some(on_gap) = words.get("on_gap") {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.on_gap = if on_gap == "halt" { OnGap::Halt } else { OnGap::Skip };
    }
    if let Some(on_late) = on_late(words) {
        settings.sources.get_mut(&SourceId(1)).expect("the source").on_late = on_late;
    }
    if let Some(after) = words.duration("refill") {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        let rate = Rate { count: 10, period: duration("1s") };
        let refill = RefillSettings { after, attempts: 3, rate, every: words.duration("every") };
        source.refill = (!after.is_zero()).then_some(refill);
    }
    if let Some(every) = words.duration("compare") {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.reconcile = compare::settings(words).filter(|_| !every.is_zero());
    }
    if let Some(after) = words.duration("forget_after") {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.forget_after = (!after.is_zero()).then_some(after);
    }
    settings.hot_keys = words.size("hot_keys").unwrap_or(settings.hot_keys);
    settings.forgotten = words.size("forgotten").unwrap_or(settings.forgotten);
    if let Some(number) = words.get("removed") {
        let to = DestinationId(number.parse().expect("a number"));
        settings.destinations.remove(&to);
    }
    if let Some(number) = words.get("retired") {
        let to = DestinationId(number.parse().expect("a number"));
        settings.destinations.remove(&to);
        settings.retired.insert(to);
    }
    world.settings = Arc::new(settings);
}

/// What may change of a destination besides.
fn deliver_otherwise(destination: &mut DestinationSettings, words: &Words<'_>) {
    destination.concurrency = words.size("concurrency").unwrap_or(destination.concurrency);
    destination.key_rate = words.rate("key_rate").or(destination.key_rate);
    if let Some(timeout) = words.duration("ack") {
        let answers = timeout.is_zero();
        destination.ack = if answers { Ack::Answer } else { Ack::Explicit { timeout } };
    }
}

/// What follows is as after a restore from a backup that was made now: the state is rebuilt.
fn restored(world: &mut World, words: &Words<'_>) {
    let id = words.number("id").expect("which restore");
    let jump = words.number("jump").expect("how far sequences jump");
    let mut settings = (*world.settings).clone();
    settings.restore = Some(Restore { id, jump });
    world.settings = Arc::new(settings);
    world.crash(0, false);
}

fn set(habits: &mut Habits, habit: &str, on: bool) {
    match habit {
        "commits" => habits.commits = on,
        "stores" => habits.stores = on,
        "loads" => habits.loads = on,
        "aborts" => habits.aborts = on,
        "backlogs" => habits.backlogs = on,
        "damage" => habits.damage = on,
        "reads" => habits.reads = on,
        "asks" => habits.asks = on,
        _ => panic!("no such habit: {habit}"),
    }
}

/// `a` of the first source, `2/a` of the second.
fn key(told: &str) -> Key {
    let of = told.split_once('/').and_then(|(source, name)| Some((source.parse().ok()?, name)));
    let (source, name) = of.unwrap_or((1, told));
    Post { source, key: name.to_owned(), ..Post::default() }.key()
}

fn receive(world: &mut World, words: &Words<'_>) {
    let post = Post {
        source: words.number("source").map_or(1, |id| u32::try_from(id).expect("small")),
        key: words.get("key").expect("an event has a key").to_owned(),
        id: words.get("id").map(str::to_owned),
        position: position(words),
        event_type: words.get("type").unwrap_or("changed").to_owned(),
        body: words.get("body").unwrap_or("body").to_owned(),
        outside_tolerance: words.plain.contains(&"outside-tolerance"),
        origin: match words.plain.contains(&"refilled") {
            true => Origin::Refilled,
            false => Origin::Posted,
        },
        depends_on: words.get("depends_on").map(str::to_owned),
    };
    let ticket = world.post(&post);
    world.trace.insert(0, format!("  is t{}", ticket.0));
}

/// So many requests that are refused, one after another.
fn refuse(world: &mut World, words: &Words<'_>) {
    for _ in 0..words.number("times").unwrap_or(1) {
        let source = words.number("source").map_or(1, |id| u32::try_from(id).expect("small"));
        let (source, peer) = (SourceId(source), Arc::from("192.0.2.1"));
        let code = Arc::from(words.word(1));
        world.handle(0, Input::Refuse { source, code, peer, digest: None });
    }
}

/// `initial=new allow=new:paid,new:off,paid:sent`
fn states(words: &Words<'_>) -> Arc<StateTable> {
    let Some(initial) = words.get("initial") else { return Arc::default() };
    let initial: Vec<Arc<str>> = initial.split(',').map(Arc::from).collect();
    let allow = words.get("allow").unwrap_or_default().split(',');
    let allow = allow.map(|step| {
        let (from, to) = step.split_once(':').expect("from:to");
        (Arc::from(from), vec![Arc::from(to)])
    });
    Arc::new(StateTable::new(&initial, &allow.collect::<Vec<_>>()).expect("a table"))
}

/// `link=a1..b2`, `state=paid@3`, `position=3`, `version=3`, `at=1.5s`: an instant after the beginning of the story,
/// `fields=mail:2,name:3`, or `clock=a:2,b:1 node=a`.
fn position(words: &Words<'_>) -> Position {
    let numbered = words.number("position").map(Position::Sequence);
    let version = || words.number("version").map(Position::Version);
    let instant = || {
        let at = describe::CLOCK_START.after(words.duration("at")?);
        Some(Position::Timestamp(at.0 * 1_000))
    };
    let fields = || {
        let field = |text: &str| {
            let (name, at) = text.split_once(':').expect("a name and a version");
            Field { name: name.into(), at: At::Version(at.parse().expect("a number")) }
        };
        let fields = words.get("fields")?.split(',').map(field).collect();
        Some(Position::Fields(Fields::new(fields).expect("fields")))
    };
    let clock = || {
        let counter = |text: &str| {
            let (node, count) = text.split_once(':').expect("a node and a counter");
            Counter { node: node.into(), count: count.parse().expect("a number") }
        };
        let counters = words.get("clock")?.split(',').map(counter).collect();
        let node = words.get("node").expect("the node of a clock");
        Some(Position::Clock(Clock::new(node, counters).expect("a clock")))
    };
    let state = || {
        let text = words.get("state")?;
        let (state, at) =
            text.split_once('@').map_or((text, None), |(state, at)| (state, Some(at)));
        let at = at.map(|at| At::Version(at.parse().expect("a number")));
        Some(Position::State { state: state.into(), at })
    };
    let link = || {
        let text = words.get("link")?;
        let forced = text.contains("...");
        let dots = if forced { "..." } else { ".." };
        let (before, after) = text.split_once(dots).expect("before..after");
        Some(Position::Link(Link { before: before.into(), after: after.into(), forced }))
    };
    let other = || fields().or_else(clock).or_else(state).or_else(link);
    numbered.or_else(version).or_else(instant).or_else(other).unwrap_or_default()
}

fn destination(words: &Words<'_>) -> DestinationId {
    DestinationId(words.number("to").map_or(1, |id| u32::try_from(id).expect("small")))
}

/// `types=customer.*,invoice.paid`
fn types(words: &Words<'_>) -> Vec<Pattern> {
    patterns(words.get("types").unwrap_or("*"))
}

/// Patterns between commas; none where there is no text.
fn patterns(text: &str) -> Vec<Pattern> {
    let patterns = text.split(',').filter(|pattern| !pattern.is_empty());
    patterns.map(|pattern| Pattern::parse(pattern).expect("a pattern")).collect()
}

/// `start=earliest`, or `start=5s`: so long after the story began.
fn start(words: &Words<'_>) -> Start {
    match words.get("start") {
        None | Some("now") => Start::Now,
        Some("earliest") => Start::Earliest,
        Some(after) => Start::At(describe::CLOCK_START.after(duration(after))),
    }
}

fn status(words: &Words<'_>) -> u16 {
    words.word(2).parse().expect("an HTTP status")
}

fn end(world: &mut World, words: &Words<'_>, outcome: Outcome) {
    let (key, to) = (key(words.word(1)), destination(words));
    // Where several of a key are under way, the event is named.
    let attempt = match words.number("of") {
        None => world.attempt_of(&key, to),
        Some(of) => world
            .under_way
            .iter()
            .position(|one| (&one.key, one.destination, one.sequence) == (&key, to, Sequence(of))),
    };
    let attempt = attempt.unwrap_or_else(|| panic!("no such attempt: {}", words.line));
    let attempt = world.under_way.remove(attempt);
    world.says = words.number("acknowledged");
    let dropped = words.get("drop").map(Arc::from);
    world.end_with(&attempt, outcome, words.duration("retry-after"), dropped);
}

/// `read a`: the events of an attempt were read; what is settled by then is not sent.
fn read(world: &mut World, words: &Words<'_>) {
    let key = key(words.word(1));
    let attempt = world.attempt_of(&key, destination(words)).expect("an attempt");
    let id = world.under_way[attempt].id;
    if world.nodes[usize::from(partition_of(&key).0)].partition.is_settled(id) {
        end(world, words, Outcome::Unreachable);
    } else {
        world.trace.push("  it is sent".to_owned());
    }
}

/// `fetched a whole events=2 none=3-5,8`, `fetched a 429 retry-after=5s`
fn fetched(world: &mut World, words: &Words<'_>) {
    let key = key(words.word(1));
    let which = world.fetches.iter().position(|fetch| fetch.key == key);
    let which = which.unwrap_or_else(|| panic!("nothing is asked: {}", words.line));
    let outcome = match words.word(2) {
        "whole" => RefillOutcome::Whole,
        "cut" => RefillOutcome::Cut,
        "unreachable" => RefillOutcome::Unreachable,
        status => RefillOutcome::Answered { status: status.parse().expect("an HTTP status") },
    };
    let events = words.number("events").map_or(0, |events| u32::try_from(events).expect("few"));
    let none = Ranges::from_ranges(words.get("none").into_iter().flat_map(ranges_of));
    world.end_fetch(which, outcome, events, (words.duration("retry-after"), none));
}

/// `3-5,8`
fn ranges_of(text: &str) -> impl Iterator<Item = Range> {
    text.split(',').map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Range { from: from.parse().expect("a position"), to: to.parse().expect("a position") }
    })
}

fn clock(world: &mut World, by: &str) {
    let clock = world.now.clock.0;
    let (sign, by) = by.split_at(1);
    let by = sprag_core::time::micros(duration(by));
    world.now.clock = UnixMicros(if sign == "-" { clock - by } else { clock + by });
}

/// What operators ask for.
fn command(world: &mut World, words: &Words<'_>) {
    let at = |name: &str| usize::from(partition_of(&key(name)).0);
    let id = || DestinationId(words.word(2).parse().expect("a destination's number"));
    let (at, command) = match (words.word(0), words.word(1)) {
        ("pause", "key") => (at(words.word(2)), Command::PauseKey(key(words.word(2)))),
        ("resume", "key") => (at(words.word(2)), Command::ResumeKey(key(words.word(2)))),
        ("pause", "destination") => (0, Command::PauseDestination(id())),
        ("resume", "destination") => (0, Command::ResumeDestination(id())),
        ("ack", name) => {
            let from = Sequence(words.number("sequence").expect("a sequence"));
            let to = words.number("last").map_or(from, Sequence);
            let (key, destination) = (key(name), destination(words));
            (at(name), Command::Acknowledge { key, destination, from, to })
        }
        ("rebase", name) => (at(name), Command::Rebase(key(name))),
        ("give-up-gap", name) => {
            let from = words.number("from").expect("the first position of the gap");
            (at(name), Command::GiveUpGap { key: key(name), from })
        }
        ("redrive", name) => {
            let passed = words.number("passed").map(Sequence);
            let (key, destination) = (key(name), destination(words));
            (at(name), Command::Redrive { key, destination, passed })
        }
        ("replay", name) => {
            let number = |name: &str| words.number(name).map(Sequence);
            let from = number("from").unwrap_or(Sequence(1));
            let until = number("until").unwrap_or(Sequence(u64::MAX));
            let (key, destination) = (key(name), destination(words));
            (at(name), Command::Rewind { key, destination, from, until })
        }
        ("redrive-gone", name) => {
            let passed = Sequence(words.number("passed").expect("which event"));
            let (key, destination) = (key(name), destination(words));
            (at(name), Command::RedriveGone { key, destination, passed })
        }
        ("drop", name) => {
            let sequence = Sequence(words.number("sequence").expect("a sequence to drop"));
            let letter = DeadLetter::InLane { destination: destination(words), sequence };
            (at(name), Command::Drop { key: key(name), letter })
        }
        _ => panic!("no such line: {}", words.line),
    };
    let ticket = world.order(at, command);
    world.trace.insert(0, format!("  is t{}", ticket.0));
}

const RULE: &str = "---\n";

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = fs::read_dir(&folder).expect("the folder of scripts is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths
}

/// The last state of every story is also what its durable history adds up to, where all of it is
/// durable at the end.
#[test]
fn every_story_leads_where_it_led_before() {
    let update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut changed = Vec::new();
    let scripts = scripts();
    assert!(scripts.len() >= 30, "stories are missing");
    for path in scripts {
        let text = fs::read_to_string(&path).expect("a script can be read");
        let (script, trace) = text.split_once(RULE).unwrap_or((&text, ""));
        // A broken promise panics in the judge or the core, which names it above.
        let told = std::panic::catch_unwind(|| Story::new().tell(script));
        let Ok(told) = told else {
            changed.push(format!("{} cannot be told to its end", path.display()));
            continue;
        };
        if told == trace {
            continue;
        }
        if update {
            fs::write(&path, format!("{script}{RULE}{told}")).expect("a script can be written");
        } else {
            changed.push(format!("{}\n{}", path.display(), difference(trace, &told)));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

/// The first lines that differ.
fn difference(was: &str, is: &str) -> String {
    let (was, is): (Vec<_>, Vec<_>) = (was.lines().collect(), is.lines().collect());
    let at = was.iter().zip(&is).take_while(|(was, is)| was == is).count();
    let from = at.saturating_sub(3);
    let part =
        |lines: &[&str]| lines.iter().skip(from).take(10).copied().collect::<Vec<_>>().join("\n");
    format!("was:\n{}\nis:\n{}", part(&was), part(&is))
}
