//! Facts about lanes as such: what they went past, where they begin and end.

use alloc::vec::Vec;

use crate::id::{DestinationId, Key, Sequence};

/// See [`Fact::Superseded`](super::Fact::Superseded).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superseded {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The oldest event that will not be delivered; the lane stood at it.
    pub from: Sequence,
    /// The event that took their place: the next to deliver.
    pub by: Sequence,
}

/// See [`Fact::Filtered`](super::Fact::Filtered). Which events enter a lane is said by their
/// releases; this is how a lane with a backlog comes past those between that did not. Of what was
/// released before the lane was opened, it is the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filtered {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The first of them; the lane stood at it.
    pub from: Sequence,
    /// The last of them.
    pub to: Sequence,
}

/// See [`Fact::LaneOpened`](super::Fact::LaneOpened). Which of these events are the lane's own is
/// written down when it comes to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneOpened {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The last event released before; the first is 1.
    pub through: Sequence,
}

/// See [`Fact::LaneEnded`](super::Fact::LaneEnded). What waited in it is abandoned (DESIGN C5);
/// nothing did where `from` lies behind `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneEnded {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The event it stood at.
    pub from: Sequence,
    /// The last event that had entered.
    pub to: Sequence,
    /// The events of its strands, ascending: they lie before `from`.
    pub strands: Vec<Sequence>,
}

/// See [`Fact::BacklogDropped`](super::Fact::BacklogDropped). They are dead letters (rule D9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogDropped {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The first of them; the lane stood at it.
    pub from: Sequence,
    /// The last of them.
    pub to: Sequence,
}

/// See [`Fact::Rewound`](super::Fact::Rewound). Which of them are sent is written down when the lane comes
/// to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewound {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The first event that is sent again.
    pub from: Sequence,
    /// The last; the lane had settled it.
    pub until: Sequence,
}

/// What a key is visited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visit {
    /// Its lane to a destination that begins before now is opened.
    Opens,
    /// Its lane to a retired destination ends.
    Ends,
}

/// See [`Fact::KeysVisited`](super::Fact::KeysVisited).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysVisited {
    /// The destination.
    pub destination: DestinationId,
    /// For what.
    pub visit: Visit,
}
