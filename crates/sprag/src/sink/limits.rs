//! Every bound of the checking consumer, with its unit and the reason for it.

use std::time::Duration;

/// Keys followed by one sink. Beyond, deliveries of new keys are counted and not judged: at most
/// 2.5 KiB each, so 5 GiB, and in practice a tenth of it.
pub const KEYS: usize = 2_000_000;

/// Deliveries remembered of each key: a gateway repeats the last one, never the one before.
pub const SEEN: usize = 16;

/// Events of a key that are undone and not repeated yet: no gateway undoes more for one late event.
pub const UNDONE: usize = 100;

/// Violations kept in words. A broken order breaks often; counts go on.
pub const VIOLATIONS: usize = 100;

/// Parts the keys are spread over, so that connections seldom wait for each other.
pub const SHARDS: usize = 16;

/// Open connections: more than any gateway's `concurrency` and slow pool together.
pub const CONNECTIONS: usize = 4_096;

/// Bytes of a request's head.
pub const HEAD_BYTES: usize = 64 * 1024;

/// How far `webhook-timestamp` may be from now, microseconds: what the Standard Webhooks
/// libraries allow.
pub const TOLERANCE_US: i64 = 5 * 60 * 1_000_000;

/// For the head of one request.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
