//! A world whose gateway is recorded while it changes its files, so that it can be started on what a
//! disk would hold had the power gone away meanwhile.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::image::{self, Disk, Files, Loss};
use crate::shim;
use crate::support::dice::Dice;
use crate::support::ledger::Moments;
use crate::support::load::locked;
use crate::support::world::{DESTINATIONS, World};
use crate::trace::{self, Record};

/// New events, and repeats, that bring an image to an end.
const LAST: usize = 60;

/// The world, and its disk when the process was last started.
pub(crate) struct Recorded {
    pub(crate) world: World,
    pub(crate) dice: Dice,
    head: &'static str,
    seed: u64,
    base: Files,
    /// How long all traces before were.
    before: u64,
    /// Changes that were not durable when the power went away, over all losses.
    pub(crate) at_risk: usize,
}

impl Recorded {
    pub(crate) async fn new(head: &'static str, seed: u64) -> Self {
        Self {
            world: World::new(head, seed, &DESTINATIONS).await,
            dice: Dice::new(seed ^ 0x706f_7765),
            head,
            seed,
            base: Files::new(),
            before: 0,
            at_risk: 0,
        }
    }

    fn trace(&self) -> PathBuf {
        self.world.setup.directory.path().join("trace")
    }

    /// The next start is recorded.
    pub(crate) fn record(&mut self) {
        let trace = self.trace();
        shim::record(&mut self.world.setup, &trace);
        let (before, length) = (self.before, shim::moments(&trace));
        let moments: Moments = Arc::new(move || before + length());
        self.world.consumer.keeps(moments.clone());
        locked(&self.world.ledger, |ledger| ledger.moments = moments);
    }

    /// What the process did until it ended. Nothing that changed a file escaped the record, but for what it
    /// was killed in: between a change and its record nothing of it was durable, nor did anything rest on it.
    pub(crate) fn records(&self) -> Vec<Record> {
        let records = trace::read(&self.trace());
        let mut disk = Disk::new(&self.base);
        records.iter().for_each(|record| disk.follow(record));
        let (recorded, real) = (disk.files(), image::files(&shim::data(&self.world.setup)));
        let changing = disk.changing(records.last());
        let is_known = |name: &&String| !changing.contains(name);
        let names = |files: &Files| files.keys().filter(is_known).cloned().collect::<Vec<_>>();
        assert_eq!(names(&recorded), names(&real), "files that were not recorded");
        for (name, bytes) in real.iter().filter(|(name, _)| is_known(name)) {
            assert!(recorded[name] == *bytes, "{name} was changed in ways that are not recorded");
        }
        records
    }

    /// The disk after so many records.
    pub(crate) fn disk(&self, records: &[Record], until: usize) -> Disk {
        let mut disk = Disk::new(&self.base);
        records[..until].iter().for_each(|record| disk.follow(record));
        disk
    }

    /// What is left of it when the power goes away then.
    pub(crate) fn loses(&mut self, records: &[Record], until: usize, loss: Loss) -> Files {
        let disk = self.disk(records, until);
        self.at_risk += disk.at_risk();
        disk.after(loss, &mut self.dice)
    }

    /// A world that knows what was known after so many records, with such files.
    pub(crate) async fn as_of(&mut self, records: &[Record], until: usize, files: &Files) -> World {
        let last = until.checked_sub(1).map_or(0, |last| records[last].moment);
        let moment = self.before + last;
        self.seed += 1;
        let mut world = World::new(self.head, self.seed, &DESTINATIONS).await;
        image::write(files, &shim::data(&world.setup));
        let ledger = locked(&self.world.ledger, |ledger| ledger.as_of(moment, self.seed));
        world.ledger = Arc::new(Mutex::new(ledger));
        world.consumer.remembers(&self.world.consumer, moment);
        world.consumer.calm_down();
        world.last = LAST;
        world
    }

    /// Goes on with what a loss at the end left.
    pub(crate) fn goes_on(&mut self, records: &[Record], loss: Loss) {
        let files = self.loses(records, records.len(), loss);
        let data = shim::data(&self.world.setup);
        fs::remove_dir_all(&data).unwrap();
        image::write(&files, &data);
        self.base = files;
        self.before += records.last().map_or(0, |last| last.moment);
    }
}
