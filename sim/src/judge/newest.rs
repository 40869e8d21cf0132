//! What contract `latest` demands (rules K3, K4, K5): what is newer than all before it is released,
//! what is not is a repeat, a contradiction, or stale.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use sprag_core::id::Hash;
use sprag_core::position::Position;

use super::event_history::HIGHEST;
use super::policies::SourcePolicy;

/// Events of one instant that a key remembers (K3).
const REMEMBERED: usize = 64;

/// What tells events of one instant apart.
pub(super) type Identity = Result<Arc<str>, Hash>;

/// An event as its source describes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(crate) id: Option<&'a Arc<str>>,
    pub(crate) position: &'a Position,
    pub(crate) digest: Hash,
    /// The recorded time of its receipt, in microseconds since 1970.
    pub(crate) recorded: u64,
}

/// What is due for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Release,
    /// Nothing may be released at this position again: a repeat, a contradiction, or stale.
    Old,
    /// A repeat of an event of the newest instant.
    Repeat,
    Invalid,
}

/// The newest released of a key.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    position: Option<u64>,
    /// The events released at that instant.
    at_once: BTreeSet<Identity>,
}

impl Newest {
    pub(crate) fn due(&self, source: &SourcePolicy, event: &Described<'_>) -> Due {
        let (number, is_instant) = match *event.position {
            Position::Timestamp(number) => (number, true),
            Position::Version(number) | Position::Sequence(number) => (number, false),
            Position::None
            | Position::Fields(_)
            | Position::Clock(_)
            | Position::State { .. }
            | Position::Link(_) => {
                return Due::Release;
            }
        };
        let latest = u128::from(event.recorded + source.max_ahead) * 1_000;
        if number > HIGHEST || (is_instant && u128::from(number) > latest) {
            return Due::Invalid;
        }
        let Some(newest) = self.position else { return Due::Release };
        match number.cmp(&newest) {
            Ordering::Greater if !is_instant && number - newest > source.hold_span => Due::Invalid,
            Ordering::Greater => Due::Release,
            Ordering::Equal if is_instant => match self.at_once.contains(&identity(event)) {
                true => Due::Repeat,
                false => Due::Release,
            },
            Ordering::Equal | Ordering::Less => Due::Old,
        }
    }

    /// Whether something at this position or a newer one was released.
    pub(crate) fn has_reached(&self, position: &Position) -> bool {
        position.number().zip(self.position).is_some_and(|(number, newest)| number <= newest)
    }

    /// The newest position.
    pub(super) fn number(&self) -> Option<u64> {
        self.position
    }

    /// An event is released. Whether it is one more of the same instant.
    pub(crate) fn released(&mut self, event: &Described<'_>) -> Result<bool, String> {
        let number = match *event.position {
            Position::None
            | Position::Fields(_)
            | Position::Clock(_)
            | Position::State { .. }
            | Position::Link(_) => {
                return Ok(false);
            }
            Position::Timestamp(number)
            | Position::Version(number)
            | Position::Sequence(number) => number,
        };
        let again = self.position == Some(number);
        if !again {
            (self.position, self.at_once) = (Some(number), BTreeSet::new());
        }
        self.at_once.insert(identity(event));
        if self.at_once.len() > REMEMBERED {
            return Err(format!("a world with more than {REMEMBERED} events of one instant"));
        }
        Ok(again)
    }
}

pub(super) fn identity(event: &Described<'_>) -> Identity {
    event.id.cloned().ok_or(event.digest)
}
