//! Missing positions, asked of the source that has them: the receiving half that asks.
//!
//! The core says what is asked for and when ([`sprag_core::output::Fetch`]); here it becomes requests,
//! and what is answered becomes events that go the way of any other. When nothing more is to be read and
//! all of it is durable, the core is told how it ended. Nothing is asked twice here: the core asks again.
//!
//! | file | what |
//! |---|---|
//! | `template` | the URL of an ask |
//! | `client` | one ask over HTTP: connections, pages, bounds of bytes, pages, events and time |
//! | `page` | what a page holds, and where the next one is |
//! | `link` | the `Link` header (RFC 8288), and where a link leads |
//! | `envelope` | headers and body of an event, where an element holds both |
//! | `entry` | from an element of a page to an event in the log |
//!
//! What a source answers is not trusted further than its events are: a page leads to no other server, no
//! redirect is followed, and everything has a bound.
//! Must not know: which positions are missing, whether what came filled anything.

mod client;
mod entry;
pub mod envelope;
pub mod link;
pub mod page;
mod template;

pub use client::{Refiller, Refillers};
pub use template::Template;
