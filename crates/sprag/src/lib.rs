//! The gateway.

pub mod extract;
pub mod limits;
pub mod secret;
pub mod verify;
