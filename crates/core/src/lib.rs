//! Every decision of Sprag about order, durability order, retry, fairness and limits.
//!
//! `no_std`, no dependencies, no clock, no IO, no async, no JSON, no randomness but a seed. Inputs
//! in, outputs out, one deadline: [`partition::Partition`] says in which order. Tests, simulator
//! and server drive the same code.
#![no_std]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod backlog;
pub mod chain;
pub mod clocks;
pub mod compares;
pub mod contract;
pub mod destination;
pub mod fact;
pub mod fields;
pub mod held;
pub mod id;
mod index;
pub mod input;
pub mod instant;
pub mod intake;
pub mod invariants;
pub mod limits;
pub mod links;
pub mod lists;
pub mod output;
pub mod partition;
pub mod partitioning;
pub mod pattern;
pub mod plan;
pub mod position;
pub mod random;
pub mod ranges;
pub mod rate;
pub mod recent;
pub mod record;
pub mod refill;
mod rest;
pub mod retention;
pub mod retry;
pub mod settings;
pub mod slab;
pub mod states;
pub mod time;
pub mod totals;
pub mod turns;
