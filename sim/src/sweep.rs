//! Many seeds on two threads; seeds are independent, so their order does not matter.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::counts::Counts;
use crate::run::{self, Report};

/// Threads of a sweep: the machines this is sized for have two cores.
pub(crate) const THREADS: usize = 2;
/// From this many seeds on, a sweep must have seen everything that can happen.
pub const FULL: u64 = 1_000;

/// What came of a sweep.
#[derive(Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Things that happened.
    pub happenings: u64,
    /// Requests of all providers.
    pub posts: u64,
    /// The seeds that broke a promise, ascending.
    pub violations: Vec<Report>,
    /// How often each thing happened.
    pub counts: Counts,
}

impl Summary {
    /// What a full sweep must have seen and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        if self.seeds >= FULL && self.violations.is_empty() {
            self.counts.missing()
        } else {
            Vec::new()
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.violations.is_empty() && self.missing().is_empty()
    }

    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.happenings += report.happenings;
        self.posts += report.posts as u64;
        self.counts.merge(&report.counts);
        if report.violation.is_some() {
            self.violations.push(report);
        }
    }
}

/// Runs seeds; `each` hears of every violation at once.
pub fn sweep(seeds: Range<u64>, stop_at_first: bool, each: impl Fn(&Report) + Sync) -> Summary {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run::run(seed, None);
                    if report.violation.is_some() {
                        stop.store(stop_at_first, Ordering::Relaxed);
                        each(&report);
                    }
                    summary.lock().unwrap_or_else(PoisonError::into_inner).add(report);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.violations.sort_by_key(|report| report.seed);
    summary
}
