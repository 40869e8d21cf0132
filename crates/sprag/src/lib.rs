//! The gateway.

pub mod limits;
pub mod secret;
pub mod verify;
