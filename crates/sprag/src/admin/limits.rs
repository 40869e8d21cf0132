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
/// Nodes named in the sentence that says what a key waits for.
pub const SHOWN_NODES: usize = 5;
/// Releases of a key that are looked at for its newest in order: late ones may stand behind it.
pub const LOOKED_BACK: u64 = 100;
/// Bytes of bodies read for one merged document, and the rest of the last one; a key has at most 64 fields, so with
/// bodies of up to 256 KiB it is always whole.
pub const DOCUMENT_BYTES: usize = 16 << 20;
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
/// Commands one request carries out unless asked otherwise.
pub const COMMANDS: usize = 100;
/// Commands one request carries out at the most: each waits for its commit, and even with 50 ms
/// each the request ends in its time.
pub const COMMANDS_MOST: usize = 200;
/// Streams of facts at once: each may read the log as fast as the disk gives it.
pub const STREAMS: usize = 4;
/// Facts of a stream that is not followed, unless asked otherwise.
pub const STREAMED: u64 = 10_000;
/// Facts of a stream at the most; who wants more resumes.
pub const STREAMED_MOST: u64 = 1_000_000;
/// How often a followed stream looks for new frames, once it has them all.
pub const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// Looks without anything new after which a followed stream gets an empty line (5 s): a reader that
/// is gone must not hold one of [`STREAMS`] for ever.
pub const FOLLOW_LOOKS: u32 = 20;
/// Keys an alert names, of each kind; how many there are is told where it is counted.
pub const ALERT_KEYS: usize = 100;
/// What the state store counts is counted anew after this: it takes time in the number of keys that
/// wait and of lanes that stopped, a few hundred milliseconds for a million.
pub const STORE_COUNT_EVERY: Duration = Duration::from_secs(5);
