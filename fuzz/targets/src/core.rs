//! The pure core under any history: the generator, the outside and the judge are those of the
//! core's own behaviour tests, and the fuzzer's bytes are the generator's chance.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sprag_core::random::Random;

use crate::histories::histories;

/// Bytes of chance beyond those of the fuzzer: more than a history needs. Without them chance shows
/// zeros for ever, which throwing dice again and again until they show something else never ends.
const MORE: usize = 32 << 10;
/// Happenings of one history at the most: as many as a kilobyte or two of chance makes.
const HAPPENINGS: usize = 160;

/// Lets the history that the bytes choose happen.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let mut random = Random::new(data.len() as u64);
    let more = std::iter::repeat_with(|| random.draw().to_le_bytes()).take(MORE / 8);
    let chance: Vec<u8> = data.iter().copied().chain(more.flatten()).collect();
    let chance = TestRng::from_seed(RngAlgorithm::PassThrough, &chance);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, chance);
    if let Ok(history) = histories(HAPPENINGS).new_tree(&mut runner) {
        history.current().happen();
    }
}
