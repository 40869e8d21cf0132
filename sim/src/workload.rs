//! What a provider has to say: events of many keys, and how it garbles saying them.
//!
//! Made whole before the simulation begins; what is sent when does not depend on the answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprag_core::id::Hash;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, First, OnGap};
use sprag_log::digest::sha256;

use crate::dice::Dice;
use crate::latest::{self, Counted};
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::setting::Setting;

/// Events every seed sends at least (DESIGN section 8).
pub const EVENTS: usize = 500;
/// Keys every seed has at least (DESIGN section 8).
pub const KEYS: usize = 20;

/// A source as its provider knows it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) contract: Contract,
    pub(crate) on_gap: OnGap,
    /// What a source of contract `latest` counts by.
    pub(crate) latest: Option<Counted>,
    /// Whether its events have ids.
    pub(crate) has_ids: bool,
}

/// A resource.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) source: usize,
    pub(crate) name: Arc<str>,
}

/// One request of the provider.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) at: Instant,
    pub(crate) resource: usize,
    pub(crate) id: Option<Arc<str>>,
    pub(crate) position: Position,
    pub(crate) body: Arc<[u8]>,
    pub(crate) digest: Hash,
    /// Whether its signature is fresh.
    pub(crate) in_time: bool,
    /// Whether its type is one the source accepts.
    pub(crate) accepted: bool,
    /// Whether it belongs to no resource.
    pub(crate) is_unreadable: bool,
    /// What is unusual about it.
    pub(crate) twist: Option<&'static str>,
}

/// Everything a provider will send.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) sources: Vec<Source>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) posts: Vec<Post>,
    /// Events that are never sent, or only once everything is repaired.
    pub(crate) dropped: Vec<Post>,
}

/// How a provider garbles; per thousand.
#[derive(Debug, Clone, Copy)]
struct Habits {
    shuffle: u64,
    late: u64,
    drop: u64,
    repeat: u64,
    poison: u64,
    stale_signature: u64,
    ignored: u64,
    length: Instant,
}

impl Habits {
    fn draw(dice: &mut Dice, length: Instant) -> Self {
        let mut some = |chance: u64, low: u64, high: u64| {
            if dice.chance(chance) { dice.between(low, high) } else { 0 }
        };
        Self {
            shuffle: some(850, 50, 600),
            late: some(600, 10, 80),
            drop: some(600, 5, 60),
            repeat: some(800, 30, 250),
            poison: some(500, 5, 20),
            stale_signature: some(400, 5, 30),
            ignored: some(500, 5, 20),
            length,
        }
    }
}

impl Workload {
    pub(crate) fn draw(dice: &mut Dice, setting: &Setting, length: Instant) -> Self {
        let sources: Vec<Source> = setting
            .plan
            .sources
            .iter()
            .map(|planned| Source {
                name: planned.settings.name.clone(),
                contract: planned.settings.contract,
                on_gap: planned.settings.on_gap,
                latest: setting.counted(&planned.settings.name),
                // What settles needs ids: an instant may be that of several events.
                has_ids: dice.chance(850) || planned.settings.contract == Contract::Settle,
            })
            .collect();
        let count = KEYS + dice.index(16);
        // The last one has no events of its own: it stays cold until a flood comes. Names repeat
        // over sources: a key is unique within its source only.
        let resources = (0..=count)
            .map(|number| Resource {
                source: number % sources.len(),
                name: format!("key/{}", number / sources.len()).into(),
            })
            .collect();
        let habits = Habits::draw(dice, length);
        let mut workload = Self { sources, resources, posts: Vec::new(), dropped: Vec::new() };
        while workload.originals() < EVENTS {
            for resource in 0..count {
                let events = if resource == 0 { 45 } else { 8 + dice.between(0, 18) };
                workload.tell(dice, habits, resource, events);
            }
        }
        workload
    }

    /// The resources whose events settle.
    pub(crate) fn settling(&self) -> BTreeSet<usize> {
        let settles =
            |at: &usize| self.sources[self.resources[*at].source].contract == Contract::Settle;
        (0..self.resources.len()).filter(settles).collect()
    }

    /// Events that are sent, repeats and oddities not counted.
    fn originals(&self) -> usize {
        let usual = [None, Some("shuffled"), Some("delayed"), Some("stale signature")];
        self.posts.iter().filter(|post| usual.contains(&post.twist)).count()
    }

    /// The events of one resource; a second telling goes on where the first ended.
    fn tell(&mut self, dice: &mut Dice, habits: Habits, resource: usize, events: u64) {
        let source = self.sources[self.resources[resource].source].clone();
        let told = self.posts.iter().chain(&self.dropped).filter(|post| post.resource == resource);
        let highest = told.filter_map(|post| match &post.position {
            _ if post.twist == Some("poison") => None,
            position => position.number(),
        });
        let begins = first_position(dice, source.contract);
        let base = highest.max().map_or(begins, |highest| highest + 1);
        let start = dice.below(habits.length / 2);
        let step = (habits.length - start) / (events + 1);
        let mut newest = source.latest.map(|counted| counted.begin(dice, base, start));
        for number in 0..events {
            let at = start + step * number;
            let position = match (source.contract, &mut newest) {
                (_, Some(newest)) => newest.next(dice, at),
                (Contract::Fifo { .. }, None) => Position::Sequence(base + number),
                (_, None) => Position::None,
            };
            let id = format!("event-{resource}-{}-{number}", base + self.posts.len() as u64);
            let original = make(dice, resource, source.has_ids.then_some(id), position, at);
            self.say(dice, habits, original);
        }
    }

    /// Sends an event in its time, too late, never, or several times.
    fn say(&mut self, dice: &mut Dice, habits: Habits, mut post: Post) {
        if dice.chance(habits.shuffle) {
            post.at += dice.between(0, 1_500 * MILLISECOND);
            post.twist = Some("shuffled");
        }
        if dice.chance(habits.late) {
            post.at += dice.between(5 * SECOND, 25 * SECOND);
            post.twist = Some("delayed");
        }
        if dice.chance(habits.stale_signature) {
            post.in_time = false;
            post.twist = Some("stale signature");
        }
        if dice.chance(habits.drop) {
            post.twist = Some("dropped");
            self.dropped.push(post);
            return;
        }
        while dice.chance(habits.repeat) {
            let repeat = repeated(dice, &post);
            self.posts.push(repeat);
        }
        if dice.chance(habits.poison) {
            self.posts.push(poison(dice, &post));
        }
        if dice.chance(habits.ignored) {
            let ignored = Post { accepted: false, twist: Some("other type"), ..post.clone() };
            self.posts.push(ignored);
        }
        self.posts.push(post);
    }
}

fn first_position(dice: &mut Dice, contract: Contract) -> u64 {
    match contract {
        Contract::Arrival
        | Contract::Unordered
        | Contract::Latest { .. }
        | Contract::Settle
        | Contract::Merge
        | Contract::Causal
        | Contract::States
        | Contract::Link => 0,
        Contract::Fifo { first: First::Any } => dice.between(1, 5_000),
        Contract::Fifo { first: First::Strictly(number) } => number,
        Contract::Fifo { first: First::At(number) } => {
            // A key that existed before Sprag did (K7).
            if dice.chance(300) { number + dice.between(1, 40) } else { number }
        }
    }
}

/// The type of an event: its body decides.
pub(crate) fn type_of(digest: &Hash) -> &'static str {
    ["thing.a", "thing.b", "thing.c", "other.a", "other.b"][usize::from(digest.0[0]) % 5]
}

/// The event of a flood: the first of its key.
pub(crate) fn flood_post(dice: &mut Dice, resource: usize, source: &Source, at: Instant) -> Post {
    let position = match source.contract {
        Contract::Arrival | Contract::Unordered => Position::None,
        Contract::Latest { .. }
        | Contract::Settle
        | Contract::Merge
        | Contract::Causal
        | Contract::States
        | Contract::Link => source
            .latest
            .map_or(Position::None, |counted| counted.begin(dice, 1, at).next(dice, at)),
        Contract::Fifo { first: First::Any } => Position::Sequence(1),
        Contract::Fifo { first: First::At(first) | First::Strictly(first) } => {
            Position::Sequence(first)
        }
    };
    let id = format!("flood-{}", dice.draw());
    make(dice, resource, Some(id), position, at)
}

pub(crate) fn make(
    dice: &mut Dice,
    resource: usize,
    id: Option<String>,
    position: Position,
    at: Instant,
) -> Post {
    let filler = if dice.chance(40) { dice.between(500, 3_000) } else { dice.between(0, 40) };
    let filler = "x".repeat(usize::try_from(filler).unwrap_or(0));
    let text = format!("{{\"k\":{resource},\"n\":{},\"f\":\"{filler}\"}}", dice.draw());
    let body: Arc<[u8]> = text.into_bytes().into();
    let digest = sha256(&[&body]);
    Post {
        at,
        resource,
        id: id.map(Arc::from),
        position,
        body,
        digest,
        in_time: true,
        accepted: true,
        is_unreadable: false,
        twist: None,
    }
}

/// The event again, perhaps under another id, perhaps with another body.
fn repeated(dice: &mut Dice, post: &Post) -> Post {
    let mut repeat = post.clone();
    repeat.at += match dice.below(3) {
        0 => dice.between(0, 20 * MILLISECOND),
        1 => dice.between(0, 2 * SECOND),
        _ => dice.between(SECOND, 20 * SECOND),
    };
    let (other_id, other_body) = (dice.chance(300), dice.chance(250));
    if other_id && repeat.id.is_some() {
        repeat.id = Some(format!("repeat-{}-{}", post.resource, dice.draw()).into());
    }
    if other_body {
        let other = make(dice, post.resource, None, post.position.clone(), post.at);
        (repeat.body, repeat.digest) = (other.body, other.digest);
    }
    repeat.twist = Some(match (other_id, other_body) {
        (false, false) => "repeated",
        (true, false) => "repeated with another id",
        (false, true) => "repeated with another body",
        (true, true) => "contradicted",
    });
    repeat.in_time = !dice.chance(100);
    repeat
}

/// An event whose position cannot be.
fn poison(dice: &mut Dice, post: &Post) -> Post {
    let position = match &post.position {
        Position::None => Position::None,
        Position::Sequence(number) => {
            let far = number + dice.between(250, 100_000);
            Position::Sequence(dice.pick(&[0, far, far, far, u64::MAX / 2 + 1, u64::MAX]))
        }
        position => latest::poison(dice, position.clone()),
    };
    let id = post.id.is_some().then(|| format!("poison-{}-{}", post.resource, dice.draw()));
    // Some instants come before anything is known of their key.
    let early = match position {
        Position::Timestamp(_) => dice.between(0, 2 * SECOND),
        _ => 0,
    };
    let mut poison = make(dice, post.resource, id, position, post.at.saturating_sub(early));
    poison.twist = Some("poison");
    poison
}
