//! The order of a source in the core's words: the one place where contracts and positions of the
//! configuration become those of the core.

use crate::config::{Contract, First};
use crate::extract::ExtractedPosition;
use sprag_core::position::Position;
use sprag_core::settings;

/// A contract as the core has it.
#[must_use]
pub fn to_core(contract: &Contract) -> settings::Contract {
    match contract {
        Contract::Fifo(fifo) => settings::Contract::Fifo { first: first(fifo.first) },
        Contract::Arrival => settings::Contract::Arrival,
        Contract::Latest(latest) => settings::Contract::Latest { coalesce: latest.coalesce },
        Contract::Unordered => settings::Contract::Unordered,
        Contract::Settle(_) => settings::Contract::Settle,
        Contract::Merge(_) => settings::Contract::Merge,
        Contract::Causal(_) => settings::Contract::Causal,
        Contract::States(_) => settings::Contract::States,
        Contract::Links(_) => settings::Contract::Link,
    }
}

/// Where the positions of a source begin, as the core has it.
#[must_use]
pub fn first(first: First) -> settings::First {
    match first {
        First::At(number) => settings::First::At(number),
        First::Strictly(number) | First::Refilled(number) => settings::First::Strictly(number),
        First::Any => settings::First::Any,
    }
}

/// A position as the core has it.
#[must_use]
pub fn position(extracted: ExtractedPosition) -> Position {
    match extracted {
        ExtractedPosition::None => Position::None,
        ExtractedPosition::Sequence(number) => Position::Sequence(number),
        ExtractedPosition::Version(number) => Position::Version(number),
        ExtractedPosition::Timestamp(instant) => Position::Timestamp(instant),
        ExtractedPosition::Fields(fields) => Position::Fields(fields),
        ExtractedPosition::Clock(clock) => Position::Clock(clock),
        ExtractedPosition::State { state, at } => Position::State { state: state.into(), at },
        ExtractedPosition::Link(link) => Position::Link(link),
    }
}
