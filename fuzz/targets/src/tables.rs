//! Tables of states (contract `states`): any lines make a table or are refused for a bound, every question to a table is
//! answered as a plain search does, and what waits under it ends, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use sprag_core::limits::{STATE_BYTES, STATES};
use sprag_core::states::{StateTable, TableProblem};

/// Lines of a table at the most: more than there may be states.
const LINES: usize = 80;

type Line = (Arc<str>, Vec<Arc<str>>);

/// Compares the table that the bytes choose with a plain one.
///
/// # Panics
/// When they differ.
pub fn run(data: &[u8]) {
    let Ok((initial, allow)) = lines(&mut Unstructured::new(data)) else { return };
    let plain = Plain::of(&initial, &allow);
    match StateTable::new(&initial, &allow) {
        Ok(table) => {
            assert_eq!(plain.problem(&initial), None, "{initial:?} {allow:?}");
            plain.compare(&table);
        }
        Err(problem) => {
            assert_eq!(plain.problem(&initial), Some(word(&problem)), "{initial:?} {allow:?}");
        }
    }
}

fn word(problem: &TableProblem) -> &'static str {
    match problem {
        TableProblem::NoInitial => "initial",
        TableProblem::TooMany => "many",
        TableProblem::Name(_) => "name",
    }
}

fn lines(choices: &mut Unstructured<'_>) -> Result<(Vec<Arc<str>>, Vec<Line>)> {
    let many = choices.int_in_range(1..=STATES + 6)?;
    let names = |choices: &mut Unstructured<'_>| {
        let count = choices.int_in_range(0..=4)?;
        (0..count).map(|_| name(choices, many)).collect::<Result<Vec<_>>>()
    };
    let initial = names(choices)?;
    let mut allow = Vec::new();
    while !choices.is_empty() && allow.len() < LINES {
        allow.push((name(choices, many)?, names(choices)?));
    }
    Ok((initial, allow))
}

/// Mostly one of a few, seldom one that is none or too long.
fn name(choices: &mut Unstructured<'_>, many: usize) -> Result<Arc<str>> {
    Ok(match choices.int_in_range(0..=255_u8)? {
        0 => "".into(),
        1 => "n".repeat(STATE_BYTES + 1).into(),
        2 => "ü".repeat(STATE_BYTES / 2).into(),
        _ => format!("s{}", choices.int_in_range(0..=many)?).into(),
    })
}

/// A table as anyone would search it.
struct Plain {
    initial: BTreeSet<Arc<str>>,
    steps: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Plain {
    fn of(initial: &[Arc<str>], allow: &[Line]) -> Self {
        let mut plain = Self { initial: initial.iter().cloned().collect(), steps: BTreeMap::new() };
        for state in initial.iter().chain(allow.iter().flat_map(|(_, to)| to)) {
            plain.steps.entry(state.clone()).or_default();
        }
        for (from, to) in allow {
            plain.steps.entry(from.clone()).or_default().extend(to.iter().cloned());
        }
        plain
    }

    fn problem(&self, initial: &[Arc<str>]) -> Option<&'static str> {
        if self.steps.keys().any(|name| name.is_empty() || name.len() > STATE_BYTES) {
            Some("name")
        } else if self.steps.len() > STATES {
            Some("many")
        } else if initial.is_empty() {
            Some("initial")
        } else {
            None
        }
    }

    fn next(&self, from: Option<&str>) -> &BTreeSet<Arc<str>> {
        from.map_or(&self.initial, |from| &self.steps[from])
    }

    /// In how many steps each state is come to.
    fn distances(&self, from: Option<&str>) -> BTreeMap<Arc<str>, usize> {
        let mut distances = BTreeMap::new();
        let mut reached = self.next(from).clone();
        for distance in 1..=self.steps.len() + 1 {
            reached.retain(|state| !distances.contains_key(state));
            distances.extend(reached.iter().map(|state| (state.clone(), distance)));
            reached = reached.iter().flat_map(|state| self.next(Some(state))).cloned().collect();
        }
        distances
    }

    fn compare(&self, table: &StateTable) {
        assert_eq!(table.len(), self.steps.len());
        let froms = self.steps.keys().map(|from| Some(&**from)).chain([None]);
        for from in froms {
            let at = from.and_then(|from| table.index(from));
            assert_eq!(at.is_some(), from.is_some());
            let distances = self.distances(from);
            let next: Vec<_> = self.next(from).iter().cloned().collect();
            assert_eq!(table.next_of(from), next);
            let far = table.distances(at);
            for state in self.steps.keys() {
                let to = table.index(state).expect("every name is a state");
                let distance = distances.get(state).copied();
                assert_eq!(table.allows(at, to), distance == Some(1), "{from:?} {state}");
                assert_eq!(table.reaches(at, to), distance.is_some(), "{from:?} {state}");
                assert_eq!(far[to].map(|between| between + 1), distance, "{from:?} {state}");
                let between = table.between(at, to);
                assert_eq!(between.as_ref().map(|states| states.len() + 1), distance);
                self.leads(from, between.unwrap_or_default(), state, distance.is_some());
            }
        }
        assert_eq!(table.index("no such state"), None);
        let comes = self.distances(None);
        let lost: Vec<_> = self.steps.keys().filter(|s| !comes.contains_key(*s)).cloned().collect();
        assert_eq!(table.unreachable(), lost);
        let comes_back = |state: &Arc<str>| self.distances(Some(state)).contains_key(state);
        assert_eq!(table.has_cycle(), self.steps.keys().any(comes_back));
    }

    /// Every state of a way follows the one before it.
    fn leads(&self, from: Option<&str>, between: Vec<Arc<str>>, to: &Arc<str>, is_way: bool) {
        let mut at = from.map(str::to_owned);
        for state in between.into_iter().chain([to.clone()]).filter(|_| is_way) {
            assert!(self.next(at.as_deref()).contains(&state), "{from:?} to {to} by {state}");
            at = Some(state.to_string());
        }
    }
}
