//! Every bound of the provider, with its unit and the reason for it.

use std::time::Duration;

/// Events generated in one run: the demo keeps about 100 bytes of each.
pub const EVENTS: u64 = 5_000_000;

/// Keys generated in one run.
pub const KEYS: u64 = 5_000_000;

/// Posts under way at once: connections to one gateway.
pub const CONCURRENCY: u16 = 4_096;

/// Files of one `send`, and lines of them: their bodies are in memory.
pub const FILE_EVENTS: usize = 1_000_000;

/// Bytes of all files of one `send` together.
pub const FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Tries of one event, the first included. With the waits between them a quarter of a minute of outage
/// is sat out; providers try for days, a person at a terminal does not.
pub const TRIES: u32 = 10;

/// The wait after the first failed try; it doubles.
pub const WAIT_FIRST: Duration = Duration::from_millis(50);

/// The longest wait, also when `Retry-After` asks for more.
pub const WAIT_MOST: Duration = Duration::from_secs(5);

/// How long the waits between the tries of one event take together.
#[must_use]
pub fn patience() -> Duration {
    let waits = (0..TRIES - 1).map(|doublings| (WAIT_FIRST * 2_u32.pow(doublings)).min(WAIT_MOST));
    waits.sum()
}

/// For one try from connecting to the end of the answer.
pub const TRY_TIME: Duration = Duration::from_secs(30);

/// Bytes of an answer: a problem document with a long detail.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Different statuses and codes that are counted apart.
pub const STATUSES: usize = 64;
