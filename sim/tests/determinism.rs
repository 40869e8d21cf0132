//! The same seed gives the same bytes, and worlds are as large as DESIGN section 8 demands.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use sim::run::{Report, run};
use sim::{EVENTS, KEYS};

/// A sink that can be read afterwards.
#[derive(Clone, Default)]
struct Lines(Rc<RefCell<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn traced(seed: u64) -> (Report, Vec<u8>) {
    let lines = Lines::default();
    let report = run(seed, Some(Box::new(lines.clone())));
    let bytes = lines.0.borrow().clone();
    (report, bytes)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [1, 7, 42] {
        let (first, lines) = traced(seed);
        let (second, again) = traced(seed);
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert!(lines == again, "seed {seed}: the traces differ");
        assert_eq!(first.to_string(), second.to_string());
        assert!(lines.len() > 10_000, "seed {seed} traced next to nothing");
    }
}

#[test]
fn another_seed_gives_other_bytes() {
    assert_ne!(run(1, None).hash, run(2, None).hash);
}

#[test]
fn tracing_changes_nothing() {
    assert_eq!(traced(5).0.hash, run(5, None).hash);
}

#[test]
fn every_world_is_large_enough_and_crashes() {
    for seed in 100..106 {
        let report = run(seed, None);
        assert!(report.violation.is_none(), "{report}");
        assert!(report.posts >= EVENTS && report.keys >= KEYS, "{report}");
        assert!(report.counts.of("fault", "crash") >= 1, "{report}");
    }
}
