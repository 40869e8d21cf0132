//! How the core behaves when the whole outside is played to it: stories, properties, and every
//! interleaving of a small world.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why and ends"
)]

mod bounds;
mod comparing;
mod compensation;
mod dependencies;
mod harness;
mod histories;
mod interleavings;
mod isolation;
mod lists;
mod look_ups;
mod older;
mod partitioning;
mod plans;
mod properties;
mod recovering;
mod restored;
mod retention;
mod scripts;
