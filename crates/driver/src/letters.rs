//! Which facts make and unmake dead letters that no lane stands at, and which stop a lane.

use sprag_core::fact::{Attempted, Consequence, DeadLetter, Fact};
use sprag_core::id::{Key, Place};
use sprag_core::time::UnixMicros;

use crate::state::{Letter, LetterChange, LetterReason, Stop};

/// What a fact changes about the list of dead letters.
#[must_use]
pub fn change(place: Place, recorded: UnixMicros, fact: &Fact) -> Option<LetterChange> {
    let added = |key: &Key, letter, reason| {
        let key = key.clone();
        Some(LetterChange::Added(Letter { place, recorded, key, letter, reason }))
    };
    match fact {
        Fact::Conflict(conflict) => {
            let letter = DeadLetter::AtIngress { event: conflict.event };
            added(&conflict.key, letter, LetterReason::Conflict)
        }
        Fact::Invalid(invalid) => {
            let letter = DeadLetter::AtIngress { event: invalid.event };
            added(&invalid.key, letter, LetterReason::Invalid)
        }
        Fact::Attempted(attempted) if attempted.consequence == Consequence::Dead => {
            added(&attempted.key, in_lane(attempted), LetterReason::GivenUp)
        }
        Fact::Attempted(attempted)
            if attempted.out_of_order && attempted.consequence == Consequence::Delivered =>
        {
            Some(LetterChange::Removed(attempted.key.clone(), in_lane(attempted)))
        }
        Fact::Attempted(attempted)
            if matches!(attempted.consequence, Consequence::Halted | Consequence::Parked) =>
        {
            Some(LetterChange::Stopped(Stop {
                recorded,
                key: attempted.key.clone(),
                destination: attempted.destination,
                outcome: attempted.outcome,
            }))
        }
        Fact::Acknowledged(acknowledged) if acknowledged.out_of_order => {
            let (destination, sequence) = (acknowledged.destination, acknowledged.from);
            let letter = DeadLetter::InLane { destination, sequence };
            Some(LetterChange::Removed(acknowledged.key.clone(), letter))
        }
        Fact::Dropped(dropped) => Some(LetterChange::Removed(dropped.key.clone(), dropped.letter)),
        _ => None,
    }
}

fn in_lane(attempted: &Attempted) -> DeadLetter {
    DeadLetter::InLane { destination: attempted.destination, sequence: attempted.sequence }
}
