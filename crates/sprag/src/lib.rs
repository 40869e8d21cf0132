//! The gateway.

pub mod config;
pub mod extract;
pub mod limits;
pub mod problem;
pub mod secret;
pub mod verify;
