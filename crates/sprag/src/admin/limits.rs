//! Every bound of the admin API, with its unit and its reason.

use std::time::Duration;

/// Open connections. Operators, a dashboard and two scrapers need a dozen.
pub const CONNECTIONS: u32 = 64;
/// How long a request's head may take.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a request may take as a whole: a command waits for its commit, a list for the store.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long a stop waits for requests under way.
pub const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a JSON body: commands name one thing.
pub const BODY_BYTES: usize = 16 << 10;
/// Bytes of a request's head: a key of 200 bytes, encoded twice, is below 2 KiB.
pub const HEAD_BYTES: usize = 16 << 10;
/// Things on a page unless asked otherwise.
pub const PAGE: usize = 50;
/// Things on a page at the most.
pub const PAGE_MOST: usize = 500;
/// Held positions and missing ranges shown of one key; their numbers are always exact.
pub const SHOWN_POSITIONS: usize = 100;
/// Bytes of frame heads read at a time when attempts are looked for in history.
pub const SEARCH_READ_BYTES: usize = 1 << 20;
/// Reads of that size for one event: attempts have no index, and an event that waits for days has
/// all history since behind it.
pub const SEARCH_READS: usize = 32;
/// Attempts shown of one event: the oldest; with the default retry an event has about 80.
pub const SHOWN_ATTEMPTS: usize = 200;
/// Counts for readiness and metrics are taken anew after this: both are open to everybody on the
/// admin address, and counting takes time in the number of keys in memory.
pub const COUNT_EVERY: Duration = Duration::from_millis(500);
