//! How long a fault goes on: so many rounds, or as many as whoever runs it asked for.

use std::time::Duration;

use crate::support::clock::Deadline;

/// Counts rounds.
pub(crate) struct Rounds {
    done: usize,
    least: usize,
    until: Deadline,
}

impl Rounds {
    /// So many, unless something else was asked for.
    pub(crate) fn of(usual: usize) -> Self {
        let seconds = asked("SPRAG_FAULTS_SECONDS").unwrap_or(0);
        Self {
            done: 0,
            least: asked("SPRAG_FAULTS_ROUNDS").unwrap_or(usual),
            until: Deadline::after(Duration::from_secs(u64::try_from(seconds).unwrap())),
        }
    }

    /// How many there will be at the least.
    pub(crate) fn planned(&self) -> usize {
        self.least
    }
}

impl Iterator for Rounds {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let more = self.done < self.least || !self.until.has_passed();
        self.done += usize::from(more);
        more.then_some(self.done)
    }
}

/// The seed of all choices; printed, so that a failure can be seen again.
pub(crate) fn seed(usual: u64) -> u64 {
    let asked = asked("SPRAG_FAULTS_SEED").map(|seed| u64::try_from(seed).unwrap());
    let seed = asked.unwrap_or(usual);
    println!("seed {seed}");
    seed
}

fn asked(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
