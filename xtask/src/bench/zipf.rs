//! Very many known keys: a million under a load as it is in life, where few keys have most events, and ten million
//! evenly, each beside a thousand keys evenly with as much history. As in the part `keys`, after a start nothing is
//! in memory.

use super::figures::Spread;
use super::keys::{FEW_KEYS, Known, after};
use super::run::{ratios, rounds};
use super::table::{Line, Side};
use super::{Bench, Load};
use crate::failure::Failure;

/// Measures with so many keys under Zipf's law, and so many evenly.
pub(crate) fn measure(
    bench: &Bench,
    [zipf, even]: [u32; 2],
    events: u64,
    number: u32,
) -> Result<Vec<Line>, Failure> {
    Ok(vec![of_zipf(bench, zipf, events, number)?, of_even(bench, even, events, number)?])
}

fn of_zipf(bench: &Bench, keys: u32, events: u64, number: u32) -> Result<Line, Failure> {
    let load = Load { zipf: true, ..after(keys.into(), keys, events) };
    let load = bench.load_of("zipf-load", load)?;
    let sides = [Known::few(bench, keys, events)?, Known::many(bench, keys, events)?.under(load)];
    let what = "throughput at 1 M keys, Zipf ÷ at 1 k keys";
    line(bench, [what, "throughput_zipf"], keys, &sides, events, number)
}

fn of_even(bench: &Bench, keys: u32, events: u64, number: u32) -> Result<Line, Failure> {
    let sides = [Known::few(bench, keys, events)?, Known::many(bench, keys, events)?];
    let what = "throughput at 10 M keys, evenly ÷ at 1 k keys";
    line(bench, [what, "throughput_10m_keys"], keys, &sides, events, number)
}

fn line(
    bench: &Bench,
    [what, name]: [&'static str; 2],
    keys: u32,
    sides: &[Known; 2],
    events: u64,
    number: u32,
) -> Result<Line, Failure> {
    let title = format!("{FEW_KEYS} keys; {keys}");
    let kinds = rounds::<2>(&title, number, |kind| sides[kind].run(bench))?;
    let memory = Spread::of(kinds.iter().map(|round| round[1].memory_mib));
    Ok(Line {
        what,
        name,
        side: Side::AtLeast,
        targets: [0.8, 0.9],
        unit: "",
        precision: 2,
        measured: Spread::of(ratios(&kinds, 1, 0)),
        how: format!(
            "{number} rounds of {events} events, {keys} known keys, as much history in both; memory {memory:.0} MiB"
        ),
    })
}
