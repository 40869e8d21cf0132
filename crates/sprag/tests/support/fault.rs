//! A row of the table `cargo xtask faults` prints: what was done to the real binary, what is promised,
//! and what was seen. The command reads the line that is printed here.

use std::fmt::Write;

use crate::support::load::locked;
use crate::support::world::World;

/// The first word of the line.
const MARK: &str = "fault-row";
/// Broken promises that are told in full.
const TOLD: usize = 10;

/// A fault with what came of its rounds until now. Prints its row in the end, whatever that is.
pub(crate) struct Fault {
    name: &'static str,
    promised: &'static str,
    pub(crate) rounds: usize,
    acknowledged: usize,
    lost: usize,
    out_of_order: usize,
    other_ids: usize,
    broken: Vec<String>,
    seen: Option<String>,
}

impl Fault {
    /// `promised` names the rule of DESIGN section 4.
    pub(crate) fn new(name: &'static str, promised: &'static str) -> Self {
        Self {
            name,
            promised,
            rounds: 0,
            acknowledged: 0,
            lost: 0,
            out_of_order: 0,
            other_ids: 0,
            broken: Vec::new(),
            seen: None,
        }
    }

    /// Adds what a world comes to, once everything should have arrived.
    pub(crate) fn judge(&mut self, world: &World) {
        self.judge_but(world, |_| false);
    }

    /// The same, but for what the gateway has named as damaged: the words of a verdict about it.
    pub(crate) fn judge_but(&mut self, world: &World, is_named: impl Fn(&str) -> bool) {
        let mut verdict = world.judged();
        verdict.lost.retain(|(_, event)| !is_named(event));
        verdict.violations.retain(|what| !is_named(what));
        self.acknowledged += locked(&world.ledger, |ledger| ledger.acknowledged());
        self.lost += verdict.lost.len();
        self.other_ids += verdict.other_ids;
        self.out_of_order += verdict.violations.len().saturating_sub(verdict.other_ids);
        let lost = verdict.lost.iter().map(|(_, event)| format!("lost: {event}"));
        self.broken.extend(verdict.violations.iter().cloned().chain(lost));
        self.broken.extend(locked(&world.ledger, |ledger| ledger.problems.clone()));
        self.broken.extend(world.consumer.problems());
    }

    /// Adds what was counted by other means, and nothing lost or out of order among it.
    pub(crate) fn count(&mut self, rounds: usize, acknowledged: usize) {
        self.rounds += rounds;
        self.acknowledged += acknowledged;
    }

    /// Prints the row; fails when anything was broken.
    pub(crate) fn seen(mut self, seen: String) {
        self.seen = Some(seen);
        let broken = &self.broken[..self.broken.len().min(TOLD)];
        let told = broken.iter().fold(String::new(), |mut told, one| {
            writeln!(told, "  {one}").expect("a string takes everything");
            told
        });
        assert!(broken.is_empty(), "{}: {} promises broken:\n{told}", self.name, self.broken.len());
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let seen = self.seen.take().unwrap_or_else(|| "the test failed; it says where".to_owned());
        let Self { name, promised, rounds, acknowledged, lost, out_of_order, other_ids, .. } = self;
        println!(
            "{MARK} | {name} | {rounds} | {acknowledged} | {lost} | {out_of_order} | {other_ids} | {promised} | {seen}"
        );
    }
}
