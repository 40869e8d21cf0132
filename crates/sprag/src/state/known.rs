//! Which names the history of a data directory has, told without its log: a gateway may run in it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use sprag_core::id::PartitionId;
use sprag_core::record::Directory;

use super::{bytes, open, sqlite};

/// What the state store of a data directory knows of its names: all but what was declared in the last moments.
/// Nothing is changed.
///
/// # Errors
/// In words, where there is no store that could tell.
pub fn known_names(data: &Path) -> Result<Directory, String> {
    let path = open::path(data);
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(format!("there is no {}", path.display())),
        Err(error) => return Err(told(&error)),
    }
    let connection =
        reading(&path).map_err(|error| told(&open::OpenError::sqlite(&path, error)))?;
    let fits = open::is_of_this_version(&connection);
    if !fits.map_err(|error| told(&bytes::Fault::from(error)))? {
        return Err(told(&"another version wrote it"));
    }
    let head = sqlite::head(&connection, PartitionId(0)).map_err(|fault| told(&fault))?;
    let mut directory = Directory::default();
    head.unwrap_or_default().directory.iter().for_each(|fact| {
        directory.evolve(fact);
    });
    Ok(directory)
}

/// While a write-ahead log is there, somebody may be at work, and what is beside the file is theirs. Without
/// one the file is all there is, and to be opened in the ordinary way such a log would have to be made.
fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    if Path::new(&beside).exists() {
        return open::reading(path);
    }
    let name: String = path.display().to_string();
    let escaped = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}
