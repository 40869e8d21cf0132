//! Which facts make and unmake dead letters that no lane stands at, and which stop a lane.

use sprag_core::fact::{
    Attempted, BacklogDropped, Batch, Consequence, DeadLetter, Fact, LateDead, Rewound,
};
use sprag_core::id::{Key, Place, Sequence};
use sprag_core::time::UnixMicros;

use crate::state::{Letter, LetterChange, LetterReason, Stop};

/// What a fact changes about the list of dead letters: of a range that is given up, each event is one.
#[must_use]
pub fn changes(place: Place, recorded: UnixMicros, fact: &Fact) -> Vec<LetterChange> {
    match fact {
        Fact::Attempted(Attempted { batch: Some(batch), .. }) => {
            of_range(place, recorded, fact, *batch)
        }
        Fact::BacklogDropped(dropped) => of_backlog(place, recorded, dropped),
        fact => change(place, recorded, fact).into_iter().collect(),
    }
}

/// Each event that was given up is one; what of them did not enter the lane history says.
fn of_backlog(place: Place, recorded: UnixMicros, dropped: &BacklogDropped) -> Vec<LetterChange> {
    let BacklogDropped { key, destination, from, to } = dropped;
    let letter = |sequence| {
        let letter = DeadLetter::InLane { destination: *destination, sequence: Sequence(sequence) };
        let (key, reason) = (key.clone(), LetterReason::BacklogFull);
        LetterChange::Added(Letter { place, recorded, key, letter, reason })
    };
    (from.0..=to.0).map(letter).collect()
}

/// The same as if each event behind what was acknowledged had been tried by itself.
fn of_range(place: Place, recorded: UnixMicros, fact: &Fact, batch: Batch) -> Vec<LetterChange> {
    let Fact::Attempted(attempted) = fact else { return Vec::new() };
    let first = attempted.sequence.0;
    // An event sent out of order is a range of its own.
    let from = if attempted.out_of_order { first } else { first + batch.acknowledged };
    let one = |sequence| {
        let one = Attempted { sequence: Sequence(sequence), ..attempted.clone() };
        change(place, recorded, &Fact::Attempted(one))
    };
    (from..=batch.last.0).filter_map(one).collect()
}

fn change(place: Place, recorded: UnixMicros, fact: &Fact) -> Option<LetterChange> {
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
        Fact::LateDead(dead) => {
            let LateDead { key, destination, sequence } = dead;
            let letter = DeadLetter::InLane { destination: *destination, sequence: *sequence };
            added(key, letter, LetterReason::Late)
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
                sequence: attempted.sequence,
                outcome: attempted.outcome,
            }))
        }
        Fact::Acknowledged(acknowledged) if acknowledged.out_of_order => {
            let (destination, sequence) = (acknowledged.destination, acknowledged.from);
            let letter = DeadLetter::InLane { destination, sequence };
            Some(LetterChange::Removed(acknowledged.key.clone(), letter))
        }
        Fact::Rewound(rewound) => {
            let Rewound { key, destination, from, until } = rewound.clone();
            Some(LetterChange::Again { key, destination, from, until })
        }
        Fact::Dropped(dropped) => Some(LetterChange::Removed(dropped.key.clone(), dropped.letter)),
        _ => None,
    }
}

fn in_lane(attempted: &Attempted) -> DeadLetter {
    DeadLetter::InLane { destination: attempted.destination, sequence: attempted.sequence }
}
