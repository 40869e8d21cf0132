//! One seed from beginning to end; a panic of the engine is a violation like any other.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::case::Case;
use crate::counts::Counts;
use crate::dice::Seed;
use crate::judge::Violation;
use crate::trace::Trace;
use crate::world::World;

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The hash of everything that happened, in order.
    pub hash: u64,
    /// How many things happened.
    pub happenings: u64,
    /// Requests the provider had to make.
    pub posts: usize,
    /// Keys that had events.
    pub keys: usize,
    /// Virtual time it took, in microseconds.
    pub virtual_time: u64,
    /// How often each thing happened.
    pub counts: Counts,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
}

/// Runs a seed; its trace goes to the sink, if there is one.
#[must_use]
pub fn run(seed: u64, sink: Option<Box<dyn Write>>) -> Report {
    replay(&Case { seed, set: Vec::new() }, sink)
}

/// Runs a seed in which some throws may be set.
#[must_use]
pub fn replay(case: &Case, sink: Option<Box<dyn Write>>) -> Report {
    let Case { seed, set } = case;
    let mut world = World::new(&Seed::new(*seed, set), Trace::to(sink));
    to_its_end(&mut world);
    Report {
        seed: *seed,
        hash: world.trace.hash(),
        happenings: world.trace.events(),
        posts: world.provider.posts().len(),
        keys: world.resources.len(),
        virtual_time: world.now,
        counts: world.counts.clone(),
        violation: world.violation.clone(),
    }
}

/// Runs a world; what breaks it in between breaks a promise.
pub(crate) fn to_its_end(world: &mut World) {
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    if let Err(panic) = ran {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("panic: {}", text.unwrap_or("without a message"));
        world.violation = Some(Violation { judge: "invariants", at: world.now, what });
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.violation {
            None => write!(
                formatter,
                "seed {} green: {} posts, {} happenings, {} s of virtual time, hash {:016x}",
                self.seed,
                self.posts,
                self.happenings,
                self.virtual_time / 1_000_000,
                self.hash
            ),
            Some(Violation { judge, at, what }) => {
                let (seconds, rest) = (at / 1_000_000, at % 1_000_000);
                let (seed, what) = (self.seed, what.replace('\n', " "));
                write!(
                    formatter,
                    "violation: seed={seed} judge={judge} at={seconds}.{rest:06}: {what}"
                )
            }
        }
    }
}
