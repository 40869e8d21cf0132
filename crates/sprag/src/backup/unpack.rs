//! A backup from its stream into a directory, compared with its manifest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use tar::Archive;

use super::manifest::{Manifest, is_segment};
use super::{BackupError, LOG, MANIFEST};
use crate::limits;

/// Length and digest of a file.
pub(super) type Copied = (u64, String);

/// Writes the backup that a stream holds into a directory, which must be empty or not there.
///
/// # Errors
/// When the stream breaks off or is no backup, or a file cannot be written.
pub fn unpack(stream: impl Read, to: &Path) -> Result<Manifest, BackupError> {
    make_empty(to)?;
    make_empty(&to.join(LOG))?;
    let mut copied = BTreeMap::new();
    let mut manifest = None;
    let mut tar = Archive::new(stream);
    for entry in tar.entries().map_err(BackupError::Stream)? {
        let mut entry = entry.map_err(BackupError::Stream)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let segment = path.strip_prefix("log/").filter(|name| is_segment(name));
        if let Some(name) = segment {
            let file = copy(&mut entry, &to.join(LOG).join(name), u64::MAX)?;
            copied.insert(name.to_owned(), file);
        } else if path == MANIFEST {
            let mut text = Vec::new();
            let mut limited = entry.take(limits::MANIFEST_BYTES);
            limited.read_to_end(&mut text).map_err(BackupError::Stream)?;
            manifest = Some((Manifest::parse(&text)?, text));
        } else {
            return Err(BackupError::Damaged(format!("{path} does not belong in it")));
        }
    }
    let (manifest, text) = manifest.ok_or(BackupError::Incomplete)?;
    compare(&manifest, &copied)?;
    sync(&to.join(LOG))?;
    let file = to.join(MANIFEST);
    copy(&mut &text[..], &file, u64::MAX)?;
    sync(to)?;
    Ok(manifest)
}

/// Copies at most so many bytes to a new file, durably.
pub(super) fn copy(from: &mut impl Read, to: &Path, most: u64) -> Result<Copied, BackupError> {
    let failed = |error| BackupError::file(to)(error);
    let mut file = File::create_new(to).map_err(failed)?;
    let (mut digest, mut bytes) = (Context::new(&SHA256), 0);
    let mut piece = vec![0; limits::BACKUP_PIECE_BYTES];
    while bytes < most {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BackupError::Stream(error)),
        };
        digest.update(&piece[..read]);
        file.write_all(&piece[..read]).map_err(failed)?;
        bytes += read as u64;
    }
    file.sync_all().map_err(failed)?;
    Ok((bytes, HEXLOWER.encode(digest.finish().as_ref())))
}

/// What was copied is what the manifest says, no more and no less.
pub(super) fn compare(
    manifest: &Manifest,
    copied: &BTreeMap<String, Copied>,
) -> Result<(), BackupError> {
    for file in &manifest.files {
        match copied.get(&file.name) {
            None => return Err(BackupError::Damaged(format!("{} is missing", file.name))),
            Some((bytes, sha256)) if (*bytes, sha256) != (file.bytes, &file.sha256) => {
                return Err(BackupError::Damaged(format!(
                    "{} is not what was backed up: {bytes} bytes of digest {sha256}",
                    file.name
                )));
            }
            Some(_) => {}
        }
    }
    let known = |name: &&String| !manifest.files.iter().any(|file| file.name == **name);
    match copied.keys().find(known) {
        Some(name) => Err(BackupError::Damaged(format!("{name} is not in its manifest"))),
        None => Ok(()),
    }
}

/// Makes a directory that must be empty or not there.
pub(super) fn make_empty(directory: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::file(directory)(error);
    fs::create_dir_all(directory).map_err(failed)?;
    match fs::read_dir(directory).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(BackupError::NotEmpty(directory.to_owned())),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync(directory: &Path) -> Result<(), BackupError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(BackupError::file(directory))
}
