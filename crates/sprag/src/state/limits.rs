//! Every bound of the state store, with its unit and its reason.

use std::time::Duration;

/// Dead letters of passed events and of ingress that are listed, over all partitions. At the limit
/// the oldest leave the list; history keeps them, and how many left is counted. 100,000 rows are
/// about 20 MB, and more than anybody redrives one by one.
pub const LETTERS: i64 = 100_000;

/// Bytes of a page of a new file. A record has some 160 bytes, and of a million keys two of one batch are seldom on
/// one page. Each page is written twice, whole, into the write-ahead log and into the file: larger ones are more bytes
/// on disk, smaller ones more pages to read, to search and to write.
pub const PAGE_BYTES: i64 = 2_048;

/// Bytes of the write-ahead log after which they go into the database file, and to which it is cut back
/// then: every such checkpoint costs two syncs, which the log's own syncs wait for.
pub const WAL_BYTES: i64 = 64 << 20;

/// Times as many bytes after which the store does that itself, and what is asked of it waits meanwhile: while
/// 64 MiB are brought in beside it, batches add a few.
pub const WAL_TIMES_MOST: i64 = 4;

/// Page cache of the writing connection, KiB: inner pages of a million keys are 1.2 MiB. Pages of rows are seldom found
/// in a larger one, and looking for them there takes longer than reading them from the system's (load and write of
/// one of a million keys, µs of CPU: 7.6 with 8 MiB, 8.1 with 16). A batch need not fit: what changed goes to the
/// write-ahead log before it ends.
pub const WRITE_CACHE_KIB: i64 = 8 << 10;

/// Page cache of the reading connection, KiB: it pages through lists.
pub const READ_CACHE_KIB: i64 = 4 << 10;

/// Prepared statements a connection keeps: all there are.
pub const STATEMENTS: usize = 40;

/// How long one connection waits for the other. They only meet when the file is opened.
pub const BUSY: Duration = Duration::from_secs(5);

/// Rows of a list that one page looks at when more than a destination is asked for: a few
/// milliseconds. What is not looked at is on the next page.
pub const LOOKED_AT: usize = 5_000;

/// Records of a batch that are written before loads have their turn: a fraction of a millisecond.
pub const RECORDS_AT_ONCE: usize = 16;

/// Loads that are answered before a batch goes on, and in one transaction: as many as there are events under way
/// at usual loads, so that a batch is not held up for long either.
pub const LOADS_AT_ONCE: usize = 64;
