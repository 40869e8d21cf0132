//! What stands in the columns: records with a checksum, heads, and numbers as SQLite has them.
//!
//! SQLite's pages carry no checksum, and a record with a flipped bit would give a sequence twice:
//! so every record has its own.

use std::fmt;
use std::num::TryFromIntError;

use sprag_core::fact::Fact;
use sprag_core::record::{Directory, KeyRecord};
use sprag_core::totals::Totals;
use sprag_log::codec::TooLarge;
use sprag_log::snapshot::{self, SnapshotError};

use super::failure::Told;

/// Bytes of the checksum before a record.
const CHECKSUM: usize = 4;

/// Why the store could not be read or written.
#[derive(Debug)]
pub enum Fault {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// A record's checksum differs.
    Checksum,
    /// A record does not decode.
    Record(SnapshotError),
    /// A value is none that this version writes.
    Value(&'static str),
    /// A record is larger than the format allows.
    TooLarge(TooLarge),
}

impl Fault {
    /// Whether the file itself is damaged, so that only a fresh one helps.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Checksum | Self::Record(_) | Self::Value(_) => true,
            Self::TooLarge(_) => false,
            Self::Sqlite(error) => is_damage(error),
        }
    }
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            // `Unknown` is also what a missing table or column answers. And a row that should not be there: no batch
            // would be taken in any more.
            matches!(failure.code, DatabaseCorrupt | NotADatabase | Unknown)
                || matches!(
                    failure.extended_code,
                    SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY
                )
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => write!(formatter, "{}", Told(error)),
            Self::Checksum => formatter.write_str("the checksum of a record differs"),
            Self::Record(error) => write!(formatter, "{error}"),
            Self::Value(what) => write!(formatter, "a row holds an unknown {what}"),
            Self::TooLarge(error) => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<SnapshotError> for Fault {
    fn from(error: SnapshotError) -> Self {
        Self::Record(error)
    }
}

impl From<TooLarge> for Fault {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

impl From<TryFromIntError> for Fault {
    fn from(_: TryFromIntError) -> Self {
        Self::Value("number")
    }
}

/// Replaces `out` by the bytes of a record.
pub(super) fn encode(record: &KeyRecord, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    out.clear();
    out.extend_from_slice(&[0; CHECKSUM]);
    snapshot::encode(record, out)?;
    let checksum = crc32fast::hash(&out[CHECKSUM..]);
    out[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

pub(super) fn decode(bytes: &[u8]) -> Result<KeyRecord, Fault> {
    let (checksum, record) = bytes.split_at_checked(CHECKSUM).ok_or(Fault::Checksum)?;
    if crc32fast::hash(record).to_le_bytes() != *checksum {
        return Err(Fault::Checksum);
    }
    Ok(snapshot::decode(record)?)
}

/// The directory's facts as a blob; empty for none.
pub(super) fn encode_directory(facts: &[Fact]) -> Result<Vec<u8>, TooLarge> {
    let mut directory = Directory::default();
    for fact in facts {
        directory.evolve(fact);
    }
    let mut bytes = Vec::new();
    if !facts.is_empty() {
        snapshot::encode_directory(&directory, &mut bytes)?;
    }
    Ok(bytes)
}

/// What a partition's keys add up to, as a blob.
pub(super) fn encode_totals(totals: &Totals) -> Result<Vec<u8>, TooLarge> {
    let mut bytes = Vec::new();
    snapshot::encode_totals(totals, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn decode_totals(bytes: &[u8]) -> Result<Totals, Fault> {
    Ok(snapshot::decode_totals(bytes)?)
}

pub(super) fn decode_directory(bytes: &[u8]) -> Result<Vec<Fact>, Fault> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(snapshot::decode_directory(bytes)?.facts())
}

/// A number in a column. What SQLite cannot hold (2⁶³ and above) becomes its largest, so that
/// order is kept: only due times are compared, and 292,000 years from now is never.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(column: i64) -> Result<u64, Fault> {
    Ok(u64::try_from(column)?)
}
