//! A checking consumer: names every order violation, loss, unmarked repeat and broken chain.
//!
//! It knows the promises of DESIGN section 1 and the headers of section 5, and nothing of how the
//! gateway keeps them.
//!
//! | file | what |
//! |---|---|
//! | `delivery` | the headers of one attempt, read |
//! | `inspect` | what can be judged of one attempt alone: form, signatures, hash |
//! | `lane`, `checker` | what can be judged of its place after those before it |
//! | `violation`, `summary` | what is said about it |
//! | `faults`, `server` | a consumer on a socket that misbehaves when told to |

mod batch;
mod checker;
mod clocks;
mod delivery;
mod faults;
mod inspect;
mod lane;
pub mod limits;
mod numbers;
mod server;
mod summary;
#[cfg(test)]
mod tests;
mod undone;
mod violation;

pub use checker::{Checker, Observed};
pub use clocks::ClockText;
pub use delivery::Delivery;
pub use faults::{Faults, Reaction};
pub use inspect::{Inspected, Inspector};
pub use server::{Running, Settings, Silent, Watch, start};
pub use summary::Summary;
pub use violation::{Violation, ViolationKind};
