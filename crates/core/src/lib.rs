//! Every decision of Sprag about order, durability order, retry, fairness and limits.
#![no_std]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod fact;
pub mod id;
pub mod limits;
pub mod position;
pub mod random;
pub mod ranges;
pub mod record;
pub mod time;
