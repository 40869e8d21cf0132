//! The simulator with its dice in the fuzzer's hand: a seed and throws that are set. The real core,
//! driver, log writer and recovery run, and the judges of the promises judge.

use arbitrary::{Result, Unstructured};
use sim::run::replay;
use sim::{Case, Throw};

/// Throws that are set at the most: enough for a scheme, few enough to understand what it was.
const THROWS: usize = 64;
/// Streams of chance the simulator has: their numbers are below this.
const ORGANS: u64 = 64;

/// Lives the world that the bytes choose.
///
/// # Panics
/// When a promise is broken; the message is the case as `sim replay` takes it.
pub fn run(data: &[u8]) {
    let case = case(&mut Unstructured::new(data)).unwrap_or_default();
    let report = replay(&case, None);
    assert!(report.violation.is_none(), "{report}\n# kept as sim/seeds/NAME.txt:\n{case}");
}

/// A seed of two bytes: every world is near one that a sweep visits. Then throws of six bytes each,
/// so that one more or less leaves the others as they are.
fn case(choices: &mut Unstructured<'_>) -> Result<Case> {
    let mut case = Case { seed: choices.arbitrary::<u16>()?.into(), set: Vec::new() };
    while choices.len() >= 6 && case.set.len() < THROWS {
        let organ = u64::from(choices.arbitrary::<u8>()?) % ORGANS;
        // Most is decided by the first throws.
        let nth = u64::from(choices.arbitrary::<u16>()?) % 2_048;
        let shows =
            u64::from(choices.arbitrary::<u16>()?) << 48 | u64::from(choices.arbitrary::<u8>()?);
        case.set.push(Throw { organ, nth, shows });
    }
    Ok(case)
}
