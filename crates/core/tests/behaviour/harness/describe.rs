//! Facts, answers and attempts as lines a person reads.

use std::fmt::Write as _;

use sprag_core::clocks::{Causes, KnownNode};
use sprag_core::fact::{
    Attempted, Consequence, DeadLetter, DependsOn, Fact, Late, Origin, Outcome, PauseReason,
    RefillOutcome, Released,
};
use sprag_core::fields::{At, KnownField};
use sprag_core::id::{DestinationId, Key, Place, Sequence};
use sprag_core::input::{Ask, Word};
use sprag_core::links::Break;
use sprag_core::output::{Answer, Attempt, Fetch};
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::record::{HeldAt, HeldEvent, KeyRecord, OmitReason, Reached, Tie};
use sprag_core::time::UnixMicros;

/// The machine's clock when a story begins.
pub(crate) const CLOCK_START: UnixMicros = UnixMicros(1_000_000_000_000);

/// A clock's time as the story tells it: since it began.
pub(crate) fn clock(at: UnixMicros) -> String {
    if at.0 == 0 {
        return "now".to_owned();
    }
    match at.0.checked_sub(CLOCK_START.0) {
        Some(after) => span(after),
        None => format!("-{}", span(CLOCK_START.0 - at.0)),
    }
}

/// A number of microseconds, to the millisecond.
fn span(micros: u64) -> String {
    format!("{}.{:03}s", micros / 1_000_000, micros / 1_000 % 1_000)
}

fn place(place: Place) -> String {
    format!("{}-{}", place.frame.0, place.index)
}

pub(crate) fn position(position: &Position) -> String {
    match position {
        Position::None => "none".to_owned(),
        Position::Sequence(number) => number.to_string(),
        Position::Version(number) => format!("v{number}"),
        Position::Timestamp(nanoseconds) => clock(UnixMicros(nanoseconds / 1_000)),
        Position::Fields(_) | Position::Clock(_) | Position::State { .. } | Position::Link(_) => {
            position.text()
        }
    }
}

fn range(range: Range) -> String {
    if range.from == range.to {
        range.from.to_string()
    } else {
        format!("{}-{}", range.from, range.to)
    }
}

fn ranges(set: &Ranges) -> String {
    set.as_slice().iter().copied().map(range).collect::<Vec<_>>().join(",")
}

fn lane(key: &Key, destination: DestinationId) -> String {
    format!("{}>{}", key.name, destination.0)
}

/// A fact as a line: its place, its name, what it says.
pub(crate) fn fact(at: Place, fact: &Fact) -> String {
    let told = match fact {
        Fact::Claimed(fact) => format!("epoch={}", fact.epoch.0),
        Fact::SourceDeclared(fact) => fact.name.to_string(),
        Fact::DestinationDeclared(fact) => fact.name.to_string(),
        Fact::DestinationPaused(fact) => {
            let gone = fact.reason == PauseReason::Gone;
            format!(">{}{}", fact.destination.0, if gone { " gone" } else { "" })
        }
        Fact::DestinationRetired(fact) => format!(">{}", fact.destination.0),
        Fact::KeysVisited(fact) => format!(">{} {:?}", fact.destination.0, fact.visit),
        Fact::DestinationResumed(fact) => format!(">{}", fact.destination.0),
        Fact::Ignored(fact) => format!("type={}", fact.event_type),
        Fact::Refused(fact) => {
            format!("code={} peer={} counted={}", fact.code, fact.peer, fact.counted)
        }
        Fact::Acknowledged(_)
        | Fact::Batched(_)
        | Fact::Attempted(_)
        | Fact::Redriven(_)
        | Fact::Dropped(_)
        | Fact::Superseded(_)
        | Fact::Filtered(_)
        | Fact::LateDead(_)
        | Fact::Unmet(_)
        | Fact::LaneOpened(_)
        | Fact::LaneEnded(_)
        | Fact::Rewound(_)
        | Fact::BacklogDropped(_) => lane_fact(fact),
        Fact::GapOpened(_)
        | Fact::GapFilled(_)
        | Fact::GapAbandoned(_)
        | Fact::RefillEnded(_)
        | Fact::Reconciled(_) => gap_fact(fact),
        Fact::KeyPaused(fact) => fact.key.name.to_string(),
        Fact::KeyResumed(fact) => fact.key.name.to_string(),
        _ => event_fact(fact),
    };
    format!("{} {} {told}", place(at), fact.name())
}

fn event_fact(fact: &Fact) -> String {
    match fact {
        Fact::Received(fact) => format!(
            "{} position={} id={}{}{}",
            fact.key.name,
            position(&fact.position),
            fact.id.as_deref().unwrap_or("none"),
            match fact.origin {
                Origin::Posted => "",
                Origin::Refilled => " refilled",
                Origin::Again => " again",
                Origin::Reconciled => " reconciled",
            },
            fact.depends_on
                .as_ref()
                .map_or(String::new(), |of| { format!(" depends_on={}/{}", of.source.0, of.name) }),
        ),
        Fact::Held(fact) => format!(
            "{} event={} reason={:?} deadline={}",
            fact.key.name,
            place(fact.event),
            fact.reason,
            span(fact.deadline.0)
        ),
        Fact::Released(fact) => release(fact),
        Fact::Duplicate(fact) => format!(
            "{} position={} original={} by={:?}{}",
            fact.key.name,
            position(&fact.position),
            fact.original.map_or("unknown".to_owned(), place),
            fact.by,
            if fact.altered { " altered" } else { "" }
        ),
        Fact::Conflict(fact) => {
            format!("{} event={} other={}", fact.key.name, place(fact.event), place(fact.other))
        }
        Fact::Invalid(fact) => format!(
            "{} event={} position={} reason={:?}",
            fact.key.name,
            place(fact.event),
            position(&fact.position),
            fact.reason
        ),
        Fact::SequenceReset(fact) => {
            format!("{} position={}", fact.key.name, position(&fact.position))
        }
        Fact::Rebased(fact) => fact.key.name.to_string(),
        Fact::Restored(fact) => format!("jump={} total={}", fact.jump, fact.total),
        Fact::Jumped(fact) => {
            format!("{} {}-{} total={}", fact.key.name, fact.from.0, fact.through.0, fact.total)
        }
        Fact::Forgotten(_)
        | Fact::Returned(_)
        | Fact::Boundary(_)
        | Fact::Carried(_)
        | Fact::Tombstone(_) => forgotten_fact(fact),
        Fact::Stale(fact) => format!(
            "{} event={} position={} newest={}",
            fact.key.name,
            place(fact.event),
            position(&fact.position),
            fact.newest.0
        ),
        other => format!("{other:?}"),
    }
}

fn forgotten_fact(fact: &Fact) -> String {
    let (key, record) = match fact {
        Fact::Forgotten(fact) => (&fact.key, &fact.record),
        Fact::Returned(fact) => (&fact.key, &fact.record),
        Fact::Carried(fact) => (&fact.key, &fact.record),
        Fact::Tombstone(fact) => {
            return format!(
                "sequence={} next={:?}",
                fact.record.sequence.0, fact.record.order.next
            );
        }
        Fact::Boundary(fact) => {
            let floors = fact.floors.iter().map(|floor| floor.sequence.0);
            let floors: Vec<u64> = floors.collect();
            return format!("dropped={} floors={floors:?}", fact.dropped.len());
        }
        other => return format!("{other:?}"),
    };
    format!(
        "{} sequence={} next={:?} boundary={}",
        key.name, record.sequence.0, record.order.next, record.boundary.0
    )
}

fn gap_fact(fact: &Fact) -> String {
    match fact {
        Fact::GapOpened(fact) => format!("{} missing={}", fact.key.name, range(fact.missing)),
        Fact::GapFilled(fact) => fact.key.name.to_string(),
        Fact::GapAbandoned(fact) => {
            let missing = range(fact.missing);
            format!("{} missing={missing} reason={:?}", fact.key.name, fact.reason)
        }
        Fact::RefillEnded(fact) => {
            let status = match fact.outcome {
                RefillOutcome::Answered { status } => format!("={status}"),
                _ => String::new(),
            };
            let (asked, outcome) = (range(fact.asked), fact.outcome.as_str());
            let (name, attempt, events) = (&fact.key.name, fact.attempt, fact.events);
            format!("{name} asked={asked} try={attempt} {outcome}{status} events={events}")
        }
        Fact::Reconciled(fact) => {
            let (ours, theirs) = (position(&fact.ours), position(&fact.theirs));
            format!("{} ours={ours} theirs={theirs}", fact.key.name)
        }
        other => format!("{other:?}"),
    }
}

fn lane_fact(fact: &Fact) -> String {
    match fact {
        Fact::Attempted(fact) => format!(
            "{} sequence={} try={} {} {}{}{}",
            lane(&fact.key, fact.destination),
            carried(fact),
            fact.number,
            outcome(fact.outcome),
            consequence(fact.consequence),
            if fact.out_of_order { " out-of-order" } else { "" },
            toll(fact)
        ),
        Fact::Batched(fact) => format!(
            "{} sequence={}",
            lane(&fact.key, fact.destination),
            range(Range { from: fact.from.0, to: fact.to.0 })
        ),
        Fact::Acknowledged(fact) => format!(
            "{} sequence={}{}",
            lane(&fact.key, fact.destination),
            range(Range { from: fact.from.0, to: fact.to.0 }),
            if fact.out_of_order { " out-of-order" } else { "" }
        ),
        Fact::Superseded(fact) => {
            let lane = lane(&fact.key, fact.destination);
            format!("{lane} from={} by={}", fact.from.0, fact.by.0)
        }
        Fact::LaneOpened(fact) => {
            format!("{} through={}", lane(&fact.key, fact.destination), fact.through.0)
        }
        Fact::BacklogDropped(fact) => {
            let lane = lane(&fact.key, fact.destination);
            format!("{lane} from={} to={}", fact.from.0, fact.to.0)
        }
        Fact::Rewound(fact) => {
            let lane = lane(&fact.key, fact.destination);
            format!("{lane} from={} until={}", fact.from.0, fact.until.0)
        }
        Fact::LaneEnded(fact) => {
            let lane = lane(&fact.key, fact.destination);
            format!("{lane} from={} to={}", fact.from.0, fact.to.0)
        }
        Fact::LateDead(fact) => {
            format!("{} sequence={}", lane(&fact.key, fact.destination), fact.sequence.0)
        }
        Fact::Unmet(fact) => {
            let (lane, of) = (lane(&fact.key, fact.destination), &fact.of);
            format!("{lane} sequence={} of={}/{}", fact.sequence.0, of.source.0, of.name)
        }
        Fact::Filtered(fact) => {
            let lane = lane(&fact.key, fact.destination);
            format!("{lane} from={} to={}", fact.from.0, fact.to.0)
        }
        Fact::Redriven(fact) => {
            let passed = fact.passed.map_or(String::new(), |n| format!(" passed={}", n.0));
            format!("{}{passed}", lane(&fact.key, fact.destination))
        }
        Fact::Dropped(fact) => match fact.letter {
            DeadLetter::InLane { destination, sequence } => {
                format!("{} sequence={}", lane(&fact.key, destination), sequence.0)
            }
            DeadLetter::AtIngress { event } => format!("{} event={}", fact.key.name, place(event)),
        },
        other => format!("{other:?}"),
    }
}

/// The event, or the range and how much of it was acknowledged.
fn carried(fact: &Attempted) -> String {
    let first = fact.sequence.0;
    match fact.batch {
        None => first.to_string(),
        Some(batch) => format!("{first}-{}[{}]", batch.last.0, batch.acknowledged),
    }
}

/// What counts towards giving up where that is not every try, and why an event was dropped.
fn toll(fact: &Attempted) -> String {
    let counted = fact.toll.filter(|toll| toll.failures != fact.number);
    let counted = counted.map(|toll| format!(" counted={}", toll.failures)).unwrap_or_default();
    let dropped = fact.dropped.as_ref().map(|reason| format!(" dropped={reason}"));
    counted + &dropped.unwrap_or_default()
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered { status } => status.to_string(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn consequence(consequence: Consequence) -> String {
    match consequence {
        Consequence::Retry { due } => format!("retry due={}", clock(due)),
        Consequence::Accepted { until } => format!("accepted until={}", span(until.0)),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// An answer as the request that waited for it sees it.
pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Event { status, event, sequence } => {
            let mut line = format!("{status:?}").to_lowercase();
            event.iter().for_each(|event| {
                let _ = write!(line, " event={}", place(*event));
            });
            sequence.iter().for_each(|Sequence(number)| {
                let _ = write!(line, " sequence={number}");
            });
            line
        }
        other => format!("{other:?}").to_lowercase(),
    }
}

/// An ask as its source sees it.
pub(crate) fn fetch(fetch: &Fetch) -> String {
    format!("{} missing={} try={}", fetch.key.name, range(fetch.asked), fetch.attempt)
}

/// An attempt as its consumer sees it.
pub(crate) fn attempt(attempt: &Attempt) -> String {
    let mut line = format!(
        "{} sequence={}{} try={} previous={}",
        lane(&attempt.key, attempt.destination),
        attempt.sequence.0,
        attempt.last.map_or(String::new(), |last| format!("-{}", last.0)),
        attempt.number,
        attempt.previous.0
    );
    for omission in &attempt.omitted {
        let reason = match omission.reason {
            OmitReason::Filtered => "filtered",
            OmitReason::Dead => "dead",
            OmitReason::Skipped => "skipped",
            OmitReason::Restored => "restored",
            OmitReason::Boundary => "boundary",
        };
        let _ = write!(line, " omitted={};{reason}", range(omission.range));
    }
    if attempt.redelivery {
        line.push_str(" redelivery");
    }
    if attempt.out_of_order {
        line.push_str(" out-of-order");
    }
    if attempt.unmet {
        line.push_str(" unmet");
    }
    line
}

/// A lane's ask about another resource.
pub(crate) fn ask(ask: &Ask) -> String {
    let asker = lane(&ask.asker, ask.destination);
    let mut line = format!("{asker} about {}/{}", ask.of.source.0, ask.of.name);
    if ask.steps > 0 {
        let _ = write!(line, " by {}/{}", ask.reached.source.0, ask.reached.name);
    }
    line
}

/// What it is told.
pub(crate) fn word(word: Word) -> &'static str {
    match word {
        Word::Met => "met",
        Word::Pending => "pending",
        Word::NotYet => "not yet",
    }
}

fn release(fact: &Released) -> String {
    let mut line = format!(
        "{} event={} sequence={} kind={} lanes={:?}",
        fact.key.name,
        place(fact.event),
        fact.sequence.0,
        fact.kind.as_str(),
        fact.lanes.iter().map(|lane| lane.0).collect::<Vec<_>>()
    );
    match fact.late {
        Late::Delivered => {}
        Late::Dead => line.push_str(" dead"),
        Late::Aside => line.push_str(" aside"),
        Late::InPlace => line.push_str(" in-place"),
    }
    if let Some(earlier) = fact.earlier {
        let _ = write!(line, " of={}", earlier.0);
    }
    if !fact.missing.is_empty() {
        let _ = write!(line, " missing={}", ranges(&fact.missing));
    }
    if !fact.fresh.is_empty() {
        let _ = write!(line, " fresh={}", fact.fresh.join(","));
    }
    if fact.concurrent {
        line.push_str(" concurrent");
    }
    if !fact.causes.is_empty() {
        let of = |causes: &Causes| format!("{}:{}", causes.node, range(causes.range));
        let causes: Vec<_> = fact.causes.iter().map(of).collect();
        let _ = write!(line, " missing={}", causes.join(","));
    }
    if !fact.passed.is_empty() {
        let _ = write!(line, " passed={}", fact.passed.join(","));
    }
    if let Some(from) = &fact.broken_from {
        let _ = write!(line, " broken-from={from}");
    }
    if let Some(DependsOn { of, until }) = fact.depends_on.as_deref() {
        let _ = write!(line, " depends_on={}/{} until={}", of.source.0, of.name, span(until.0));
    }
    line
}

fn held_at(at: &HeldAt, held: &HeldEvent) -> String {
    if let Position::Clock(clock) = &held.essence.position {
        return clock.text();
    }
    if let Position::Link(link) = &held.essence.position {
        return link.text();
    }
    match &at.tie {
        Tie::Only => at.number.to_string(),
        Tie::Of(id, event) if id.is_empty() => format!("{} of {}", at.number, place(*event)),
        Tie::Of(id, _) => {
            format!("{} rank={} id={id}", position(&Position::Timestamp(at.number)), at.rank)
        }
    }
}

/// What a key adds up to.
pub(crate) fn record(record: &KeyRecord) -> Vec<String> {
    let order = &record.order;
    let held: Vec<_> = order.held.iter().map(|(at, held)| held_at(at, held)).collect();
    let held = held.join(", ");
    let mut lines = vec![format!(
        "sequence={} next={:?} held=[{held}] abandoned={} gap={}{}",
        record.sequence.0,
        order.next,
        ranges(&order.abandoned),
        order.gap.map_or("none".to_owned(), range),
        if record.paused { " paused" } else { "" }
    )];
    if let Reached::State(machine) = &order.reached {
        let at = position(&Position::State { state: machine.state.clone(), at: machine.at });
        lines.push(format!("state {at} of {}", place(machine.event)));
    }
    if let Reached::Link(tip) = &order.reached {
        let of = |gap: &Break| format!("{}..{}", gap.from.as_deref().unwrap_or("?"), gap.to);
        let breaks: Vec<_> = tip.breaks.iter().map(of).collect();
        let breaks = breaks.join(",");
        lines.push(format!("stands at {} of {} breaks=[{breaks}]", tip.at(), place(tip.event)));
    }
    if let Reached::Fields(fields) = &order.reached {
        let of = |field: &KnownField| {
            let (At::Version(at) | At::Instant(at)) = field.at;
            format!("{}={at} of {}", field.name, place(field.event))
        };
        lines.push(format!("fields {}", fields.iter().map(of).collect::<Vec<_>>().join(", ")));
    }
    if let Reached::Clock(seen) = &order.reached {
        let of = |node: &KnownNode| match node.given_up.is_empty() {
            true => format!("{}={}", node.name, node.count),
            false => format!("{}={} without {}", node.name, node.count, ranges(&node.given_up)),
        };
        lines.push(format!("clock {}", seen.nodes().iter().map(of).collect::<Vec<_>>().join(", ")));
    }
    for lane in &record.lanes {
        let redrives: Vec<_> = lane.redrives.iter().map(|sequence| sequence.0).collect();
        lines.push(format!(
            "{} {} {:?} head={} tail={} failures={} redrives={redrives:?}",
            if lane.strand.is_some() { "strand" } else { "lane" },
            lane.destination.0,
            lane.mode,
            lane.head.0,
            lane.tail.0,
            lane.failures
        ));
    }
    lines
}
