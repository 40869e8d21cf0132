//! Memory while millions of events wait for a destination that cannot be reached.
//!
//! Filled once: the fill's program holds the whole product but HTTP, so its memory while the backlog grows counts.
//! Then a gateway is started on it, and events go on coming in.

use std::time::Duration;

use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Place, Source};
use super::server::{Server, free_address};
use super::table::{Line, Side};
use super::{Bench, Load, memory};
use crate::failure::Failure;
use crate::process::now;

/// Until a gateway is ready on a backlog.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long memory is looked at after the last event came in.
const AFTER: Duration = Duration::from_secs(10);
/// Events that come in while it is measured.
const COMING: u64 = 50_000;
/// Their keys.
const COMING_KEYS: u32 = 10_000;

/// One of the two rows.
struct Row {
    what: &'static str,
    name: &'static str,
    /// What share of the events is the first of its key: 1 of so many.
    events_of_key: u64,
    targets: [f64; 2],
}

const ROWS: [Row; 2] = [
    Row {
        what: "memory, backlog of 5 M events for a dead destination, over 100 k keys",
        name: "memory_backlog_few_keys",
        events_of_key: 50,
        targets: [400.0, 250.0],
    },
    Row {
        what: "memory, backlog of 5 M events for a dead destination, over 5 M keys",
        name: "memory_backlog_many_keys",
        events_of_key: 1,
        targets: [800.0, 400.0],
    },
];

/// Measures both, with so many events.
pub(crate) fn measure(bench: &Bench, events: u64) -> Result<Vec<Line>, Failure> {
    ROWS.iter().map(|row| row.measure(bench, events)).collect()
}

impl Row {
    fn measure(&self, bench: &Bench, events: u64) -> Result<Line, Failure> {
        let place = Place::empty(bench, "backlog", Source::Made)?;
        let keys = events / self.events_of_key;
        let fill = Fill { events, keys, attempts: Attempts::Unreachable, corpus: None };
        let filled = fill.write(bench, &place)?;
        let coming = Load { first_event: events + 1, ..Load::new(COMING, COMING_KEYS) };
        let coming = Load { first_sequence: self.events_of_key + 1, ..coming };
        let coming = bench.load_of("coming", coming)?;
        let began = now();
        // Nobody listens there.
        let mut gateway = place.serve(bench, free_address()?, PATIENCE)?;
        let ready = began.elapsed().as_secs_f64();
        let mut sending = coming.send(gateway.listen, 0.0)?;
        let sent = |_: &mut Server| sending.is_done().map(|done| done.then_some(()));
        let (under_load, ()) = memory::most_until(&mut gateway.server, sent)?;
        sending.finish()?;
        let after = memory::most_for(&mut gateway.server, AFTER)?;
        gateway.server.end("TERM");
        std::fs::remove_dir_all(&place.room).map_err(Failure::while_doing("removing a backlog"))?;
        let most = filled.memory_mib.max(under_load).max(after);
        Ok(Line {
            what: self.what,
            name: self.name,
            side: Side::AtMost,
            targets: self.targets,
            unit: "MiB",
            precision: 0,
            measured: Spread::of([most].into_iter()),
            how: format!(
                "once, the most of: while {events} events over {keys} keys came in {:.0}, after a restart \
                 (ready in {ready:.1} s) with {COMING} more coming in {under_load:.0}, after these {after:.0}",
                filled.memory_mib
            ),
        })
    }
}
