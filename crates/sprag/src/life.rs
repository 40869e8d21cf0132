//! The life of an event as spans: one per step, in the order that ARCHITECTURE.md prints.
//!
//! A test follows one event through a running gateway and fails when page and trace differ.

/// The target of the spans: `RUST_LOG=sprag::life=trace` shows them.
pub const TARGET: &str = "sprag::life";

/// Marks a step of an event's life. Costs a load and a branch when nobody listens.
macro_rules! step {
    ($name:literal) => {
        drop(tracing::trace_span!(target: crate::life::TARGET, $name));
    };
}

pub(crate) use step;
