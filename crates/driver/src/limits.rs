//! Every bound of the driver, with its unit and its reason.

use std::time::Duration;

/// Bytes of events kept in memory for delivery over all partitions (DESIGN L6: 64 MiB).
pub const CACHE_BYTES: usize = 64 << 20;
/// Places of events that left the cache, in the order in which they came: so many, and twice as many as events are
/// there, are not worth looking for.
pub const CACHE_GONE: usize = 1_024;
/// Bytes of frames read at a time during recovery: a few frames of the largest size.
pub const RECOVERY_READ_BYTES: usize = 4 << 20;
/// Bytes of frames retention looks at in one step: about a thousand events.
pub const RETENTION_READ_BYTES: usize = 256 << 10;
/// The state store lags behind the log by about this, so that a restart reads little: some 100,000 events under
/// load, which take a second. A key that changes all the time is written as often.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// … or by this many changed keys of a partition, whichever comes first.
pub const CHECKPOINT_KEYS: usize = 20_000;
/// … or by events of so many bytes over all partitions, as they were received (DESIGN F10: 64 MiB): where they are
/// large, a restart reads for as long as it takes to read them. Then those write that have more than their share.
pub const TAIL_BYTES: u64 = 64 << 20;
/// Another configuration is refused if it cannot be decided within this: a partition claims its log
/// and recovers, or a destination that goes is never still. Both are over in a moment, or not at all.
pub const RELOAD_PATIENCE: Duration = Duration::from_secs(5);
/// A partition that lost its log tries to claim it again after this.
pub const CLAIM_RETRY: Duration = Duration::from_millis(250);
/// … and each time it comes to nothing after twice as long, so often, up to 4 s: each try is told, for
/// each partition, and where the disk writes but does not read, each claim is written.
pub const CLAIM_DOUBLINGS: u32 = 4;
/// … and after this where its history turns out damaged: each claim is written, and no claim mends it.
pub const DAMAGED_RETRY: Duration = Duration::from_secs(60);
/// A batch the state store could not take is offered again after this.
pub const STATE_RETRY: Duration = Duration::from_secs(1);
