//! From a backup to a data directory, and what it must be told before it serves.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::Fact;
use sprag_core::id::{Key, PartitionId, SourceId};
use sprag_log::ReadFrame;
use sprag_log::digest::Sha256;
use sprag_log::embedded::{self, FileDisk, Options};

use super::manifest::{Manifest, is_segment};
use super::marker::Marker;
use super::newest::Newest;
use super::unpack::{compare, copy, make_empty, sync};
use super::{BackupError, LOG, MANIFEST};
use crate::clock::Clock;
use crate::{limits, rebuild};

/// What is told of the time after the backup.
#[derive(Debug, Clone)]
pub struct Told {
    /// The newest sequences that consumers have seen.
    pub newest: Newest,
    /// How many sequences of any key may have been given besides.
    pub jump: u64,
}

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made.
    pub made: String,
    /// Frames of all partitions, verified.
    pub frames: u64,
    /// How far every key jumps; none until that is told.
    pub jump: Option<u64>,
}

/// Restores a backup into a data directory, which must be empty or not there.
///
/// # Errors
/// When the backup is damaged, or the directory holds something.
pub fn restore(from: &Path, data: &Path, told: Option<&Told>) -> Result<Restored, BackupError> {
    let manifest = manifest_of(from)?;
    make_empty(data)?;
    let marker = Marker {
        restore: u64::from_ne_bytes(number()?),
        made: manifest.made.clone(),
        // A backup that is restored twice begins other terms: the clock goes on.
        epoch: manifest
            .epoch()
            .saturating_add(limits::EPOCH_JUMP)
            .max(Clock::start().now().clock.0),
        jump: None,
    };
    marker.write(data)?;
    let log = data.join(LOG);
    make_empty(&log)?;
    let mut copied = BTreeMap::new();
    for file in manifest.files.iter().filter(|file| is_segment(&file.name)) {
        let path = from.join(LOG).join(&file.name);
        let mut source = File::open(&path).map_err(BackupError::file(&path))?;
        copied.insert(file.name.clone(), copy(&mut source, &log.join(&file.name), file.bytes)?);
    }
    compare(&manifest, &copied)?;
    sync(&log)?;
    finish(data, &manifest, marker, told)
}

/// Tells a directory that was restored how far to jump.
///
/// # Errors
/// When it was not restored, was told already, or cannot be read.
pub fn tell(data: &Path, told: &Told) -> Result<Restored, BackupError> {
    let marker = Marker::read(data)?.ok_or_else(|| BackupError::NotRestored(data.to_owned()))?;
    if let Some(jump) = marker.jump {
        return Err(BackupError::AlreadyTold(jump));
    }
    let manifest = manifest_of(data)?;
    finish(data, &manifest, marker, Some(told))
}

fn manifest_of(directory: &Path) -> Result<Manifest, BackupError> {
    if let Err(error) = std::fs::metadata(directory) {
        return Err(BackupError::File(directory.to_owned(), error));
    }
    let path = directory.join(MANIFEST);
    let mut bytes = Vec::new();
    let file = File::open(&path);
    let read = file.and_then(|file| file.take(limits::MANIFEST_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => Manifest::parse(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(BackupError::Incomplete),
        Err(error) => Err(BackupError::File(path, error)),
    }
}

fn number() -> Result<[u8; 8], BackupError> {
    let mut bytes = [0; 8];
    let failed = |_| BackupError::Stream(std::io::Error::other("the machine has no randomness"));
    aws_lc_rs::rand::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Verifies the log, and writes down how far to jump.
fn finish(
    data: &Path,
    manifest: &Manifest,
    mut marker: Marker,
    told: Option<&Told>,
) -> Result<Restored, BackupError> {
    // From here on `tell` can go on where this ends.
    let path = data.join(MANIFEST);
    if !path.exists() {
        let text = serde_json::to_vec_pretty(manifest);
        let text = text.map_err(|error| BackupError::File(path.clone(), error.into()))?;
        copy(&mut &text[..], &path, u64::MAX)?;
    }
    let nothing = Newest::default();
    let newest = told.map_or(&nothing, |told| &told.newest);
    let walked = walk(data, manifest, &marker, newest)?;
    let jump = told.map(|told| walked.jump(told));
    if let Some(jump) = jump.filter(|jump| *jump > limits::JUMP_MOST) {
        return Err(BackupError::Jump(jump));
    }
    marker.jump = jump;
    marker.write(data)?;
    Ok(Restored { made: manifest.made.clone(), frames: walked.frames, jump })
}

/// What all frames of a restored log come to.
#[derive(Debug, Default)]
struct Walked {
    frames: u64,
    names: HashMap<SourceId, String>,
    /// By `source:key`, what consumers have seen of it, and how far the log is behind that.
    seen: HashMap<String, (u64, u64)>,
    /// The last sequences of keys whose names are forgotten, said anew.
    tombstones: BTreeMap<Fingerprint, u64>,
    /// Whether keys were forgotten (rule D8).
    forgets: bool,
    /// The highest sequence of any key.
    highest: u64,
}

impl Walked {
    fn of(newest: &Newest) -> Self {
        let seen = newest.0.iter();
        let seen = seen.map(|((source, key), seen)| (format!("{source}:{key}"), (*seen, *seen)));
        Self { seen: seen.collect(), ..Self::default() }
    }

    /// How far all keys jump. What consumers have seen has the floors that rose after the backup in it;
    /// without that, one may be as high as the highest sequence there was, and what was given since: a
    /// key that nothing is known of may have begun behind it.
    fn jump(&self, told: &Told) -> u64 {
        let floor = if self.forgets && told.newest.0.is_empty() { self.highest } else { 0 };
        self.behind().max(floor).saturating_add(told.jump)
    }

    /// How far the keys that consumers know are at the most behind what these have seen.
    fn behind(&self) -> u64 {
        let behind = self.seen.iter().map(|(name, (seen, behind))| match self.buried(name) {
            Some(sequence) => seen.saturating_sub(sequence).min(*behind),
            None => *behind,
        });
        behind.max().unwrap_or_default()
    }

    /// The last sequence that the tombstone of a key says, if there is one.
    fn buried(&self, name: &str) -> Option<u64> {
        let of = |(id, source): (&SourceId, &String)| {
            let name = name.strip_prefix(source.as_str())?.strip_prefix(':')?;
            let key = Key { source: *id, name: name.into() };
            self.tombstones.get(&Fingerprint::of_key(&Sha256, &key)).copied()
        };
        let is_none = self.tombstones.is_empty();
        self.names.iter().filter(|_| !is_none).filter_map(of).max()
    }

    fn frame(&mut self, frame: &ReadFrame) {
        self.frames += 1;
        for fact in &frame.facts {
            match fact {
                Fact::SourceDeclared(declared) => {
                    self.names.insert(declared.source, declared.name.to_string());
                }
                Fact::Released(released) => self.given(&released.key, released.sequence.0),
                Fact::Jumped(jumped) => self.given(&jumped.key, jumped.through.0),
                Fact::Carried(carried) => self.given(&carried.key, carried.record.sequence.0),
                Fact::Forgotten(fact) => self.given(&fact.key, fact.record.sequence.0),
                Fact::Returned(fact) => self.given(&fact.key, fact.record.sequence.0),
                Fact::Tombstone(fact) => {
                    self.highest = self.highest.max(fact.record.sequence.0);
                    self.tombstones.insert(fact.digest, fact.record.sequence.0);
                }
                Fact::Boundary(fact) => {
                    let floors = fact.floors.iter().map(|floor| floor.sequence.0);
                    self.highest = floors.fold(self.highest, u64::max);
                }
                _ => {}
            }
            self.forgets |=
                matches!(fact, Fact::Forgotten(_) | Fact::Tombstone(_) | Fact::Boundary(_));
        }
    }

    /// A key has this sequence by now.
    fn given(&mut self, key: &Key, sequence: u64) {
        self.highest = self.highest.max(sequence);
        if self.seen.is_empty() {
            return;
        }
        let Some(source) = self.names.get(&key.source) else { return };
        if let Some((seen, behind)) = self.seen.get_mut(&format!("{source}:{}", key.name)) {
            *behind = seen.saturating_sub(sequence);
        }
    }
}

/// Reads every frame: the chain of each partition leads from its first frame to the tip in the
/// manifest.
fn walk(
    data: &Path,
    manifest: &Manifest,
    marker: &Marker,
    newest: &Newest,
) -> Result<Walked, BackupError> {
    let disk = FileDisk::open(&data.join(LOG)).map_err(BackupError::Log)?;
    let salt = u64::from_ne_bytes(number()?);
    let options = Options { after: marker.after(), ..Options::new(manifest.partitions, salt) };
    let (_writer, mut reader, _) = embedded::open(disk, options).map_err(BackupError::Log)?;
    let mut walked = Walked::of(newest);
    for tip in &manifest.tips {
        let last = walk_partition(&mut reader, PartitionId(tip.partition), &mut walked)?;
        // Of a partition whose frames were all trimmed only the tip in the headers is left.
        let Some(last) = last else { continue };
        if last != (tip.frame, tip.hash.clone()) {
            let what = format!(
                "the chain of partition {} ends with frame {} {}, not {} {}",
                tip.partition, last.0, last.1, tip.frame, tip.hash
            );
            return Err(BackupError::Damaged(what));
        }
    }
    Ok(walked)
}

/// Reads the frames of a partition; gives back the last one's number and hash, none where none is
/// kept.
fn walk_partition(
    reader: &mut embedded::Reader<FileDisk>,
    partition: PartitionId,
    walked: &mut Walked,
) -> Result<Option<(u64, String)>, BackupError> {
    let mut last = None;
    let read = rebuild::walk(reader, partition, |frame| {
        walked.frame(frame);
        last = Some((frame.number.0, frame.hash.to_string()));
    });
    read.map_err(BackupError::Read)?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::fact::{Boundary, Floor, Tombstone};
    use sprag_core::id::{Epoch, FrameNumber, Hash, Sequence};
    use sprag_core::record::KeyRecord;
    use sprag_core::time::{OpenMicros, UnixMicros};

    /// How far all jump after these facts.
    fn jump(facts: &[Fact], newest: &str, jump: u64) -> u64 {
        let frame = ReadFrame {
            number: FrameNumber(1),
            epoch: Epoch(1),
            recorded: UnixMicros(1),
            open: OpenMicros(1),
            predecessor: Hash::default(),
            hash: Hash::default(),
            facts: facts.to_vec(),
        };
        let newest = Newest::read(newest.as_bytes()).unwrap();
        let mut walked = Walked::of(&newest);
        walked.frame(&frame);
        walked.jump(&Told { newest, jump })
    }

    #[test]
    fn where_keys_are_forgotten_a_number_alone_covers_floors_that_may_have_risen() {
        let record = Box::new(KeyRecord { sequence: Sequence(500), ..KeyRecord::default() });
        let tombstone = Tombstone { digest: Fingerprint(7), record };
        assert_eq!(jump(&[], "", 10), 10);
        assert_eq!(jump(&[Fact::Tombstone(tombstone.clone())], "", 10), 510);
        let floor = Floor { bucket: 7, sequence: Sequence(900) };
        let boundary = Boundary { floors: vec![floor], dropped: Vec::new() };
        let both = [Fact::Tombstone(tombstone), Fact::Boundary(boundary)];
        assert_eq!(jump(&both, "", 10), 910);
        // What consumers have seen says where keys stand by themselves.
        assert_eq!(jump(&both, "s,k,20", 10), 30);
    }
}
