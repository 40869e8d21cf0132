//! One hot key: how many events a second its lane takes by itself, with `batch` too, and whether other keys lose by it.

use std::net::SocketAddr;

use super::figures::Spread;
use super::gateway::{Gateway, Place, READY, Source};
use super::load::LoadFile;
use super::run::{Run, ratios, rounds};
use super::table::{Line, Side};
use super::{Bench, Load, consumer};
use crate::failure::Failure;

/// Events of one key in one attempt at the most.
const BATCH: &str = "batch = 50";
/// The key that is hot.
const HOT_KEY: &str = "cus_0000000";

/// Measures with so many events of one key by itself, and `events` of which one in so many is of one key.
pub(crate) fn measure(
    bench: &Bench,
    alone: u64,
    events: u64,
    keys: u32,
    number: u32,
) -> Result<Vec<Line>, Failure> {
    let one_key = bench.load_of("one-key", Load::new(alone, 1))?;
    let lanes =
        rounds::<2>("one key; with batch", number, |kind| run(bench, &one_key, ["", BATCH][kind]))?;
    let of = |kind: usize| Spread::of(lanes.iter().map(|round| round[kind].per_second));
    let (each, batched) = (of(0), of(1));
    let even = bench.load_of("even", Load::new(events, keys))?;
    let fastest = run(bench, &even, "")?.per_second;
    // More than its lane takes, to see how much that is while others come as fast as they can; then half of it.
    let probe = Load { hot_every: every(2.0 * fastest / each.median), ..Load::new(events, keys) };
    let beside_others = beside_others(bench, &bench.load_of("hot", probe)?)?;
    let hot_every = every(2.0 * fastest / beside_others);
    let hot = bench.load_of("hot", Load { hot_every, ..Load::new(events, keys) })?;
    let beside = rounds::<2>("even keys; one hot among them", number, |kind| {
        run(bench, [&even, &hot][kind], "")
    })?;
    Ok(vec![
        Line {
            what: "hot key: events/s of one lane with batch = 50 ÷ without",
            name: "hot_batch",
            side: Side::AtLeast,
            targets: [2.0, 5.0],
            unit: "",
            precision: 1,
            measured: Spread::of(ratios(&lanes, 1, 0)),
            how: format!(
                "{number} rounds of {alone} events of one key: {each:.0}/s without, {batched:.0}/s with"
            ),
        },
        Line {
            what: "hot key: throughput with one hot key ÷ with even keys",
            name: "hot_beside",
            side: Side::AtLeast,
            targets: [0.9, 0.95],
            unit: "",
            precision: 2,
            measured: Spread::of(ratios(&beside, 1, 0)),
            how: format!(
                "{number} rounds of {events} events over {keys} keys; every {hot_every}th is of one of them, half of the \
                 {beside_others:.0}/s that its lane takes beside them"
            ),
        },
    ])
}

fn run(bench: &Bench, load: &LoadFile, line: &str) -> Result<Run, Failure> {
    let consumer = consumer::consumer(bench, false)?;
    Run::of(&mut start(bench, consumer.address, line)?, load, load.events)
}

/// Every how many-th event is of the hot key.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to millions")]
fn every(events: f64) -> u64 {
    events.clamp(2.0, 1e6).ceil() as u64
}

/// Events a second of the hot key's lane, until all of the others are delivered.
fn beside_others(bench: &Bench, load: &LoadFile) -> Result<f64, Failure> {
    let consumer = consumer::consumer(bench, false)?;
    let mut gateway = start(bench, consumer.address, "")?;
    let run = Run::until(&mut gateway, load, |gateway| {
        gateway.until(|gateway| {
            // In this order: what the hot key's lane delivers meanwhile is none of the others'.
            let delivered = gateway.progress()?.delivered;
            let key = gateway.key(HOT_KEY)?;
            Ok((delivered.saturating_sub(key.delivered), load.events.saturating_sub(key.released)))
        })?;
        Ok(gateway.key(HOT_KEY)?.delivered)
    })?;
    Ok(run.per_second)
}

fn start(bench: &Bench, consumer: SocketAddr, line: &str) -> Result<Gateway, Failure> {
    let place = Place::empty(bench, "gateway", Source::Made)?.with_lines(line);
    place.serve(bench, consumer, READY)
}
