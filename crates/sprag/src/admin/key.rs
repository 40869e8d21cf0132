//! `/v1/sources/{source}/keys/{key}`: one key as it is, and why it waits; pause and resume.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sprag_core::contract;
use sprag_core::fields::{At, KnownField};
use sprag_core::input::Command;
use sprag_core::instant::instant_text;
use sprag_core::links::Break;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::record::{
    HeldAt, HeldEvent, Lane, LaneMode, Machine, OmitReason, Order, Reached, Tie,
};
use sprag_core::time::{OpenMicros, UnixMicros};
use utoipa::ToSchema;

use super::answer::{Answered, Done, done, time};
use super::names::Names;
use super::problems::{CommandProblems, ReadProblems};
use super::request::Segments;
use super::state::{AdminState, KnownKey};
use super::{limits, waits};
use crate::problem::Problem;

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct Shown {
    source: String,
    key: String,
    partition: u16,
    /// The last released event; 0 before the first.
    sequence: u64,
    /// Hₙ of that event (rule C1).
    hash: String,
    /// How many sequences it jumped over because its log was restored from backups (rule D10); absent
    /// where none.
    #[serde(skip_serializing_if = "Option::is_none")]
    jumped: Option<u64>,
    /// The next position in order; absent where positions are instants, under `arrival`, and until it is settled
    /// where the key begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_position: Option<u64>,
    paused: bool,
    /// Whether it is forgotten: this is its tombstone, from which it goes on (rule D8).
    forgotten: bool,
    /// It begins behind this sequence, for nothing was known of it but what its bucket's floor covers (rule
    /// D8); absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary: Option<u64>,
    /// When something was last written down about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    active: Option<String>,
    /// Whether it is in memory.
    hot: bool,
    held_events: usize,
    /// The first [`limits::SHOWN_POSITIONS`] of them.
    held: Vec<Held>,
    /// The positions that it waits for first, where they are numbers and a first is known: what `give-up-gap` gives up.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Span>,
    /// The first ranges of positions before and between held events that are missing.
    missing: Vec<Span>,
    /// What it has come to of each field, by name (contract `merge`); absent under other contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<BTreeMap<String, ShownField>>,
    /// Up to where the events of each node are released or given up (contract `causal`); absent under other contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<BTreeMap<String, u64>>,
    /// What the clocks of the events that wait know and did not come, by node (contract `causal`); absent where
    /// nothing is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_causes: Option<BTreeMap<String, Vec<Span>>>,
    /// The state it is in (contract `states`); absent before its first event, and under other contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<ShownState>,
    /// Where its hash links lead; absent before its first event, and where positions are no links.
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<ShownTip>,
    /// Seconds of open time until waiting ends; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_seconds: Option<f64>,
    lanes: Vec<ShownLane>,
    /// Why it waits, in sentences; empty when nothing waits.
    why: Vec<String>,
}

/// An event that waits.
#[derive(Debug, Serialize, ToSchema)]
struct Held {
    /// Where something is missing before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// Where it settles (contract `settle`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    instant: Option<String>,
    /// Where it waits for what its clock knows (contract `causal`).
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<String>,
    /// The state it tells, where states between are missing (contract `states`).
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// From where to where it leads, where what leads there is missing (hash links).
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// The state a resource is in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyMachine)]
struct ShownState {
    state: String,
    /// How new it is, where its source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    instant: Option<String>,
    /// The event that brought it.
    event: String,
}

/// Where the hash links of a resource lead.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyLinks)]
struct ShownTip {
    /// The hash it stands at.
    at: String,
    /// The event that led there.
    event: String,
    /// What was given up and did not come since, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    breaks: Vec<ShownBreak>,
}

/// What never came between two events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyBreak)]
struct ShownBreak {
    /// Where it begins; absent before the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
}

/// The newest value of a field that was released.
#[derive(Debug, Serialize, ToSchema)]
struct ShownField {
    /// Its version, or its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    instant: Option<String>,
    /// The event that brought it; its value is in that event's body.
    event: String,
}

/// A range of numbers, both ends in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Span {
    from: u64,
    to: u64,
}

/// A lane of the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
struct ShownLane {
    destination: String,
    /// Of an unordered source, the event that is sent here, beside those of other strands; absent
    /// for the lane itself, in which events wait for a free strand.
    #[serde(skip_serializing_if = "Option::is_none")]
    strand: Option<u64>,
    mode: &'static str,
    /// The event up to which a redriven lane drains.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// The next event to settle.
    head: u64,
    /// The last event in it; below `head` when nothing waits.
    tail: u64,
    /// The last event that was delivered in order; 0 before the first.
    delivered: u64,
    /// Tries of the head that were not acknowledged.
    failures: u32,
    /// When the head is due; absent for at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    due: Option<String>,
    /// What it sends again; absent while it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<Replaying>,
    /// What was settled without delivery since the last delivered event.
    omitted: Vec<Omitted>,
    /// Passed events that are being sent again.
    redrives: Vec<u64>,
    /// Why it does not deliver.
    why: String,
}

/// What a lane sends again.
#[derive(Debug, Serialize, ToSchema)]
struct Replaying {
    /// The last event of it.
    until: u64,
    /// The event with which it then goes on.
    then: u64,
}

/// What a lane settled without delivery.
#[derive(Debug, Serialize, ToSchema)]
struct Omitted {
    #[serde(flatten)]
    range: Span,
    fate: &'static str,
}

/// Shows a key as it is, and why it waits
#[utoipa::path(get, path = "/v1/sources/{source}/keys/{key}", tag = "keys",
    params(("source" = String, Path, description = "The source"),
        ("key" = String, Path, description = "The encoded key")),
    responses((status = 200, body = Shown), ReadProblems))]
pub(super) async fn show(
    State(state): State<AdminState>,
    Segments((source, key)): Segments<(String, String)>,
) -> Answered<Shown> {
    let names = state.names().await;
    let known = state.key(&names, &source, &key).await?;
    let remaining = remaining(&state, &known).await?;
    Ok(Json(shown(&state, &names, source, &known, remaining)))
}

/// Stops the lanes of a key
#[utoipa::path(post, path = "/v1/sources/{source}/keys/{key}/pause", tag = "keys",
    params(("source" = String, Path, description = "The source"),
        ("key" = String, Path, description = "The encoded key")),
    responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn pause(
    State(state): State<AdminState>,
    Segments((source, key)): Segments<(String, String)>,
) -> Answered<Done> {
    let key = state.names().await.key(&source, &key)?;
    state.command(Command::PauseKey(key)).await?;
    done()
}

/// Lets the lanes of a key go on
#[utoipa::path(post, path = "/v1/sources/{source}/keys/{key}/resume", tag = "keys",
    params(("source" = String, Path, description = "The source"),
        ("key" = String, Path, description = "The encoded key")),
    responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn resume(
    State(state): State<AdminState>,
    Segments((source, key)): Segments<(String, String)>,
) -> Answered<Done> {
    let key = state.names().await.key(&source, &key)?;
    state.command(Command::ResumeKey(key)).await?;
    done()
}

/// How long the wait for missing positions still takes, in open time (rule G1).
async fn remaining(
    state: &AdminState,
    known: &KnownKey,
) -> Result<Option<std::time::Duration>, Problem> {
    let deadline: Option<OpenMicros> = known.view.as_ref().and_then(|view| view.hold_deadline);
    let Some(deadline) = deadline else { return Ok(None) };
    let statistics = state.node().statistics().await;
    let partition = statistics.partitions.get(usize::from(known.partition.0));
    Ok(partition.map(|partition| deadline.since(partition.open)))
}

fn shown(
    state: &AdminState,
    names: &Names,
    source: String,
    known: &KnownKey,
    remaining: Option<std::time::Duration>,
) -> Shown {
    let (record, order) = (&known.record, &known.record.order);
    let first = state.current().0.gaps.get(&known.key.source).and_then(|gap| gap.first);
    let next = first.map_or(order.next, |first| contract::next_position(first, order));
    let lanes: Vec<ShownLane> =
        (0..record.lanes.len()).map(|at| shown_lane(state, names, known, at)).collect();
    let waiting = record
        .lanes
        .iter()
        .zip(&lanes)
        .filter(|(lane, _)| lane.has_backlog() || !lane.redrives.is_empty());
    let lanes_wait = waiting.map(|(_, lane)| format!("{}: {}", lane.destination, lane.why));
    let why = waits::hold(record, remaining, known.view.is_some())
        .into_iter()
        .chain(lanes_wait)
        .collect();
    Shown {
        source,
        key: known.key.name.to_string(),
        partition: known.partition.0,
        sequence: record.sequence.0,
        hash: record.hash.to_string(),
        jumped: (known.record.jumped > 0).then_some(known.record.jumped),
        next_position: next.filter(|_| order.instant.is_empty()),
        paused: record.paused,
        forgotten: record.forgotten,
        boundary: Some(record.boundary.0).filter(|boundary| *boundary > 0),
        active: Some(record.active).filter(|at| *at != UnixMicros(0)).and_then(time),
        hot: known.view.is_some(),
        held_events: order.held.len(),
        held: order.held.iter().take(limits::SHOWN_POSITIONS).map(held).collect(),
        gap: first.and_then(|first| contract::head_gap(first, order)).map(|gap| span(&gap)),
        missing: missing(next, &order.held),
        fields: fields(&order.reached),
        clock: clock(&order.reached),
        missing_causes: missing_causes(order),
        state: machine(&order.reached),
        links: links(order),
        hold_seconds: remaining.map(|remaining| remaining.as_secs_f64()),
        lanes,
        why,
    }
}

fn held((at, held): (&HeldAt, &HeldEvent)) -> Held {
    let (id, event) = (held.essence.id.as_ref().map(ToString::to_string), held.event.to_string());
    let shown =
        Held { position: None, instant: None, clock: None, state: None, link: None, event, id };
    match (&held.essence.position, &at.tie) {
        (position @ Position::Clock(_), _) => Held { clock: Some(position.text()), ..shown },
        (position @ Position::State { .. }, _) => Held { state: Some(position.text()), ..shown },
        (position @ Position::Link(_), _) => Held { link: Some(position.text()), ..shown },
        (_, Tie::Only) => Held { position: Some(at.number), ..shown },
        (position, Tie::Of(..)) => Held { instant: Some(position.text()), ..shown },
    }
}

fn machine(reached: &Reached) -> Option<ShownState> {
    let Reached::State(machine) = reached else { return None };
    let Machine { state, at, event, .. } = &**machine;
    let (version, instant) = at.map_or((None, None), how_new);
    Some(ShownState { state: state.to_string(), version, instant, event: event.to_string() })
}

fn links(order: &Order) -> Option<ShownTip> {
    let tip = contract::tip(order)?;
    let of = |gap: &Break| ShownBreak {
        from: gap.from.as_ref().map(ToString::to_string),
        to: gap.to.to_string(),
    };
    let breaks = tip.breaks.iter().map(of).collect();
    Some(ShownTip { at: tip.at().to_string(), event: tip.event.to_string(), breaks })
}

/// A version, or a time.
pub(super) fn how_new(at: At) -> (Option<u64>, Option<String>) {
    match at {
        At::Version(version) => (Some(version), None),
        At::Instant(instant) => (None, Some(instant_text(instant))),
    }
}

/// Up to where the events of each node are released or given up.
pub(super) fn clock(reached: &Reached) -> Option<BTreeMap<String, u64>> {
    let Reached::Clock(seen) = reached else { return None };
    Some(seen.nodes().iter().map(|node| (node.name.to_string(), node.count)).collect())
}

fn span(range: &Range) -> Span {
    Span { from: range.from, to: range.to }
}

fn missing_causes(order: &Order) -> Option<BTreeMap<String, Vec<Span>>> {
    let shown =
        |ranges: Ranges| ranges.as_slice().iter().take(limits::SHOWN_POSITIONS).map(span).collect();
    let missing = contract::missing_causes(order).into_iter();
    let missing: BTreeMap<_, _> =
        missing.map(|(node, ranges)| (node.to_string(), shown(ranges))).collect();
    (!missing.is_empty()).then_some(missing)
}

fn fields(reached: &Reached) -> Option<BTreeMap<String, ShownField>> {
    let Reached::Fields(fields) = reached else { return None };
    let shown = |field: &KnownField| {
        let (version, instant) = how_new(field.at);
        (field.name.to_string(), ShownField { version, instant, event: field.event.to_string() })
    };
    Some(fields.iter().map(shown).collect())
}

/// What is missing between the next position and the highest held one.
fn missing(next: Option<u64>, held: &BTreeMap<HeldAt, HeldEvent>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut expected = next;
    let numbered = held.keys().filter(|at| at.tie == Tie::Only).map(|at| at.number);
    for position in numbered {
        if let Some(from) = expected.filter(|from| *from < position) {
            spans.push(Span { from, to: position - 1 });
        }
        if spans.len() == limits::SHOWN_POSITIONS {
            break;
        }
        expected = Some(position + 1);
    }
    spans
}

fn shown_lane(state: &AdminState, names: &Names, known: &KnownKey, at: usize) -> ShownLane {
    let lane = &known.record.lanes[at];
    let view = known.view.as_ref().and_then(|view| view.lanes.get(at));
    let paused = names.directory().paused.contains(&lane.destination);
    let now = state.parts().clock.now();
    let (mode, until) = mode(lane);
    let omitted = lane.omitted.iter().map(|omission| Omitted {
        range: Span { from: omission.range.from, to: omission.range.to },
        fate: match omission.reason {
            OmitReason::Filtered => "filtered",
            OmitReason::Dead => "dead",
            OmitReason::Skipped => "skipped",
            OmitReason::Restored => "restored",
            OmitReason::Boundary => "boundary",
        },
    });
    ShownLane {
        destination: names.destination(lane.destination).to_string(),
        strand: lane.strand.map(|event| event.0),
        mode,
        until,
        head: lane.head.0,
        tail: lane.tail.0,
        delivered: lane.delivered.0,
        failures: lane.failures,
        due: Some(lane.due).filter(|due| *due != UnixMicros(0)).and_then(time),
        replay: lane
            .rewound
            .as_ref()
            .map(|rewind| Replaying { until: rewind.until.0, then: rewind.resume.0 }),
        omitted: omitted.collect(),
        redrives: lane.redrives.iter().map(|sequence| sequence.0).collect(),
        why: waits::lane(&known.record, lane, view, paused, now),
    }
}

/// How a lane behaves, and up to where it drains.
pub(super) fn mode(lane: &Lane) -> (&'static str, Option<u64>) {
    match lane.mode {
        LaneMode::Active => ("active", None),
        LaneMode::Halted => ("halted", None),
        LaneMode::Parked => ("parked", None),
        LaneMode::DrainingHalted { until } | LaneMode::DrainingParked { until } => {
            ("draining", Some(until.0))
        }
    }
}
