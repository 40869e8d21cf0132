//! The state store: a SQLite file with the record of every key, what is due, and the lists the
//! admin API reads (DESIGN section 3).
//!
//! It is written behind the log in batches and can be lost at any time: then it is rebuilt
//! from the log. So it is never repaired; whatever is wrong with it ends in a fresh file.
//!
//! What a batch promises: it is there whole, with the head that says what it reflects, or not at
//! all. One transaction gives that. Syncing is left to SQLite's checkpoints (`synchronous=NORMAL`
//! in WAL mode): a crash of the machine may take the newest batches, but a file of batches 1…n is
//! always what is left. `OFF` would be safe against a crash of the process only: after a power
//! failure pages of different batches could be mixed, and a record older than its head would give
//! a sequence twice.
//!
//! Must not know: HTTP, what the core decides, threads but the one that brings in the write-ahead log.

mod bytes;
mod checkpoint;
mod counts;
mod failure;
mod health;
mod keys;
mod known;
mod lanes;
mod letters;
pub mod limits;
mod load;
mod open;
mod reader;
mod records;
mod rows;
mod selection;
mod sqlite;
mod stopped;
mod tombstones;
mod write;

pub use bytes::Fault;
pub use counts::{HeldCounts, StoppedCounts};
pub use health::StateHealth;
pub use known::known_names;
pub use lanes::{LaneCursor, LanePage, StoppedLane, WaitingCursor, WaitingLane, WaitingPage};
pub use letters::{LetterCursor, LetterPage};
pub use open::{OpenError, Opened, Rebuilt, embedded_log, replace};
pub use reader::{KeyCursor, KeyFilter, KeyPage, KeyQuery, KeyRow, StateReader};
pub(crate) use rows::outcome_name;
pub use selection::Selection;
pub use sqlite::SqliteState;
pub use stopped::{ListDifference, StoppedState, Unusable};

#[cfg(test)]
mod tests;
