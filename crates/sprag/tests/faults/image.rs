//! What a disk holds after the power was lost: what was synced, and of the rest what chance wrote.
//!
//! A file's bytes are durable with a sync of the file that began after them, a name with such a sync
//! of its directory. Everything else may be there, in any order, sector by sector, or not. Must not
//! know what is in the files.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use crate::support::dice::Dice;
use crate::trace::{Happened, Record};

/// Written as a whole or not at all.
const SECTOR: usize = 512;
/// What SQLite keeps in memory that files are mapped into: it is made anew at a start.
const MAPPED: &str = "-shm";

/// What happens to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it is lost.
    Everything,
    /// None of it: the disk had been quick.
    Nothing,
    /// Each sector, each cut and each name for itself.
    Sectors,
    /// Each file up to some byte.
    Torn,
    /// Files are as long as they were, with zeros.
    Zeros,
}

pub(crate) const LOSSES: [Loss; 5] =
    [Loss::Sectors, Loss::Everything, Loss::Torn, Loss::Zeros, Loss::Nothing];

/// The files of a data directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Reads all files below a directory, but for what is only memory.
pub(crate) fn files(directory: &Path) -> Files {
    let mut found = Files::new();
    let mut below = vec![String::new()];
    while let Some(name) = below.pop() {
        for entry in fs::read_dir(directory.join(&name)).unwrap().map(Result::unwrap) {
            let own = entry.file_name().into_string().unwrap();
            let own = if name.is_empty() { own } else { format!("{name}/{own}") };
            if entry.file_type().unwrap().is_dir() {
                below.push(own);
            } else if !own.ends_with(MAPPED) {
                found.insert(own, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// Writes files into a directory that has none.
pub(crate) fn write(files: &Files, directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("below the directory")).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A change of a file's bytes.
#[derive(Clone)]
enum Change {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => put(to, *at, bytes),
            Self::Length(length) => to.resize(*length, 0),
        }
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    to.resize(to.len().max(end), 0);
    to[at..end].copy_from_slice(bytes);
}

/// A file: what is durable, and what came since.
#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    since: Vec<Change>,
    /// How many changes became durable.
    settled: usize,
}

impl File {
    fn settle(&mut self, changes: usize) {
        let settled = changes.saturating_sub(self.settled);
        for change in self.since.drain(..settled) {
            change.apply(&mut self.durable);
        }
        self.settled += settled;
    }

    /// What is left of it.
    fn after(&self, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let mut left = self.durable.clone();
        let torn = dice.below(self.since.len() + 1);
        for (at, change) in self.since.iter().enumerate() {
            match (loss, change) {
                (Loss::Everything, _) => {}
                (Loss::Nothing, change) => change.apply(&mut left),
                (Loss::Torn, change) if at < torn => change.apply(&mut left),
                (Loss::Torn, Change::Bytes { at: start, bytes }) if at == torn => {
                    put(&mut left, *start, &bytes[..dice.below(bytes.len() + 1)]);
                }
                (Loss::Torn, _) => {}
                (Loss::Zeros, Change::Bytes { at, bytes }) => {
                    left.resize(left.len().max(at + bytes.len()), 0);
                }
                (Loss::Sectors, Change::Bytes { at, bytes }) => {
                    sectors(&mut left, *at, bytes, dice);
                }
                (Loss::Zeros | Loss::Sectors, Change::Length(_)) => {
                    if dice.per_mille(500) {
                        change.apply(&mut left);
                    }
                }
            }
        }
        left
    }
}

/// Writes some of the sectors that bytes lie in.
fn sectors(left: &mut Vec<u8>, at: usize, bytes: &[u8], dice: &mut Dice) {
    let mut start = at;
    while start < at + bytes.len() {
        let end = ((start / SECTOR + 1) * SECTOR).min(at + bytes.len());
        if dice.per_mille(500) {
            put(left, start, &bytes[start - at..end - at]);
        }
        start = end;
    }
}

/// A change of a name: what had it loses it, and a file gets it.
#[derive(Clone)]
struct Naming {
    number: usize,
    lost: Option<String>,
    given: Option<(String, usize)>,
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(lost) = &self.lost {
            names.remove(lost);
        }
        if let Some((name, file)) = &self.given {
            names.insert(name.clone(), *file);
        }
    }

    fn is_in(&self, directory: &str) -> bool {
        let name = self.lost.as_ref().or(self.given.as_ref().map(|(name, _)| name));
        name.is_some_and(|name| parent(name) == directory)
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A sync that has not ended.
enum Sync {
    File(usize, usize),
    Names(String, usize),
}

/// A disk as a process has changed it so far.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    by_inode: HashMap<u64, usize>,
    directories: HashMap<u64, String>,
    /// Names as the process sees them, and as they are durable.
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    since: Vec<Naming>,
    namings: usize,
    syncs: HashMap<u64, Sync>,
    /// The file that was changed last.
    last: Option<usize>,
}

impl Disk {
    /// With files that are durable.
    pub(crate) fn new(base: &Files) -> Self {
        let mut disk = Self::default();
        for (name, bytes) in base {
            disk.names.insert(name.clone(), disk.files.len());
            disk.files.push(File { durable: bytes.clone(), ..File::default() });
        }
        disk.durable.clone_from(&disk.names);
        disk
    }

    /// What happened next.
    pub(crate) fn follow(&mut self, record: &Record) {
        match &record.happened {
            Happened::Created { file, name } => {
                self.by_inode.insert(*file, self.files.len());
                self.rename(None, Some((name.clone(), self.files.len())));
                self.files.push(File::default());
            }
            Happened::Opened { file, name } => match self.names.get(name) {
                Some(known) => drop(self.by_inode.insert(*file, *known)),
                None => drop(self.directories.insert(*file, name.clone())),
            },
            Happened::Written { file, at, bytes } => {
                self.change(*file, Change::Bytes { at: *at, bytes: bytes.clone() });
            }
            Happened::Cut { file, length } => self.change(*file, Change::Length(*length)),
            Happened::Syncing { file, sync } => {
                let what = match (self.directories.get(file), self.by_inode.get(file)) {
                    (_, Some(at)) => {
                        let File { since, settled, .. } = &self.files[*at];
                        Sync::File(*at, settled + since.len())
                    }
                    (Some(name), None) => Sync::Names(name.clone(), self.namings),
                    (None, None) => panic!("a sync of a file that nobody opened"),
                };
                self.syncs.insert(*sync, what);
            }
            Happened::Synced { sync, .. } => match self.syncs.remove(sync) {
                Some(Sync::File(at, changes)) => self.files[at].settle(changes),
                Some(Sync::Names(directory, namings)) => self.settle(&directory, namings),
                None => panic!("a sync ended that did not begin"),
            },
            Happened::Removed { name } => self.rename(Some(name.clone()), None),
            Happened::Renamed { from, to } => {
                let file = self.names[from];
                self.rename(Some(from.clone()), Some((to.clone(), file)));
            }
            // A directory that is lost takes its files with it; those begin with its name.
            Happened::Directory { .. } | Happened::Failed { .. } | Happened::Begun { .. } => {}
        }
    }

    /// The files that were about to change when the process ended: whether they did is not known.
    pub(crate) fn changing(&self, last: Option<&Record>) -> Vec<String> {
        let Some(Happened::Begun { file, names }) = last.map(|last| &last.happened) else {
            return Vec::new();
        };
        let at = self.by_inode.get(file);
        let of_file = self.names.iter().filter(|(_, named)| Some(*named) == at);
        of_file.map(|(name, _)| name.clone()).chain(names.iter().cloned()).collect()
    }

    fn change(&mut self, inode: u64, change: Change) {
        let file = self.by_inode[&inode];
        self.files[file].since.push(change);
        self.last = Some(file);
    }

    fn rename(&mut self, lost: Option<String>, given: Option<(String, usize)>) {
        let naming = Naming { number: self.namings, lost, given };
        self.namings += 1;
        naming.apply(&mut self.names);
        self.since.push(naming);
    }

    fn settle(&mut self, directory: &str, namings: usize) {
        let durable = &mut self.durable;
        self.since.retain(|naming| {
            let settles = naming.number < namings && naming.is_in(directory);
            if settles {
                naming.apply(durable);
            }
            !settles
        });
    }

    /// The files after a loss of power now.
    pub(crate) fn after(&self, loss: Loss, dice: &mut Dice) -> Files {
        let mut names = self.durable.clone();
        for naming in &self.since {
            let happens = match loss {
                Loss::Everything => false,
                Loss::Nothing => true,
                Loss::Sectors | Loss::Torn | Loss::Zeros => dice.per_mille(500),
            };
            if happens {
                naming.apply(&mut names);
            }
        }
        let left =
            |(name, file): (&String, &usize)| (name.clone(), self.files[*file].after(loss, dice));
        names.iter().filter(|(name, _)| !name.ends_with(MAPPED)).map(left).collect()
    }

    /// The files when nothing is lost but the end of the last write: all but its first bytes.
    pub(crate) fn torn(&self, kept: usize) -> Files {
        let mut torn =
            Self { files: self.files.clone(), names: self.names.clone(), ..Self::default() };
        torn.durable.clone_from(&torn.names);
        let file = &mut torn.files[self.last.expect("something was written")];
        if let Some(Change::Bytes { bytes, .. }) = file.since.last_mut() {
            bytes.truncate(kept);
        }
        torn.files()
    }

    /// The files as the process sees them.
    pub(crate) fn files(&self) -> Files {
        self.after(Loss::Nothing, &mut Dice::new(0))
    }

    /// How many changes of bytes and names are not durable.
    pub(crate) fn at_risk(&self) -> usize {
        self.since.len() + self.files.iter().map(|file| file.since.len()).sum::<usize>()
    }
}
