//! Very many known keys: a million under a load as it is in life, where few keys have most events, and ten million
//! evenly, both beside a thousand keys evenly. As in the part `keys`, after a start nothing is in memory.

use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Place, READY, Source};
use super::keys::after;
use super::load::LoadFile;
use super::run::{Run, ratios, rounds};
use super::table::{Line, Side};
use super::{Bench, Load, consumer};
use crate::failure::Failure;

/// The smaller number of keys.
const FEW_KEYS: u32 = 1_000;

/// Measures with so many keys under Zipf's law, and so many evenly.
pub(crate) fn measure(
    bench: &Bench,
    [zipf, even]: [u32; 2],
    events: u64,
    number: u32,
) -> Result<Vec<Line>, Failure> {
    let few = known(bench, "few", FEW_KEYS)?;
    let few_load = bench.load_of("few-load", after(FEW_KEYS.into(), FEW_KEYS, events))?;
    let of_zipf = |many: &Place| -> Result<Line, Failure> {
        let load = Load { zipf: true, ..after(zipf.into(), zipf, events) };
        let load = bench.load_of("zipf-load", load)?;
        let what = "throughput at 1 M keys, Zipf ÷ at 1 k keys";
        line(bench, what, "throughput_zipf", zipf, [(&few, &few_load), (many, &load)], number)
    };
    let of_even = |many: &Place| -> Result<Line, Failure> {
        let load = bench.load_of("even-load", after(even.into(), even, events))?;
        let what = "throughput at 10 M keys, evenly ÷ at 1 k keys";
        line(bench, what, "throughput_10m_keys", even, [(&few, &few_load), (many, &load)], number)
    };
    let first = of_zipf(&known(bench, "many", zipf)?)?;
    let second = of_even(&known(bench, "many", even)?)?;
    Ok(vec![first, second])
}

fn known(bench: &Bench, name: &str, keys: u32) -> Result<Place, Failure> {
    let place = Place::empty(bench, name, Source::Made)?;
    let attempts = Attempts::Answered;
    Fill { events: keys.into(), keys: keys.into(), attempts, corpus: None }.write(bench, &place)?;
    Ok(place)
}

fn line(
    bench: &Bench,
    what: &'static str,
    name: &'static str,
    keys: u32,
    sides: [(&Place, &LoadFile); 2],
    number: u32,
) -> Result<Line, Failure> {
    let kinds = rounds::<2>(&format!("{FEW_KEYS} keys; {keys}"), number, |kind| {
        let (place, load) = sides[kind];
        let consumer = consumer::consumer(bench, false)?;
        let mut gateway = place.copy(bench, "gateway")?.serve(bench, consumer.address, READY)?;
        Run::of(&mut gateway, load, load.events)
    })?;
    let memory = Spread::of(kinds.iter().map(|round| round[1].memory_mib));
    let events = sides[1].1.events;
    Ok(Line {
        what,
        name,
        side: Side::AtLeast,
        targets: [0.8, 0.9],
        unit: "",
        precision: 2,
        measured: Spread::of(ratios(&kinds, 1, 0)),
        how: format!(
            "{number} rounds of {events} events, {keys} known keys; memory {memory:.0} MiB"
        ),
    })
}
