//! What deliveries say of an event, and whether it fits to those before and behind it: by its position, and in the chain.

use sprag_core::fact::Kind;
use sprag_core::id::{Hash, Place};
use sprag_core::position::Position;

use super::{Deliveries, Verdict, must};

/// What every delivery of an event says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) place: Place,
    pub(crate) digest: Hash,
    pub(crate) position: Position,
    pub(crate) kind: Kind,
    /// Whether it undoes or repeats an earlier one.
    pub(crate) is_again: bool,
    pub(crate) previous_hash: Hash,
    pub(crate) hash: Hash,
}

impl Told {
    /// Whether it is in order, and neither undoes nor repeats another.
    fn is_first(&self) -> bool {
        self.kind == Kind::Event && !self.is_again
    }
}

impl Deliveries {
    /// How often positions fall from one event to the next.
    pub(super) fn falls(&self, resource: usize) -> u64 {
        let told = self.told.range((resource, 0)..=(resource, u64::MAX)).map(|(_, told)| told);
        let events: Vec<_> = told.filter(|told| told.is_first()).collect();
        let falls = events
            .windows(2)
            .filter(|pair| orders(&pair[1].position) && pair[1].position < pair[0].position);
        falls.count() as u64
    }

    /// The chain goes on, and positions rise but for late events and where they begin anew.
    pub(super) fn neighbours(
        &self,
        resource: usize,
        sequence: u64,
        told: &Told,
        rebases: u64,
    ) -> Verdict {
        if let Some(previous) = self.told.get(&(resource, sequence.wrapping_sub(1))) {
            let begins = told.previous_hash == Hash::default();
            let begins = begins && self.forgotten.contains_key(&resource);
            must(begins || previous.hash == told.previous_hash, || {
                format!("resource {resource} sequence {sequence} breaks the chain")
            })?;
        }
        // What is undone or repeated has a judge of its own.
        let ordered = |told: &&Told| told.is_first() && orders(&told.position);
        let before = self.told.range((resource, 0)..(resource, sequence)).rev();
        let before = before.map(|((_, at), told)| (*at, told)).find(|(_, told)| ordered(told));
        let after = self.told.range((resource, sequence)..(resource, u64::MAX));
        let after = after.map(|(_, told)| told).find(ordered);
        let rises = match told.kind {
            _ if told.is_again => true,
            Kind::Compensation => false,
            Kind::Event if !orders(&told.position) || rebases > 0 => true,
            Kind::Event => {
                // Events of one instant follow one another (K3).
                let is_instant = matches!(told.position, Position::Timestamp(_));
                let rises =
                    |one: &Position, other: &Position| one < other || (is_instant && one == other);
                before.is_none_or(|(_, before)| rises(&before.position, &told.position))
                    && after.is_none_or(|after| rises(&told.position, &after.position))
            }
            Kind::Late => before.is_none_or(|(at, before)| {
                // What was told to nobody (dropped, or paused) may have stood between.
                let between = self.told.range((resource, at)..(resource, sequence)).count() as u64;
                // Of one instant what comes late has a lower rank.
                let is_instant = matches!(told.position, Position::Timestamp(_));
                let is_before = told.position < before.position;
                between < sequence - at
                    || is_before
                    || (is_instant && told.position == before.position)
            }),
        };
        must(rises, || {
            format!("resource {resource} sequence {sequence}: {:?} out of place", told.position)
        })
    }
}

/// Whether events follow one another by their positions.
fn orders(position: &Position) -> bool {
    use Position as P;
    !matches!(position, P::None | P::Fields(_) | P::Clock(_) | P::State { .. } | P::Link(_))
}
