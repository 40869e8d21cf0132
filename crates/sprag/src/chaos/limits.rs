//! Every bound of the disorder proxy, with its unit and the reason for it.

use std::time::Duration;

/// Requests that were taken and have not left. Beyond, senders are answered 503.
pub const REQUESTS: u64 = 10_000;

/// Bytes of the bodies of those requests, and of the ones that are being read. Beyond, senders are
/// answered 503.
pub const BYTES: u64 = 256 * 1024 * 1024;

/// Later requests that may pass one: more would hold up what waits as a whole.
pub const WINDOW: u64 = REQUESTS / 2;

/// The longest delay, and the longest wait for others to pass, that can be asked for: a test that
/// sleeps longer has been forgotten.
pub const DELAY: Duration = Duration::from_secs(3_600);

/// How long requests of a schedule wait for one before them that does not come, counted from the last
/// one that came.
pub const ABSENT_TIME: Duration = Duration::from_secs(30);

/// For what waits to leave once the proxy is asked to end.
pub const END_TIME: Duration = Duration::from_secs(10);

/// Bytes of a schedule's file: its lines have about 12 bytes.
pub const SCHEDULE_BYTES: u64 = 64 * 1024 * 1024;

/// Lines of a schedule: as many as a million events and their repeats have.
pub const SCHEDULE_LINES: usize = 2_000_000;

/// Open connections of senders.
pub const CONNECTIONS: usize = 4_096;

/// Bytes of a request's head.
pub const HEAD_BYTES: usize = 64 * 1024;

/// For the head of one request.
pub const HEAD_TIME: Duration = Duration::from_secs(30);

/// For the body of one request.
pub const BODY_TIME: Duration = Duration::from_secs(60);
