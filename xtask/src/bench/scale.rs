//! Scale in every dimension: what else grows without bound in life, and must cost others nothing.
//! Must not know how anything is measured.

use clap::ValueEnum;

use super::table::{Line, Table};
use super::{Bench, beside, connections, emptied, halted, hot, recovery, slow, zipf};
use crate::failure::Failure;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dimension {
    /// Lanes before a consumer that takes a second (90 seconds)
    Slow,
    /// A backlog whose destination lives again (4 minutes)
    Recovery,
    /// A healthy destination beside a dead one with a backlog (4 minutes)
    Beside,
    /// A million events of one key behind a halt (4 minutes)
    Halted,
    /// Connections that say nothing, and heads a byte at a time (3 minutes)
    Connections,
    /// One key with very many events (4 minutes)
    Hot,
    /// A million known keys under Zipf's law, ten million evenly (10 minutes, 8 GB)
    Keys,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Per cent of the numbers below.
    pub(crate) per_cent: u32,
    /// Events of a run.
    pub(crate) events: u64,
    /// Keys of a run.
    pub(crate) keys: u32,
    /// Rounds of runs.
    pub(crate) rounds: u32,
}

/// Events that wait for a dead destination.
const BACKLOG: u64 = 300_000;
/// Events behind a halt.
const HALTED: u64 = 1_000_000;
/// Events of a hot key by itself.
const HOT: u64 = 20_000;
/// Known keys under Zipf's law, and evenly.
const KNOWN: [u32; 2] = [1_000_000, 10_000_000];

/// Measures these dimensions; all when none is named.
pub(crate) fn measure(
    bench: &Bench,
    sizes: Sizes,
    only: &[Dimension],
) -> Result<Vec<Line>, Failure> {
    let mut all = Vec::new();
    for dimension in Dimension::value_variants() {
        if only.is_empty() || only.contains(dimension) {
            let lines = dimension.measure(bench, sizes)?;
            println!("{}\n", Table(&lines));
            all.extend(lines);
            emptied(&bench.directory)?;
        }
    }
    Ok(all)
}

impl Dimension {
    fn measure(self, bench: &Bench, sizes: Sizes) -> Result<Vec<Line>, Failure> {
        let Sizes { events, keys, rounds, .. } = sizes;
        match self {
            Self::Slow => slow::measure(bench, sizes.part_of(slow::LANES)),
            Self::Recovery => recovery::measure(bench, sizes.many(BACKLOG), events, keys, rounds),
            Self::Beside => beside::measure(bench, sizes.many(BACKLOG), events, keys, rounds),
            Self::Halted => halted::measure(bench, sizes.many(HALTED), events, keys, rounds),
            Self::Connections => {
                let idle = sizes.part_of(connections::IDLE);
                connections::measure(bench, idle, events, keys, rounds)
            }
            Self::Hot => hot::measure(bench, sizes.many(HOT), events, keys, rounds),
            Self::Keys => {
                zipf::measure(bench, KNOWN.map(|keys| sizes.part_of(keys)), events, rounds)
            }
        }
    }
}

impl Sizes {
    fn many(self, number: u64) -> u64 {
        (number * u64::from(self.per_cent) / 100).max(1)
    }

    fn part_of(self, number: u32) -> u32 {
        u32::try_from(self.many(number.into())).unwrap_or(u32::MAX)
    }
}
