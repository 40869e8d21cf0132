//! What is missing, asked of the source that has it: the receiving half that asks.
//!
//! The core says what is asked for and when ([`sprag_core::output::Fetch`]); here it becomes requests,
//! and what is answered becomes events that go the way of any other. When nothing more is to be read and
//! all of it is durable, the core is told how it ended. Nothing is asked twice here: the core asks again.
//!
//! | file | what |
//! |---|---|
//! | `template` | the URL of an ask |
//! | `asker` | requests over HTTP: connections, bounds of bytes |
//! | `kept` | connections that are kept from one question to the next |
//! | `client` | one ask: pages, bounds of pages, events and time |
//! | `comparer` | one question for what a source has of a key ([`sprag_core::output::Compare`]) |
//! | `list` | one pass over the list of a whole source ([`sprag_core::lists::ListAsk`]) |
//! | `listing` | the lists of providers |
//! | `page` | what a page holds, and where the next one is |
//! | `link` | the `Link` header (RFC 8288), and where a link leads |
//! | `envelope` | headers and body of an event, where an element holds both |
//! | `ended` | how asking ended |
//! | `entry` | from an element of a page to an event in the log |
//!
//! What a source answers is not trusted further than its events are: a page leads to no other server, no
//! redirect is followed, and everything has a bound.
//! Must not know: which positions are missing, whether what came filled anything.

mod asker;
mod client;
mod comparer;
mod ended;
mod entry;
pub mod envelope;
mod kept;
pub mod link;
mod list;
pub mod listing;
pub mod page;
mod template;

pub use client::{Refiller, Refillers};
pub use comparer::{Comparer, Comparers};
pub use list::{Lister, Listers};
pub use listing::{LIST_KINDS, ListKind};
pub use template::Template;
