//! One load through one gateway, as fast as answers come. Must not know what is special about either.

use super::gateway::Gateway;
use super::load::LoadFile;
use super::server::Server;
use super::{cpu, memory};
use crate::failure::Failure;
use crate::process;

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Events, from the first request until all are delivered.
    pub(crate) per_second: f64,
    /// The most while they came in, or when they were delivered.
    pub(crate) memory_mib: f64,
}

impl Run {
    /// Sends a load and waits until `delivered` events are delivered since the start.
    pub(crate) fn of(
        gateway: &mut Gateway,
        load: &LoadFile,
        delivered: u64,
    ) -> Result<Self, Failure> {
        Self::until(gateway, load, |gateway| {
            let came = gateway.drained(delivered)?.delivered;
            if came < delivered {
                return Err(Failure::new(format!("{came} of {delivered} events are delivered")));
            }
            Ok(load.events)
        })
    }

    /// Sends a load, and waits until the end, which says how many events are delivered by then.
    pub(crate) fn until(
        gateway: &mut Gateway,
        load: &LoadFile,
        end: impl FnOnce(&mut Gateway) -> Result<u64, Failure>,
    ) -> Result<Self, Failure> {
        let mut sending = load.send(gateway.listen, 0.0)?;
        let sent = |_: &mut Server| sending.is_done().map(|done| done.then_some(()));
        let (memory_mib, ()) = memory::most_until(&mut gateway.server, sent)?;
        let events = end(gateway)?;
        let ended = process::unix_seconds();
        let memory_mib = memory_mib.max(gateway.server.memory_mib()?);
        let seconds = ended - sending.finish()?.began;
        Ok(Self { per_second: cpu::per(events, seconds), memory_mib })
    }
}

/// Rounds of runs of so many kinds, one after another; who is first changes with each round.
pub(crate) fn rounds<const KINDS: usize>(
    what: &str,
    rounds: u32,
    mut run: impl FnMut(usize) -> Result<Run, Failure>,
) -> Result<Vec<[Run; KINDS]>, Failure> {
    let nothing = Run { per_second: 0.0, memory_mib: 0.0 };
    let mut all = Vec::new();
    for number in 0..rounds {
        let mut of_round = [nothing; KINDS];
        for turn in 0..KINDS {
            let first = usize::try_from(number).unwrap_or_default();
            let at = (turn + first) % KINDS;
            of_round[at] = run(at)?;
        }
        let said =
            of_round.map(|run| format!("{:.0}/s, {:.0} MiB", run.per_second, run.memory_mib));
        println!("  {what}, round {} of {rounds}: {}", number + 1, said.join("; "));
        all.push(of_round);
    }
    Ok(all)
}

/// Events a second of one kind beside another, in each round.
pub(crate) fn ratios<const KINDS: usize>(
    rounds: &[[Run; KINDS]],
    of: usize,
    beside: usize,
) -> impl Iterator<Item = f64> {
    rounds.iter().map(move |round| round[of].per_second / round[beside].per_second)
}
