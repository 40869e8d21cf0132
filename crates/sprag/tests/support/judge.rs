//! What a consumer was promised (DESIGN section 1), judged on what it saw and nothing else.
//!
//! It must not know how the gateway works: only events, answers, attempts and their headers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::support::consumer::{Arrival, Reaction};
use crate::support::event::{Promise, SOURCES};
use crate::support::ledger::Entry;

/// What is said of an event whose id is not the one it had or must have.
const TWO_SEQUENCES: &str = "has two sequences";
const OTHER_EVENT: &str = "is not the event it was before";
const OTHER_ID: &str = "webhook-id is not";

fn is_of_ids(what: &str) -> bool {
    [TWO_SEQUENCES, OTHER_EVENT, OTHER_ID].iter().any(|words| what.contains(words))
}

/// The chain before a key's first event.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a destination does with an event that is not acknowledged in so many attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination {
    /// Its name and the path of its URL.
    pub(crate) name: &'static str,
    /// Goes on after so many attempts; none tries for ever.
    pub(crate) skips_after: Option<usize>,
    /// It gets ranges of events, which must be in order.
    pub(crate) in_ranges: bool,
}

impl Destination {
    /// Whether it gets the events of a source with this promise.
    pub(crate) fn takes(self, promise: Promise) -> bool {
        !self.in_ranges || promise != Promise::ByItself
    }
}

/// An event in a lane.
#[derive(Default)]
struct Delivered {
    id: String,
    hash: String,
    previous_hash: String,
    late: bool,
    attempts: usize,
    acknowledged: bool,
    /// Requests that acknowledged it and were not refused.
    requests: usize,
}

/// What is known of a lane after each arrival.
#[derive(Default)]
struct Lane {
    events: BTreeMap<u64, Delivered>,
    epoch: String,
    /// Positions that headers named as missing.
    missing: BTreeSet<u64>,
    /// The first sequence of the newest request: what comes begins there or behind it.
    stands_at: u64,
}

/// The verdict.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Events that arrived and were acknowledged, in each lane.
    pub(crate) delivered: usize,
    /// Attempts beyond the first of their event.
    pub(crate) repeats: usize,
    /// Those of a later start of the gateway.
    pub(crate) repeats_after_crash: usize,
    /// Those of an event the consumer had acknowledged: the crash came before the outcome was
    /// durable.
    pub(crate) repeats_after_acknowledgement: usize,
    /// Events that came late, were dead letters of their lane, or gave way to a newer one.
    pub(crate) late: usize,
    pub(crate) dead: usize,
    pub(crate) coalesced: usize,
    /// Events that came under another id than before, or under that of another.
    pub(crate) other_ids: usize,
    /// Every broken promise about order, in words.
    pub(crate) violations: Vec<String>,
    /// Events that were acknowledged and never arrived, by their place among all, with the lane.
    pub(crate) lost: Vec<(usize, String)>,
}

/// Follows all arrivals in their order.
pub(crate) fn judge(
    entries: &[Entry],
    destinations: &[Destination],
    arrivals: &[Arc<Arrival>],
) -> Verdict {
    let events: HashMap<String, &Entry> =
        entries.iter().map(|entry| (entry.event.id(), entry)).collect();
    let mut verdict = Verdict::default();
    let mut lanes: HashMap<(String, String), Lane> = HashMap::new();
    for arrival in arrivals {
        let id = header(arrival, "sprag-source-id");
        let destination =
            destinations.iter().find(|known| known.name == arrival.path.trim_start_matches('/'));
        let (Some(entry), Some(destination)) = (events.get(id), destination) else {
            verdict.violations.push(format!("{id} at {}: nobody sent it there", arrival.path));
            continue;
        };
        let name = lane_name(entry, destination.name);
        let wrong = verdict.follow(lanes.entry(name).or_default(), entry, *destination, arrival);
        verdict.other_ids += wrong.iter().filter(|what| is_of_ids(what)).count();
        let told = |what: &String| format!("{id} at {}: {what}", destination.name);
        verdict.violations.extend(wrong.iter().map(told));
    }
    for destination in destinations {
        let takes = |entry: &Entry| destination.takes(SOURCES[entry.event.source].promise);
        let acknowledged = entries.iter().enumerate();
        let acknowledged = acknowledged.filter(|(_, entry)| entry.acknowledged && takes(entry));
        for (at, entry) in acknowledged {
            let lane = lanes.entry(lane_name(entry, destination.name)).or_default();
            if verdict.is_lost(entry, *destination, lane) {
                verdict.lost.push((at, format!("{} at {}", entry.event.id(), destination.name)));
            }
        }
    }
    verdict
}

fn lane_name(entry: &Entry, destination: &str) -> (String, String) {
    let (source, key) = (SOURCES[entry.event.source].name, entry.event.key);
    (destination.to_owned(), format!("{source}:k{key}"))
}

impl Verdict {
    /// What is wrong with an arrival in its lane.
    fn follow(
        &mut self,
        lane: &mut Lane,
        entry: &Entry,
        destination: Destination,
        arrival: &Arrival,
    ) -> Vec<String> {
        let sequence = number(arrival, "sprag-sequence");
        if matches!(arrival.reaction, Reaction::Request | Reaction::Refused) {
            return self.by_request(lane, sequence, arrival.reaction);
        }
        let mut wrong = content(entry, arrival);
        let newest = lane.events.last_key_value().map_or(0, |(newest, _)| *newest);
        let by_itself = SOURCES[entry.event.source].promise == Promise::ByItself;
        if lane.events.contains_key(&sequence) {
            wrong.extend(self.repeat(lane, sequence, arrival, by_itself));
        } else if by_itself {
            wrong.extend(first_by_itself(lane, sequence, arrival));
            lane.events.insert(sequence, Delivered::of(arrival));
        } else {
            wrong.extend(first(lane, newest, destination, entry, arrival));
            self.late += usize::from(header(arrival, "sprag-kind") == "late");
            lane.events.insert(sequence, Delivered::of(arrival));
        }
        lane.stands_at = arrival.first;
        header(arrival, "sprag-epoch").clone_into(&mut lane.epoch);
        let acknowledges = arrival.reaction == Reaction::Acknowledge;
        if let Some(event) = lane.events.get_mut(&sequence) {
            event.attempts += 1;
            self.delivered += usize::from(acknowledges && !event.acknowledged);
            event.acknowledged |= acknowledges;
            let same = event.hash == header(arrival, "sprag-hash")
                && event.previous_hash == header(arrival, "sprag-previous-hash")
                && event.id == header(arrival, "sprag-source-id");
            if !same {
                wrong.push(format!("sequence {sequence} {OTHER_EVENT}"));
            }
        }
        wrong
    }

    /// Its consumer says that it is done with an event it accepted, or was told that nothing waits
    /// for that.
    fn by_request(&mut self, lane: &mut Lane, sequence: u64, what: Reaction) -> Vec<String> {
        let Some(event) = lane.events.get_mut(&sequence) else { return Vec::new() };
        let was = event.acknowledged;
        match what {
            Reaction::Request => event.requests += 1,
            _ => event.requests = event.requests.saturating_sub(1),
        }
        event.acknowledged = event.requests > 0;
        self.delivered += usize::from(event.acknowledged && !was);
        self.delivered -= usize::from(was && !event.acknowledged);
        Vec::new()
    }

    /// An event again: the one its lane stands at, or one of the range that begins there.
    /// Where each is by itself it stands nowhere.
    fn repeat(
        &mut self,
        lane: &Lane,
        sequence: u64,
        arrival: &Arrival,
        by_itself: bool,
    ) -> Option<String> {
        self.repeats += 1;
        self.repeats_after_crash += usize::from(header(arrival, "sprag-epoch") != lane.epoch);
        let acknowledged = lane.events.get(&sequence).is_some_and(|event| event.acknowledged);
        self.repeats_after_acknowledgement += usize::from(acknowledged);
        if arrival.first < lane.stands_at && !by_itself {
            return Some(format!("{sequence} again after {}", lane.stands_at));
        }
        let marked = header(arrival, "sprag-redelivery") == "true";
        (!marked).then(|| "a repeat without sprag-redelivery".to_owned())
    }

    /// Whether an acknowledged event has neither arrived nor an excuse its source or destination
    /// allows.
    fn is_lost(&mut self, entry: &Entry, destination: Destination, lane: &Lane) -> bool {
        let mut found = lane.events.iter().filter(|(_, event)| event.id == entry.event.id());
        let promise = SOURCES[entry.event.source].promise;
        match found.next() {
            Some((_, event)) if event.acknowledged => false,
            Some((sequence, _)) if gave_way(promise, *sequence, lane) => {
                self.coalesced += 1;
                false
            }
            Some((_, event)) => {
                let dead = destination.skips_after.is_some_and(|most| event.attempts >= most);
                self.dead += usize::from(dead);
                !dead
            }
            None => match promise {
                Promise::NothingOlder { coalesced } => {
                    let newer = lane
                        .events
                        .values()
                        .any(|event| position_of(&event.id) > entry.event.position);
                    self.coalesced += usize::from(newer && entry.released);
                    !newer || (entry.released && !coalesced)
                }
                _ => true,
            },
        }
    }
}

impl Delivered {
    fn of(arrival: &Arrival) -> Self {
        Self {
            id: header(arrival, "sprag-source-id").to_owned(),
            hash: header(arrival, "sprag-hash").to_owned(),
            previous_hash: header(arrival, "sprag-previous-hash").to_owned(),
            late: header(arrival, "sprag-kind") == "late",
            ..Self::default()
        }
    }
}

/// Whether a newer event took the place of one that was tried and not acknowledged.
fn gave_way(promise: Promise, sequence: u64, lane: &Lane) -> bool {
    let newer = lane.events.last_key_value().is_some_and(|(newest, _)| *newest > sequence);
    promise == Promise::NothingOlder { coalesced: true } && newer
}

/// May this event arrive for the first time now?
fn first(
    lane: &mut Lane,
    newest: u64,
    destination: Destination,
    entry: &Entry,
    arrival: &Arrival,
) -> Vec<String> {
    let (sequence, position) = (number(arrival, "sprag-sequence"), entry.event.position);
    let promise = SOURCES[entry.event.source].promise;
    let mut wrong = Vec::new();
    let mut assert = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{what} (sequence {sequence} after {newest})"));
        }
    };
    let coalesces = promise == Promise::NothingOlder { coalesced: true };
    assert(sequence == newest + 1 || (coalesces && sequence > newest), "came out of order");
    let before = lane.events.get(&newest);
    let may_pass = |event: &Delivered| {
        event.acknowledged
            || newest >= arrival.first
            || coalesces
            || destination.skips_after.is_some_and(|most| event.attempts >= most)
    };
    assert(before.is_none_or(may_pass), "came before its predecessor was settled");
    let hash = before.map_or(NO_HASH, |event| event.hash.as_str());
    let follows = header(arrival, "sprag-previous-hash") == hash;
    assert(sequence != newest + 1 || follows, "does not follow from the hash of the event before");
    assert(lane.events.values().all(|event| event.id != entry.event.id()), TWO_SEQUENCES);
    let late = header(arrival, "sprag-kind") == "late";
    let ordered = lane.events.values().filter(|event| !event.late);
    let highest = ordered.map(|event| position_of(&event.id)).max();
    match promise {
        Promise::EveryPosition => assert(sequence == position, "is not at its position"),
        Promise::Announced if late => assert(highest > Some(position), "is not late"),
        Promise::Announced => {
            assert(highest < Some(position), "came after a higher position");
            lane.missing.extend(ranges(header(arrival, "sprag-missing")));
            let passed = highest.map_or(position, |highest| highest + 1)..position;
            let named = passed.clone().all(|one| lane.missing.contains(&one));
            assert(named, "passes positions that it does not name");
        }
        Promise::NothingOlder { .. } => assert(highest < Some(position), "is older than the last"),
        Promise::AsItCame | Promise::ByItself => {}
    }
    wrong
}

/// May this event, which waits for no other, arrive for the first time now? The chain says which
/// comes before it, whenever that arrives, and nothing else does.
fn first_by_itself(lane: &Lane, sequence: u64, arrival: &Arrival) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut assert = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{what} (sequence {sequence})"));
        }
    };
    let own = (header(arrival, "sprag-hash"), header(arrival, "sprag-previous-hash"));
    let before = match sequence.checked_sub(1) {
        Some(0) | None => Some(NO_HASH),
        Some(before) => lane.events.get(&before).map(|event| event.hash.as_str()),
    };
    let behind = lane.events.get(&(sequence + 1)).map(|event| event.previous_hash.as_str());
    assert(before.is_none_or(|hash| hash == own.1), "does not follow from the hash before");
    assert(behind.is_none_or(|hash| hash == own.0), "is not what the hash behind follows from");
    let id = header(arrival, "sprag-source-id");
    assert(lane.events.values().all(|event| event.id != id), TWO_SEQUENCES);
    assert(header(arrival, "sprag-out-of-order") == "true", "is not called out of order");
    for name in ["sprag-previous-sequence", "sprag-omitted"] {
        assert(!arrival.headers.contains_key(name), "says what came before");
    }
    wrong
}

/// The same id is always the same bytes.
fn content(entry: &Entry, arrival: &Arrival) -> Vec<String> {
    let mut wrong = Vec::new();
    if arrival.body != entry.event.body {
        wrong.push("its body is not the one that was sent".to_owned());
    }
    let (source, key) = (SOURCES[entry.event.source].name, entry.event.key);
    let id = format!("{source}:k{key}:{}", header(arrival, "sprag-sequence"));
    if header(arrival, "webhook-id") != id {
        wrong.push(format!("{OTHER_ID} {id}"));
    }
    wrong
}

/// The position at the end of a provider's id.
fn position_of(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// `3-5,8;more` as its numbers.
fn ranges(text: &str) -> Vec<u64> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<u64>().ok()?..=to.parse().ok()?)
    };
    text.trim_end_matches(";more").split(',').filter_map(range).flatten().collect()
}

fn number(arrival: &Arrival, name: &str) -> u64 {
    header(arrival, name).parse().unwrap_or_default()
}

fn header<'a>(arrival: &'a Arrival, name: &str) -> &'a str {
    arrival.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
