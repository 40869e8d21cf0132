//! Opening the file: a fresh one, the one that is there, or a fresh one in its place.
//!
//! Whatever does not fit (another version, another log, damage) is deleted: the log has it all,
//! and a repaired file could reflect less than its head says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use sprag_log::snapshot;

use super::bytes::is_damage;
use super::failure::{self, Told};
use super::limits;
use super::sqlite::SqliteState;

/// The file within the data directory; SQLite keeps two more beside it.
const FILE: &str = "state.sqlite";
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// Counts up when the tables below change, the numbers of rows ([`super::keys`]), or what a record says of the same history.
const SCHEMA: i64 = 7;

/// Version of tables and records in one number.
const VERSION: i64 = SCHEMA * 256 + snapshot::VERSION as i64;

/// `keys`: `id` is the number of the row, as [`super::keys`] makes it; `dues` are its places in the queues, as
/// [`super::rows`] packs them; `flags` are its, and `drift` how far the highest position it holds is ahead of the last it
/// released.
/// `active` is when something was last written down about it.
/// `tombstones` are keys that are forgotten, by the fingerprints of their names; `forgotten` counts them.
/// `held` counts what waits for missing positions: events, keys with such events, and the
/// drift of these.
/// `waiting` are these places as rows: a page is one seek, and a key has as many rows as lanes that
/// wait, none while nothing does. Both are written together: `dues` says which rows a change of
/// the record makes void, and those of millions that wait are not touched by the others.
/// `stopped` is derived from the records, but for `since` and `outcome`: when the lane stopped, and
/// what came of its last try; absent when no batch had that; `strand` is the event of a strand, 0 of a
/// lane. `letters` are events no lane stands at: `destination`
/// is -1 and `event` a place when it was dead-lettered at ingress.
const TABLES: &str = "
    CREATE TABLE facts_of_file (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE heads (
        partition INTEGER PRIMARY KEY, frame INTEGER NOT NULL, recorded INTEGER NOT NULL,
        open INTEGER NOT NULL, directory BLOB NOT NULL, totals BLOB NOT NULL);
    CREATE TABLE keys (
        id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, source INTEGER NOT NULL,
        key TEXT NOT NULL, dues BLOB NOT NULL, flags INTEGER NOT NULL,
        drift INTEGER NOT NULL, active INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE UNIQUE INDEX keys_by_name ON keys (partition, source, key);
    CREATE INDEX keys_displaced ON keys (partition, source, key) WHERE id < 0;
    CREATE TABLE tombstones (
        partition INTEGER NOT NULL, digest BLOB NOT NULL, active INTEGER NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (partition, digest)) WITHOUT ROWID;
    CREATE INDEX tombstones_by_age ON tombstones (partition, active, digest);
    CREATE TABLE forgotten (partition INTEGER PRIMARY KEY, tombstones INTEGER NOT NULL);
    CREATE TABLE waiting (
        partition INTEGER NOT NULL, queue INTEGER NOT NULL, due INTEGER NOT NULL,
        source INTEGER NOT NULL, key TEXT NOT NULL,
        PRIMARY KEY (partition, queue, due, source, key)) WITHOUT ROWID;
    CREATE TABLE held (
        partition INTEGER NOT NULL, source INTEGER NOT NULL, keys INTEGER NOT NULL,
        events INTEGER NOT NULL, drift INTEGER NOT NULL,
        PRIMARY KEY (partition, source)) WITHOUT ROWID;
    CREATE INDEX keys_flagged ON keys (partition, source, key, flags) WHERE flags <> 0;
    CREATE TABLE stopped (
        partition INTEGER NOT NULL, source INTEGER NOT NULL, key TEXT NOT NULL,
        destination INTEGER NOT NULL, strand INTEGER NOT NULL, mode TEXT NOT NULL,
        head INTEGER NOT NULL, tail INTEGER NOT NULL, since INTEGER, outcome TEXT,
        PRIMARY KEY (partition, source, key, destination, strand)) WITHOUT ROWID;
    CREATE INDEX stopped_by_destination
        ON stopped (destination, partition, source, key, strand, mode, head, tail);
    CREATE TABLE letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, place TEXT NOT NULL,
        recorded INTEGER NOT NULL, source INTEGER NOT NULL, key TEXT NOT NULL,
        destination INTEGER NOT NULL, sequence INTEGER NOT NULL, event TEXT NOT NULL,
        reason TEXT NOT NULL);
    CREATE UNIQUE INDEX letters_by_name
        ON letters (partition, source, key, destination, sequence, event);
    CREATE INDEX letters_by_destination ON letters (destination, id);
";

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SqliteState,
    /// Why what was there was deleted; none when nothing was.
    pub rebuilt: Option<Rebuilt>,
}

/// Why a file was deleted. The state is rebuilt from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuilt {
    /// It cannot be read.
    Damaged(String),
    /// Another version of Sprag wrote it.
    OtherVersion,
    /// It belongs to another log.
    OtherLog,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the state is rebuilt from the log: the file ")?;
        match self {
            Self::Damaged(why) => write!(formatter, "cannot be read ({why})"),
            Self::OtherVersion => formatter.write_str("was written by another version"),
            Self::OtherLog => formatter.write_str("belongs to another log"),
        }
    }
}

/// Why there is no store: the directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// The file cannot be deleted.
    File(PathBuf, io::Error),
    /// The file cannot be made or opened; and what the system says, where it refuses other files too.
    Sqlite(PathBuf, rusqlite::Error, Option<io::Error>),
}

impl OpenError {
    /// SQLite's error for the file, with what can be found out about it.
    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let system = path.parent().and_then(|directory| failure::system(directory, &error));
        Self::Sqlite(path.to_owned(), error, system)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(formatter, "{}: {error}", path.display()),
            Self::Sqlite(path, error, system) => {
                write!(formatter, "{}: {}", path.display(), Told(error))?;
                system
                    .iter()
                    .try_for_each(|why| write!(formatter, "; no file can be written there: {why}"))
            }
        }
    }
}

impl std::error::Error for OpenError {}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// How the state store calls the log of the embedded engine with so many partitions.
#[must_use]
pub fn embedded_log(partitions: u16) -> String {
    format!("embedded of {partitions} partitions")
}

/// Puts a whole file, which nothing has open, in the place of the one in a directory. A crash in between
/// leaves none, and the next start builds it.
///
/// # Errors
/// When a file cannot be deleted or moved.
pub fn replace(directory: &Path, by: &Path) -> Result<(), OpenError> {
    let path = path(directory);
    let failed = |error| OpenError::File(path.clone(), error);
    delete(&path).map_err(failed)?;
    fs::rename(by.join(FILE), &path).map_err(failed)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

/// Deletes the file and what SQLite keeps beside it.
pub(super) fn delete(path: &Path) -> io::Result<()> {
    for suffix in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The connection that writes, and why the file that was there is gone.
pub(super) fn writing(path: &Path, log: &str) -> Result<(Connection, Option<Rebuilt>), OpenError> {
    let failed = |error| OpenError::sqlite(path, error);
    let rebuilt = match existing(path, log) {
        Ok(Ok(connection)) => return Ok((connection, None)),
        Ok(Err(why)) => Some(why),
        Err(error) if is_damage(&error) => Some(Rebuilt::Damaged(Told(&error).to_string())),
        Err(error) => return Err(failed(error)),
    };
    delete(path).map_err(|error| OpenError::File(path.to_owned(), error))?;
    match existing(path, log).map_err(failed)? {
        Ok(connection) => Ok((connection, rebuilt)),
        // A fresh file fits by construction; it would take another process to make it misfit.
        Err(_) => Err(failed(rusqlite::Error::InvalidQuery)),
    }
}

/// The file as it is, made when there is none; the inner error says why it does not fit.
fn existing(path: &Path, log: &str) -> rusqlite::Result<Result<Connection, Rebuilt>> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(limits::BUSY)?;
    connection.set_prepared_statement_cache_capacity(limits::STATEMENTS);
    // Says nothing of a file that is there already.
    connection.pragma_update(None, "page_size", limits::PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // When is `checkpoint`'s to say.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", limits::WAL_BYTES)?;
    connection.pragma_update(None, "cache_size", -limits::WRITE_CACHE_KIB)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version == 0 && tables == 0 {
        make(&connection, log)?;
        return Ok(Ok(connection));
    }
    match misfit(&connection, version, log)? {
        Some(why) => Ok(Err(why)),
        None => Ok(Ok(connection)),
    }
}

/// Whether this version wrote the file.
pub(super) fn is_of_this_version(connection: &Connection) -> rusqlite::Result<bool> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(version == VERSION)
}

/// Why a file is not the state of this log as this version writes it; none when it is.
fn misfit(connection: &Connection, version: i64, log: &str) -> rusqlite::Result<Option<Rebuilt>> {
    if version != VERSION {
        return Ok(Some(Rebuilt::OtherVersion));
    }
    let found: Option<String> = connection
        .query_row("SELECT value FROM facts_of_file WHERE name = 'log'", [], |row| row.get(0))
        .optional()?;
    Ok((found.as_deref() != Some(log)).then_some(Rebuilt::OtherLog))
}

/// A connection that only reads the file of a process that is not there, and why it does not fit. Nothing
/// is deleted.
pub(super) fn stopped(path: &Path, log: &str) -> Result<Result<Connection, Rebuilt>, OpenError> {
    let failed = |error| OpenError::sqlite(path, error);
    let read = || {
        let connection = reading(path)?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let misfit = misfit(&connection, version, log)?;
        Ok(misfit.map_or(Ok(connection), Err))
    };
    match read() {
        Ok(found) => Ok(found),
        Err(error) if is_damage(&error) => Ok(Err(Rebuilt::Damaged(Told(&error).to_string()))),
        Err(error) => Err(failed(error)),
    }
}

fn make(connection: &Connection, log: &str) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    let fact = "INSERT INTO facts_of_file (name, value) VALUES (?1, ?2)";
    transaction.execute(fact, ("log", log))?;
    transaction.execute(fact, ("letters_left", 0))?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Brings what the write-ahead log holds into the file, as far as no reader needs it there; how many pages of it
/// are there now. While another connection is at it nothing is done.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))
}

/// A connection that only reads. The file must be there.
pub(super) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(limits::BUSY)?;
    connection.set_prepared_statement_cache_capacity(limits::STATEMENTS);
    connection.pragma_update(None, "cache_size", -limits::READ_CACHE_KIB)?;
    Ok(connection)
}
