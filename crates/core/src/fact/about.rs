//! What every fact is about, and what it is called.

use core::slice;

use super::{DeadLetter, Fact};
use crate::id::{DestinationId, Key};

impl Fact {
    /// The destinations whose lanes of its key the fact may change.
    #[must_use]
    pub fn lanes(&self) -> &[DestinationId] {
        match self {
            Self::Released(fact) => &fact.lanes,
            Self::Attempted(fact) => slice::from_ref(&fact.destination),
            Self::Acknowledged(fact) => slice::from_ref(&fact.destination),
            Self::StrandsTaken(fact) => slice::from_ref(&fact.destination),
            Self::Superseded(fact) => slice::from_ref(&fact.destination),
            Self::Filtered(fact) => slice::from_ref(&fact.destination),
            Self::LateDead(fact) => slice::from_ref(&fact.destination),
            Self::Unmet(fact) => slice::from_ref(&fact.destination),
            Self::LaneOpened(fact) => slice::from_ref(&fact.destination),
            Self::LaneEnded(fact) => slice::from_ref(&fact.destination),
            Self::BacklogDropped(fact) => slice::from_ref(&fact.destination),
            Self::Rewound(fact) => slice::from_ref(&fact.destination),
            Self::Dropped(fact) => match &fact.letter {
                DeadLetter::InLane { destination, .. } => slice::from_ref(destination),
                DeadLetter::AtIngress { .. } => &[],
            },
            _ => &[],
        }
    }

    /// The key the fact is about; none for facts about a source, a destination or an owner.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Claimed(_)
            | Self::SourceDeclared(_)
            | Self::DestinationDeclared(_)
            | Self::DestinationRetired(_)
            | Self::DestinationPaused(_)
            | Self::DestinationResumed(_)
            | Self::KeysVisited(_)
            | Self::Ignored(_)
            | Self::Refused(_)
            | Self::Tombstone(_)
            | Self::Boundary(_)
            | Self::Restored(_) => None,
            Self::Received(fact) => Some(&fact.key),
            Self::Held(fact) => Some(&fact.key),
            Self::Released(fact) => Some(&fact.key),
            Self::Duplicate(fact) => Some(&fact.key),
            Self::Conflict(fact) => Some(&fact.key),
            Self::Invalid(fact) => Some(&fact.key),
            Self::Stale(fact) => Some(&fact.key),
            Self::SequenceReset(fact) => Some(&fact.key),
            Self::Rebased(fact) => Some(&fact.key),
            Self::Jumped(fact) => Some(&fact.key),
            Self::Superseded(fact) => Some(&fact.key),
            Self::Filtered(fact) => Some(&fact.key),
            Self::LateDead(fact) => Some(&fact.key),
            Self::Unmet(fact) => Some(&fact.key),
            Self::LaneOpened(fact) => Some(&fact.key),
            Self::LaneEnded(fact) => Some(&fact.key),
            Self::BacklogDropped(fact) => Some(&fact.key),
            Self::Rewound(fact) => Some(&fact.key),
            Self::GapOpened(fact) => Some(&fact.key),
            Self::GapFilled(fact) => Some(&fact.key),
            Self::GapAbandoned(fact) => Some(&fact.key),
            Self::RefillEnded(fact) => Some(&fact.key),
            Self::Attempted(fact) => Some(&fact.key),
            Self::Acknowledged(fact) => Some(&fact.key),
            Self::Batched(fact) => Some(&fact.key),
            Self::StrandsTaken(fact) => Some(&fact.key),
            Self::Redriven(fact) => Some(&fact.key),
            Self::Dropped(fact) => Some(&fact.key),
            Self::KeyPaused(fact) => Some(&fact.key),
            Self::KeyResumed(fact) => Some(&fact.key),
            Self::Carried(fact) => Some(&fact.key),
            Self::Forgotten(fact) => Some(&fact.key),
            Self::Returned(fact) => Some(&fact.key),
        }
    }

    /// Its name in history, API and tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claimed(_) => "claimed",
            Self::SourceDeclared(_) => "source-declared",
            Self::DestinationDeclared(_) => "destination-declared",
            Self::DestinationPaused(_) => "destination-paused",
            Self::DestinationResumed(_) => "destination-resumed",
            Self::Received(_) => "received",
            Self::Held(_) => "held",
            Self::Released(_) => "released",
            Self::Duplicate(_) => "duplicate",
            Self::Conflict(_) => "conflict",
            Self::Invalid(_) => "invalid",
            Self::Stale(_) => "stale",
            Self::Refused(_) => "refused",
            Self::SequenceReset(_) => "sequence-reset",
            Self::Rebased(_) => "rebased",
            Self::Restored(_) => "restored",
            Self::Jumped(_) => "jumped",
            Self::Superseded(_) => "superseded",
            Self::Filtered(_) => "filtered",
            Self::LateDead(_) => "late-dead",
            Self::Unmet(_) => "unmet",
            Self::LaneOpened(_) => "lane-opened",
            Self::LaneEnded(_) => "lane-ended",
            Self::BacklogDropped(_) => "backlog-dropped",
            Self::Rewound(_) => "rewound",
            Self::KeysVisited(_) => "keys-visited",
            Self::DestinationRetired(_) => "destination-retired",
            Self::Ignored(_) => "ignored",
            Self::GapOpened(_) => "gap-opened",
            Self::GapFilled(_) => "gap-filled",
            Self::GapAbandoned(_) => "gap-abandoned",
            Self::RefillEnded(_) => "refill-ended",
            Self::Attempted(_) => "attempted",
            Self::Acknowledged(_) => "acknowledged",
            Self::Batched(_) => "batched",
            Self::StrandsTaken(_) => "strands-taken",
            Self::Redriven(_) => "redriven",
            Self::Dropped(_) => "dropped",
            Self::KeyPaused(_) => "key-paused",
            Self::KeyResumed(_) => "key-resumed",
            Self::Carried(_) => "carried",
            Self::Forgotten(_) => "forgotten",
            Self::Returned(_) => "returned",
            Self::Tombstone(_) => "tombstone",
            Self::Boundary(_) => "boundary",
        }
    }
}
