//! A gateway in this process and raw connections to it: what a test sends is what arrives, however
//! wrong it is.
//!
//! It must not know what is tested, and reads HTTP only as far as heads and declared lengths.

mod connection;
mod gateway;

use std::time::Duration;

pub(crate) use connection::{Connection, Message};
pub(crate) use gateway::{Gateway, SECRET};

/// Looks every few milliseconds whether something came true; fails after 20 s without it.
pub(crate) fn until<Found>(what: &str, mut look: impl FnMut() -> Option<Found>) -> Found {
    for _ in 0..4_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited 20 s in vain until {what}");
}
