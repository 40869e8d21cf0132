//! What the fuzzers run: each target is a function of bytes that panics where a property does not
//! hold. The fuzzers in `fuzz_targets/` and the test that replays kept cases call the same.
//!
//! A target says more than "it does not crash": what is read is written back the same, what is
//! accepted is what a plain implementation with other libraries (`reference`) accepts, what is refused
//! is refused with a reason, what is durable stays.

pub mod configuration;
pub mod core;
pub mod extract;
pub mod frames;
#[path = "../../../crates/core/tests/behaviour/harness/mod.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::print_stdout,
    reason = "the core's behaviour tests use all of it"
)]
mod harness;
#[path = "../../../crates/core/tests/behaviour/histories.rs"]
#[allow(dead_code, reason = "the fuzzer's bytes choose where the behaviour tests draw")]
mod histories;
pub mod ingress;
pub mod recovery;
mod reference;
pub mod refill_page;
pub mod simulation;
pub mod verify;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its fuzzer and of the directory of its cases.
    pub name: &'static str,
    /// What it does with bytes.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "verify", run: verify::run },
    Target { name: "extract", run: extract::run },
    Target { name: "refill_page", run: refill_page::run },
    Target { name: "ingress", run: ingress::run },
    Target { name: "frames", run: frames::run },
    Target { name: "recovery", run: recovery::run },
    Target { name: "configuration", run: configuration::run },
    Target { name: "core", run: core::run },
    Target { name: "simulation", run: simulation::run },
];

/// The bytes that no choice has taken.
fn rest<'a>(choices: &mut arbitrary::Unstructured<'a>) -> &'a [u8] {
    choices.bytes(choices.len()).unwrap_or_default()
}
