//! The order of a source in the core's words: the one place where contracts and positions of the
//! configuration become those of the core, and where what the core does not have is told.

use crate::config::{Contract, First, Source};
use crate::extract::ExtractedPosition;
use sprag_core::position::Position;
use sprag_core::settings;
use std::fmt;

/// Something can be configured that the core does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAvailable(&'static str);

impl fmt::Display for NotAvailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is not available", self.0)
    }
}

/// Whether the core does what a source is configured for.
///
/// # Errors
/// The first thing that it does not do.
pub fn available(source: &Source) -> Result<(), NotAvailable> {
    to_core(&source.contract).map(|_| ())
}

/// A contract as the core has it.
///
/// # Errors
/// When the core does not have it.
pub fn to_core(contract: &Contract) -> Result<settings::Contract, NotAvailable> {
    match contract {
        Contract::Fifo(fifo) => Ok(settings::Contract::Fifo { first: first(fifo.first) }),
        Contract::Arrival => Ok(settings::Contract::Arrival),
        Contract::Latest(latest) => Ok(settings::Contract::Latest { coalesce: latest.coalesce }),
        Contract::Unordered => Err(NotAvailable("contract \"unordered\"")),
    }
}

fn first(first: First) -> settings::First {
    match first {
        First::At(number) => settings::First::At(number),
        First::Strictly(number) => settings::First::Strictly(number),
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
    }
}
