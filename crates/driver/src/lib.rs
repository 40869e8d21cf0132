//! Turns the core's partitions and destinations over a log and a state store.
//!
//! Everything is a synchronous step: the gateway's threads and the simulator's virtual time turn
//! the same [`node::Node`] (DESIGN F8). It decides nothing; that is `sprag-core`.

mod ask;
pub mod cache;
mod checkpoint;
mod commit;
mod compare;
pub mod effect;
pub mod letters;
pub mod limits;
mod lists;
pub mod node;
pub mod numbered;
mod overflow;
mod owner;
mod permits;
pub mod rebuilt;
mod recall;
mod recovery;
mod redrive;
mod refill;
mod reload;
mod retain;
pub mod state;
