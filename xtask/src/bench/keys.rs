//! A million known keys: throughput beside a thousand, and memory while only ten thousand of them are hot.
//!
//! Both directories are filled once, with as many events: only the number of keys differs, and not how much history
//! each event is looked up in. Each run is a gateway on a fresh copy, under a load over all keys. After its start
//! nothing is in memory, so at a million nearly every event loads its key.

use std::net::SocketAddr;

use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Gateway, Place, READY, Source};
use super::load::LoadFile;
use super::run::Run;
use super::table::{Line, Side};
use super::{Bench, Load, consumer};
use crate::failure::Failure;

/// The smaller number of keys.
pub(crate) const FEW_KEYS: u32 = 1_000;
/// Keys that are hot while memory is measured.
const HOT_KEYS: u32 = 10_000;
/// Events of them by which memory is as full as it gets: more than `limits.dedupe_ids`.
const HOT_EVENTS: u64 = 1_200_000;

/// A filled directory and the load that goes on where it ended.
pub(crate) struct Known {
    place: Place,
    load: LoadFile,
}

impl Known {
    /// The smaller number of keys, with as much history as so many have with an event each.
    pub(crate) fn few(bench: &Bench, many: u32, events: u64) -> Result<Self, Failure> {
        Self::fill(bench, "few", (FEW_KEYS, each_of_few(many)), events)
    }

    /// So many keys, with an event each.
    pub(crate) fn many(bench: &Bench, keys: u32, events: u64) -> Result<Self, Failure> {
        Self::fill(bench, "many", (keys, 1), events)
    }

    /// The same directory under another load.
    pub(crate) fn under(self, load: LoadFile) -> Self {
        Self { load, ..self }
    }

    /// So many events of each key.
    fn fill(
        bench: &Bench,
        name: &str,
        (keys, each): (u32, u64),
        events: u64,
    ) -> Result<Self, Failure> {
        let place = Place::empty(bench, name, Source::Made)?;
        let known = u64::from(keys);
        let filled = known * each;
        Fill { events: filled, keys: known, attempts: Attempts::Answered, corpus: None }
            .write(bench, &place)?;
        let load = Load { first_sequence: each + 1, ..after(filled, keys, events) };
        let load = bench.load_of(&format!("{name}-load"), load)?;
        Ok(Self { place, load })
    }

    /// A gateway on a fresh copy.
    fn start(&self, bench: &Bench, consumer: SocketAddr) -> Result<Gateway, Failure> {
        self.place.copy(bench, "gateway")?.serve(bench, consumer, READY)
    }

    /// The load, to a gateway on a fresh copy.
    pub(crate) fn run(&self, bench: &Bench) -> Result<Run, Failure> {
        let consumer = consumer::consumer(bench, false)?;
        Run::of(&mut self.start(bench, consumer.address)?, &self.load, self.load.events)
    }

    /// Memory after each load of the hot keys, until as many came as are ever remembered.
    fn memory(&self, bench: &Bench, known: u32, events: u64) -> Result<Vec<f64>, Failure> {
        let consumer = consumer::consumer(bench, false)?;
        let mut gateway = self.start(bench, consumer.address)?;
        let mut most = Vec::new();
        for number in 0..HOT_EVENTS.div_ceil(events) {
            let load = after(u64::from(known), HOT_KEYS, events);
            let load = bench.load_of("hot", Load { skip: number * events, ..load })?;
            let run = Run::of(&mut gateway, &load, (number + 1) * events)?;
            println!("  load {} of hot keys: {:.0} MiB", number + 1, run.memory_mib);
            most.push(run.memory_mib);
        }
        Ok(most)
    }
}

/// Events that each of the few keys has where so many have one: as much history in both.
fn each_of_few(many: u32) -> u64 {
    u64::from(many.div_ceil(FEW_KEYS))
}

/// What follows a fill of so many events, one a key.
pub(crate) fn after(known: u64, keys: u32, events: u64) -> Load {
    Load { first_event: known + 1, first_sequence: 2, ..Load::new(events, keys) }
}

/// Measures with so many known keys and so many events a run.
pub(crate) fn measure(
    bench: &Bench,
    many: u32,
    events: u64,
    rounds: u32,
) -> Result<Vec<Line>, Failure> {
    let few = Known::few(bench, many, events)?;
    let known = Known::many(bench, many, events)?;
    let (mut ratios, mut all_hot) = (Vec::new(), Vec::new());
    for number in 1..=rounds {
        let of_many = |first: bool| (first == number.is_multiple_of(2)).then_some(&known);
        let mut pair = [None; 2];
        for known in [true, false].map(of_many) {
            let at = usize::from(known.is_some());
            let side = known.unwrap_or(&few);
            pair[at] = Some(side.run(bench)?);
        }
        let [Some(at_few), Some(at_many)] = pair else { continue };
        let ratio = at_many.per_second / at_few.per_second;
        println!(
            "  pair {number} of {rounds}: {:.0}/s at {FEW_KEYS} keys ({:.0} MiB), {:.0}/s at {many} \
             ({:.0} MiB), ratio {ratio:.2}",
            at_few.per_second, at_few.memory_mib, at_many.per_second, at_many.memory_mib
        );
        ratios.push(ratio);
        all_hot.push(at_many.memory_mib);
    }
    let hot = known.memory(bench, many, events)?;
    let first = hot.first().copied().unwrap_or_default();
    let most = hot.into_iter().fold(0.0, f64::max);
    let all_hot = Spread::of(all_hot.into_iter());
    Ok(vec![
        Line {
            what: "memory, 1 M known keys, 10 k hot",
            name: "memory_known_keys",
            side: Side::AtMost,
            targets: [300.0, 150.0],
            unit: "MiB",
            precision: 0,
            measured: Spread::of([most].into_iter()),
            how: format!(
                "once, the most while {HOT_EVENTS} events of the hot keys came in, {first:.0} with the first \
                 {events}; with {events} over all {many} keys {all_hot:.0} MiB; filled once"
            ),
        },
        Line {
            what: "throughput at 1 M keys ÷ at 1 k keys",
            name: "throughput_keys",
            side: Side::AtLeast,
            targets: [0.8, 0.9],
            unit: "",
            precision: 2,
            measured: Spread::of(ratios.into_iter()),
            how: format!(
                "{rounds} alternating pairs of {events} events; directories filled once, with {} events and {many}",
                u64::from(FEW_KEYS) * each_of_few(many)
            ),
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_have_as_much_history_as_many() {
        for many in [50_000, 1_000_000, 10_000_000] {
            assert_eq!(u64::from(FEW_KEYS) * each_of_few(many), u64::from(many));
        }
    }
}
