//! A disk in memory that fails as disks do. A test tool: the simulator runs the real engine on it.
//!
//! It knows for every byte whether it would survive a power cut. What is written can be read at
//! once (the system's cache), survives the end of the process, and is lost, torn or kept at
//! [`SimulatedDisk::power_cut`] unless it was synced; the same holds for names in the directory.
//! Everything that happens by chance comes from the seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprag_core::random::Random;

use super::disk::{Disk, DiskFile};

/// What a disk is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// [`Disk::create`].
    Create,
    /// [`DiskFile::reserve`].
    Reserve,
    /// [`DiskFile::append`].
    Append,
    /// [`DiskFile::sync_data`].
    Sync,
    /// [`Disk::sync_directory`].
    SyncDirectory,
    /// [`Disk::read_at`], [`Disk::length`] and [`Disk::list`].
    Read,
    /// [`Disk::remove`].
    Remove,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An error, and nothing is done. A failed sync leaves the bytes un-synced.
    Error,
    /// An append writes some of the bytes and fails.
    Torn,
    /// A sync fails, and the system forgets that the bytes were not written: the next sync of
    /// the file succeeds without writing them, until a power cut shows that they are not there.
    Forgotten,
}

/// How often each thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Appends that succeeded.
    pub appends: u64,
    /// Syncs of files that succeeded.
    pub syncs: u64,
    /// Faults that were injected, disk-full answers among them.
    pub faults: u64,
    /// Bytes that power cuts took.
    pub lost_bytes: u64,
    /// Names of files that power cuts took or brought back.
    pub lost_names: u64,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Random,
    files: Vec<File>,
    /// Names as the running process sees them.
    names: BTreeMap<String, usize>,
    /// Names as they would be after a power cut.
    durable_names: BTreeMap<String, usize>,
    /// Faults to come, by operation: how many operations still succeed before it.
    faults: Vec<(Operation, u64, Fault)>,
    capacity: Option<usize>,
    /// Counts power cuts and restarts: files opened before can no longer be written.
    life: u64,
    statistics: Statistics,
}

#[derive(Debug, Clone, Default)]
struct File {
    /// What was appended, and zeros behind it.
    bytes: Vec<u8>,
    /// How much was appended.
    appended: usize,
    /// Up to here the bytes survive a power cut, but for those forgotten.
    synced: usize,
    /// The file is at least that long after a power cut.
    synced_length: usize,
    /// Ranges that a failed sync forgot.
    forgotten: Vec<(usize, usize)>,
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Random::new(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            faults: Vec::new(),
            capacity: None,
            life: 0,
            statistics: Statistics::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Lets an operation fail once, after so many of its kind have succeeded.
    pub fn inject(&self, operation: Operation, after: u64, fault: Fault) {
        self.state().faults.push((operation, after, fault));
    }

    /// Forgets the faults that have not happened yet.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Limits the bytes of all files together; none lifts the limit.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// How many bytes all files have.
    #[must_use]
    pub fn used(&self) -> usize {
        self.state().used()
    }

    /// What happened so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.state().statistics
    }

    /// The process ends, the machine goes on: nothing is lost, open files are gone.
    pub fn restart(&self) {
        let mut state = self.state();
        state.life += 1;
        state.faults.clear();
    }

    /// The machine loses power: un-synced bytes survive in part or not at all, un-synced names may
    /// be missing or back, forgotten bytes are zeros.
    pub fn power_cut(&self) {
        let mut state = self.state();
        state.life += 1;
        state.faults.clear();
        state.lose_names();
        state.lose_bytes();
    }

    /// An independent copy with the same content, for trying many crashes of one history.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let state = self.state();
        let copy = State {
            random: Random::new(seed),
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            faults: Vec::new(),
            life: 0,
            ..*state
        };
        Self { state: Arc::new(Mutex::new(copy)) }
    }

    /// A file's bytes as the process sees them.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|file| state.files[*file].bytes.clone())
    }

    /// Puts a file there, durably: for building images by hand.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let length = bytes.len();
        let file = state.files.len();
        state.files.push(File {
            bytes,
            appended: length,
            synced: length,
            synced_length: length,
            forgotten: Vec::new(),
        });
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    /// Flips one bit of a file; false when there is no such byte.
    pub fn flip(&self, name: &str, byte: usize, bit: u32) -> bool {
        let mut state = self.state();
        let Some(file) = state.names.get(name).copied() else { return false };
        let Some(byte) = state.files[file].bytes.get_mut(byte) else { return false };
        *byte ^= 1 << (bit % 8);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fault this operation meets, if its turn has come.
    fn meet(&mut self, operation: Operation) -> Option<Fault> {
        let mut met = None;
        for (of, after, fault) in &mut self.faults {
            if *of == operation {
                match after.checked_sub(1) {
                    Some(left) => *after = left,
                    None => met = met.or(Some(*fault)),
                }
            }
        }
        if let Some(fault) = met {
            let done = self.faults.iter().position(|one| *one == (operation, 0, fault));
            done.map(|at| self.faults.remove(at));
            self.statistics.faults += 1;
        }
        met
    }

    fn check(&mut self, operation: Operation) -> io::Result<()> {
        self.meet(operation).map_or(Ok(()), |_| Err(broken()))
    }

    fn used(&self) -> usize {
        self.names.values().map(|file| self.files[*file].bytes.len()).sum()
    }

    fn file(&self, name: &str) -> io::Result<&File> {
        let file = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&self.files[*file])
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn index_below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap_or(0)
    }

    /// Every creation and removal that was not synced happened or did not, each by itself.
    fn lose_names(&mut self) {
        let mut after = self.durable_names.clone();
        let now = self.names.clone();
        for (name, file) in &now {
            if self.durable_names.get(name) != Some(file) {
                if self.chance(2) {
                    after.insert(name.clone(), *file);
                } else {
                    self.statistics.lost_names += 1;
                }
            }
        }
        for name in self.durable_names.clone().keys() {
            if !now.contains_key(name) {
                if self.chance(2) {
                    after.remove(name);
                } else {
                    self.statistics.lost_names += 1;
                }
            }
        }
        self.names = after.clone();
        self.durable_names = after;
    }

    fn lose_bytes(&mut self) {
        for file in 0..self.files.len() {
            let mut content = std::mem::take(&mut self.files[file]);
            let before = content.bytes.len();
            match self.random.below(4) {
                // Nothing of the tail, all of it, a prefix, or some pages of it.
                0 => content.bytes.truncate(content.synced),
                1 => {}
                2 => {
                    let kept = self.index_below(before - content.synced + 1);
                    content.bytes.truncate(content.synced + kept);
                }
                _ => self.lose_pages(&mut content),
            }
            for (from, to) in content.forgotten.drain(..) {
                let end = to.min(content.bytes.len());
                if from < end {
                    content.bytes[from..end].fill(0);
                    self.statistics.lost_bytes += (end - from) as u64;
                }
            }
            self.statistics.lost_bytes += (before - content.bytes.len()) as u64;
            // Its length was durable: what is not there reads as the zeros that were.
            let length = content.bytes.len().max(content.synced_length);
            content.bytes.resize(length, 0);
            (content.appended, content.synced, content.synced_length) = (length, length, length);
            self.files[file] = content;
        }
    }

    /// Some pages of the un-synced tail were written and others were not, in any order.
    fn lose_pages(&mut self, content: &mut File) {
        let page = if self.chance(2) { 512 } else { 4096 };
        let mut start = content.synced;
        while start < content.bytes.len() {
            let end = (start / page + 1) * page;
            let end = end.min(content.bytes.len());
            if self.chance(2) {
                content.bytes[start..end].fill(0);
                self.statistics.lost_bytes += (end - start) as u64;
            }
            start = end;
        }
    }

    fn append(&mut self, file: usize, bytes: &[u8]) -> io::Result<()> {
        let fault = self.meet(Operation::Append);
        let free = self.capacity.map_or(usize::MAX, |most| most.saturating_sub(self.used()));
        let free = free.saturating_add(self.reserved(file));
        let (written, result) = match fault {
            Some(Fault::Torn) => (self.index_below(bytes.len() + 1), Err(broken())),
            Some(_) => (0, Err(broken())),
            None if bytes.len() > free => {
                self.statistics.faults += 1;
                (free, Err(io::ErrorKind::StorageFull.into()))
            }
            None => (bytes.len(), Ok(())),
        };
        self.statistics.appends += u64::from(result.is_ok());
        let content = &mut self.files[file];
        let end = content.appended + written;
        content.bytes.resize(content.bytes.len().max(end), 0);
        content.bytes[content.appended..end].copy_from_slice(&bytes[..written]);
        content.appended = end;
        result
    }

    /// How many bytes can be appended to a file without its growing.
    fn reserved(&self, file: usize) -> usize {
        self.files[file].bytes.len() - self.files[file].appended
    }

    fn reserve(&mut self, file: usize, length: usize) -> io::Result<()> {
        self.check(Operation::Reserve)?;
        let free = self.capacity.map_or(usize::MAX, |most| most.saturating_sub(self.used()));
        let content = &mut self.files[file];
        let more = length.saturating_sub(content.bytes.len());
        content.bytes.resize(content.bytes.len() + more.min(free), 0);
        if more > free { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        let fault = self.meet(Operation::Sync);
        let content = &mut self.files[file];
        match fault {
            None => {
                content.synced = content.appended;
                content.synced_length = content.bytes.len();
                self.statistics.syncs += 1;
                Ok(())
            }
            Some(Fault::Forgotten) => {
                content.forgotten.push((content.synced, content.appended));
                Err(broken())
            }
            Some(_) => Err(broken()),
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("the disk failed")
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.check(Operation::Create)?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(File::default());
        state.names.insert(name.to_owned(), file);
        Ok(SimulatedFile { disk: self.clone(), file, life: state.life })
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.check(Operation::Read)?;
        let bytes = &state.file(name)?.bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let read = buffer.len().min(bytes.len() - start);
        buffer[..read].copy_from_slice(&bytes[start..start + read]);
        Ok(read)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let mut state = self.state();
        state.check(Operation::Read)?;
        Ok(state.file(name)?.bytes.len() as u64)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.check(Operation::Read)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Remove)?;
        state.names.remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::SyncDirectory)?;
        state.durable_names = state.names.clone();
        Ok(())
    }
}

/// A file of a simulated disk, open for appending until the next crash.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
    life: u64,
}

impl SimulatedFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        let is_alive = state.life == self.life;
        is_alive.then_some(state).ok_or_else(|| io::Error::other("written by a dead process"))
    }
}

impl Drop for SimulatedFile {
    /// As the real one gives back what it reserved; a power cut may bring it back.
    fn drop(&mut self) {
        let file = self.file;
        if let Ok(mut state) = self.alive() {
            let appended = state.files[file].appended;
            state.files[file].bytes.truncate(appended);
        }
    }
}

impl DiskFile for SimulatedFile {
    fn reserve(&mut self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.alive()?.reserve(self.file, length)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.alive()?.append(self.file, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.alive()?.sync(self.file)
    }
}
