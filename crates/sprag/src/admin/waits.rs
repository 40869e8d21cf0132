//! Why something waits, as a sentence for whoever asks why nothing arrives.

use std::time::Duration;

use sprag_core::contract;
use sprag_core::fact::HoldReason;
use sprag_core::fields::push_name;
use sprag_core::limits::STRANDS;
use sprag_core::partition::{LaneView, WaitsFor};
use sprag_core::position::Position;
use sprag_core::ranges::Ranges;
use sprag_core::record::{KeyRecord, Lane, LaneMode, Order, Reached};
use sprag_core::time::Now;

use super::limits;

/// Why a lane does not deliver. `view` is none while its key is not in memory.
pub(super) fn lane(
    record: &KeyRecord,
    lane: &Lane,
    view: Option<&LaneView>,
    paused: bool,
    now: Now,
) -> String {
    match view {
        Some(view) => sentence(lane, view.waits_for, now),
        None => cold(record, lane, paused, now),
    }
}

const OUTSIDE: &str =
    "It waits outside memory until lanes of its destination that came before it are through.";

fn sentence(lane: &Lane, waits_for: WaitsFor, now: Now) -> String {
    let head = lane.head.0;
    match waits_for {
        WaitsFor::Nothing => "Nothing waits.".to_owned(),
        WaitsFor::Answer => format!("The consumer has event {head} and has not answered yet."),
        WaitsFor::Acknowledgement(left) => {
            let until = format!("its wait ends in {}", seconds(left));
            acknowledgement(lane, &until)
        }
        WaitsFor::Permit => "It waits for a free slot of its destination, or for the destination's rate.".to_owned(),
        WaitsFor::Breaker => {
            "Most of what its destination got failed; it is tried one event at a time until it answers."
                .to_owned()
        }
        WaitsFor::Rate(due) => {
            format!("Its rate is used up; the next may go in {}.", seconds(due.since(now.elapsed)))
        }
        WaitsFor::Backlog => format!("Its events from {head} on are being read from the log."),
        WaitsFor::Unreadable => format!(
            "Its events from {head} on are damaged on disk (the alert `log-damaged` says where) and are \
             looked at once a minute: check the disk, then restore a backup."
        ),
        WaitsFor::Resource(None) => format!(
            "Event {head} refers to another resource, whose first event is on its way here; it goes behind that."
        ),
        WaitsFor::Resource(Some(left)) => format!(
            "Event {head} refers to another resource that has settled no event here yet; its wait ends in {}.",
            seconds(left)
        ),
        WaitsFor::Retry(due) => retry(lane, due.since(now.elapsed)),
        WaitsFor::Redrive => redrive(lane),
        WaitsFor::KeyResumed => "An operator paused the key; resume it.".to_owned(),
        WaitsFor::DestinationResumed => "An operator paused the destination; resume it.".to_owned(),
        WaitsFor::Strand => format!(
            "{STRANDS} events of the lane are under way, wait for their next try or are stopped, as many \
             as may be at a time; event {head} takes the place of the first that is settled."
        ),
        WaitsFor::Turn => format!(
            "Another event of its key failed, and keys that are due wait outside memory; event {head} \
             goes with its key's next turn."
        ),
        WaitsFor::Commit => format!("What was decided about event {head} is being committed."),
    }
}

/// The same from the record alone.
fn cold(record: &KeyRecord, lane: &Lane, paused: bool, now: Now) -> String {
    if lane.accepted.is_some() {
        return acknowledgement(lane, "the key waits outside memory and comes back when that ends");
    }
    let waits_for = match lane.mode {
        _ if !lane.has_backlog() && lane.redrives.is_empty() => WaitsFor::Nothing,
        _ if record.paused => WaitsFor::KeyResumed,
        _ if paused => WaitsFor::DestinationResumed,
        LaneMode::Halted | LaneMode::Parked if lane.redrives.is_empty() => WaitsFor::Redrive,
        _ if !record.sends(lane) => WaitsFor::Strand,
        _ if lane.due > now.clock => return retry(lane, lane.due.since(now.clock)),
        _ => return OUTSIDE.to_owned(),
    };
    sentence(lane, waits_for, now)
}

/// The consumer has an event that it accepted with 202.
fn acknowledgement(lane: &Lane, until: &str) -> String {
    let event = lane.accepted().map_or(lane.head, |accepted| accepted.sequence).0;
    format!(
        "The consumer accepted event {event} with 202 and has not acknowledged it yet; {until}."
    )
}

fn retry(lane: &Lane, wait: Duration) -> String {
    let (head, failures) = (lane.head.0, lane.failures);
    let tries = if failures == 1 { "one try" } else { "tries" };
    let count = if failures == 1 { String::new() } else { format!("{failures} ") };
    format!(
        "Event {head} was not acknowledged in {count}{tries}; the next is due in {}.",
        seconds(wait)
    )
}

fn redrive(lane: &Lane) -> String {
    let (head, tail) = (lane.head.0, lane.tail.0);
    let what = match lane.mode {
        LaneMode::Parked if lane.strand.is_some() => {
            format!("Event {head} is parked: a dead letter")
        }
        _ if lane.strand.is_some() => format!("Event {head} is halted"),
        LaneMode::Parked => format!("The lane is parked: events {head} to {tail} are dead letters"),
        _ => format!("The lane is halted at event {head}"),
    };
    match lane.strand {
        Some(_) => format!("{what}; redrive or drop it. Others of its key do not wait for it."),
        None => format!("{what}; redrive it, or drop event {head}."),
    }
}

/// Why events of a key are held; none when none are.
pub(super) fn hold(
    record: &KeyRecord,
    remaining: Option<Duration>,
    in_memory: bool,
) -> Option<String> {
    let (at, first) = record.order.held.first_key_value()?;
    let position = at.number;
    let count = record.order.held.len();
    let events = if count == 1 {
        "One event is held".to_owned()
    } else {
        format!("{count} events are held")
    };
    let until = match remaining {
        Some(remaining) => format!("waiting ends in {}", seconds(remaining)),
        None if in_memory => "waiting ends when they come".to_owned(),
        None => "the key waits outside memory and comes back when its wait ends".to_owned(),
    };
    if let Position::Clock(_) = first.essence.position {
        return Some(knows(&events, &until, &record.order));
    }
    if let Position::Link(_) = first.essence.position {
        return Some(links(&events, &until, &record.order));
    }
    if let Position::State { state, .. } = &first.essence.position {
        return Some(match &record.order.reached {
            Reached::State(machine) => format!(
                "{events}: {state} does not follow {} at once, and what lies between has not come; {until}.",
                machine.state
            ),
            _ => format!(
                "{events}: no state of the key is known and no resource begins with {state}, so what comes before \
                 may still come; {until}."
            ),
        });
    }
    Some(match (first.reason, record.order.next) {
        (HoldReason::Settle { .. }, _) => {
            format!("{events} to settle: what sorts before may still come; {until}.")
        }
        (HoldReason::Gap, Some(next)) if next + 1 < position => {
            format!("{events}: positions {next} to {} are missing; {until}.", position - 1)
        }
        (HoldReason::Gap, Some(next)) if next < position => {
            format!("{events}: position {next} is missing; {until}.")
        }
        _ => format!(
            "{events}: the key is new and its events may begin before position {position}; {until}."
        ),
    })
}

/// What the clocks of those that wait know and did not come.
fn knows(events: &str, until: &str, order: &Order) -> String {
    if !contract::lacks_any(order) {
        return format!(
            "{events}: the nodes their clocks know are new here and may begin before that; {until}."
        );
    }
    let missing = contract::missing_causes(order);
    let shown: Vec<String> = missing
        .iter()
        .take(limits::SHOWN_NODES)
        .map(|(node, ranges)| of_node(node, ranges))
        .collect();
    let more = if missing.len() > shown.len() { " and others" } else { "" };
    format!("{events}: their clocks know {}{more}, which did not come; {until}.", shown.join(", "))
}

/// What the one that goes first begins at, and where the key stands.
fn links(events: &str, until: &str, order: &Order) -> String {
    let first =
        contract::first_of_chain(order).and_then(|(held, _)| match &held.essence.position {
            Position::Link(link) => Some(&*link.before),
            _ => None,
        });
    let before = first.unwrap_or_default();
    match contract::tip(order) {
        Some(tip) => format!(
            "{events}: the key stands at {}, and what leads from there to {before} has not come; {until}.",
            tip.at()
        ),
        None => {
            format!("{events}: the key is new, and what leads to {before} may still come; {until}.")
        }
    }
}

fn of_node(name: &str, ranges: &Ranges) -> String {
    let mut node = String::new();
    push_name(&mut node, name);
    match ranges.as_slice() {
        [only] if only.from == only.to => format!("event {} of node {node}", only.from),
        [] => format!("events of node {node}"),
        [first, .., last] => format!("events {} to {} of node {node}", first.from, last.to),
        [only] => format!("events {} to {} of node {node}", only.from, only.to),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::id::{DestinationId, Sequence};
    use sprag_core::time::{ElapsedMicros, UnixMicros};

    fn stopped(mode: LaneMode) -> Lane {
        let mut lane = Lane::new(DestinationId(1), Sequence(4));
        (lane.mode, lane.tail, lane.failures) = (mode, Sequence(9), 3);
        lane
    }

    #[test]
    fn every_reason_is_a_sentence_that_says_what_to_do() {
        let now = Now { elapsed: ElapsedMicros(1_000_000), clock: UnixMicros(5_000_000) };
        let say = |waits_for, mode| sentence(&stopped(mode), waits_for, now);
        let retry = say(WaitsFor::Retry(ElapsedMicros(3_500_000)), LaneMode::Active);
        assert_eq!(retry, "Event 4 was not acknowledged in 3 tries; the next is due in 2.5 s.");
        let parked = say(WaitsFor::Redrive, LaneMode::Parked);
        assert_eq!(
            parked,
            "The lane is parked: events 4 to 9 are dead letters; redrive it, or drop event 4."
        );
        let unreadable = say(WaitsFor::Unreadable, LaneMode::Active);
        assert!(unreadable.starts_with("Its events from 4 on are damaged on disk"), "{unreadable}");
        let halted = say(WaitsFor::Redrive, LaneMode::Halted);
        assert_eq!(halted, "The lane is halted at event 4; redrive it, or drop event 4.");
    }

    #[test]
    fn what_is_accepted_waits_for_its_acknowledgement() {
        let now = Now { elapsed: ElapsedMicros(1_000_000), clock: UnixMicros(5_000_000) };
        let mut lane = stopped(LaneMode::Active);
        lane.accepted = Some(Box::new(sprag_core::record::Acceptance {
            sequence: Sequence(4),
            last: None,
            number: 1,
            out_of_order: false,
            started: UnixMicros(1),
            until: sprag_core::time::OpenMicros(7),
        }));
        let left = Duration::from_millis(12_340);
        assert_eq!(
            sentence(&lane, WaitsFor::Acknowledgement(left), now),
            "The consumer accepted event 4 with 202 and has not acknowledged it yet; its wait ends \
             in 12.3 s."
        );
        let cold = super::lane(&KeyRecord::default(), &lane, None, true, now);
        assert!(cold.starts_with("The consumer accepted event 4 with 202"), "{cold}");
    }

    #[test]
    fn a_key_that_is_not_in_memory_waits_for_the_same() {
        let now = Now { elapsed: ElapsedMicros(9), clock: UnixMicros(5_000_000) };
        let record = KeyRecord::default();
        let say = |lane: &Lane, paused| super::lane(&record, lane, None, paused, now);
        let halted = stopped(LaneMode::Halted);
        assert!(say(&halted, false).starts_with("The lane is halted at event 4"));
        assert!(say(&halted, true).contains("paused the destination"));
        let mut active = stopped(LaneMode::Active);
        active.due = UnixMicros(6_000_000);
        assert!(say(&active, false).ends_with("the next is due in 1.0 s."));
        active.due = UnixMicros(1);
        assert!(say(&active, false).starts_with("It waits outside memory"));
        let idle = Lane::new(DestinationId(1), Sequence(1));
        assert_eq!(say(&idle, true), "Nothing waits.");
    }
}
