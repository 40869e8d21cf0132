//! Golden scenarios, `sim/scenarios/*.txt`: what a few sources, providers and consumers do, and below `---` what they
//! get and what becomes of every event. Each is played in the world of the seeds, with all of its judges, while nothing
//! fails but what it says; and then over and over, killed before each of its steps: the same must come of it.
//!
//! The words of a line are the arms of [`script::Script`]'s `line`.

mod play;
mod position;
mod script;
mod settings;
mod tale;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub use play::Played;
use play::play;
pub(crate) use tale::Tale;

use crate::sweep::THREADS;

/// What the tale says when everything is repaired.
pub(crate) const REPAIRED: &str = "everything is repaired";
/// The line between what is done and what comes of it.
const RULE: &str = "---\n";

/// What is kept of a scenario.
#[derive(Debug)]
pub struct Scenario {
    path: PathBuf,
    /// What is done.
    script: String,
    /// What came of it.
    golden: String,
}

impl Scenario {
    /// All of the folder, in the order of their names.
    ///
    /// # Errors
    /// When the folder or a file of it cannot be read.
    pub fn all() -> Result<Vec<Self>, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        let entries = fs::read_dir(&folder).map_err(failed)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Result<Self, String> {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (script, golden) = text.split_once(RULE).unwrap_or((&text, ""));
        Ok(Self { script: script.to_owned(), golden: golden.to_owned(), path })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Plays it, killed before every so many-th step; what came of it takes the place of what was golden if it may.
    ///
    /// # Errors
    /// When it cannot be understood, breaks a promise, or leads elsewhere.
    pub fn check(&self, every: u64, update: bool) -> Result<Played, String> {
        let played =
            play(&self.script, every).map_err(|what| format!("{}: {what}", self.name()))?;
        if played.told == self.golden {
            return Ok(played);
        }
        if !update {
            return Err(format!("{}: {}", self.name(), difference(&self.golden, &played.told)));
        }
        fs::write(&self.path, format!("{}{RULE}{}", self.script, played.told))
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        Ok(played)
    }
}

/// Checks them, two at a time, killed before every so many-th step; what comes of each, in their order.
pub fn check(scenarios: &[Scenario], every: u64, update: bool) -> Vec<Result<Played, String>> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(scenario) = scenarios.get(at)
                {
                    let outcome = scenario.check(every, update);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(at, outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.into_values().collect()
}

/// The first line that differs, with what is before it.
fn difference(was: &str, is: &str) -> String {
    let (was, is): (Vec<_>, Vec<_>) = (was.lines().collect(), is.lines().collect());
    let at = was.iter().zip(&is).take_while(|(was, is)| was == is).count();
    let line = |lines: &[&str]| lines.get(at).map_or("the end", |line| line.trim()).to_owned();
    let before = at.checked_sub(1).map_or("the beginning", |before| is[before].trim());
    format!("behind `{before}` comes `{}` and not `{}`", line(&is), line(&was))
}
