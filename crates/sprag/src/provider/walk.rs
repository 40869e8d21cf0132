//! The states that made events of a resource go through: each a step that the table allows.

use std::sync::Arc;

use sprag_core::states::StateTable;

/// A way through a table, from a state that resources begin with: as long as there is a state it was not in.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    states: Vec<Arc<str>>,
    /// Where it goes on behind its last state; none where that is terminal.
    again: Option<usize>,
}

impl Walk {
    pub(super) fn through(table: &StateTable) -> Self {
        let mut states: Vec<Arc<str>> = Vec::new();
        loop {
            let next = table.next_of(states.last().map(|state| &**state));
            let Some(state) = next.iter().find(|state| !states.contains(state)) else {
                let again = next.first().and_then(|next| states.iter().position(|s| s == next));
                return Self { states, again };
            };
            states.push(state.clone());
        }
    }

    /// The state of the event with this number, from 1. Behind a terminal state there is only that.
    pub(super) fn state(&self, number: u64) -> &str {
        let at = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let count = self.states.len();
        let at = match self.again {
            _ if at < count => at,
            Some(again) => again + (at - again) % (count - again),
            None => count.saturating_sub(1),
        };
        self.states.get(at).map_or("", |state| state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(allow: &[(&str, &[&str])], count: u64) -> String {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        let allow: Vec<_> = allow.iter().map(|(from, to)| (Arc::from(*from), names(to))).collect();
        let table = StateTable::new(&names(&["a"]), &allow).unwrap();
        let walk = Walk::through(&table);
        (1..=count).map(|number| walk.state(number)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_step_is_one_of_the_table() {
        assert_eq!(walked(&[("a", &["b"]), ("b", &["c", "a"])], 5), "a b c c c");
        assert_eq!(walked(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], 7), "a b c b c b c");
        assert_eq!(walked(&[], 3), "a a a");
    }
}
