//! How positions become an order: a pure judgement per contract.
//!
//! A judgement says what an arriving event is; it changes nothing. What follows from it is
//! `partition::receive`'s. Must not know: lanes, frames, answers.

mod arrival;
mod causal;
mod fifo;
mod latest;
mod links;
mod merge;
mod settle;
mod states;

pub use causal::{
    Turn, begins, causes, clock_poison, first_to_go, is_concurrent, lacks_any, missing_causes,
    next_turn, take_clock, turn_in_vain,
};
pub use fifo::{base_poison, head_gap, next_position};
pub use links::{Unlinked, broken_from, first_of_chain, next_link, take_link, tip};
pub use merge::{fresh, take_in};
pub use settle::{newest, rank, settled};
pub use states::{Step, in_turn, is_out_of_place, left_behind, nearest, passed, stands};

use crate::chain::Fingerprint;
use crate::fact::{HoldReason, InvalidReason, Kind, Recognised};
use crate::id::{Hash, Place, Sequence};
use crate::position::Position;
use crate::recent::Prior;
use crate::record::Order;
use crate::settings::{Contract, SourceSettings};
use crate::time::{UnixMicros, micros};

/// What is known of an arriving event besides its key's order.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Its position.
    pub position: &'a Position,
    /// Its type.
    pub event_type: &'a str,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// The event with the same id in the same key.
    pub by_id: Option<&'a Prior>,
    /// The released event with the same position in the same key.
    pub by_position: Option<&'a Prior>,
    /// What tells it from others of the same instant; none where the position is no instant.
    pub identity: Option<Fingerprint>,
    /// Whether it belongs to no resource: its key, type or position cannot be read.
    pub unreadable: bool,
    /// The recorded time of the decision.
    pub recorded: UnixMicros,
}

/// What an arriving event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Known already.
    Duplicate {
        /// The event it repeats, while that is known.
        original: Option<Place>,
        /// That event's sequence, when it has one.
        sequence: Option<Sequence>,
        /// By what it was recognised.
        by: Recognised,
        /// Whether the bodies differ.
        altered: bool,
    },
    /// Its position belongs to an event with another body.
    Conflict {
        /// That event.
        other: Place,
        /// SHA-256 of that event's body.
        other_digest: Hash,
    },
    /// Its position is impossible.
    Invalid(InvalidReason),
    /// It is older than what was released.
    Stale,
    /// Something before it is missing, or may still come.
    Hold(HoldReason),
    /// It is next, or late.
    Release(Kind),
    /// As many events as allowed wait behind a halted gap.
    Full,
}

/// Judges an arriving event: by its id first (DESIGN D3), then by its contract.
#[must_use]
pub fn judge(
    source: &SourceSettings,
    key_backlog: usize,
    order: &Order,
    evidence: &Evidence<'_>,
) -> Judgement {
    if let Some(prior) = evidence.by_id
        && evidence.recorded.0.saturating_sub(prior.recorded.0) <= micros(source.dedupe)
    {
        return repeats(prior, Recognised::Id, evidence.digest);
    }
    if evidence.unreadable {
        return Judgement::Invalid(InvalidReason::Unreadable);
    }
    match source.contract {
        Contract::Arrival | Contract::Unordered => arrival::judge(),
        Contract::Latest { .. } => latest::judge(source, order, evidence),
        Contract::Settle => settle::judge(source, order, evidence),
        Contract::Merge => merge::judge(source, order, evidence),
        Contract::Causal => causal::judge(source, key_backlog, order, evidence),
        Contract::States => states::judge(source, key_backlog, order, evidence),
        Contract::Link => links::judge(source, key_backlog, order, evidence),
        Contract::Fifo { first } => fifo::judge(source, first, key_backlog, order, evidence),
    }
}

/// The event repeats `prior`.
fn repeats(prior: &Prior, by: Recognised, digest: Hash) -> Judgement {
    Judgement::Duplicate {
        original: Some(prior.event),
        sequence: Some(prior.sequence).filter(|sequence| *sequence != Sequence(0)),
        by,
        altered: prior.digest != digest,
    }
}
