//! A healthy destination beside a dead one: what it loses when events wait for the other.

use std::time::Duration;

use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Place, Source};
use super::run::{Run, ratios, rounds};
use super::server::free_address;
use super::table::{Line, Side};
use super::{Bench, Load, consumer};
use crate::failure::Failure;

/// Until a gateway is ready on a backlog.
const PATIENCE: Duration = Duration::from_secs(300);
/// The one whose deliveries are counted.
const HEALTHY: &str = "healthy";

/// Measures with so many events waiting, and `events` coming in each run. History is as long without the backlog: there all of
/// them were delivered.
pub(crate) fn measure(
    bench: &Bench,
    waiting: u64,
    events: u64,
    keys: u32,
    number: u32,
) -> Result<Vec<Line>, Failure> {
    let filled = |name, attempts| {
        let place = Place::empty(bench, name, Source::Made)?;
        let fill = Fill { events: waiting, keys: keys.into(), attempts, corpus: None };
        fill.write(bench, &place).map(|_| place)
    };
    let delivered = filled("delivered", Attempts::Answered)?;
    let backlog = filled("backlog", Attempts::Unreachable)?;
    let load = Load { first_key: keys.into(), first_event: waiting + 1, ..Load::new(events, keys) };
    let load = bench.load_of("beside", load)?;
    let kinds = rounds::<3>("alone; beside a dead one; and its backlog", number, |kind| {
        let consumer = consumer::consumer(bench, false)?;
        if kind == 0 {
            let mut gateway = super::gateway::start(bench, consumer.address)?;
            return Run::of(&mut gateway, &load, load.events);
        }
        let filled = if kind == 1 { &delivered } else { &backlog };
        let place = filled.copy(bench, "gateway")?;
        let place = place.with_destination(HEALTHY, consumer.address, bench);
        let mut gateway = place.serve(bench, free_address()?, PATIENCE)?;
        gateway.counted = HEALTHY;
        Run::of(&mut gateway, &load, load.events)
    })?;
    let alone = Spread::of(ratios(&kinds, 2, 0));
    Ok(vec![Line {
        what: "healthy destination: throughput with a dead one's backlog ÷ without",
        name: "beside_backlog",
        side: Side::AtLeast,
        targets: [0.9, 0.95],
        unit: "",
        precision: 2,
        measured: Spread::of(ratios(&kinds, 2, 1)),
        how: format!(
            "{number} rounds of {events} events; {waiting} over {keys} keys wait, or were delivered, and all that come wait for \
             the dead one in both; ÷ without history and dead destination {alone:.2}"
        ),
    }])
}
