//! The judge of refusals: history never tells of more than were refused, loses none while one
//! process serves, and holds no more than so many lines a second (rule D7).

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::fact::Refused;
use sprag_core::id::{Epoch, Hash, SourceId};

use super::{Verdict, must};
use crate::schedule::{Instant, SECOND};

/// Lines a second of uptime and source, by D7.
const LINES: usize = 10;

/// A request that was refused.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) at: Instant,
    /// The process that refused it.
    pub(crate) life: u64,
    pub(crate) source: SourceId,
    pub(crate) code: Arc<str>,
    pub(crate) digest: Option<Hash>,
}

/// The judge.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    made: Vec<Made>,
}

impl Refusals {
    /// A request was refused; gives back whose it was, which tells it from all others.
    pub(crate) fn made(&mut self, made: Made) -> Arc<str> {
        self.made.push(made);
        format!("192.0.2.1:{}", self.made.len() - 1).into()
    }

    /// Compares with the lines of history, in their order.
    pub(crate) fn judge(&self, lines: &[(Epoch, Refused)]) -> Verdict {
        let mut told: BTreeMap<SourceId, Vec<(Epoch, usize)>> = BTreeMap::new();
        for (epoch, line) in lines {
            let number = self.number_of(line)?;
            let before = told.entry(line.source).or_default();
            self.accounts(before.last().copied(), (*epoch, number), line)?;
            before.push((*epoch, number));
        }
        told.values().try_for_each(|lines| self.few_a_second(lines))
    }

    /// Which request a line tells of.
    fn number_of(&self, line: &Refused) -> Result<usize, String> {
        let number = line.peer.rsplit(':').next().and_then(|number| number.parse().ok());
        let made = number.and_then(|number: usize| Some((number, self.made.get(number)?)));
        let is_it = |made: &Made| {
            (made.source, &made.code, made.digest) == (line.source, &line.code, line.digest)
        };
        let made = made.filter(|(_, made)| is_it(made));
        made.map(|(number, _)| number).ok_or_else(|| format!("nothing like {line:?} was refused"))
    }

    /// What was only counted came since the line before; in one term all of that is counted.
    fn accounts(
        &self,
        before: Option<(Epoch, usize)>,
        (epoch, number): (Epoch, usize),
        line: &Refused,
    ) -> Verdict {
        must(before.is_none_or(|(_, before)| before < number), || {
            format!("{line:?} is told after {before:?}")
        })?;
        let from = before.map_or(0, |(_, before)| before + 1);
        let between = self.made[from..number].iter().filter(|made| made.source == line.source);
        let between = between.count() as u64;
        let is_whole = before.is_some_and(|(term, _)| term == epoch);
        let fits = if is_whole { line.counted == between } else { line.counted <= between };
        must(fits, || format!("{line:?} after {before:?}: {between} were refused between"))
    }

    /// However the seconds are cut, there are no more lines than they allow.
    fn few_a_second(&self, lines: &[(Epoch, usize)]) -> Verdict {
        for (at, (_, first)) in lines.iter().enumerate() {
            let first = &self.made[*first];
            let same = lines[at..].iter().map(|(_, number)| &self.made[*number]);
            for (count, made) in (1..).zip(same.take_while(|made| made.life == first.life)) {
                let seconds = usize::try_from((made.at - first.at) / SECOND).unwrap_or(usize::MAX);
                must(count <= LINES * seconds.saturating_add(2), || {
                    format!("{count} lines of {:?} in {seconds} s", made.source)
                })?;
            }
        }
        Ok(())
    }
}
