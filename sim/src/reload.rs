//! The operator has the process read another configuration while everything goes on (decision 015):
//! mostly one that may follow, sometimes one that must be refused.
//!
//! Judged from the promise: what must be refused is, and then nothing is other than it was, neither
//! what is in force nor what history has of names; what is in force is the new configuration or, until
//! its names are durable, the old one without what goes. Everything else that is judged goes on, with
//! what either of them allows.

use std::sync::Arc;

use sprag_core::partition::Partition;
use sprag_core::record::Directory;
use sprag_core::settings::Settings;
use sprag_driver::effect::ReloadRefused;

use crate::dice::Dice;
use crate::happening::{Happening, Strike};
use crate::judge::{Verdict, must};
use crate::setting::Setting;
use crate::world::{Process, World};

/// What an operator reloads.
#[derive(Debug)]
pub(crate) struct Reloads {
    dice: Dice,
    wanted: Option<Wanted>,
}

/// A reload that is not through.
#[derive(Debug)]
struct Wanted {
    setting: Setting,
    /// Whether a source of it is another than history was written with.
    is_wrong: bool,
    /// Whether it names what history does not know, or retires something.
    declares: bool,
    before: Arc<Settings>,
    /// None while the partition that keeps them recovers.
    names: Option<Directory>,
}

impl Reloads {
    pub(crate) fn new(dice: Dice) -> Self {
        Self { dice, wanted: None }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }
}

impl World {
    /// In every second world there are some.
    pub(crate) fn plan_reloads(&mut self) {
        let length = self.phase_ends;
        for _ in 0..self.reloads.dice.pick(&[0, 0, 0, 1, 2, 5]) {
            let at = self.reloads.dice.between(length / 20, length);
            self.schedule.plan(at, Happening::Strike(Strike::Reload));
        }
    }

    pub(crate) fn reload(&mut self) {
        let is_busy = self.reloads.is_wanted();
        let ready = |process: &&mut Process| process.stopping.is_none() && !is_busy;
        let now = self.clock();
        let Some(process) = self.process.as_mut().filter(ready) else { return };
        let Some(before) = process.node.settings().cloned() else { return };
        let knows_names = process.node.partitions().next().is_some_and(Partition::is_serving);
        let names = process.node.directory().clone();
        let dice = &mut self.reloads.dice;
        let mut setting = self.setting.clone();
        setting.revise(dice);
        let is_wrong = dice.chance(150);
        if is_wrong {
            let at = dice.index(setting.plan.sources.len());
            setting.plan.sources[at].identity = "another".into();
        }
        let declares = setting.plan.resolve(&names).is_ok_and(|(_, declared)| !declared.is_empty());
        process.node.reload(now, setting.plan.clone());
        self.reloads.wanted = Some(Wanted {
            setting,
            is_wrong,
            declares,
            before,
            names: knows_names.then_some(names),
        });
        self.trace.note(self.now, '!', &[u64::from(is_wrong)], || {
            if is_wrong { "a reload that must be refused" } else { "a reload" }.to_owned()
        });
        self.turn();
    }

    /// What is in force is other than it was.
    pub(crate) fn note_reload(&mut self, settings: &Settings, is_first: bool) {
        if is_first {
            return;
        }
        let Some(wanted) = &self.reloads.wanted else {
            return self.judge("reload", Err("other settings that nobody asked for".to_owned()));
        };
        let is_wrong = wanted.is_wrong;
        if settings.revision == wanted.setting.plan.revision {
            self.setting = wanted.setting.clone();
        }
        let verdict = must(!is_wrong, || "a source that was changed is in force".to_owned());
        self.judge("reload", verdict);
    }

    pub(crate) fn reloaded(&mut self) {
        let Some(wanted) = self.reloads.wanted.take() else { return };
        self.counts.hit("reload", "accepted");
        if wanted.declares {
            self.counts.hit("reload", "accepted: after its names");
        }
        let in_force = self.setting.plan.revision == wanted.setting.plan.revision;
        let verdict = must(in_force, || "accepted, and not in force".to_owned());
        self.judge("reload", verdict);
    }

    pub(crate) fn reload_refused(&mut self, why: &ReloadRefused) {
        let Some(wanted) = self.reloads.wanted.take() else { return };
        let name = match why {
            ReloadRefused::RemovedTooEarly(_) => "refused, removed too early",
            ReloadRefused::NotNow | ReloadRefused::Busy => "refused, not now",
            ReloadRefused::SourceChanged(_) => "refused",
        };
        self.counts.hit("reload", name);
        let verdict = self.changed_nothing(&wanted, why);
        self.judge("reload", verdict);
    }

    fn changed_nothing(&self, wanted: &Wanted, why: &ReloadRefused) -> Verdict {
        let Some(process) = &self.process else { return Ok(()) };
        let settings = process.node.settings();
        must(settings.is_some_and(|is| Arc::ptr_eq(is, &wanted.before)), || {
            format!("refused, and other settings are in force: {why}")
        })?;
        let Some(was) = &wanted.names else { return Ok(()) };
        let is = process.node.directory();
        let same = was.sources == is.sources
            && was.destinations == is.destinations
            && was.retired == is.retired;
        must(same, || format!("refused, and history has other names: {why}"))?;
        let plan = &wanted.setting.plan;
        match why {
            ReloadRefused::SourceChanged(_) => {
                must(wanted.is_wrong, || format!("no source was changed: {why}"))
            }
            ReloadRefused::RemovedTooEarly(removed) => {
                let named = plan.destinations.iter().any(|to| to.settings.name == removed.name)
                    || plan.retired.contains(&removed.name);
                must(removed.backlog.lanes > 0 && !named, || format!("nothing was removed: {why}"))
            }
            ReloadRefused::NotNow | ReloadRefused::Busy => Ok(()),
        }
    }

    /// The process ends: the next one reads the operator's file, which is the new one or was taken
    /// back.
    pub(crate) fn forget_reload(&mut self) {
        let Some(wanted) = self.reloads.wanted.take() else { return };
        self.counts.hit("reload", "crashed on the way");
        if !wanted.is_wrong && self.reloads.dice.chance(500) {
            self.setting = wanted.setting;
        }
    }
}
