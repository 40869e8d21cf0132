//! The admin API through real HTTP on a loopback port, over a whole small node.

mod client;
mod commands;
mod node;
mod reading;
mod refusals;
