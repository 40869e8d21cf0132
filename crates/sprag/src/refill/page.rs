//! What a page holds: its events, as written, and where the next page is.

use crate::extract::json::{Found, scan, unescape};
use crate::extract::{Extractor, Paths, Pointer};
use crate::limits;

/// Where a page says that there is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nowhere: an answer is one page.
    None,
    /// In the `Link` header, with the relation `next`.
    Link,
    /// In the body: a URL, or nothing.
    At(Pointer),
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// Its events in their order, each as written.
    pub events: Vec<&'a [u8]>,
    /// The link to the next page; none on the last.
    pub next: Option<String>,
}

/// Reads a page. `link` is its `Link` header.
///
/// # Errors
/// What is not as configured.
pub fn read<'a>(
    body: &'a [u8],
    link: Option<&str>,
    extractor: &Extractor,
    next: &Next,
) -> Result<Page<'a>, String> {
    let events = extractor.bodies(body).map_err(|error| error.to_string())?;
    let next = match next {
        Next::None => None,
        Next::Link => link.and_then(super::link::next_of).map(str::to_owned),
        Next::At(pointer) => next_at(body, pointer)?,
    };
    Ok(Page { events, next })
}

/// Absent, null, false and empty say that there is none.
fn next_at(body: &[u8], pointer: &Pointer) -> Result<Option<String>, String> {
    let mut paths = Paths::default();
    paths.add(pointer);
    let found = scan(body, &paths).map_err(|unreadable| unreadable.to_string())?;
    let wrong = |what: &str| Err(format!("body:{}: the next page is {what}", pointer.as_str()));
    let text = match paths.find(pointer, &found) {
        Found::Missing | Found::Null | Found::Boolean => return Ok(None),
        Found::Duplicate => return wrong("named twice"),
        Found::Number(_) => return wrong("a number"),
        Found::Object(_) => return wrong("an object"),
        Found::Array(_) => return wrong("an array"),
        Found::String { quoted, escaped: false } => quoted[1..quoted.len() - 1].to_owned(),
        Found::String { quoted, escaped: true } => match unescape(quoted) {
            Some(text) => text,
            None => return wrong("no text"),
        },
    };
    if text.len() > limits::REFILL_URL_BYTES {
        return wrong("too long");
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
