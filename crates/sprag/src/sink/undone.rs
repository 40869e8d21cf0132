//! What a consumer that applies and undoes expects of compensations (decision 040): what is undone is undone newest first,
//! and before anything new comes all of it is repeated, oldest first.

use super::delivery::Delivery;
use super::limits::UNDONE;

/// What was undone and has not been repeated yet, newest first.
#[derive(Debug, Default)]
pub(super) struct Undone {
    events: Vec<One>,
}

#[derive(Debug, Clone, Copy)]
struct One {
    sequence: u64,
    position: Option<u64>,
}

impl Undone {
    /// Takes a delivery in that comes for the first time, in order, behind `head`. Says what is wrong about it, as far as a
    /// consumer that got everything can tell.
    pub(super) fn follow(&mut self, delivery: &Delivery, head: u64) -> Option<String> {
        if delivery.kind == "compensation" {
            return self.undo(delivery, head);
        }
        let next = self.events.last().copied();
        match (delivery.repeats, next) {
            (Some(repeated), Some(next)) if repeated == next.sequence => {
                self.events.pop();
                None
            }
            (Some(repeated), next) => {
                self.events.clear();
                let due = next.map_or("nothing".to_owned(), |next| next.sequence.to_string());
                Some(format!("repeats {repeated}, and {due} is undone"))
            }
            (None, Some(next)) if delivery.kind == "late" => {
                let positions = delivery.position_number().zip(next.position);
                let is_behind = positions.is_some_and(|(late, next)| late > next);
                is_behind.then(|| format!("{} was undone for it and is before it", next.sequence))
            }
            (None, Some(next)) => {
                self.events.clear();
                Some(format!("came before {} was repeated", next.sequence))
            }
            (None, None) => None,
        }
    }

    fn undo(&mut self, delivery: &Delivery, head: u64) -> Option<String> {
        let Some(undone) = delivery.compensates else {
            return Some("does not say what is to be undone".to_owned());
        };
        let wrong = match self.events.last() {
            _ if undone >= delivery.sequence => Some("undoes what did not come yet".to_owned()),
            None if undone < head => Some(format!("undoes {undone} while {head} stands")),
            Some(last) if undone >= last.sequence => {
                Some(format!("undoes {undone} after {}", last.sequence))
            }
            _ => None,
        };
        if self.events.len() < UNDONE {
            self.events.push(One { sequence: undone, position: delivery.position_number() });
        }
        wrong
    }
}
