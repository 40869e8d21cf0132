//! Which states a resource may have and how it may go from one to another (contract `states`).
//!
//! Everything is worked out once, when the table is made. Must not know: events, keys, records.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::limits;

/// Where a resource is: nowhere before its first event.
pub type Where = Option<usize>;

/// A table of at most [`limits::STATES`] states. Sets of them are bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateTable {
    names: Vec<Arc<str>>,
    initial: u64,
    allow: Vec<u64>,
    reach: Vec<u64>,
}

/// Why a table is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableProblem {
    /// It has no initial state.
    NoInitial,
    /// More than [`limits::STATES`].
    TooMany,
    /// A name is empty or longer than [`limits::STATE_BYTES`].
    Name(Arc<str>),
}

impl StateTable {
    /// Every state that is named anywhere is one of the table.
    ///
    /// # Errors
    /// When it is no table.
    pub fn new(
        initial: &[Arc<str>],
        allow: &[(Arc<str>, Vec<Arc<str>>)],
    ) -> Result<Self, TableProblem> {
        let mut names: Vec<Arc<str>> = initial.to_vec();
        for (from, to) in allow {
            names.push(from.clone());
            names.extend(to.iter().cloned());
        }
        names.sort();
        names.dedup();
        if let Some(name) =
            names.iter().find(|name| !(1..=limits::STATE_BYTES).contains(&name.len()))
        {
            return Err(TableProblem::Name(name.clone()));
        }
        if names.len() > limits::STATES {
            return Err(TableProblem::TooMany);
        }
        if initial.is_empty() {
            return Err(TableProblem::NoInitial);
        }
        let mut table = Self { allow: vec![0; names.len()], reach: Vec::new(), initial: 0, names };
        table.initial = table.set(initial);
        for (from, to) in allow {
            let to = table.set(to);
            table.index(from).into_iter().for_each(|from| table.allow[from] |= to);
        }
        table.reach = table.closure();
        Ok(table)
    }

    fn set(&self, names: &[Arc<str>]) -> u64 {
        names.iter().filter_map(|name| self.index(name)).fold(0, |set, state| set | 1 << state)
    }

    /// What each state leads to, in one step or more.
    fn closure(&self) -> Vec<u64> {
        let mut reach = self.allow.clone();
        for through in 0..reach.len() {
            for from in 0..reach.len() {
                if reach[from] & 1 << through != 0 {
                    reach[from] |= reach[through];
                }
            }
        }
        reach
    }

    /// The state of this name.
    #[must_use]
    pub fn index(&self, name: &str) -> Where {
        self.names.binary_search_by(|known| (**known).cmp(name)).ok()
    }

    /// Whether a resource may go there in one step.
    #[must_use]
    pub fn allows(&self, from: Where, to: usize) -> bool {
        self.next(from) & 1 << to != 0
    }

    /// Whether a resource may come there in one step or more.
    #[must_use]
    pub fn reaches(&self, from: Where, to: usize) -> bool {
        match from {
            Some(from) => self.reach[from] & 1 << to != 0,
            None => {
                let first = (0..self.names.len()).filter(|state| self.initial & 1 << state != 0);
                let reach = first.fold(self.initial, |set, state| set | self.reach[state]);
                reach & 1 << to != 0
            }
        }
    }

    fn next(&self, from: Where) -> u64 {
        from.map_or(self.initial, |from| self.allow[from])
    }

    /// How many states there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none, as with other contracts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names of the states a resource may come to next from this one, ascending; from none those it may begin
    /// with.
    #[must_use]
    pub fn next_of(&self, from: Option<&str>) -> Vec<Arc<str>> {
        let next = match from.map(|from| self.index(from)) {
            Some(None) => 0,
            Some(from) => self.next(from),
            None => self.next(None),
        };
        let states = (0..self.names.len()).filter(|state| next & 1 << state != 0);
        states.map(|state| self.names[state].clone()).collect()
    }

    /// How many states lie between here and each; none where there is no way.
    #[must_use]
    pub fn distances(&self, from: Where) -> Vec<Option<usize>> {
        let came = self.ways(from);
        let far = |to: usize| {
            let mut at = came[to]?;
            let mut between = 0;
            while at != from {
                between += 1;
                at = came[at?]?;
            }
            Some(between)
        };
        (0..self.names.len()).map(far).collect()
    }

    /// From where each state is come to on a shortest way; none where there is no way. Of several ways the one whose
    /// names come first.
    fn ways(&self, from: Where) -> Vec<Option<Where>> {
        let mut came: Vec<Option<Where>> = vec![None; self.names.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            let next = self.next(at);
            for state in (0..self.names.len()).filter(|state| next & 1 << state != 0) {
                if came[state].is_none() {
                    came[state] = Some(at);
                    queue.push_back(Some(state));
                }
            }
        }
        came
    }

    /// The states between, on a shortest way; none where there is no way. Of several ways the one whose
    /// names come first.
    #[must_use]
    pub fn between(&self, from: Where, to: usize) -> Option<Vec<Arc<str>>> {
        let came = self.ways(from);
        let mut states = Vec::new();
        let mut at = came[to]?;
        while at != from {
            let state = at?;
            states.push(self.names[state].clone());
            at = came[state]?;
        }
        states.reverse();
        Some(states)
    }

    /// The states that no resource can come to.
    #[must_use]
    pub fn unreachable(&self) -> Vec<Arc<str>> {
        let is_unreachable = |state: &usize| !self.reaches(None, *state);
        (0..self.names.len())
            .filter(is_unreachable)
            .map(|state| self.names[state].clone())
            .collect()
    }

    /// Whether a resource may come back to a state it has left.
    #[must_use]
    pub fn has_cycle(&self) -> bool {
        (0..self.names.len()).any(|state| self.reach[state] & 1 << state != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Arc<str>> {
        text.split_whitespace().map(Arc::from).collect()
    }

    fn table(initial: &str, allow: &[(&str, &str)]) -> Result<StateTable, TableProblem> {
        let allow: Vec<_> = allow.iter().map(|(from, to)| (Arc::from(*from), names(to))).collect();
        StateTable::new(&names(initial), &allow)
    }

    fn booking() -> StateTable {
        let allow =
            [("pending", "confirmed cancelled"), ("confirmed", "done cancelled"), ("lost", "done")];
        table("pending", &allow).unwrap()
    }

    #[test]
    fn steps_ways_and_what_lies_between() {
        let table = booking();
        let at = |name: &str| table.index(name);
        let to = |name: &str| table.index(name).unwrap();
        assert!(table.allows(None, to("pending")) && !table.allows(None, to("confirmed")));
        assert!(
            table.allows(at("pending"), to("cancelled"))
                && !table.allows(at("pending"), to("done"))
        );
        assert!(
            table.reaches(at("pending"), to("done")) && !table.reaches(at("done"), to("pending"))
        );
        assert!(table.reaches(None, to("done")) && !table.reaches(None, to("lost")));
        assert_eq!(table.between(at("pending"), to("done")), Some(names("confirmed")));
        assert_eq!(table.between(None, to("done")), Some(names("pending confirmed")));
        assert_eq!(table.between(None, to("pending")), Some(Vec::new()));
        assert_eq!(table.between(at("done"), to("pending")), None);
        assert_eq!(table.unreachable(), names("lost"));
        assert!(!table.has_cycle() && at("other").is_none());
    }

    #[test]
    fn ways_that_lead_back_end() {
        let table = table("a", &[("a", "b"), ("b", "c"), ("c", "a")]).unwrap();
        assert!(table.has_cycle());
        let at = |name: &str| table.index(name);
        assert_eq!(table.between(at("a"), at("a").unwrap()), Some(names("b c")));
    }

    #[test]
    fn tables_are_bounded() {
        assert_eq!(table("", &[("a", "b")]), Err(TableProblem::NoInitial));
        let long = "n".repeat(limits::STATE_BYTES + 1);
        assert_eq!(table(&long, &[]), Err(TableProblem::Name(long.as_str().into())));
        let many: Vec<_> = (0..=limits::STATES).map(|number| alloc::format!("s{number}")).collect();
        assert_eq!(table(&many.join(" "), &[]), Err(TableProblem::TooMany));
        assert!(table(&many[1..].join(" "), &[]).is_ok());
    }
}
