//! Which faults a seed has, and how often: a random subset is switched on (swarm testing), so that
//! rare combinations occur undisturbed by everything else.

use crate::dice::Dice;
use crate::schedule::{Instant, MILLISECOND, SECOND};

/// The faults of one seed. Rates are per thousand; zero is off.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    /// Crashes at random instants; never zero.
    pub(crate) crashes: u64,
    /// Crashes between two effects of one step, instead of between steps.
    pub(crate) crash_between_effects: bool,
    /// Crashes inside a disk operation.
    pub(crate) crash_in_disk: bool,
    /// The very first start goes wrong: syncs fail and the process crashes within a second.
    pub(crate) bad_start: bool,
    /// Shutdowns that store everything first.
    pub(crate) restarts: u64,
    /// The longest downtime.
    pub(crate) downtime: Instant,
    /// The configuration changes at some restarts.
    pub(crate) reconfigure: bool,
    /// Other owners claim a partition.
    pub(crate) claims: u64,
    /// The machine's clock steps, forwards and back.
    pub(crate) clock_steps: u64,
    /// The machine is suspended.
    pub(crate) suspends: u64,
    /// Disk operations that fail.
    pub(crate) io_error: u64,
    /// Disk operations that find no space.
    pub(crate) no_space: u64,
    /// Syncs that fail.
    pub(crate) failed_sync: u64,
    /// Most crashes are power cuts: what was not synced is partly there and partly garbage.
    pub(crate) torn: bool,
    /// At a crash, a bit of what was not synced, or of a body, is flipped.
    pub(crate) bit_flips: bool,
    /// The longest a write and a sync take.
    pub(crate) disk_delay: Instant,
    /// At a crash the state store loses its last batches.
    pub(crate) state_loses: bool,
    /// At a crash the state store loses everything.
    pub(crate) state_wiped: bool,
    /// At a restart the state store is one of a longer log.
    pub(crate) state_foreign: bool,
    /// Batches the state store refuses.
    pub(crate) state_refuses: u64,
    /// The longest the state store takes.
    pub(crate) state_delay: Instant,
    /// Bursts that fill every queue in front of a cold key.
    pub(crate) flood: bool,
    /// Whole destinations that fail for a while.
    pub(crate) outages: u64,
}

impl Faults {
    /// Nothing fails, and nothing takes long.
    pub(crate) fn none() -> Self {
        Self {
            crashes: 0,
            crash_between_effects: false,
            crash_in_disk: false,
            bad_start: false,
            restarts: 0,
            downtime: MILLISECOND,
            reconfigure: false,
            claims: 0,
            clock_steps: 0,
            suspends: 0,
            io_error: 0,
            no_space: 0,
            failed_sync: 0,
            torn: false,
            bit_flips: false,
            disk_delay: MILLISECOND,
            state_loses: false,
            state_wiped: false,
            state_foreign: false,
            state_refuses: 0,
            state_delay: MILLISECOND,
            flood: false,
            outages: 0,
        }
    }

    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let calm = Self {
            crashes: dice.between(1, 4),
            crash_between_effects: dice.chance(500),
            crash_in_disk: dice.chance(500),
            bad_start: dice.chance(200),
            restarts: 0,
            downtime: dice.pick(&[50 * MILLISECOND, 2 * SECOND, 40 * SECOND]),
            reconfigure: dice.chance(400),
            claims: 0,
            clock_steps: 0,
            suspends: 0,
            io_error: 0,
            no_space: 0,
            failed_sync: 0,
            torn: dice.chance(600),
            bit_flips: dice.chance(250),
            disk_delay: dice.pick(&[MILLISECOND, 5 * MILLISECOND, 60 * MILLISECOND]),
            state_loses: dice.chance(500),
            state_wiped: dice.chance(300),
            state_foreign: dice.chance(120),
            state_refuses: 0,
            state_delay: dice.pick(&[MILLISECOND, 20 * MILLISECOND, 400 * MILLISECOND]),
            flood: dice.chance(20),
            outages: 0,
        };
        calm.with_rates(dice)
    }

    fn with_rates(self, dice: &mut Dice) -> Self {
        let mut some = |chance: u64, low: u64, high: u64| {
            if dice.chance(chance) { dice.between(low, high) } else { 0 }
        };
        Self {
            restarts: some(400, 1, 3),
            claims: some(300, 1, 5),
            clock_steps: some(400, 1, 6),
            suspends: some(300, 1, 4),
            io_error: some(250, 1, 8),
            no_space: some(250, 1, 8),
            failed_sync: some(300, 2, 15),
            state_refuses: some(350, 50, 900),
            outages: some(500, 1, 4),
            ..self
        }
    }
}
