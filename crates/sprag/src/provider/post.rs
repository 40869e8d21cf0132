//! One event as a request, before it is signed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// A request without its signature: every try is signed anew, for its time counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The event's id, for schemes that sign it.
    pub id: String,
    /// The event's sequence, for schemes that sign it.
    pub sequence: u64,
    /// Content type, and what the source's rules read from headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Without `?`; empty when nothing is read from it.
    pub query: String,
    /// The raw body.
    pub body: Bytes,
}
